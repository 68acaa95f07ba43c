//! Clocks that disagree, an etcd that has lost its quorum, encryption keys that nobody knows.

use std::fs;

use serde_json::Value;
use support::store::CLUSTER;
use support::{Etcd, EtcdManagerSimulator, EtcdOptions, EtcdVersion, Put, backup, wait_for};

use crate::env::{Env, MAIN, RESTORED};

/// `resources: [{resources: [secrets], providers: [{aescbc: {keys: [{name: key1, secret: c2VjcmV0LXRoYXQtbm9ib2R5LXNlZXM=}]}}, {identity: {}}]}]`, in base64.
const KEY1: &str = "cmVzb3VyY2VzOiBbe3Jlc291cmNlczogW3NlY3JldHNdLCBwcm92aWRlcnM6IFt7YWVzY2JjOiB7a2V5czogW3tuYW1lOiBrZXkxLCBzZWNyZXQ6IGMyVmpjbVYwTFhSb1lYUXRibTlpYjJSNUxYTmxaWE09fV19fSwge2lkZW50aXR5OiB7fX1dfV0K";
/// The same with `key2`.
const KEY2: &str = "cmVzb3VyY2VzOiBbe3Jlc291cmNlczogW3NlY3JldHNdLCBwcm92aWRlcnM6IFt7YWVzY2JjOiB7a2V5czogW3tuYW1lOiBrZXkyLCBzZWNyZXQ6IGMyVmpjbVYwTFhSb1lYUXRibTlpYjJSNUxYTmxaWE09fV19fSwge2lkZW50aXR5OiB7fX1dfV0K";

fn check<'v>(plan: &'v Value, name: &str) -> &'v Value {
    let checks = plan["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

#[test]
fn a_clock_that_is_behind_the_masters_is_told_and_ends_no_wait() {
    let env = Env::new(RESTORED);
    let _main = env.start("main");
    let behind = "2026-11-22T14:21:36Z";
    let plan = env.restore("plan -o json").now(behind).run().unwrap().success().json();
    let clock = check(&plan, "clock");
    assert_eq!((&clock["ok"], &clock["severity"]), (&false.into(), &"warn".into()));
    assert!(clock["cure"].as_str().unwrap().contains("clocks"), "{clock}");
    // The very newest backup is taken all the same, and the restore is followed to its end.
    let ended = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .now(behind)
        .run()
        .unwrap()
        .success();
    ended.stdout_has(&format!("main: restored from {MAIN}, it serves"));
}

#[test]
fn a_clock_that_is_ahead_changes_nothing_either() {
    let env = Env::new(RESTORED);
    let _main = env.start("main");
    let ended = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .now("2026-11-22T17:21:36Z")
        .run()
        .unwrap();
    ended.success().stdout_has("it serves");
}

#[test]
fn an_etcd_without_quorum_is_alive_and_said_to_have_no_leader() {
    let env = Env::new(RESTORED);
    let mut members = Etcd::start_cluster(EtcdVersion::V3_6, 3, None).unwrap();
    let left = members.remove(0);
    drop(members);
    let endpoint = format!("main={}", left.endpoint());
    let seen = |arguments: &str| {
        let cmd = env
            .restore(arguments)
            .args(["--etcd", "main", "--endpoints", &endpoint]);
        cmd.args(["--etcd-timeout", "3s"])
    };
    // The member that is left needs a moment to notice.
    wait_for("it has no leader", || {
        let rows = seen("status -o json").run().unwrap().success().json();
        rows[0]["etcdSays"].as_str().unwrap().contains("has no leader")
    });
    seen("status")
        .run()
        .unwrap()
        .success()
        .stderr_has("fewer than half of its members are up");
    // What it holds can still be lost, and that it cannot be counted is said.
    let plan = seen("plan").run().unwrap().success();
    let told: String = plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("IT IS ALIVE") && told.contains("it has no leader"),
        "{told}"
    );
    seen("run --yes").run().unwrap().code(3).stderr_has("--confirm");
}

#[test]
fn encryption_keys_that_the_cluster_does_not_know_are_named() {
    let env = Env::new(RESTORED);
    let folder = tempfile::tempdir().unwrap();
    let archive = env.base("main").join(MAIN).join("etcd.backup.gz");
    let version = EtcdVersion::V3_6;
    let data_dir = Some(backup::restore(&archive, folder.path()).unwrap());
    let etcd = Etcd::start_with(&EtcdOptions { version, data_dir }).unwrap();
    etcd.put(&[Put::new(
        "/registry/secrets/shop/s",
        "k8s:enc:aescbc:v1:key2:\u{1}\u{2}",
    )])
    .unwrap();
    let taken = EtcdManagerSimulator::new(env.base("main"))
        .take_backup(&etcd, version)
        .unwrap();
    let now = jiff::Timestamp::now().to_string();
    let plan = || {
        let wanted = format!("plan --etcd main --backup main={taken} -o json");
        env.restore(&wanted).now(&now).run().unwrap().success().json()
    };
    // kops keeps it as a secret of its own; a cluster without one knows no key.
    let lacks = plan();
    let found = check(&lacks, "encryption");
    assert_eq!((&found["ok"], &found["severity"]), (&false.into(), &"warn".into()));
    assert!(found["message"].as_str().unwrap().contains("aescbc:key2"), "{found}");
    let config = |data: &str| {
        let at = env.root().join(CLUSTER).join("secrets/encryptionconfig");
        env.write(&at, &format!("{{\"Data\":\"{data}\"}}"));
    };
    config(KEY1);
    assert_eq!(check(&plan(), "encryption")["ok"], false);
    config(KEY2);
    let knows = plan();
    assert_eq!(check(&knows, "encryption")["ok"], true, "{knows}");
    assert!(!knows.to_string().contains("c2VjcmV0"), "{knows}");
    // One that cannot be read is no proof of anything.
    fs::write(env.root().join(CLUSTER).join("secrets/encryptionconfig"), "{}").unwrap();
    assert_eq!(check(&plan(), "encryption")["severity"], "warn");
}
