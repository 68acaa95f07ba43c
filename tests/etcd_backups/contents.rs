//! `kubectl etcd-backups inspect`, `diff` and `export`, on 80 columns.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

use support::store::{CLUSTER, make_state_store};
use support::{Cmd, Ended};
use tempfile::TempDir;

const HEALTHY: &str = "main=2026-11-22T15:18";
const ACCIDENT: &str = "main=2026-11-22T15:19";
const RESTORED: &str = "main=2026-11-22T15:20";

fn state_store(backups: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    make_state_store(folder.path(), &url(&folder), backups).unwrap();
    folder
}

fn url(folder: &TempDir) -> String {
    format!("file://{}", folder.path().display())
}

fn run_in(folder: &TempDir, arguments: &[&str]) -> Ended {
    Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-backups"))
        .unwrap()
        .now("2026-11-22T15:25:00Z")
        .env("COLUMNS", "80")
        .args(arguments)
        .args(["--state", &url(folder), "--name", CLUSTER])
        .run()
        .unwrap()
}

fn run(arguments: &[&str]) -> Ended {
    run_in(&state_store("state-store-restored"), arguments)
}

#[test]
fn inspect_shows_what_a_restore_brings() {
    insta::assert_snapshot!(run(&["inspect", HEALTHY]).success().stdout);
}

#[test]
fn inspect_wide_counts_every_namespace() {
    insta::assert_snapshot!(run(&["inspect", HEALTHY, "-o", "wide"]).success().stdout);
}

#[test]
fn inspect_shows_leases_lost_by_a_restore() {
    let ended = run(&["inspect", RESTORED]).success();
    let masterleases: Vec<&str> = ended
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("MASTERLEASE"))
        .take(4)
        .collect();
    insta::assert_snapshot!(masterleases.join("\n"));
}

#[test]
fn inspect_of_both_etcds_and_of_an_empty_one() {
    insta::assert_snapshot!(run(&["inspect", "2026-11-22T15:1", "--etcd", "events"]).code(2).stderr);
    insta::assert_snapshot!(run(&["inspect", "events=2026-11-22T15:17"]).success().stdout);
    insta::assert_snapshot!(run(&["inspect", "main=2026-11-22T15:16"]).success().stdout);
    let both = run(&["inspect", "2026-11-22T15:18", "-o", "json"]).success().json();
    let etcds: Vec<&str> = both
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["etcd"].as_str().unwrap())
        .collect();
    assert_eq!(etcds, ["main", "events"]);
}

#[test]
fn inspect_agrees_with_etcdutl_on_every_backup() {
    let expected = support::store::expected().unwrap();
    for store in ["state-store-restored", "state-store-reseeded"] {
        let folder = state_store(store);
        for (backup, facts) in expected[store].as_object().unwrap() {
            let (etcd, name) = backup.split_once('/').unwrap();
            let reference = format!("{etcd}={name}");
            let rows = run_in(&folder, &["inspect", &reference, "-o", "json"]).success().json();
            let keys = facts["keys"].as_array().unwrap();
            let leased = keys.iter().filter(|key| key["lease"].as_bool().unwrap()).count();
            assert_eq!(rows[0]["name"], name);
            assert_eq!(rows[0]["revision"], facts["etcdutl_status"]["revision"], "{backup}");
            assert_eq!(rows[0]["keys"], facts["live_keys"], "{backup}");
            assert_eq!(rows[0]["keysWithLease"], leased, "{backup}");
            let names = run_in(&folder, &["inspect", &reference, "-o", "name"]).success().stdout;
            assert_eq!(names.lines().count(), keys.len(), "{backup}");
        }
    }
}

#[test]
fn diff_shows_the_accident() {
    insta::assert_snapshot!(run(&["diff", HEALTHY, ACCIDENT]).success().stdout);
    insta::assert_snapshot!(run(&["diff", HEALTHY, ACCIDENT, "--summary"]).success().stdout);
    insta::assert_snapshot!(
        run(&["diff", HEALTHY, ACCIDENT, "--heartbeats", "-o", "name"])
            .success()
            .stdout
    );
}

#[test]
fn diff_shows_that_a_restore_loses_leases_only() {
    insta::assert_snapshot!(run(&["diff", HEALTHY, RESTORED]).success().stdout);
}

#[test]
fn diff_compares_backups_of_one_etcd_only() {
    let rows = run(&["diff", "2026-11-22T15:17", "2026-11-22T15:18", "-o", "json"])
        .success()
        .json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    insta::assert_snapshot!(run(&["diff", HEALTHY, "events=latest"]).code(2).stderr);
}

#[test]
fn export_writes_protobuf_objects_whole() {
    let deployment = run(&["export", HEALTHY, "deploy/shop/web", "-o", "json"])
        .success()
        .json();
    assert_eq!(
        (&deployment["kind"], &deployment["metadata"]["name"]),
        (&"Deployment".into(), &"web".into())
    );
    assert!(
        deployment["spec"]["template"]["spec"]["containers"].is_array(),
        "{deployment}"
    );
    // Of a Secret only its name and its stored bytes are written without being asked for.
    for arguments in [&["secret/billing/s1"][..], &["secret/billing/s1", "-o", "json"]] {
        let ended = run(&[&["export", HEALTHY], arguments].concat()).code(3);
        let ended = ended.stderr_has("billing/s1").stderr_has("--with-secrets");
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    let name = run(&["export", HEALTHY, "secret/billing/s1", "-o", "name"]).success();
    assert_eq!(name.stdout, "secrets/billing/s1\n");
    let raw = run(&["export", HEALTHY, "deploy/shop/web", "--raw"]).success();
    assert!(raw.stdout.contains("Deployment"));
}

#[test]
fn export_writes_json_values_whole() {
    insta::assert_snapshot!(run(&["export", HEALTHY, "apiservices/v1.apps"]).success().stdout);
}

#[test]
fn export_finds_the_etcd_that_has_the_object() {
    let exported = run(&["export", "2026-11-22T15:18", "ev/shop/ev1", "--raw"])
        .success()
        .stdout;
    assert!(exported.contains("Event"), "{exported}");
    let event = run(&["export", "2026-11-22T15:18", "ev/shop/ev1"]).success().stdout;
    assert!(event.contains("kind: Event\n"), "{event}");
}

#[test]
fn export_suggests_similar_names() {
    insta::assert_snapshot!(run(&["export", HEALTHY, "secrets/s1"]).code(1).stderr);
    insta::assert_snapshot!(run(&["export", HEALTHY, "widgets/a/b"]).code(1).stderr);
    insta::assert_snapshot!(run(&["export", HEALTHY, "secrets"]).code(1).stderr);
}

#[test]
fn export_raw_writes_the_bytes_that_etcd_holds() {
    let folder = state_store("state-store-restored");
    let arguments = [
        "export",
        HEALTHY,
        "/registry/minions/i-0node1",
        "--raw",
        "--state",
        &url(&folder),
        "--name",
        CLUSTER,
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-etcd-backups"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        output.stdout.starts_with(b"k8s\0\n\n\n\x02v1\x12\x04Node"),
        "{:?}",
        &output.stdout[..30]
    );
    let name = b"aws:///us-test-1a/i-0node1";
    assert!(output.stdout.windows(name.len()).any(|window| window == name));
}
