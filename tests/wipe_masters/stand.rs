//! An account with two clusters whose names end alike, a state store with good backups, and the command to be tried on them.

use std::collections::BTreeSet;
use std::path::Path;

use harness::aws::{Built, Picture};
use harness::store::{self, CLUSTER};
use harness::{AwsAccount, Cmd, KopsCluster, Moto, S3};
use tempfile::TempDir;

/// Three hours after the last backup of the healthy fixture: as dead as clusters usually are when somebody wipes them.
pub const NOW: &str = "2026-11-22T18:20:00Z";
/// The other cluster, whose name ends in the first one's.
pub const OTHER: &str = "x.super.k8s.local";

pub struct Stand {
    pub moto: Moto,
    pub account: AwsAccount,
    pub built: Built,
    pub other: Built,
    state: TempDir,
    /// Kept from command to command, as an operator's is.
    home: TempDir,
}

impl Stand {
    /// Three masters, and another cluster with one.
    pub fn new() -> Self {
        Self::with(&KopsCluster::new(CLUSTER))
    }

    /// This cluster, and another one.
    pub fn with(cluster: &KopsCluster) -> Self {
        let moto = Moto::start().unwrap();
        let account = AwsAccount::of(&moto);
        let built = cluster.build(&account).unwrap();
        let other = KopsCluster {
            masters: 1,
            older: true,
            ..KopsCluster::new(OTHER)
        };
        let other = other.build(&account).unwrap();
        let state = tempfile::tempdir().unwrap();
        let base = format!("file://{}", state.path().display());
        store::make_state_store(state.path(), &base, "state-store-restored").unwrap();
        Self {
            moto,
            account,
            built,
            other,
            state,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub fn root(&self) -> &Path {
        self.state.path()
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.root().display())
    }

    /// `kops-wipe-masters` on this state store and account.
    pub fn wipe(&self, arguments: &[&str]) -> Cmd {
        self.wipe_through(&self.moto, arguments)
    }

    /// The same, with a proxy in front of AWS.
    pub fn wipe_through(&self, server: &impl S3, arguments: &[&str]) -> Cmd {
        Cmd::new(env!("CARGO_BIN_EXE_kops-wipe-masters"))
            .unwrap()
            .now(NOW)
            .envs(server.env())
            .env("HOME", self.home.path())
            .args(arguments)
            .args(["--state", &self.url(), "--name", CLUSTER])
    }

    /// To do it, fast.
    pub fn wipe_yes(&self, more: &[&str]) -> Cmd {
        self.wipe_yes_through(&self.moto, more)
    }

    /// The same, with a proxy in front of AWS.
    pub fn wipe_yes_through(&self, server: &impl S3, more: &[&str]) -> Cmd {
        let arguments: Vec<&str> = YES.iter().chain(more).copied().collect();
        self.wipe_through(server, &arguments)
    }

    pub fn picture(&self) -> Picture {
        self.account.picture().unwrap()
    }

    /// All that a wipe may touch.
    pub fn masters(&self) -> BTreeSet<String> {
        let masters = self.built.masters.iter();
        let volumes = self.built.etcd_volumes.iter();
        masters
            .flat_map(|master| [master.group.clone(), master.instance.clone()])
            .chain(volumes.map(|volume| volume.id.clone()))
            .collect()
    }

    /// The journals in the state store, in their order.
    pub fn journals(&self) -> Vec<serde_json::Value> {
        let folder = self.root().join(CLUSTER).join("backups/recovery");
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files
            .iter()
            .map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
            .collect()
    }
}

pub const YES: [&str; 5] = ["--yes", "--confirm", CLUSTER, "--poll", "50ms"];
