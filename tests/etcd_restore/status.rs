//! `status`: as much as can be seen, and no more.

use std::fs;

use serde_json::Value;
use support::store::CLUSTER;
use support::{ControlLoopSimulator, HoldAt, wait_for};

use crate::env::{Env, RESTORED, tree};

fn states(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| format!("{} {}", row["etcd"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn with_a_store_alone_it_is_idle_or_queued_and_says_what_is_out_of_sight() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let ended = env.restore("status -o json").run().unwrap().success();
    assert_eq!(states(&ended.json()), ["main idle", "events idle"]);
    ended
        .stderr_has("not checked: etcd main")
        .stderr_has("not checked: the API");
    let rows = Env::pending().restore("status -o json").run().unwrap().success().json();
    assert_eq!(states(&rows), ["main queued", "events queued"]);
    assert_eq!(rows[0]["backup"], "2026-11-22T15:18:01Z-000001");
    assert_eq!(rows[0]["restartNeeded"], Value::Null);
    assert_eq!(tree(env.root()), before);
}

#[test]
fn a_queued_backup_that_is_not_in_the_store_is_told_beforehand() {
    let env = Env::pending();
    fs::remove_dir_all(env.base("main").join("2026-11-22T15:18:01Z-000001")).unwrap();
    let ended = env.restore("status -o json").run().unwrap().success();
    let rows = ended.json();
    assert_eq!(states(&rows), ["main queued", "events queued"]);
    assert!(
        rows[0]["problem"]
            .as_str()
            .unwrap()
            .contains("is not complete in the store"),
        "{rows}"
    );
    assert_eq!(rows[1]["problem"], Value::Null);
}

#[test]
fn a_queued_backup_that_is_pinned_only_is_told_with_the_command_that_copies_it_back() {
    let env = Env::pending();
    let name = "2026-11-22T15:18:01Z-000001";
    let pinned = env.root().join(CLUSTER).join("backups/recovery/main").join(name);
    fs::create_dir_all(pinned.parent().unwrap()).unwrap();
    fs::rename(env.base("main").join(name), &pinned).unwrap();
    let cure = format!("queue main={name} --yes");
    env.restore("status")
        .run()
        .unwrap()
        .success()
        .stderr_has("is not complete in the store")
        .stderr_has(&format!("`kubectl etcd-restore {cure}` copies it back"));
    let rows = env
        .restore(&format!("{cure} --confirm super.k8s.local -o json"))
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(rows[0]["state"], "already-queued");
    assert!(env.base("main").join(name).join("_etcd_backup.meta").is_file());
    assert_eq!(env.queued("main").len(), 1);
}

#[test]
fn an_unparsable_command_is_said_to_block_the_leader() {
    let env = Env::new(RESTORED);
    env.command("main", "2026-11-22T15:00:00Z-000000", "{\"x\":1}");
    env.restore("status")
        .run()
        .unwrap()
        .success()
        .stderr_has("it blocks the leader");
}

#[test]
fn every_state_is_seen_while_the_stand_in_is_in_it() {
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    let state = || {
        let rows = env.seeing("status --etcd main -o json").run().unwrap();
        states(&rows.json()).remove(0)
    };
    wait_for("it waits", || {
        manager.log().contains("must issue restore-backup command")
    });
    assert_eq!(state(), "main waiting");
    manager.hold(HoldAt::BeforeTaking);
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    assert_eq!(state(), "main queued");
    manager.hold(HoldAt::BeforeCopying);
    wait_for("it restores", || state() == "main restoring");
    manager.hold(HoldAt::BeforeServing);
    wait_for("it is restored", || state() == "main restored");
    manager.release();
    wait_for("it serves", || state() == "main serving");
    assert_eq!(manager.trashed(), 0);
}

#[test]
fn a_command_on_a_living_etcd_is_said_to_need_a_restart_and_then_is_carried_out() {
    let env = Env::new(RESTORED);
    let mut options = env.manager("main");
    options.alive = true;
    let manager = ControlLoopSimulator::start(options).unwrap();
    env.seeing("queue main=latest-good --yes --confirm super.k8s.local --etcd main")
        .run()
        .unwrap()
        .success()
        .stdout_has("IT IS ALIVE")
        .stderr_has("restart-etcd");
    let row = || env.seeing("status --etcd main -o json").run().unwrap().success().json()[0].clone();
    assert_eq!(
        (&row()["state"], &row()["restartNeeded"]),
        (&"queued".into(), &true.into())
    );
    manager.restart();
    wait_for("it is carried out", || {
        env.queued("main").is_empty() && row()["state"] == "serving"
    });
    assert_eq!(manager.trashed(), 1);
}
