//! `show`.

use crate::env::{Env, RESTORED};

#[test]
fn shows_all_details() {
    let ended = Env::new(RESTORED)
        .backups(&["show", "main=2026-11-22T15:18"])
        .run()
        .unwrap()
        .success();
    let text = ended.stdout.replace(
        ended.stdout.lines().find(|line| line.starts_with("Location")).unwrap(),
        "Location      …",
    );
    insta::assert_snapshot!(text, @r"
    Backup        2026-11-22T15:18:01Z-000001
    Etcd          main of super.k8s.local
    Taken         2026-11-22T15:18:01Z, 3m35s ago
    Location      …
    Complete      yes
    Size          28.6 KiB compressed
    Etcd version  3.5.35, 3 members
    Kept          recent until 2026-11-22T16:18:01Z
    Pinned        no
    Spec          3 members of etcd 3.5.35
    Created       seeded at 2026-11-22T15:15:59Z
    ");
}

#[test]
fn a_queued_restore_is_shown() {
    let env = Env::new(RESTORED);
    support::store::copy_folder(&support::paths::fixture("state-store-restore-pending"), env.root()).unwrap();
    let rows = env
        .backups(&["show", "main=2026-11-22T15:18", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(
        rows[0]["queuedBy"][0],
        "control/2026-11-22T15:20:06Z-000000/_command.json"
    );
}

#[test]
fn broken_control_files_are_shown() {
    let env = Env::new(RESTORED);
    std::fs::write(env.base("main").join("control/etcd-cluster-created"), "").unwrap();
    std::fs::remove_file(env.base("main").join("control/etcd-cluster-spec")).unwrap();
    let ended = env.backups(&["show", "main=latest"]).run().unwrap().success();
    let _ = ended
        .stdout_has("Created       BROKEN, etcd-manager is blocked")
        .stdout_has("Spec          missing in control/");
}
