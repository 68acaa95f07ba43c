//! Which backup can be trusted, and what is in it? Asked of a healthy store and of one that was re-seeded by accident.

use std::error::Error;

use support::store::{CLUSTER, serve_state_store};
use support::{Etcd, EtcdOptions, EtcdVersion, Moto, S3, components};

use crate::rehearse::{Act, Stage};

/// See the module.
pub const ACT: Act = Act {
    name: "backups",
    title: "find, verify and look into backups",
    plugins: &["kubectl-etcd-backups"],
    components: &["moto"],
    real_masters: false,
    play,
};

fn play(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("An S3 server with two state stores, as real kops and etcd-manager left them");
    let s3 = Moto::start()?;
    load(stage, &s3, "kops-state", "state-store-restored")?;
    load(stage, &s3, "kops-state-reseeded", "state-store-reseeded")?;
    let operator = stage.with(&s3.env())?;
    let healthy = operator.with(&store("kops-state", "2026-11-22T15:27:00Z"))?;
    look_at_the_healthy_store(&healthy)?;
    restore_for_real(&healthy)?;
    stage.tell("An hour later: the control plane was wiped, and came up with a new, empty etcd");
    let reseeded = operator.with(&store("kops-state-reseeded", "2026-11-22T16:30:00Z"))?;
    look_at_the_reseeded_store(&reseeded)?;
    reseeded.stay()
}

fn load(stage: &Stage, s3: &Moto, bucket: &str, backups: &str) -> Result<(), Box<dyn Error>> {
    let objects = serve_state_store(s3, bucket, backups)?;
    stage.note(&format!("s3://{bucket}: {objects} objects"));
    Ok(())
}

/// The clock stands still a while after the newest backup, so that ages look as they did then.
fn store(bucket: &str, now: &str) -> [(&'static str, String); 3] {
    [
        ("KOPS_STATE_STORE", format!("s3://{bucket}")),
        ("KOPS_CLUSTER_NAME", CLUSTER.to_owned()),
        ("KOPS_RECOVERY_NOW", now.to_owned()),
    ]
}

fn look_at_the_healthy_store(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("Which backups are there, and how long will etcd-manager keep them?");
    stage.backups("list", 0)?;
    stage.tell("How did they grow? Is there a gap, or a cliff?");
    stage.backups("timeline", 0)?;
    stage.tell("Are they whole? The first one of a new cluster is empty, and that is a finding");
    stage.backups("verify --all", 5)?;
    stage.tell("What would a restore of the newest good one bring?");
    stage.backups("inspect latest-good --etcd main", 0)?;
    stage.tell("What was lost in the accident between 15:18 and 15:19?");
    stage.backups("diff 2026-11-22T15:18:01Z 2026-11-22T15:19:01Z --etcd main", 0)?;
    Ok(())
}

fn restore_for_real(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("Does it work? etcd's own tools restore it, and a real etcd starts on it");
    stage.backups("download latest-good main.db --etcd main", 0)?;
    stage.tool(
        &components::etcdutl()?,
        &["snapshot", "status", "main.db", "-w", "table"],
    )?;
    stage.tool(
        &components::etcdutl()?,
        &["snapshot", "restore", "main.db", "--data-dir", "restored"],
    )?;
    let data_dir = Some(stage.folder().join("restored"));
    let etcd = Etcd::start_with(&EtcdOptions {
        version: EtcdVersion::V3_6,
        data_dir,
    })?;
    let count = [
        "--endpoints",
        etcd.endpoint(),
        "get",
        "",
        "--prefix",
        "--count-only",
        "-w",
        "fields",
    ];
    let counted = stage.tool(&components::etcdctl()?, &count)?;
    let counted = counted
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("\"Count\" : ")?.parse::<u64>().ok());
    let inspected = stage.backups_json("inspect latest-good --etcd main")?;
    same(
        stage,
        counted,
        inspected.pointer("/0/keys").and_then(serde_json::Value::as_u64),
    )
}

fn same(stage: &Stage, counted: Option<u64>, inspected: Option<u64>) -> Result<(), Box<dyn Error>> {
    match (counted, inspected) {
        (Some(counted), Some(inspected)) if counted == inspected => {
            stage.note(&format!(
                "\nThe restored etcd holds {counted} keys, and inspect said {inspected}: they agree."
            ));
            Ok(())
        }
        _ => Err(format!("the restored etcd holds {counted:?} keys, and inspect said {inspected:?}").into()),
    }
}

fn look_at_the_reseeded_store(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("The newest backups are young and complete");
    stage.backups("list", 0)?;
    stage.backups("timeline", 0)?;
    stage.tell("They are even intact. Is the newest of main good? That is not the same");
    stage.backups("verify --all", 5)?;
    stage.backups("inspect latest --etcd main", 0)?;
    stage.tell("But none of them can be trusted");
    stage.backups("show latest-good --etcd main", 5)?;
    Ok(())
}
