//! Three masters and the plugin that is to reach them.

use std::path::Path;

use support::store::{self, CLUSTER};
use support::{Cmd, ContainerRuntime, MastersSimulator, cmd, paths};
use tempfile::TempDir;

pub const NOW: &str = "2026-11-22T15:21:36Z";
pub const HOSTS: [&str; 3] = ["master-c", "master-a", "master-b"];
const ADDRESSES: [&str; 3] = ["10.0.0.3", "10.0.0.1", "10.0.0.2"];

/// Three masters, known to ssh by names whose order is not that of their members, and the cluster's state store.
pub struct Env {
    pub masters: MastersSimulator,
    store: TempDir,
}

impl Env {
    pub fn new(runtime: ContainerRuntime) -> Self {
        let masters = MastersSimulator::start(&HOSTS, runtime).unwrap();
        let peers: Vec<(&str, &str)> = ADDRESSES.into_iter().zip(["c", "a", "b"]).collect();
        for (at, address) in ADDRESSES.iter().enumerate() {
            masters.host(at).unwrap().peer(address, &peers).unwrap();
        }
        let store = tempfile::tempdir().unwrap();
        let base = format!("file://{}", store.path().display());
        store::make_state_store(store.path(), &base, "state-store-restored").unwrap();
        Self { masters, store }
    }

    /// Queues a restore of main, as etcd-manager-ctl did.
    pub fn queue(&self) {
        let control = "backups/etcd/main/control";
        let from = paths::fixture("state-store-restore-pending");
        let queued = find(&from, "_command.json");
        let folder = self
            .store
            .path()
            .join(CLUSTER)
            .join(control)
            .join("2026-11-22T15:20:00Z-000000");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(queued, folder.join("_command.json")).unwrap();
    }

    /// The plugin with this store and this ssh.
    pub fn cmd(&self, arguments: &str) -> Cmd {
        plugin(arguments)
            .args(["--name", CLUSTER, "--state"])
            .arg(format!("file://{}", self.store.path().display()))
            .env("PATH", cmd::path_with(&self.masters.path()))
    }

    /// The same, to all hosts by their names.
    pub fn on_all(&self, arguments: &str) -> Cmd {
        self.cmd(arguments).args(HOSTS.iter().flat_map(|host| ["--host", host]))
    }

    /// What was called on each host.
    pub fn calls(&self, at: usize) -> Vec<String> {
        self.masters.host(at).unwrap().calls()
    }
}

pub fn plugin(arguments: &str) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore"))
        .unwrap()
        .now(NOW)
        .args(arguments.split_whitespace())
}

fn find(folder: &Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) {
                return path;
            }
        }
    }
    panic!("no {name}");
}
