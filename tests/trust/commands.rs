//! Every command once: how it is called, whom it talks to, and what of the world it changes.

use support::store::CLUSTER;

/// Whom a command talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// State store and backups.
    S3,
    /// EC2, Auto Scaling, STS and IAM.
    Ec2,
    /// etcd main, by its client port.
    Etcd,
    /// The Kubernetes API.
    Api,
}

/// What a command changes, so that each of its trials needs one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// A bucket.
    Store,
    /// A control plane in an account.
    Cluster,
    /// Keys below a prefix.
    Keys,
    /// An etcd with a member that never started, whose volume is detached.
    Member,
    /// Nodes of the API, or the hosts: there is one of each, so its trials come one by one.
    Turn,
}

/// How to call a command.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As [`crate::plugins::all`] names it.
    pub name: &'static str,
    /// What follows the name; `{prefix}` stands for the prefix of the keys, `{copies}` for another bucket.
    pub arguments: &'static str,
    /// Whom it talks to.
    pub uses: &'static [Target],
    /// What it changes.
    pub own: &'static [Own],
    /// What is done before, by the same plugin: what it then undoes or goes on with.
    pub first: Option<&'static str>,
}

impl Row {
    /// The binary.
    pub fn binary(&self) -> &'static str {
        let plugin = self.name.split(' ').next().unwrap();
        crate::plugins::binary(plugin).unwrap()
    }

    /// The words after the binary, up to the arguments.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.name.split(' ').skip(1)
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        !self.own.is_empty()
    }
}

use Own::{Cluster, Keys, Member, Store, Turn};
use Target::{Api, Ec2, Etcd, S3};

const fn row(name: &'static str, arguments: &'static str, uses: &'static [Target], own: &'static [Own]) -> Row {
    Row {
        name,
        arguments,
        uses,
        own,
        first: None,
    }
}

const fn after(row: Row, first: &'static str) -> Row {
    Row {
        first: Some(first),
        ..row
    }
}

/// All of them.
pub const ROWS: &[Row] = &[
    row("etcd-backups list", "-o json", &[S3], &[]),
    row("etcd-backups show", "main=latest -o json", &[S3], &[]),
    row("etcd-backups verify", "--all -o json", &[S3], &[]),
    row("etcd-backups inspect", "main=latest-good -o json", &[S3], &[]),
    row(
        "etcd-backups diff",
        "main=2026-11-22T15:18 main=latest -o json",
        &[S3],
        &[],
    ),
    row(
        "etcd-backups diff --live",
        "main=2026-11-22T15:18 -o json",
        &[S3, Api],
        &[],
    ),
    row("etcd-backups export", "main=latest apiservices/v1.apps", &[S3], &[]),
    row("etcd-backups pin", "main=latest --yes -o json", &[S3], &[Store]),
    after(
        row("etcd-backups unpin", "main=latest --yes -o json", &[S3], &[Store]),
        "pin main=latest --yes",
    ),
    row("etcd-backups download", "main=latest snapshot.db", &[S3], &[]),
    row("etcd-backups timeline", "-o json", &[S3], &[]),
    row("etcd-backups check", "--max-age 30m -o json", &[S3], &[]),
    row(
        "etcd-backups take",
        "--etcd main --yes -o json {etcd}",
        &[S3, Etcd],
        &[Store],
    ),
    row(
        "etcd-backups restore-objects",
        "main=latest secrets/s1 -n billing -o json",
        &[S3, Api],
        &[],
    ),
    row(
        "etcd-backups restore-objects --yes",
        "main=latest cm/c1 cm/c2 -n shop --other-lineage --undo-file undo.jsonl -o json",
        &[S3, Api],
        &[Turn],
    ),
    after(
        row(
            "etcd-backups copy",
            "--all --state-store --keep 2m --to {copies} --yes -o json",
            &[S3],
            &[Store],
        ),
        "copy --all --to {copies} --yes",
    ),
    row("etcd-backups completion", "bash", &[], &[]),
    row("etcd-backups man", "", &[], &[]),
    row("etcd-restore", "-o json {etcd}", &[S3, Ec2, Etcd, Api], &[]),
    row(
        "etcd-restore plan",
        "--etcd main -o json {etcd}",
        &[S3, Ec2, Etcd, Api],
        &[],
    ),
    // No etcd-manager is there to take it: it queues, waits, and says so.
    row(
        "etcd-restore run",
        "--etcd main --yes --confirm super.k8s.local --take-timeout 1s -o json {etcd}",
        &[S3, Ec2, Etcd, Api],
        &[Store],
    ),
    row(
        "etcd-restore queue",
        "main=latest --yes --confirm super.k8s.local -o json {etcd}",
        &[S3, Ec2, Etcd, Api],
        &[Store],
    ),
    row("etcd-restore commands", "-o json", &[S3], &[]),
    after(
        row(
            "etcd-restore cancel",
            "main=2026-11-22T15:21:36Z-000000 --yes -o json",
            &[S3],
            &[Store],
        ),
        "queue main=latest --yes --confirm super.k8s.local {etcd}",
    ),
    row(
        "etcd-restore status",
        "--etcd main -o json {etcd}",
        &[S3, Etcd, Api],
        &[],
    ),
    row(
        "etcd-restore restart-etcd",
        "--etcd main --yes --confirm super.k8s.local --ssh-address private",
        &[Ec2],
        &[Turn],
    ),
    row(
        "etcd-restore restart-kubelet",
        "--yes --ready-timeout 0 --ssh-address private",
        &[Ec2],
        &[Turn],
    ),
    row(
        "etcd-restore logs",
        "etcd --no-follow --ssh-address private",
        &[Ec2],
        &[],
    ),
    row(
        "etcd-restore cleanup nodes",
        "--observe 1s --yes -o json",
        &[Ec2, Api],
        &[Turn],
    ),
    // Their names: sizes and revisions change while others write.
    row(
        "etcd-restore member list",
        "--etcd main -o name {etcd}",
        &[S3, Etcd, Ec2, Api],
        &[],
    ),
    row(
        "etcd-restore member replace",
        "a --yes --confirm super.k8s.local -o json {etcd}",
        &[S3, Etcd, Ec2],
        &[Member, Cluster, Store],
    ),
    row(
        "etcd-restore space",
        "--etcd main --no-snapshot -o name {etcd}",
        &[S3, Etcd],
        &[],
    ),
    row(
        "etcd-restore cleanup events",
        "--etcd-prefix {prefix} --yes -o json {etcd}",
        &[S3, Etcd],
        &[Keys],
    ),
    row("etcd-restore cleanup workers", "-o json", &[Api], &[]),
    row("etcd-restore drill", "--backup main=latest-good -o json", &[S3], &[]),
    row("etcd-restore runbook", "", &[S3, Ec2], &[]),
    row("etcd-restore completion", "bash", &[], &[]),
    row("etcd-restore man", "", &[], &[]),
    row(
        "masterleases list",
        "--observe 0 --etcd-prefix {prefix} -o json {etcd}",
        &[S3, Etcd],
        &[],
    ),
    row(
        "masterleases check",
        "--observe 11s --etcd-prefix {prefix} -o json {etcd}",
        &[S3, Etcd],
        &[],
    ),
    row(
        "masterleases prune",
        "--observe 11s --wait 0 --etcd-prefix {prefix} --yes --undo-file undo.json -o json {etcd}",
        &[S3, Etcd],
        &[Keys],
    ),
    after(
        row(
            "masterleases undo",
            "undo.json --etcd-prefix {prefix} --yes -o json {etcd}",
            &[S3, Etcd],
            &[Keys],
        ),
        "prune --observe 11s --wait 0 --etcd-prefix {prefix} --yes --undo-file undo.json {etcd}",
    ),
    row("masterleases completion", "bash", &[], &[]),
    row("masterleases man", "", &[], &[]),
    row(
        "kops-wipe-masters",
        "-o json --even-if-alive {etcd}",
        &[S3, Ec2, Etcd, Api],
        &[],
    ),
    // The same with consent, of a cluster whose API and etcd nobody asks.
    row(
        "kops-wipe-masters --yes",
        "--confirm super.k8s.local --poll 200ms",
        &[S3, Ec2],
        &[Cluster, Store],
    ),
    row("kops-wipe-masters audit", "-o json", &[S3, Ec2], &[]),
    after(
        row(
            "kops-wipe-masters restore-volumes",
            "--yes -o json",
            &[S3, Ec2],
            &[Cluster, Store],
        ),
        "--yes --confirm super.k8s.local --poll 200ms",
    ),
    after(
        row(
            "kops-wipe-masters purge-volumes",
            "--yes --confirm super.k8s.local --poll 200ms -o json",
            &[S3, Ec2],
            &[Cluster, Store],
        ),
        "--yes --confirm super.k8s.local --poll 200ms",
    ),
    row("kops-wipe-masters completion", "bash", &[], &[]),
    row("kops-wipe-masters man", "", &[], &[]),
];

/// The flags that lead every command of a plugin to the cluster, and keep it from waiting for long.
pub fn flags(row: &Row, bucket: &str) -> Vec<String> {
    let state = format!("s3://{bucket}");
    let mut flags: Vec<String> = ["--state", &state, "--name", CLUSTER, "--aws-timeout", "3s"]
        .map(str::to_owned)
        .into();
    if row.uses.is_empty() {
        flags.clear();
    }
    flags
}

/// The flags to etcd: its name before the endpoint means the same everywhere.
pub fn etcd_flags(row: &Row, endpoint: &str) -> Vec<String> {
    let etcd = match row.name {
        "etcd-restore cleanup events" => "events",
        _ => "main",
    };
    [
        "--via",
        "direct",
        "--endpoints",
        &format!("{etcd}={endpoint}"),
        "--etcd-timeout",
        "3s",
    ]
    .map(str::to_owned)
    .into()
}
