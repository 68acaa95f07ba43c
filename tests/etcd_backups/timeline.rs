//! `timeline`.

use crate::env::{Env, LATER, RESTORED};

#[test]
fn draws_sizes_and_marks_anomalies() {
    let ended = Env::merged()
        .backups(&["timeline", "--etcd", "main"])
        .now(LATER)
        .run()
        .unwrap()
        .success();
    insta::assert_snapshot!(ended.stdout, @r"
    ETCD  BACKUP                       AGE      SIZE                        KEYS  MARKS
    main  2026-11-22T15:16:00Z-000001  80m     791 B  ▇                        0  empty
    main  2026-11-22T15:17:01Z-000001  78m  28.0 KiB  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇     -
    main  2026-11-22T15:18:01Z-000001  77m  28.6 KiB  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇     -
    main  2026-11-22T15:19:01Z-000002  76m  29.5 KiB  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇     -
    main  2026-11-22T15:20:36Z-000001  75m  27.1 KiB  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇      -
    main  2026-11-22T16:24:36Z-000001  11m     799 B  ▇                        0  cliff, empty, gap
    main  2026-11-22T16:25:17Z-000001  10m  23.7 KiB  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇        -
    main  2026-11-22T16:25:57Z-000002  10m  24.0 KiB  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇        -
    ");
    assert!(
        ended.stdout.lines().all(|line| line.chars().count() <= 100),
        "{}",
        ended.stdout
    );
}

#[test]
fn with_keys_a_change_of_lineage_is_marked() {
    let ended = Env::merged()
        .backups(&["timeline", "--keys", "--etcd", "main", "-o", "json"])
        .now(LATER)
        .run()
        .unwrap();
    let rows = ended.success().json();
    let marks: Vec<(&str, String)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["name"].as_str().unwrap()[11..19], row["marks"].to_string()))
        .filter(|(_, marks)| marks != "[]")
        .collect();
    let expected = [
        ("15:16:00", r#"["empty"]"#),
        ("16:24:36", r#"["cliff","empty","gap"]"#),
        ("16:25:17", r#"["lineage"]"#),
    ];
    assert_eq!(marks, expected.map(|(time, marks)| (time, marks.to_owned())));
    let keys: Vec<u64> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["keys"].as_u64().unwrap())
        .collect();
    assert_eq!(keys, [0, 226, 226, 211, 226, 0, 187, 187]);
}

#[test]
fn an_overdue_backup_is_noted() {
    let ended = Env::new(RESTORED)
        .backups(&["timeline"])
        .now("2026-11-22T17:00:00Z")
        .run()
        .unwrap()
        .success();
    let _ = ended.stderr_has("etcd main: no backup for 99m, one is due every 15m");
}

#[test]
fn the_drawing_has_every_backup_and_is_the_same_each_time() {
    let env = Env::merged();
    let draw = || {
        let ended = env.backups(&["timeline", "-o", "svg"]).now(LATER).run().unwrap();
        ended.success().stdout
    };
    let drawn = draw();
    assert!(
        drawn.starts_with("<svg xmlns=") && drawn.ends_with("</svg>\n"),
        "{drawn}"
    );
    let listed = env.backups(&["list", "-o", "name"]).run().unwrap().success().stdout;
    for name in listed.lines() {
        let name = name.rsplit('=').next().unwrap();
        assert!(drawn.contains(&format!("<title>{name},")), "{name} is missing: {drawn}");
    }
    assert!(drawn.contains("no backup for at least 48m"), "{drawn}");
    assert_eq!(draw(), drawn);
    for other in [&["list", "-o", "svg"][..], &["check", "-o", "svg"]] {
        let _ = env
            .backups(other)
            .run()
            .unwrap()
            .code(2)
            .stderr_has("`-o svg` is for `kubectl etcd-backups timeline`");
    }
}
