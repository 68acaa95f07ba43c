//! `latest-good`: the newest good backup, and why younger ones are passed over.

use crate::env::{Env, LATER, RESEEDED, RESTORED};

const GOOD: &str = "2026-11-22T15:20:36Z-000001";

#[test]
fn after_an_accident_the_newest_of_the_healthy_lineage_is_chosen_with_reasons() {
    let ended = Env::merged()
        .backups(&["show", "main=latest-good", "-o", "json"])
        .now(LATER)
        .run()
        .unwrap()
        .success();
    let shown = &ended.json()[0];
    assert_eq!(shown["name"], GOOD);
    let rejected: Vec<(String, String)> = shown["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rejected| {
            (
                rejected["name"].as_str().unwrap().to_owned(),
                rejected["reasons"].to_string(),
            )
        })
        .collect();
    let names: Vec<&str> = rejected.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "2026-11-22T16:25:57Z-000002",
            "2026-11-22T16:25:17Z-000001",
            "2026-11-22T16:24:36Z-000001"
        ]
    );
    for (_, reasons) in &rejected[..2] {
        assert!(
            reasons
                .contains("another cluster: kube-system has UID 555da76f, and ace198d7 in 2026-11-22T15:20:36Z-000001")
                && reasons.contains("no Nodes")
                && reasons.contains("it holds only what an API server creates by itself"),
            "{reasons}"
        );
    }
    assert!(rejected[2].1.contains("empty"), "{}", rejected[2].1);
}

#[test]
fn a_re_seeded_store_has_no_good_backup() {
    let ended = Env::new(RESEEDED)
        .backups(&["verify", "main=latest-good"])
        .now(LATER)
        .run()
        .unwrap()
        .code(5);
    let ended = ended.stderr_has("no good backup of etcd main").stderr_has("hint:");
    for name in ["16:25:57Z", "16:25:17Z", "16:24:36Z", "15:16:00Z"] {
        assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
    assert_eq!(ended.stdout, "");
}

#[test]
fn backups_of_other_etcds_than_main_only_have_to_be_intact() {
    let ended = Env::new(RESEEDED)
        .backups(&["show", "events=latest-good", "-o", "name"])
        .now(LATER)
        .run()
        .unwrap();
    assert_eq!(ended.success().stdout, "2026-11-22T16:26:06Z-000001\n");
}

#[test]
fn with_at_the_newest_good_one_not_after_that_time_is_chosen() {
    let env = Env::merged();
    let name = |at: &str| {
        let ended = env
            .backups(&["show", "main=latest-good", "--at", at, "-o", "name"])
            .now(LATER)
            .run()
            .unwrap();
        ended.success().stdout.trim_end().to_owned()
    };
    assert_eq!(name("2026-11-22T15:20:36Z"), GOOD);
    assert_eq!(name("2026-11-22T15:18:30Z"), "2026-11-22T15:18:01Z-000001");
    assert_eq!(name("2026-11-22T16:24:50Z"), GOOD);
    let before = env
        .backups(&["show", "latest-good", "--at", "2026-11-22"])
        .run()
        .unwrap();
    let _ = before
        .code(1)
        .stderr_has("not after")
        .stderr_has("the oldest is 2026-11-22T15:16:00Z-000001");
    // Only the empty one is that old.
    let _ = env
        .backups(&["show", "main=latest-good", "--at", "2026-11-22T15:16:30"])
        .run()
        .unwrap()
        .code(5);
}

#[test]
fn a_damaged_newest_one_is_passed_over() {
    let env = Env::new(RESTORED);
    env.write("main", GOOD, "etcd.backup.gz", b"\x1f\x8b damaged");
    let ended = env.backups(&["verify", "main=latest-good"]).run().unwrap().success();
    let ended = ended
        .stdout_has("2026-11-22T15:19:01Z-000002")
        .stderr_has("passed over");
    assert!(ended.stderr.contains("damaged"), "{}", ended.stderr);
}
