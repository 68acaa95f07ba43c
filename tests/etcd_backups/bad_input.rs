//! Wrong, incomplete and malicious input: a clear error with a hint, and no partial output.

use std::process::Stdio;

use crate::env::{Env, RESTORED, backups};

#[test]
fn no_state_store_and_no_cluster() {
    let _ = backups(&["list"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("no state store")
        .stderr_has("KOPS_STATE_STORE");
    let env = Env::new(RESTORED);
    let ended = backups(&["list", "--state", &env.url()]).run().unwrap().code(2);
    let _ = ended.stderr_has("no cluster is named").stderr_has("super.k8s.local");
}

#[test]
fn what_is_named_elsewhere_is_found() {
    let env = Env::new(RESTORED);
    let by_variables = backups(&["list", "-o", "name"])
        .env("KOPS_STATE_STORE", env.url())
        .env("KOPS_CLUSTER_NAME", "super.k8s.local");
    assert_eq!(by_variables.run().unwrap().success().stdout.lines().count(), 10);

    let by_files = backups(&["list", "-o", "name"]);
    std::fs::write(
        by_files.home().join(".kops.yaml"),
        format!("kops_state_store: {}\n", env.url()),
    )
    .unwrap();
    std::fs::create_dir(by_files.home().join(".kube")).unwrap();
    let kubeconfig = "current-context: c\ncontexts:\n- name: c\n  context: {cluster: super.k8s.local, user: u}\n";
    std::fs::write(by_files.home().join(".kube/config"), kubeconfig).unwrap();
    assert_eq!(by_files.run().unwrap().success().stdout.lines().count(), 10);
}

#[test]
fn an_unknown_cluster_suggests_near_names() {
    let env = Env::new(RESTORED);
    let list = |name: &str| backups(&["list", "--state", &env.url(), "--name", name]).run().unwrap();
    let _ = list("super.k8s.locl")
        .code(1)
        .stderr_has("no cluster super.k8s.locl")
        .stderr_has("did you mean super.k8s.local");
    let _ = list("../super.k8s.local").code(2).stderr_has("is not a cluster name");
}

#[test]
fn invalid_stores_are_usage_errors() {
    let list = |store: &str| backups(&["list", "--store", store]).run().unwrap();
    let _ = list("gs://bucket/x").code(2).stderr_has("s3://");
    let _ = list("file:///nowhere/main").code(1).stderr_has("/nowhere/main");
    let _ = list("main=file:///a/../b").code(2).stderr_has("climbs");
    let _ = backups(&["list", "--state", "kops-state", "--name", "a"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("not a store URL");
}

#[test]
fn unknown_and_ambiguous_backup_names() {
    let env = Env::new(RESTORED);
    let show = |name: &str| env.backups(&["show", name]).run().unwrap();
    let _ = show("../x").code(2).stderr_has("is not a backup");
    let _ = show("control").code(2).stderr_has("is not a backup");
    let _ = show("cilium=latest").code(2).stderr_has("only main, events");
    let _ = show("main=2026-11-22T15:1")
        .code(2)
        .stderr_has("the beginning of 4 backups");
    let _ = show("2026-11-22T15:21")
        .code(1)
        .stderr_has("no backup")
        .stderr_has("near it: 2026-11-22T15:20:36Z-000001");
    let _ = env
        .backups(&["list", "--etcd", "main,cilium"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("cilium");
    let _ = env
        .backups(&["list", "--since", "yesterday"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("is not a time");
}

#[test]
fn a_state_store_without_backups_and_one_without_clusters() {
    let env = Env::new(RESTORED);
    for etcd in ["main", "events"] {
        std::fs::remove_dir_all(env.base(etcd)).unwrap();
    }
    let _ = env
        .backups(&["verify"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no complete backup of etcd main, events");
    let empty = tempfile::tempdir().unwrap();
    let url = format!("file://{}", empty.path().display());
    let ended = backups(&["list", "--state", &url, "--name", "a.example.com"])
        .run()
        .unwrap()
        .code(1);
    let _ = ended.stderr_has("holds no kops cluster");
}

#[test]
fn a_missing_spec_is_no_error() {
    let env = Env::new(RESTORED);
    for spec in ["cluster-completed.spec", "config"] {
        std::fs::remove_file(env.root().join("super.k8s.local").join(spec)).unwrap();
    }
    let ended = env.backups(&["list", "-o", "name"]).run().unwrap().success();
    assert_eq!(ended.stdout.lines().count(), 10);
    assert!(ended.stderr.contains("no readable cluster spec"), "{}", ended.stderr);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let env = Env::new(RESTORED);
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg("{ \"$0\" list --state \"$1\" --name super.k8s.local -o json; echo \"code $?\" >&2; } | true")
        .arg(env!("CARGO_BIN_EXE_kubectl-etcd-backups"))
        .arg(env.url())
        .stdin(Stdio::null());
    let ended = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(stderr, "code 0\n");
}

#[test]
fn a_clock_that_cannot_be_read_is_a_usage_error() {
    let _ = Env::new(RESTORED)
        .backups(&["list"])
        .now("noon")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("KOPS_RECOVERY_NOW");
}

#[test]
fn a_fixed_clock_is_a_warning_even_with_quiet() {
    let env = Env::new(RESTORED);
    let list = || env.backups(&["list", "-q"]).now("2026-11-22T15:20:00Z");
    let warning = list().run().unwrap().success().clock_warning.unwrap();
    assert!(warning.starts_with("warning: KOPS_RECOVERY_NOW is set: "), "{warning}");
    let without = list().without_env("KOPS_RECOVERY_NOW").run().unwrap().success();
    assert_eq!(without.clock_warning, None);
}
