//! `check`.

use crate::env::{Env, LATER, RESEEDED, RESTORED};

#[test]
fn young_backups_pass() {
    let ended = Env::new(RESTORED)
        .backups(&["check", "--max-age", "30m"])
        .run()
        .unwrap()
        .success();
    insta::assert_snapshot!(ended.stdout, @r"
    CLUSTER          ETCD    VERDICT  GOOD  NEWEST                       AGE      SIZE  BACKUPS  REASON
    super.k8s.local  main    ok       yes   2026-11-22T15:20:36Z-000001  60s  27.1 KiB        5
    super.k8s.local  events  ok       yes   2026-11-22T15:20:35Z-000001  61s   1.7 KiB        5
    ");
}

#[test]
fn old_missing_and_much_smaller_backups_fail() {
    let env = Env::new(RESTORED);
    let reasons = |env: &Env, now: &str, more: &[&str]| {
        let ended = env
            .backups(&["check", "-o", "json"])
            .args(more)
            .now(now)
            .run()
            .unwrap()
            .code(5);
        ended.json()[0]["reasons"].to_string()
    };
    assert!(reasons(&env, "2026-11-22T18:00:00Z", &[]).contains("159m old, over 30m"));
    assert!(reasons(&env, "2026-11-22T15:21:36Z", &["--max-age", "10s"]).contains("over 10s"));

    let empty = fs_read(&env, "2026-11-22T15:16:00Z-000001");
    env.write("main", "2026-11-22T15:20:36Z-000001", "etcd.backup.gz", &empty);
    assert!(reasons(&env, "2026-11-22T15:21:36Z", &[]).contains("has 791 B, the one before has 29.5 KiB"));

    std::fs::remove_dir_all(env.base("main")).unwrap();
    assert!(reasons(&env, "2026-11-22T15:21:36Z", &[]).contains("no complete backup"));
}

fn fs_read(env: &Env, name: &str) -> Vec<u8> {
    std::fs::read(env.file("main", name, "etcd.backup.gz")).unwrap()
}

#[test]
fn every_cluster_of_the_store_is_checked_and_an_unreadable_one_fails() {
    let env = Env::new(RESEEDED);
    let broken = env.root().join("broken.example.com");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("cluster-completed.spec"), "kind: [").unwrap();
    let ended = env
        .backups(&["check", "--all-clusters", "-o", "json"])
        .now(LATER)
        .run()
        .unwrap()
        .code(5);
    let rows = ended.json();
    let verdicts: Vec<(&str, bool)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["cluster"].as_str().unwrap(), row["ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("broken.example.com", false),
            ("super.k8s.local", false),
            ("super.k8s.local", true)
        ]
    );
}

#[test]
fn a_newest_backup_that_is_not_good_fails_however_young() {
    let env = Env::new(RESEEDED);
    let check = |arguments: &[&str]| env.backups(&["check"]).args(arguments).now(LATER).run().unwrap();
    let ended = check(&["-o", "json"]).code(5);
    let rows = ended.json();
    assert_eq!((&rows[0]["ok"], &rows[0]["good"]), (&false.into(), &false.into()));
    let reason = rows[0]["reason"].as_str().unwrap();
    assert!(reason.contains("only what an API server creates by itself"), "{reason}");
    assert_eq!(
        rows[0]["reasons"][0],
        format!("the newest backup is not good: {reason}")
    );
    // Those of other etcds only have to be intact.
    assert_eq!((&rows[1]["ok"], &rows[1]["good"]), (&true.into(), &true.into()));

    let ages = check(&["--age-only", "-o", "json"]).success().json();
    assert_eq!(
        (&ages[0]["ok"], &ages[0]["good"]),
        (&true.into(), &serde_json::Value::Null)
    );
    // A newest one that cannot be decompressed is not good either.
    env.write("main", "2026-11-22T16:25:57Z-000002", "etcd.backup.gz", &[7; 30_000]);
    let ended = check(&["-o", "json"]).code(5);
    assert!(ended.json()[0]["reason"].as_str().unwrap().contains("damaged"));
}

#[test]
fn metrics_are_prometheus_text() {
    let ended = Env::new(RESTORED)
        .backups(&["check", "--etcd", "main", "-o", "prometheus"])
        .run()
        .unwrap()
        .success();
    insta::assert_snapshot!(ended.stdout, @r#"
    # HELP etcd_backup_ok Whether the etcd cluster's backups pass the check.
    # TYPE etcd_backup_ok gauge
    etcd_backup_ok{cluster="super.k8s.local",etcd="main"} 1
    # HELP etcd_backup_newest_good Whether the newest complete backup is good; absent if it was not judged.
    # TYPE etcd_backup_newest_good gauge
    etcd_backup_newest_good{cluster="super.k8s.local",etcd="main"} 1
    # HELP etcd_backup_newest_timestamp_seconds When the newest complete backup was taken.
    # TYPE etcd_backup_newest_timestamp_seconds gauge
    etcd_backup_newest_timestamp_seconds{cluster="super.k8s.local",etcd="main"} 1795360836
    # HELP etcd_backup_newest_size_bytes Compressed size of the newest complete backup.
    # TYPE etcd_backup_newest_size_bytes gauge
    etcd_backup_newest_size_bytes{cluster="super.k8s.local",etcd="main"} 27762
    # HELP etcd_backup_max_age_seconds Maximum age of the newest backup.
    # TYPE etcd_backup_max_age_seconds gauge
    etcd_backup_max_age_seconds{cluster="super.k8s.local",etcd="main"} 1800
    # HELP etcd_backup_count Complete backups in the store.
    # TYPE etcd_backup_count gauge
    etcd_backup_count{cluster="super.k8s.local",etcd="main"} 5
    "#);
}

#[test]
fn only_check_has_metrics() {
    let _ = Env::new(RESTORED)
        .backups(&["list", "-o", "prometheus"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("`check`");
}
