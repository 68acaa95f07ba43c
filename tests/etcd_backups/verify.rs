//! `verify`.

use serde_json::Value;

use crate::env::{Env, LATER, RESEEDED, RESTORED};

#[test]
fn agrees_with_etcdutl_on_every_backup_of_the_fixtures() {
    let expected = support::store::expected().unwrap();
    for store in [RESTORED, RESEEDED] {
        let ended = Env::new(store)
            .backups(&["verify", "--all", "-o", "json"])
            .run()
            .unwrap()
            .code(5);
        let rows = ended.json();
        let rows = rows.as_array().unwrap();
        let expected = expected[store].as_object().unwrap();
        assert_eq!(rows.len(), expected.len());
        for row in rows {
            let name = format!("{}/{}", row["etcd"].as_str().unwrap(), row["name"].as_str().unwrap());
            let said = &expected[&name];
            let status = &said["etcdutl_status"];
            assert_eq!(row["revision"], status["revision"], "{name}");
            assert_eq!(row["hash"], status["hash"], "{name}");
            assert_eq!(row["keys"], status["totalKey"], "{name}");
            assert_eq!(row["keys"], said["live_keys"], "{name}");
            assert_eq!(row["dbSizeBytes"], status["totalSize"], "{name}");
            assert_eq!(row["snapshotBytes"], said["snapshot_bytes"], "{name}");
            assert_eq!(row["sizeBytes"], said["gzip_bytes"], "{name}");
            assert_eq!(row["sha256"], said["sha256_trailer"], "{name}");
            assert_eq!(row["ok"], true, "{name}");
            assert_eq!(row["empty"], status["revision"] == 0, "{name}");
        }
    }
}

#[test]
fn only_a_good_backup_of_every_etcd_cluster_exits_with_zero() {
    let env = Env::new(RESTORED);
    let ended = env.backups(&["verify"]).run().unwrap().success();
    insta::assert_snapshot!(ended.stdout, @r"
    ETCD    BACKUP                       VERDICT  GOOD  REVISION  KEYS  NODES
    main    2026-11-22T15:20:36Z-000001  ok       yes        227   226      5
    events  2026-11-22T15:20:35Z-000001  ok       yes         13    12      0
    ");
    let empty = env.backups(&["verify", "2026-11-22T15:16"]).run().unwrap().code(5);
    assert!(
        empty.stdout.contains("EMPTY") && empty.stderr.contains("nothing was ever written"),
        "{}",
        empty.stderr
    );
}

/// These are young, complete and intact, but not good.
#[test]
fn the_newest_of_main_has_to_be_good_and_not_only_intact() {
    let said = "intact, but fails sanity checks: no Nodes, namespaces of users or workloads: it holds only what an API server creates by itself";
    for env in [Env::new(RESEEDED), Env::merged()] {
        for arguments in [&["verify"][..], &["verify", "main=latest"], &["verify", "--all"]] {
            let ended = env.backups(arguments).now(LATER).run().unwrap().code(5);
            let ended = ended.stdout_has("intact   no");
            assert!(
                ended.stderr.contains("intact, but fails sanity checks"),
                "{}",
                ended.stderr
            );
            assert!(
                ended
                    .stderr
                    .contains("it holds only what an API server creates by itself"),
                "{}",
                ended.stderr
            );
        }
    }
    let env = Env::new(RESEEDED);
    let ended = env
        .backups(&["verify", "main=latest", "-o", "json"])
        .now(LATER)
        .run()
        .unwrap()
        .code(5);
    let ended = ended.stderr_has(said);
    let row = &ended.json()[0];
    assert_eq!(
        (&row["ok"], &row["good"], &row["empty"]),
        (&true.into(), &false.into(), &false.into())
    );
    assert!(said.ends_with(row["reason"].as_str().unwrap()), "{row}");
    // If it is named, it is still reported, but not a failure.
    let named = env
        .backups(&["verify", "main=2026-11-22T16:25:57"])
        .now(LATER)
        .run()
        .unwrap()
        .success();
    let _ = named.stderr_has(said);
    // Events of that store are intact.
    let _ = env
        .backups(&["verify", "events=latest"])
        .now(LATER)
        .run()
        .unwrap()
        .success();
}

#[test]
fn the_lineage_distinguishes_the_two_clusters() {
    let uids = |store: &str, backup: &str| {
        let rows = Env::new(store)
            .backups(&["verify", backup, "--etcd", "main", "-o", "json"])
            .run()
            .unwrap();
        rows.success().json()[0]["lineage"].as_str().unwrap().to_owned()
    };
    assert_eq!(uids(RESTORED, "2026-11-22T15:17"), uids(RESTORED, "2026-11-22T15:20"));
    assert_ne!(
        uids(RESTORED, "2026-11-22T15:17"),
        uids(RESEEDED, "2026-11-22T16:25:57")
    );
}

/// Each kind of damage, its message, and exit code 5.
#[test]
fn damage_is_reported() {
    let name = "2026-11-22T15:20:36Z-000001";
    let original = std::fs::read(Env::new(RESTORED).file("main", name, "etcd.backup.gz")).unwrap();
    let mut flipped = original.clone();
    flipped[9_000] ^= 1;
    let mut garbage = original.clone();
    garbage.extend_from_slice(b"garbage");
    let twice = [original.clone(), original.clone()].concat();
    let cases: [(&str, &[u8]); 6] = [
        ("the object is empty", b""),
        ("not a gzip file", b"SQLite format 3"),
        ("gzip data is cut off", &original[..20_000]),
        ("gzip checksum", &flipped),
        ("follow the last gzip member", &garbage),
        ("SHA-256", &twice),
    ];
    for (said, content) in cases {
        let env = Env::new(RESTORED);
        env.write("main", name, "etcd.backup.gz", content);
        let ended = env
            .backups(&["verify", "main=latest", "-o", "json"])
            .run()
            .unwrap()
            .code(5);
        let row = &ended.json()[0];
        let problems = row["problems"].to_string();
        assert!(
            row["ok"] == Value::Bool(false) && problems.contains(said),
            "{said}: {problems}"
        );
    }
}

#[test]
fn a_meta_that_etcd_manager_could_not_use_is_a_problem() {
    let name = "2026-11-22T15:20:36Z-000001";
    for (content, said) in [
        (&b""[..], "_etcd_backup.meta is empty"),
        (br#"{"etcdVersion":"3.5.35","timest"#, "not what etcd-manager writes"),
        (b"{}", "names no etcd version"),
    ] {
        let env = Env::new(RESTORED);
        env.write("main", name, "_etcd_backup.meta", content);
        let _ = env
            .backups(&["verify", "main=latest"])
            .run()
            .unwrap()
            .code(5)
            .stderr_has(said);
    }
    let env = Env::new(RESTORED);
    env.write(
        "main",
        name,
        "_etcd_backup.meta",
        br#"{"etcdVersion":"3.5.35","timestamp":1795360836,"new":{"x":1}}"#,
    );
    let _ = env.backups(&["verify", "main=latest"]).run().unwrap().success();
}

#[test]
fn an_incomplete_backup_does_not_verify() {
    let env = Env::new(RESTORED);
    let name = "2026-11-22T15:20:36Z-000001";
    std::fs::remove_file(env.file("main", name, "_etcd_backup.meta")).unwrap();
    let _ = env
        .backups(&["verify", name, "--etcd", "main"])
        .run()
        .unwrap()
        .code(5)
        .stderr_has("meta is missing");
    // `latest` skips it.
    let rows = env
        .backups(&["verify", "main=latest", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(rows[0]["name"], "2026-11-22T15:19:01Z-000002");
}

#[test]
fn decompression_stops_at_the_given_size() {
    let ended = Env::new(RESTORED)
        .backups(&["verify", "main=latest", "--max-db-size", "100KiB"])
        .run()
        .unwrap();
    let _ = ended.code(5).stderr_has("--max-db-size");
}

#[test]
fn a_missing_folder_for_unpacking_is_a_failure() {
    let ended = Env::new(RESTORED)
        .backups(&["verify", "main=latest", "--temp-dir", "/nowhere"])
        .run()
        .unwrap();
    let _ = ended.code(1).stderr_has("/nowhere").stderr_has("hint:");
}
