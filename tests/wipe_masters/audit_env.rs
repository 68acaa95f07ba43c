//! One moto with a state store and an account, both of which a test may spoil.

use serde_json::Value;
use support::aws::{AwsAccount, Built, KopsCluster, account_with};
use support::store::CLUSTER;
use support::{Cmd, Ended, Moto, S3};

/// A minute after the last backup of the healthy fixture.
pub const NOW: &str = "2026-11-22T15:21:36Z";
pub const BUCKET: &str = "kops-state";

pub struct AuditEnv {
    pub moto: Moto,
    pub account: AwsAccount,
    pub built: Built,
}

impl AuditEnv {
    /// Three masters that run, and the backups of one fixture.
    pub fn new(backups: &str) -> Self {
        let (moto, mut built) = account_with(&[&KopsCluster::new(CLUSTER)], &[(BUCKET, backups)]).unwrap();
        let (account, built) = (AwsAccount::of(&moto), built.swap_remove(0));
        Self { moto, account, built }
    }

    /// A key below the cluster's folder.
    pub fn key(path: &str) -> String {
        format!("{CLUSTER}/{path}")
    }

    pub fn volume(&self, etcd: &str, member: &str) -> &str {
        let found = self
            .built
            .etcd_volumes
            .iter()
            .find(|volume| volume.etcd == etcd && volume.member == member);
        &found.unwrap().id
    }

    /// Takes a volume off the master that it was made on.
    pub fn detach(&self, id: &str) {
        let volume = self.built.etcd_volumes.iter().find(|volume| volume.id == id).unwrap();
        self.account.detach(volume).unwrap();
    }

    /// Master a also mounts main's volume of b, and the volume of member c of events is tagged as member a. Returns both volumes and master a.
    pub fn mix_up_volumes(&self) -> (String, String, String) {
        let (b, events_c) = (
            self.volume("main", "b").to_owned(),
            self.volume("events", "c").to_owned(),
        );
        let on_a = self.built.masters[0].instance.clone();
        self.detach(&b);
        self.account
            .ec2(
                "AttachVolume",
                &[("VolumeId", &b), ("InstanceId", &on_a), ("Device", "/dev/xvdx")],
            )
            .unwrap();
        self.account
            .tag(&events_c, &[("k8s.io/etcd/events", "a/a,b,c")])
            .unwrap();
        (b, events_c, on_a)
    }

    /// `kops-wipe-masters audit`, some minutes after the last backup.
    pub fn audit(&self, arguments: &[&str]) -> Cmd {
        Cmd::new(env!("CARGO_BIN_EXE_kops-wipe-masters"))
            .unwrap()
            .envs(self.moto.env())
            .now(NOW)
            .args(["audit", "--name", CLUSTER, "--state", &format!("s3://{BUCKET}")])
            .args(arguments)
    }

    pub fn audited(&self) -> (Ended, Value) {
        let ended = self.audit(&["-o", "json"]).run().unwrap();
        let rows = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
        (ended, rows)
    }
}

/// `finding etcd objects` of each row.
pub fn told(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().unwrap();
    rows.iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            let objects: Vec<&str> = row["objects"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            match row["finding"].as_str() {
                Some("smallest-cure") => format!("cure {}", text("cure")),
                _ => format!("{} {} {}", text("finding"), text("etcd"), objects.join(" ")),
            }
        })
        .collect()
}
