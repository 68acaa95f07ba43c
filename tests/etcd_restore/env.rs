//! A state store in a folder of its own, masters played by the stand-in, and the command to be tried.

use std::fs;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use support::aws::account_with;
use support::store::{self, CLUSTER, StateStore};
use support::{AwsAccount, Cmd, ControlLoopOptions, ControlLoopSimulator, KopsCluster, ManagerStore, Moto, S3, paths};

/// A minute after the last backup of the healthy fixture.
pub const NOW: &str = "2026-11-22T15:21:36Z";

pub const RESTORED: &str = "state-store-restored";
pub const RESEEDED: &str = "state-store-reseeded";

/// The newest good backups of the healthy fixture.
pub const MAIN: &str = "2026-11-22T15:20:36Z-000001";
pub const EVENTS: &str = "2026-11-22T15:20:35Z-000001";

pub struct Env {
    store: StateStore,
    pub address: Ipv4Addr,
    /// AWS, where its masters can be asked for.
    aws: Option<Moto>,
}

impl Deref for Env {
    type Target = StateStore;

    fn deref(&self) -> &StateStore {
        &self.store
    }
}

impl Env {
    /// What kops built, with the backups of one fixture.
    pub fn new(backups: &str) -> Self {
        Self {
            store: StateStore::new(backups).unwrap(),
            address: ControlLoopSimulator::address(),
            aws: None,
        }
    }

    /// The same with AWS, where three masters of the cluster run.
    pub fn with_masters(backups: &str) -> Self {
        let (moto, _) = account_with(&[&KopsCluster::of_masters(CLUSTER)], &[]).unwrap();
        Self {
            aws: Some(moto),
            ..Self::new(backups)
        }
    }

    /// What is left after all masters were lost and made anew: other instances.
    pub fn new_masters(&self) {
        let aws = self.aws.as_ref().unwrap();
        aws.reset().unwrap();
        KopsCluster::of_masters(CLUSTER).build(&AwsAccount::of(aws)).unwrap();
    }

    /// What a wipe leaves: no master and no group of masters, and the volumes.
    pub fn no_masters(&self) {
        let account = AwsAccount::of(self.aws.as_ref().unwrap());
        for group in KopsCluster::new(CLUSTER).master_groups() {
            let group = format!("{group}.masters.{CLUSTER}");
            let named = [("AutoScalingGroupName", group.as_str()), ("ForceDelete", "true")];
            account.scaling("DeleteAutoScalingGroup", &named).unwrap();
        }
    }

    /// The journal of a wipe that began and ended at these times, as `kops-wipe-masters` leaves it.
    pub fn wiped(&self, started: &str, finished: Option<&str>) {
        self.wiped_by_plan(started, finished, serde_json::json!({}));
    }

    /// The same with what the journal keeps of its plan.
    pub fn wiped_by_plan(&self, started: &str, finished: Option<&str>, plan: Value) {
        let entry = serde_json::json!({
            "run": "r1", "first": "r1", "cluster": CLUSTER, "account": "123456789012", "region": "us-east-1",
            "by": "arn:aws:iam::123456789012:user/operator", "started": started,
            "updated": finished.unwrap_or(started), "finished": finished,
            "digest": "d", "deeds": [], "plan": plan, "log": [],
        });
        let at = self.root().join(CLUSTER).join("backups/recovery/wipe-0001.json");
        self.write(&at, &entry.to_string());
    }

    /// With the commands that etcd-manager-ctl queued.
    pub fn pending() -> Self {
        let env = Self::new(RESTORED);
        store::copy_folder(&paths::fixture("state-store-restore-pending"), env.root()).unwrap();
        env
    }

    pub fn control(&self, etcd: &str, file: &str) -> PathBuf {
        self.base(etcd).join("control").join(file)
    }

    pub fn write(&self, path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A command in the queue, as somebody wrote it.
    pub fn command(&self, etcd: &str, name: &str, content: &str) {
        self.write(&self.control(etcd, name).join("_command.json"), content);
    }

    /// The names of the queued commands.
    pub fn queued(&self, etcd: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.base(etcd).join("control")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("_command.json").is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn command_json(&self, etcd: &str, name: &str) -> Value {
        let file = self.control(etcd, name).join("_command.json");
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }

    pub fn record(&self) -> PathBuf {
        self.root().join(CLUSTER).join("backups/recovery/etcd-restore-run.json")
    }

    /// `kubectl etcd-restore` on this store.
    pub fn restore(&self, arguments: &str) -> Cmd {
        let cmd = restore(arguments).args(["--state", &self.url(), "--name", CLUSTER]);
        match &self.aws {
            Some(aws) => cmd.envs(aws.env()),
            None => cmd,
        }
    }

    /// The same, with etcd in sight.
    pub fn seeing(&self, arguments: &str) -> Cmd {
        self.restore(arguments).args(["--endpoints", &self.endpoints()])
    }

    pub fn endpoints(&self) -> String {
        let address = self.address;
        format!("main=http://{address}:4001,events=http://{address}:4002")
    }

    /// The etcd-manager of one etcd cluster, on masters that were just made anew.
    pub fn manager(&self, etcd: &str) -> ControlLoopOptions {
        let mut options = ControlLoopOptions::after_a_wipe(etcd, ManagerStore::Folder(self.base(etcd)), self.address);
        options.cycle = Duration::from_millis(300);
        options
    }

    pub fn start(&self, etcd: &str) -> ControlLoopSimulator {
        ControlLoopSimulator::start(self.manager(etcd)).unwrap()
    }
}

/// `kubectl etcd-restore` on no store yet, and nobody who could be asked by accident.
pub fn restore(arguments: &str) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore"))
        .unwrap()
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .now(NOW)
        .args(arguments.split_whitespace())
}

/// The checks of `plan -o json` that refuse, as `main queue`.
pub fn blocking(plan: &Value) -> Vec<String> {
    let checks = plan["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["ok"] == false && check["severity"] == "block")
        .map(|check| {
            format!(
                "{} {}",
                check["etcd"].as_str().unwrap_or("-"),
                check["name"].as_str().unwrap()
            )
        })
        .collect()
}

/// Every file below a folder with its content: to show that nothing was touched.
pub fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    store::tree(folder).unwrap()
}
