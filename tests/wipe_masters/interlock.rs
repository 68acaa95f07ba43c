//! Nothing is deleted unless the cluster can be restored.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::paths;
use support::store::{self, CLUSTER, tree};

use crate::env::{Env, YES, plan};

const LAST: &str = "2026-11-22T15:20:36Z-000001";

impl Env {
    fn file(&self, path: &str) -> PathBuf {
        self.root().join(CLUSTER).join(path)
    }

    /// Takes every backup of one etcd cluster away.
    fn remove_backups(&self, etcd: &str) {
        for entry in fs::read_dir(self.file(&format!("backups/etcd/{etcd}"))).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name != "control") {
                fs::remove_dir_all(path).unwrap();
            }
        }
    }

    /// It must be refused with this word, and nothing may have been touched: neither AWS nor the store.
    fn refused(&self, more: &[&str], word: &str) {
        let before = (self.picture(), tree(self.root()).unwrap());
        let ended = self.wipe_yes(more).run().unwrap().code(3);
        assert!(ended.stderr.contains(word), "no `{word}` in\n{}", ended.stderr);
        assert!(ended.stderr.contains("hint:"), "{}", ended.stderr);
        assert_eq!((self.picture(), tree(self.root()).unwrap()), before);
    }
}

/// The checks that are not well, as `severity name etcd`.
fn found(plan: &Value) -> Vec<String> {
    let checks = plan["checks"].as_array().unwrap().iter();
    // The fixture's spec names no network, which is told each time.
    let others = ["api", "etcd", "network"];
    let of_us = checks.filter(|check| check["ok"] == false && !others.contains(&check["name"].as_str().unwrap()));
    of_us
        .map(|check| {
            let text = |field: &str| check[field].as_str().unwrap_or_default();
            format!("{} {} {}", text("severity"), text("name"), text("etcd"))
        })
        .collect()
}

#[test]
fn a_good_backup_is_chosen_and_the_data_loss_shown() {
    let env = Env::new();
    let plan = plan(env.wipe(&[]));
    assert_eq!(found(&plan), [""; 0]);
    assert_eq!(plan["backups"][0]["etcd"], "main");
    assert_eq!(plan["backups"][0]["name"], LAST);
    assert_eq!(plan["backups"][0]["pinned"], false);
    let shown = env.wipe(&[]).run().unwrap().success();
    assert!(
        shown.stdout.contains("everything after 15:20 UTC is lost"),
        "{}",
        shown.stdout
    );
}

#[test]
fn backups_of_a_reseeded_cluster_are_not_good() {
    let env = Env::new();
    // After the accident: the good ones are still there, the newest ones are worthless.
    store::copy_folder(&paths::fixture("state-store-reseeded"), env.root()).unwrap();
    let both = plan(env.wipe(&[]));
    assert_eq!(both["backups"][0]["name"], LAST);
    assert_eq!(found(&both), ["warn younger-backups main"]);
    // And after retention has removed the good ones.
    env.remove_backups("main");
    store::copy_folder(&paths::fixture("state-store-reseeded"), env.root()).unwrap();
    // The volumes are all that has the data then.
    assert_eq!(found(&plan(env.wipe(&[]))), ["block backup main", "warn salvage main"]);
    env.refused(&[], "is good");
}

#[test]
fn without_backups_of_main_it_refuses_and_without_those_of_events_it_warns() {
    let env = Env::new();
    env.remove_backups("events");
    assert_eq!(
        found(&plan(env.wipe(&[]))),
        ["warn backup events", "warn salvage events"]
    );
    env.remove_backups("main");
    let all = [
        "block backup main",
        "warn backup events",
        "warn salvage main",
        "warn salvage events",
    ];
    assert_eq!(found(&plan(env.wipe(&[]))), all);
    env.refused(&[], "there is no backup");
    env.refused(&["--etcd-volumes", "delete"], "there is no backup");
}

/// What the wipe promises is what the restore does: events come back as they were at main's time, not as the newest there are.
#[test]
fn every_etcd_cluster_is_chosen_as_the_restore_chooses_it() {
    let env = Env::new();
    // An hour later another cluster's events came into the store.
    let events = "state-store-reseeded/super.k8s.local/backups/etcd/events/2026-11-22T16:26:06Z-000001";
    let name = events.rsplit('/').next().unwrap();
    store::copy_folder(
        &paths::fixture(events),
        &env.file(&format!("backups/etcd/events/{name}")),
    )
    .unwrap();
    let plan = plan(env.wipe(&[]));
    assert_eq!(plan["backups"][1]["etcd"], "events");
    assert_eq!(plan["backups"][1]["name"], "2026-11-22T15:20:35Z-000001", "not {name}");
}

#[test]
fn a_damaged_backup_is_passed_over() {
    let env = Env::new();
    let data = env.file(&format!("backups/etcd/main/{LAST}/etcd.backup.gz"));
    let mut bytes = fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&data, bytes).unwrap();
    let plan = plan(env.wipe(&[]));
    assert_eq!(plan["backups"][0]["name"], "2026-11-22T15:19:01Z-000002");
    assert_eq!(found(&plan), ["warn younger-backups main"]);
}

#[test]
fn missing_or_empty_control_files_refuse_with_the_command_that_fixes_them() {
    for file in ["etcd-cluster-created", "etcd-cluster-spec"] {
        let env = Env::new();
        let path = env.file(&format!("backups/etcd/main/control/{file}"));
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(found(&plan(env.wipe(&[]))), ["block control-files main"]);
        env.refused(&[], file);
        fs::write(&path, "").unwrap();
        assert_eq!(found(&plan(env.wipe(&[]))), ["block control-files main"]);
        fs::write(&path, content).unwrap();
        fs::remove_file(env.file(&format!("backups/etcd/events/control/{file}"))).unwrap();
        assert_eq!(found(&plan(env.wipe(&[]))), ["warn control-files events"]);
    }
}

#[test]
fn an_etcd_manager_that_cannot_restore_it_refuses_on_any_of_the_masters() {
    let env = Env::new();
    let path = env.file("manifests/etcd/main-control-plane-us-east-1c.yaml");
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replace("/opt/etcd-v3.5.30", "/opt/elsewhere")).unwrap();
    assert_eq!(found(&plan(env.wipe(&[]))), ["block etcd-manager main"]);
    env.refused(&[], "manager.image");
    // A backup of etcd 3.6 and an etcd-manager of before May 2026.
    fs::write(&path, manifest.replace("v3.0.20260707", "v3.0.20250917")).unwrap();
    let meta = env.file(&format!("backups/etcd/main/{LAST}/_etcd_backup.meta"));
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replace("3.5.35", "3.6.12")).unwrap();
    env.refused(&[], "v3.0.20260512");
    fs::write(&path, manifest).unwrap();
    assert_eq!(found(&plan(env.wipe(&[]))), [""; 0]);
    fs::remove_dir_all(env.file("manifests/etcd")).unwrap();
    assert_eq!(
        found(&plan(env.wipe(&[]))),
        ["block etcd-manager main", "warn etcd-manager events"]
    );
}

#[test]
fn an_old_backup_is_for_a_quarantine_only() {
    let env = Env::new();
    for how in ["delete", "snapshot-then-delete"] {
        let command = || env.wipe(&["--etcd-volumes", how]);
        assert_eq!(
            found(&plan(command())),
            ["block backup-age main", "warn backup-age events"]
        );
        env.refused(&["--etcd-volumes", how], "younger than 120m");
        assert_eq!(found(&plan(command().args(["--max-age", "4h"]))), [""; 0]);
    }
}

#[test]
fn the_check_can_be_skipped_for_a_quarantine_only_and_by_name_only() {
    let env = Env::new();
    env.remove_backups("main");
    let before = env.picture();
    let skip = "--skip-backup-check";
    let _ = env
        .wipe(&[skip, "--etcd-volumes", "delete", "--yes", "--confirm", CLUSTER])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("quarantine only");
    let _ = env
        .wipe(&[skip, "--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("--confirm");
    let _ = env
        .wipe(&[skip, "--yes", "--confirm", "x.super.k8s.local"])
        .run()
        .unwrap()
        .code(3);
    assert_eq!(env.picture(), before);
    let skipped = plan(env.wipe(&[skip]));
    assert_eq!(
        found(&skipped),
        ["warn backup main", "warn skipped ", "warn salvage main"]
    );
    let _ = env.wipe(&YES).arg(skip).run().unwrap().success();
    assert_ne!(env.picture(), before);
}
