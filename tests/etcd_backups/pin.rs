//! `pin` and `unpin`.

use std::fs;

use harness::store::CLUSTER;

use crate::stand::{RESTORED, Stand, tree};

const NAME: &str = "2026-11-22T15:18:01Z-000001";

fn pins(stand: &Stand) -> std::path::PathBuf {
    stand.root().join(CLUSTER).join("backups/recovery/main").join(NAME)
}

#[test]
fn without_yes_nothing_changes() {
    let stand = Stand::new(RESTORED);
    let before = tree(stand.root());
    let ended = stand
        .backups(&["pin", &format!("main={NAME}")])
        .run()
        .unwrap()
        .success();
    let _ = ended
        .stdout_has("would copy")
        .stdout_has("backups/recovery/main")
        .stderr_has("--yes");
    assert_eq!(tree(stand.root()), before);
}

#[test]
fn a_pinned_backup_outlives_the_stores_own() {
    let stand = Stand::new(RESTORED);
    let original = fs::read(stand.file("main", NAME, "etcd.backup.gz")).unwrap();
    let _ = stand
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(fs::read(pins(&stand).join("etcd.backup.gz")).unwrap(), original);
    let row = |stand: &Stand| {
        let rows = stand
            .backups(&["list", "--etcd", "main", "-o", "json"])
            .run()
            .unwrap()
            .success()
            .json();
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == NAME)
            .cloned()
            .unwrap()
    };
    assert_eq!(
        (&row(&stand)["pinned"], &row(&stand)["keep"]["class"]),
        (&true.into(), &"recent".into())
    );

    // etcd-manager's clean-up takes the original; the backup is still listed, verified, and the latest good one of its time.
    fs::remove_dir_all(stand.base("main").join(NAME)).unwrap();
    let left = row(&stand);
    assert_eq!(
        (&left["pinned"], &left["complete"], &left["keep"]),
        (&true.into(), &true.into(), &serde_json::Value::Null)
    );
    let _ = stand
        .backups(&["verify", &format!("main={NAME}")])
        .run()
        .unwrap()
        .success();
    let good = stand
        .backups(&["show", "main=latest-good", "--at", "2026-11-22T15:18:30Z", "-o", "name"])
        .run()
        .unwrap();
    assert_eq!(good.success().stdout.trim_end(), NAME);
}

#[test]
fn pinning_twice_changes_nothing() {
    let stand = Stand::new(RESTORED);
    let pin = || {
        stand
            .backups(&["pin", &format!("main={NAME}"), "--yes"])
            .run()
            .unwrap()
            .success()
    };
    let _ = pin();
    let before = tree(stand.root());
    let _ = pin().stderr_has("pinned already");
    assert_eq!(tree(stand.root()), before);
}

#[test]
fn a_pin_that_broke_off_is_no_backup_and_is_completed_by_the_next() {
    let stand = Stand::new(RESTORED);
    fs::create_dir_all(pins(&stand)).unwrap();
    fs::write(pins(&stand).join("etcd.backup.gz"), b"half").unwrap();
    let rows = stand
        .backups(&["list", "--etcd", "main", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["pinned"] == false));
    let _ = stand
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    let original = fs::read(stand.file("main", NAME, "etcd.backup.gz")).unwrap();
    assert_eq!(fs::read(pins(&stand).join("etcd.backup.gz")).unwrap(), original);
}

#[test]
fn an_incomplete_backup_is_not_pinned() {
    let stand = Stand::new(RESTORED);
    fs::remove_file(stand.file("main", NAME, "_etcd_backup.meta")).unwrap();
    let _ = stand
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("incomplete");
    assert!(!pins(&stand).exists());
}

#[test]
fn unpinning_leaves_the_stores_own_alone() {
    let stand = Stand::new(RESTORED);
    let before = tree(stand.root());
    let _ = stand
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    let pinned = tree(stand.root());
    let _ = stand
        .backups(&["unpin", &format!("main={NAME}")])
        .run()
        .unwrap()
        .success()
        .stdout_has("would delete");
    assert_eq!(tree(stand.root()), pinned);
    let _ = stand
        .backups(&["unpin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(tree(stand.root()), before);
    let _ = stand
        .backups(&["unpin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("not pinned");
}

#[test]
fn the_only_copy_wants_the_clusters_name() {
    let stand = Stand::new(RESTORED);
    let _ = stand
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    fs::remove_dir_all(stand.base("main").join(NAME)).unwrap();
    let before = tree(stand.root());
    let unpin = |more: &[&str]| {
        stand
            .backups(&["unpin", &format!("main={NAME}"), "--yes"])
            .args(more)
            .run()
            .unwrap()
    };
    let _ = unpin(&[])
        .code(3)
        .stdout_has("THE ONLY COPY")
        .stderr_has("--confirm super.k8s.local");
    let _ = unpin(&["--confirm", "k8s.local"])
        .code(3)
        .stderr_has("nothing was changed");
    assert_eq!(tree(stand.root()), before);
    let _ = unpin(&["--confirm", CLUSTER]).success();
    assert!(!pins(&stand).exists());
}
