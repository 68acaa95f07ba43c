//! `pin` and `unpin`.

use std::fs;

use support::store::CLUSTER;

use crate::env::{Env, RESTORED, tree};

const NAME: &str = "2026-11-22T15:18:01Z-000001";

fn pins(env: &Env) -> std::path::PathBuf {
    env.root().join(CLUSTER).join("backups/recovery/main").join(NAME)
}

#[test]
fn without_yes_nothing_changes() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let ended = env.backups(&["pin", &format!("main={NAME}")]).run().unwrap().success();
    let _ = ended
        .stdout_has("will copy")
        .stdout_has("backups/recovery/main")
        .stderr_has("--yes");
    assert_eq!(tree(env.root()), before);
}

#[test]
fn a_pinned_backup_is_usable_without_the_one_in_the_store() {
    let env = Env::new(RESTORED);
    let original = fs::read(env.file("main", NAME, "etcd.backup.gz")).unwrap();
    let _ = env
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(fs::read(pins(&env).join("etcd.backup.gz")).unwrap(), original);
    let row = |env: &Env| {
        let rows = env
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
        (&row(&env)["pinned"], &row(&env)["keep"]["class"]),
        (&true.into(), &"recent".into())
    );

    // etcd-manager deletes the original; the backup is still listed, verified, and chosen as latest-good.
    fs::remove_dir_all(env.base("main").join(NAME)).unwrap();
    let left = row(&env);
    assert_eq!(
        (&left["pinned"], &left["complete"], &left["keep"]),
        (&true.into(), &true.into(), &serde_json::Value::Null)
    );
    let _ = env
        .backups(&["verify", &format!("main={NAME}")])
        .run()
        .unwrap()
        .success();
    let good = env
        .backups(&["show", "main=latest-good", "--at", "2026-11-22T15:18:30Z", "-o", "name"])
        .run()
        .unwrap();
    assert_eq!(good.success().stdout.trim_end(), NAME);
}

#[test]
fn pinning_twice_changes_nothing() {
    let env = Env::new(RESTORED);
    let pin = || {
        env.backups(&["pin", &format!("main={NAME}"), "--yes"])
            .run()
            .unwrap()
            .success()
    };
    let _ = pin();
    let before = tree(env.root());
    let _ = pin().stderr_has("already pinned");
    assert_eq!(tree(env.root()), before);
}

#[test]
fn an_incomplete_pin_is_no_backup_and_is_completed_by_the_next() {
    let env = Env::new(RESTORED);
    fs::create_dir_all(pins(&env)).unwrap();
    fs::write(pins(&env).join("etcd.backup.gz"), b"half").unwrap();
    let rows = env
        .backups(&["list", "--etcd", "main", "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["pinned"] == false));
    let _ = env
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    let original = fs::read(env.file("main", NAME, "etcd.backup.gz")).unwrap();
    assert_eq!(fs::read(pins(&env).join("etcd.backup.gz")).unwrap(), original);
}

#[test]
fn an_incomplete_backup_is_not_pinned() {
    let env = Env::new(RESTORED);
    fs::remove_file(env.file("main", NAME, "_etcd_backup.meta")).unwrap();
    let _ = env
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("incomplete");
    assert!(!pins(&env).exists());
}

#[test]
fn unpinning_keeps_the_backup_in_the_store() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let _ = env
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    let pinned = tree(env.root());
    let _ = env
        .backups(&["unpin", &format!("main={NAME}")])
        .run()
        .unwrap()
        .success()
        .stdout_has("will delete");
    assert_eq!(tree(env.root()), pinned);
    let _ = env
        .backups(&["unpin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(tree(env.root()), before);
    let _ = env
        .backups(&["unpin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("not pinned");
}

#[test]
fn unpinning_the_only_copy_requires_the_cluster_name() {
    let env = Env::new(RESTORED);
    let _ = env
        .backups(&["pin", &format!("main={NAME}"), "--yes"])
        .run()
        .unwrap()
        .success();
    fs::remove_dir_all(env.base("main").join(NAME)).unwrap();
    let before = tree(env.root());
    let unpin = |more: &[&str]| {
        env.backups(&["unpin", &format!("main={NAME}"), "--yes"])
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
    assert_eq!(tree(env.root()), before);
    let _ = unpin(&["--confirm", CLUSTER]).success();
    assert!(!pins(&env).exists());
}
