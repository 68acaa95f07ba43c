//! `list`.

use serde_json::{Value, json};

use crate::env::{Env, RESEEDED, RESTORED};

#[test]
fn shows_every_backup_newest_first_as_the_contract_says() {
    let rows = Env::new(RESTORED)
        .backups(&["list", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 10);
    assert_eq!(
        rows[0],
        json!({
            "cluster": "super.k8s.local",
            "etcd": "main",
            "name": "2026-11-22T15:20:36Z-000001",
            "created": "2026-11-22T15:20:36Z",
            "sizeBytes": 27762,
            "complete": true,
            "etcdVersion": "3.5.35",
            "memberCount": 3,
            "keep": {"class": "recent", "until": "2026-11-22T16:20:36Z"},
            "pinned": false,
            "good": null,
            "reason": null,
        })
    );
    let names: Vec<&str> = rows.iter().take(5).map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted_by(|newer, older| newer > older), "{names:?}");
}

#[test]
fn agrees_with_the_listing_recorded_with_the_fixture() {
    for store in [RESTORED, RESEEDED] {
        let rows = Env::new(store)
            .backups(&["list", "-o", "json"])
            .run()
            .unwrap()
            .success()
            .json();
        let expected = support::store::expected().unwrap();
        let expected = expected[store].as_object().unwrap();
        let listed: Vec<(String, &Value)> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    format!("{}/{}", row["etcd"].as_str().unwrap(), row["name"].as_str().unwrap()),
                    &row["sizeBytes"],
                )
            })
            .collect();
        assert_eq!(listed.len(), expected.len());
        for (name, size) in listed {
            assert_eq!(*size, expected[&name]["gzip_bytes"], "{store} {name}");
        }
    }
}

#[test]
fn the_table_fits_into_eighty_columns() {
    let table = Env::new(RESTORED)
        .backups(&["list", "--etcd", "main", "--limit", "2"])
        .run()
        .unwrap()
        .success();
    insta::assert_snapshot!(table.stdout, @r"
    ETCD  BACKUP                         AGE      SIZE  KEPT FOR      STATE
    main  2026-11-22T15:20:36Z-000001    60s  27.1 KiB  59m (recent)  complete
    main  2026-11-22T15:19:01Z-000002  2m35s  29.5 KiB  57m (recent)  complete
    ");
    assert!(
        table
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 80 && line.trim_end() == line)
    );
    assert_eq!(table.stderr, "");
}

#[test]
fn retention_is_read_from_the_spec() {
    // 90 days by the spec for the earliest of an hour and day; one hour for the others.
    let rows = Env::new(RESTORED)
        .backups(&["list", "--etcd", "main", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    let until: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["keep"]["until"].as_str().unwrap())
        .collect();
    assert_eq!(until[4], "2027-02-20T15:16:00Z");
    assert_eq!(until[3], "2026-11-22T16:17:01Z");
}

#[test]
fn selects_by_time_count_and_etcd() {
    let env = Env::new(RESTORED);
    let names = |arguments: &[&str]| {
        let ended = env
            .backups(&["list", "-o", "name"])
            .args(arguments)
            .run()
            .unwrap()
            .success();
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--etcd", "main", "--since", "2026-11-22T15:18:00Z"]).len(), 3);
    assert_eq!(names(&["--etcd", "main", "--until", "2026-11-22T15:18:00Z"]).len(), 2);
    assert_eq!(names(&["--since", "3m"]).len(), 4);
    assert_eq!(
        names(&["--limit", "1"]),
        ["2026-11-22T15:20:36Z-000001", "2026-11-22T15:20:35Z-000001"]
    );
    assert_eq!(names(&["--since", "2027-01-01"]), Vec::<String>::new());
}

#[test]
fn an_empty_store_gives_an_empty_list() {
    let env = Env::new(RESTORED);
    std::fs::remove_dir_all(env.base("main")).unwrap();
    std::fs::remove_dir_all(env.base("events")).unwrap();
    let ended = env.backups(&["list", "-o", "json"]).run().unwrap().success();
    assert_eq!(ended.json(), json!([]));
    let ended = env
        .backups(&["list"])
        .run()
        .unwrap()
        .success()
        .stderr_has("No backups found");
    assert_eq!(ended.stdout, "");
}

#[test]
fn incomplete_backups_are_marked() {
    let env = Env::new(RESTORED);
    std::fs::remove_file(env.file("main", "2026-11-22T15:20:36Z-000001", "_etcd_backup.meta")).unwrap();
    std::fs::remove_file(env.file("main", "2026-11-22T15:19:01Z-000002", "etcd.backup.gz")).unwrap();
    env.write("main", "not-a-backup", "etcd.backup.gz", b"x");
    std::fs::create_dir(env.base("main").join("2026-11-22T15:30:00Z-000001")).unwrap();
    let rows = env
        .backups(&["list", "--etcd", "main", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    let complete: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row["complete"]).collect();
    assert_eq!(complete, [false, false, true, true, true]);
    assert_eq!((&rows[0]["keep"], &rows[1]["sizeBytes"]), (&Value::Null, &Value::Null));
}

#[test]
fn all_clusters_are_listed_even_if_one_cannot_be_read() {
    let env = Env::new(RESTORED);
    let broken = env.root().join("broken.example.com");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("cluster-completed.spec"), "kind: [").unwrap();
    let ended = env
        .backups(&["list", "--all-clusters", "-o", "json"])
        .run()
        .unwrap()
        .code(1);
    assert_eq!(ended.json().as_array().unwrap().len(), 10);
    assert!(ended.stderr.contains("broken.example.com"), "{}", ended.stderr);
}

#[test]
fn a_store_can_be_named_directly() {
    let env = Env::new(RESTORED);
    let url = format!("file://{}", env.base("main").display());
    for store in [url.clone(), format!("main={url}")] {
        let rows = crate::env::backups(&["list", "-o", "json", "--store", &store])
            .run()
            .unwrap()
            .success()
            .json();
        assert_eq!(
            (rows.as_array().unwrap().len(), &rows[0]["cluster"]),
            (5, &json!("super.k8s.local"))
        );
    }
}

#[test]
fn backups_are_judged_from_the_newest_down_to_the_first_good_one() {
    let env = Env::merged();
    let list = |arguments: &[&str]| {
        let list = env
            .backups(&["list", "--etcd", "main"])
            .args(arguments)
            .now(crate::env::LATER);
        list.run().unwrap().success()
    };
    let rows = list(&["--good", "-o", "json"]).json();
    let rows: Vec<(&Value, &Value)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["good"], &row["reason"]))
        .collect();
    assert_eq!(rows.len(), 8);
    for (good, reason) in &rows[..2] {
        assert_eq!(*good, false);
        let reason = reason.as_str().unwrap();
        assert!(
            reason.contains("another cluster") && reason.contains("only what an API server"),
            "{reason}"
        );
    }
    assert_eq!(rows[2].0, false);
    assert!(rows[2].1.as_str().unwrap().contains("empty"));
    assert_eq!(rows[3], (&json!(true), &Value::Null));
    assert!(rows[4..].iter().all(|row| *row == (&Value::Null, &Value::Null)));

    let wide = list(&["-o", "wide"]).stdout_has("GOOD").stderr_has("`-` is not judged");
    assert!(wide.stdout.contains("another cluster"), "{}", wide.stdout);
    // By default no backup is read.
    for file in ["16:25:57Z-000002", "15:20:36Z-000001"] {
        env.write("main", &format!("2026-11-22T{file}"), "etcd.backup.gz", b"x");
    }
    assert!(!list(&[]).stdout.contains("GOOD"));
    assert_eq!(list(&["-o", "json"]).json()[0]["good"], Value::Null);
}
