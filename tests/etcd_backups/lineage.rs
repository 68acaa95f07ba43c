//! Which lineage is current, in stores with backups of real etcds.

use std::sync::LazyLock;

use serde_json::Value;
use support::store::CLUSTER;
use support::{Etcd, EtcdVersion, Put, backup};
use tempfile::TempDir;

use crate::env::{Env, RESTORED};

const NOW: &str = "2026-11-22T15:21:36Z";
const A: &str = "aaaaaaaa-1111-4111-8111-111111111111";
const B: &str = "bbbbbbbb-2222-4222-8222-222222222222";
const ENCRYPTED: &[u8] = b"k8s:enc:aescbc:v1:key1:\x13\x37\xca\xfe";
const ONLY_API_SERVER: &str = "it holds only what an API server creates by itself";

/// The UID of the cluster, or `None` if namespaces are encrypted at rest; the number of Nodes and of user namespaces.
type Shape = (Option<&'static str>, usize, usize);

/// The keys that an API server of 1.34 creates by itself.
static BOOTSTRAP: LazyLock<Vec<String>> = LazyLock::new(|| {
    let expected = support::store::expected().unwrap();
    let keys = &expected["state-store-reseeded"]["main/2026-11-22T16:25:57Z-000002"]["keys"];
    let keys = keys.as_array().unwrap().iter();
    keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect()
});

fn keys_of((uid, nodes, namespaces): Shape) -> Vec<Put> {
    let value = |key: &str| match uid {
        None => ENCRYPTED.to_vec(),
        Some(uid) => format!(
            r#"{{"kind":"Namespace","apiVersion":"v1","metadata":{{"name":"{}","uid":"{uid}"}}}}"#,
            key.rsplit('/').next().unwrap()
        )
        .into_bytes(),
    };
    let nodes = (0..nodes).map(|n| format!("/registry/minions/i-{n}"));
    let namespaces = (0..namespaces).flat_map(|n| {
        let maps = (0..30).map(move |m| format!("/registry/configmaps/team-{n}/c{m}"));
        maps.chain([format!("/registry/namespaces/team-{n}")])
    });
    let keys = BOOTSTRAP.iter().cloned().chain(nodes).chain(namespaces);
    keys.map(|key| Put::new(key.clone(), value(&key))).collect()
}

/// A store with these backups of main: their times, and the contents of etcd.
fn store(backups: &[(&str, Shape)]) -> Env {
    let env = Env::new(RESTORED);
    std::fs::remove_dir_all(env.base("main")).unwrap();
    let mut made: Vec<(Shape, TempDir)> = Vec::new();
    for (time, shape) in backups {
        if !made.iter().any(|(known, _)| known == shape) {
            let (etcd, folder) = (Etcd::start(EtcdVersion::V3_6).unwrap(), tempfile::tempdir().unwrap());
            etcd.put(&keys_of(*shape)).unwrap();
            backup::write(&etcd, folder.path()).unwrap();
            made.push((*shape, folder));
        }
        let (_, folder) = made.iter().find(|(known, _)| known == shape).unwrap();
        let target = env.base("main").join(format!("{time}-000001"));
        support::store::copy_folder(folder.path(), &target).unwrap();
    }
    env
}

fn chosen(env: &Env, arguments: &[&str]) -> String {
    let ended = env
        .backups(&["show", "main=latest-good", "-o", "name"])
        .args(arguments)
        .run()
        .unwrap();
    ended.success().stdout.trim_end().to_owned()
}

const LAST_WEEK: &str = "2026-11-15T12:00:00Z";
const YESTERDAY: &str = "2026-11-21T14:00:00Z";
const THIS_MORNING: &str = "2026-11-22T09:00:00Z";
const NOON: &str = "2026-11-22T12:00:00Z";
const NEWEST: &str = "2026-11-22T15:15:00Z";

#[test]
fn a_cluster_with_user_namespaces_but_without_nodes_is_good() {
    let env = store(&[(NEWEST, (Some(A), 0, 1))]);
    let ended = env
        .backups(&["verify", "main=latest", "-o", "json"])
        .run()
        .unwrap()
        .success();
    let row = &ended.json()[0];
    assert_eq!(
        (&row["good"], &row["reason"], &row["nodes"]),
        (&true.into(), &Value::Null, &0.into())
    );
    assert_eq!(chosen(&env, &[]), format!("{NEWEST}-000001"));
}

#[test]
fn encrypted_namespaces_are_judged_by_their_keys() {
    let env = store(&[(YESTERDAY, (None, 5, 2)), (NEWEST, (None, 5, 2))]);
    let ended = env
        .backups(&["verify", "main=latest", "-o", "json"])
        .run()
        .unwrap()
        .success();
    let ended = ended.stderr_has("judged by keys alone");
    let row = &ended.json()[0];
    assert_eq!(
        (&row["good"], &row["lineage"], &row["nodes"]),
        (&true.into(), &Value::Null, &5.into())
    );
    assert!(!ended.stderr.contains("no API server"), "{}", ended.stderr);

    // Seeded anew since: neither UID can be read.
    let env = store(&[(YESTERDAY, (None, 5, 2)), (NOON, (None, 0, 0)), (NEWEST, (None, 0, 0))]);
    assert_eq!(chosen(&env, &[]), format!("{YESTERDAY}-000001"));
    let ended = env.backups(&["verify", "main=latest"]).run().unwrap().code(5);
    let ended = ended
        .stderr_has("intact, but fails sanity checks")
        .stderr_has(ONLY_API_SERVER);
    assert!(
        !ended.stderr.contains("no API server has ever used"),
        "{}",
        ended.stderr
    );
}

#[test]
fn fewer_nodes_are_only_a_warning() {
    let env = store(&[(YESTERDAY, (Some(A), 9, 1)), (NEWEST, (Some(A), 2, 1))]);
    let ended = env.backups(&["verify", "main=latest-good"]).run().unwrap().success();
    let _ = ended.stdout_has(NEWEST).stderr_has("2 Nodes, 9 at 2026-11-21 14:00");
    // Within one lineage fewer objects do not reject a backup.
    assert_eq!(chosen(&env, &[]), format!("{NEWEST}-000001"));
}

#[test]
fn months_after_an_accepted_re_seed_the_new_cluster_is_chosen() {
    let old = (LAST_WEEK, (Some(A), 9, 3));
    let env = store(&[old, (YESTERDAY, (Some(B), 2, 1)), (NEWEST, (Some(B), 2, 1))]);
    assert_eq!(chosen(&env, &[]), format!("{NEWEST}-000001"));
    let ended = env
        .backups(&["verify", &format!("main={LAST_WEEK}"), "-o", "json"])
        .run()
        .unwrap();
    let row = &ended.success().json()[0];
    assert_eq!((&row["ok"], &row["good"]), (&true.into(), &false.into()));
    assert!(row["reason"].as_str().unwrap().contains("another cluster"), "{row}");
}

#[test]
fn if_undecided_both_lineages_are_shown_and_the_operator_chooses() {
    let env = store(&[
        (LAST_WEEK, (Some(A), 9, 3)),
        (YESTERDAY, (Some(A), 9, 3)),
        (NOON, (Some(B), 3, 0)),
        (NEWEST, (Some(B), 3, 0)),
    ]);
    let ended = env.backups(&["show", "main=latest-good"]).run().unwrap().code(3);
    insta::assert_snapshot!(ended.stderr, @"
    error: two clusters wrote to the store of etcd main, and it is not clear which one is meant: the newer one is less than a day old, and holds less
      UID       NODES  NAMESPACES    KEYS  FIRST BACKUP      LAST BACKUP
      bbbbbbbb      3           0     190  2026-11-22T12:00  2026-11-22T15:15
      aaaaaaaa      9           3     289  2026-11-15T12:00  2026-11-21T14:00
    hint:  pass --lineage bbbbbbbb or --lineage aaaaaaaa; or name the backup, 2026-11-22T15:15:00Z-000001 or 2026-11-21T14:00:00Z-000001
    ");
    assert!(
        ended
            .stderr
            .lines()
            .skip(1)
            .take(3)
            .all(|line| line.chars().count() <= 80)
    );
    assert_eq!(chosen(&env, &["--lineage", "aaaa"]), format!("{YESTERDAY}-000001"));
    assert_eq!(chosen(&env, &["--lineage", B]), format!("{NEWEST}-000001"));
    let _ = env
        .backups(&["show", "main=latest-good", "--lineage", "cccc"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("begins with `cccc`")
        .stderr_has(A);
    let _ = env
        .backups(&["show", "main=latest-good", "--lineage", "../x"])
        .run()
        .unwrap()
        .code(2);
    // A backup that is named is not judged.
    let named = env
        .backups(&["show", "main=2026-11-22T12", "-o", "name"])
        .run()
        .unwrap();
    assert_eq!(named.success().stdout, format!("{NOON}-000001\n"));
    // Before the other cluster existed there was nothing to decide.
    assert_eq!(chosen(&env, &["--at", THIS_MORNING]), format!("{YESTERDAY}-000001"));
    let check = env
        .backups(&["check", "--etcd", "main", "-o", "json"])
        .run()
        .unwrap()
        .code(5);
    assert!(
        check.json()[0]["reason"]
            .as_str()
            .unwrap()
            .contains("it is not clear which one is meant")
    );
}

#[test]
fn a_bare_cluster_is_not_chosen_if_only_a_pin_of_the_old_one_exists() {
    let env = store(&[(YESTERDAY, (Some(A), 9, 1)), (NEWEST, (Some(B), 0, 0))]);
    let folder = env.base("main").join(format!("{YESTERDAY}-000001"));
    let pinned = env
        .root()
        .join(CLUSTER)
        .join("backups/recovery/main")
        .join(format!("{YESTERDAY}-000001"));
    support::store::copy_folder(&folder, &pinned).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(chosen(&env, &[]), format!("{YESTERDAY}-000001"));

    // A pin is not compared with a cluster that is not bare.
    let env = store(&[(LAST_WEEK, (Some(A), 9, 1)), (NEWEST, (Some(B), 1, 0))]);
    let folder = env.base("main").join(format!("{LAST_WEEK}-000001"));
    let pinned = env
        .root()
        .join(CLUSTER)
        .join("backups/recovery/main")
        .join(format!("{LAST_WEEK}-000001"));
    let _ = env.backups(&["show", "main=latest-good"]).run().unwrap().code(3);
    support::store::copy_folder(&folder, &pinned).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(chosen(&env, &[]), format!("{NEWEST}-000001"));
}

#[test]
fn take_refuses_an_etcd_of_another_cluster() {
    // The store was seeded anew by accident; this is the etcd of the cluster before.
    let env = store(&[(YESTERDAY, (Some(A), 9, 1)), (NOON, (Some(B), 0, 0))]);
    let take = |etcd: &Etcd| {
        env.backups(&["take", "--etcd", "main", "--endpoints", etcd.endpoint(), "--yes"])
            .now(NOW)
            .run()
            .unwrap()
    };
    let with = |shape: Shape| {
        let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
        etcd.put(&keys_of(shape)).unwrap();
        etcd
    };
    let other = take(&with((Some(B), 0, 0))).code(3);
    let _ = other.stderr_has("of another cluster").stderr_has("--other-lineage");
    // Encrypted and bare: its cluster is unknown, and it has no user objects.
    let _ = take(&with((None, 0, 0))).code(3).stderr_has("--other-lineage");
    let _ = take(&with((Some(A), 9, 1))).success();
}
