//! An account with two clusters whose names end alike, a state store with good backups, and the command to be tried on them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use support::aws::{Built, Picture, account_with};
use support::store::{self, CLUSTER};
use support::{AwsAccount, Cmd, KopsCluster, Moto, S3};
use tempfile::TempDir;

/// Three hours after the last backup of the healthy fixture: as dead as clusters usually are when somebody wipes them.
pub const NOW: &str = "2026-11-22T18:20:00Z";
/// The other cluster, whose name ends in the first one's.
pub const OTHER: &str = "x.super.k8s.local";

pub struct Env {
    pub moto: Moto,
    pub account: AwsAccount,
    pub built: Built,
    /// Of the masters: without tags, they go with their instance.
    root_volumes: BTreeSet<String>,
    state: TempDir,
    in_s3: bool,
    /// Kept from command to command, as an operator's is.
    home: TempDir,
}

impl Env {
    /// Three masters, and another cluster with one.
    pub fn new() -> Self {
        Self::with(&KopsCluster::new(CLUSTER))
    }

    /// This cluster, and another one.
    pub fn with(cluster: &KopsCluster) -> Self {
        Self::of(cluster, &[])
    }

    /// The same with these buckets.
    fn of(cluster: &KopsCluster, stores: &[(&str, &str)]) -> Self {
        let other = KopsCluster {
            masters: 1,
            older: true,
            ..KopsCluster::new(OTHER)
        };
        let (moto, mut built) = account_with(&[cluster, &other], stores).unwrap();
        let (account, built) = (AwsAccount::of(&moto), built.swap_remove(0));
        let masters: Vec<String> = built
            .masters
            .iter()
            .map(|master| format!("[\"{}\"]", master.instance))
            .collect();
        let everything = account.picture().unwrap().0;
        let root_volumes = everything
            .into_iter()
            .filter(|(_, what)| what.contains("tags {}") && masters.iter().any(|master| what.contains(master)))
            .map(|(id, _)| id)
            .collect();
        let state = tempfile::tempdir().unwrap();
        let base = format!("file://{}", state.path().display());
        store::make_state_store(state.path(), &base, "state-store-restored").unwrap();
        Self {
            moto,
            account,
            built,
            root_volumes,
            state,
            in_s3: false,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub fn root(&self) -> &Path {
        self.state.path()
    }

    /// The same with the state store where it usually is: in S3, which is moto, too.
    pub fn with_state_in_s3(cluster: &KopsCluster) -> Self {
        Self {
            in_s3: true,
            ..Self::of(cluster, &[(BUCKET, "state-store-restored")])
        }
    }

    pub fn url(&self) -> String {
        match self.in_s3 {
            true => format!("s3://{BUCKET}"),
            false => format!("file://{}", self.root().display()),
        }
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

    /// What is there beside the control plane.
    pub fn rest(&self) -> Picture {
        let masters = self.masters();
        let out = masters.iter().chain(&self.root_volumes);
        self.picture().without(out.map(String::as_str))
    }

    /// Whether all etcd volumes are hidden and nothing else is left of the masters.
    pub fn assert_wiped(&self) {
        let now = self.picture();
        for master in &self.built.masters {
            assert!(
                !now.has(&master.group) && !now.has(&master.instance),
                "{}",
                master.group
            );
        }
        for volume in &self.built.etcd_volumes {
            let tags = self.account.volume_tags(&volume.id).unwrap();
            assert_eq!(tags["kops-recovery/quarantined"], CLUSTER, "{tags:?}");
            assert_eq!(
                tags[&format!("kops-recovery/was/k8s.io/etcd/{}", volume.etcd)]
                    .split('/')
                    .next(),
                Some(volume.member.as_str())
            );
            let known = tags.keys().find(|key| !key.starts_with("kops-recovery/"));
            assert_eq!(known, None, "{tags:?}");
        }
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
        let read = |number: usize| {
            let path = format!("{CLUSTER}/backups/recovery/wipe-{number:04}.json");
            let content = match self.in_s3 {
                true => self.moto.get(BUCKET, &path).ok(),
                false => std::fs::read(self.root().join(path)).ok(),
            };
            content.map(|content| serde_json::from_slice(&content).unwrap())
        };
        (1..).map_while(read).collect()
    }
}

const BUCKET: &str = "kops-state";

pub const YES: [&str; 5] = ["--yes", "--confirm", CLUSTER, "--poll", "50ms"];

/// The plan as JSON. With a blocking check it is printed too, and the exit code is 3.
pub fn plan(command: Cmd) -> Value {
    let ended = command.args(["-o", "json"]).run().unwrap();
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    let refuses = |check: &Value| check["ok"] == false && check["severity"] == "block";
    let is_blocked = plan["checks"].as_array().unwrap().iter().any(refuses);
    assert_eq!(
        ended.exit_code(),
        Some(if is_blocked { 3 } else { 0 }),
        "{}",
        ended.stderr
    );
    plan
}
