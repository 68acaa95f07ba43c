//! The record of a run that was left is of its masters only: after another disaster nothing of it is called restored.

use std::fs;

use serde_json::json;
use support::store::CLUSTER;
use support::{ControlLoopSimulator, wait_for};

use crate::env::{Env, MAIN, RESTORED};

/// Half an hour after the first run.
const LATER: &str = "2026-11-22T15:51:36Z";

/// A run that restored both, and whose API never came: its record stays.
fn left_by_a_run(env: &Env) {
    let managers = (env.start("main"), env.start("events"));
    let kubeconfig = env.root().join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: x\n  cluster: {server: 'http://127.0.0.1:1'}\n\
         users:\n- name: x\n  user: {token: t}\ncontexts:\n- name: x\n  context: {cluster: x, user: x}\n";
    fs::write(&kubeconfig, text).unwrap();
    let run = format!(
        "run --yes --confirm super.k8s.local --api-timeout 2s --kubeconfig {}",
        kubeconfig.display()
    );
    let ended = env.seeing(&run).run().unwrap().code(4);
    ended.stderr_has("every etcd is restored, and the API was not ready");
    assert!(env.record().is_file());
    // The disaster: no etcd is left.
    drop(managers);
}

fn orders(manager: &ControlLoopSimulator) -> usize {
    manager.log().matches("got restore-backup command:").count()
}

/// The next run restores both anew.
fn restores_anew(env: &Env, why: &str) {
    let (main, events) = (env.start("main"), env.start("events"));
    let ended = env
        .seeing("run --yes --confirm super.k8s.local")
        .now(LATER)
        .run()
        .unwrap()
        .success();
    let ended = ended.stderr_has(why).stdout_has("main: restored from");
    assert_eq!((orders(&main), orders(&events)), (1, 1), "{}", ended.stderr);
    // The first restore was backed up: that is newer, and what is to come back.
    assert!(
        !ended.stdout.contains(&format!("main: restored from {MAIN}")),
        "{}",
        ended.stdout
    );
    assert!(!env.record().exists());
}

#[test]
fn other_masters_make_it_void() {
    let env = Env::with_masters(RESTORED);
    left_by_a_run(&env);
    env.new_masters();
    restores_anew(&env, "is ignored: it is for other masters than run now");
}

#[test]
fn a_wipe_ends_it() {
    let env = Env::with_masters(RESTORED);
    left_by_a_run(&env);
    env.wiped("2026-11-22T15:40:00Z", Some("2026-11-22T15:45:00Z"));
    restores_anew(&env, "is ignored: the masters were wiped since");
}

#[test]
fn an_etcd_that_was_seeded_anew_ends_it() {
    let env = Env::with_masters(RESTORED);
    left_by_a_run(&env);
    fs::write(
        env.control("main", "etcd-cluster-created"),
        r#"{"timestamp":1795361000000000000}"#,
    )
    .unwrap();
    restores_anew(&env, "is ignored: etcd main was seeded anew since");
}

#[test]
fn one_of_an_older_version_is_not_gone_by() {
    let env = Env::with_masters(RESTORED);
    left_by_a_run(&env);
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(env.record()).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("version");
    record.as_object_mut().unwrap().remove("masters");
    fs::write(env.record(), record.to_string()).unwrap();
    restores_anew(&env, "it was written by an older version");
}

#[test]
fn where_masters_cannot_be_compared_nothing_is_called_restored() {
    let env = Env::new(RESTORED);
    left_by_a_run(&env);
    // With etcd out of sight, too.
    let ended = env
        .restore("run --yes --confirm super.k8s.local --take-timeout 3s")
        .now(LATER)
        .run()
        .unwrap()
        .code(4);
    let ended = ended
        .stderr_has("is ignored: AWS was not available when it was recorded, and nothing of it can be verified")
        .stderr_has("main: queued 2026-11-22T15:51:36Z-000000");
    for said in [&ended.stdout, &ended.stderr] {
        assert!(
            !said.contains("restored from 2026-11-22T15:20") && !said.contains("restore confirmed"),
            "{said}"
        );
    }
    // And with it in sight both are restored anew.
    restores_anew(&env, "main: queued");
}

#[test]
fn where_masters_cannot_be_compared_an_etcd_that_is_seen_is_not_restored_again() {
    let env = Env::new(RESTORED);
    let (main, events) = (env.start("main"), env.start("events"));
    let mut first = env.seeing("run --yes --confirm super.k8s.local");
    let mut child = first.spawn().unwrap();
    wait_for("both serve", || main.serving() && events.serving());
    // Killed as early as the record tells that both were ordered, and as late as they serve.
    child.kill().unwrap();
    child.wait().unwrap();
    if env.record().exists() {
        env.seeing("run --yes --confirm super.k8s.local")
            .run()
            .unwrap()
            .success();
    }
    assert_eq!((orders(&main), orders(&events)), (1, 1));
}

#[test]
fn what_is_noted_says_for_which_masters() {
    let env = Env::with_masters(RESTORED);
    env.seeing("run --etcd main --yes --confirm super.k8s.local --take-timeout 1s --leave-queued")
        .run()
        .unwrap()
        .code(4);
    let record: serde_json::Value = serde_json::from_slice(&fs::read(env.record()).unwrap()).unwrap();
    assert_eq!(record["version"], 2);
    assert_eq!(record["masters"].as_array().unwrap().len(), 3);
    let main = &record["orders"][0];
    assert_eq!((&main["own"], &main["ordered"]), (&json!(true), &json!(true)));
    let marker = fs::read_to_string(env.control("main", "etcd-cluster-created")).unwrap();
    assert_eq!(main["created"], json!(marker));
    assert!(
        env.record()
            .starts_with(env.root().join(CLUSTER).join("backups/recovery"))
    );
}
