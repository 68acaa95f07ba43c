//! A state store in a temporary folder, and the command to run on it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use support::store::{self, CLUSTER, StateStore};
use support::{Cmd, paths};

/// A minute after the last backup of the healthy fixture.
pub const NOW: &str = "2026-11-22T15:21:36Z";
/// Ten minutes after the last backup of the re-seeded fixture.
pub const LATER: &str = "2026-11-22T16:36:00Z";

pub const RESTORED: &str = "state-store-restored";
pub const RESEEDED: &str = "state-store-reseeded";

pub struct Env {
    store: StateStore,
}

impl Deref for Env {
    type Target = StateStore;

    fn deref(&self) -> &StateStore {
        &self.store
    }
}

impl Env {
    /// The state store of kops, with the backups of one fixture.
    pub fn new(backups: &str) -> Self {
        Self {
            store: StateStore::new(backups).unwrap(),
        }
    }

    /// The backups of before and after the accident in one store, as before retention has run.
    pub fn merged() -> Self {
        let env = Self::new(RESTORED);
        store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
        env
    }

    /// A file of one backup.
    pub fn file(&self, etcd: &str, backup: &str, file: &str) -> PathBuf {
        self.base(etcd).join(backup).join(file)
    }

    pub fn write(&self, etcd: &str, backup: &str, file: &str, content: &[u8]) {
        let path = self.file(etcd, backup, file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `kubectl etcd-backups` on this store, soon after its last backup.
    pub fn backups(&self, arguments: &[&str]) -> Cmd {
        backups(arguments).args(["--state", &self.url(), "--name", CLUSTER])
    }
}

/// `kubectl etcd-backups` without a store.
pub fn backups(arguments: &[&str]) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-backups"))
        .unwrap()
        .now(NOW)
        .args(arguments)
}

/// Every file below a folder with its content, to show that nothing was changed.
pub fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    store::tree(folder).unwrap()
}
