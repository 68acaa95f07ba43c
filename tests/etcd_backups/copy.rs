//! `copy` between folders, and what `check` says of copies.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use support::Cmd;
use support::store::CLUSTER;
use tempfile::TempDir;

use crate::env::{Env, RESTORED, backups, tree};

const HEALTHY: &str = "2026-11-22T15:18:01Z-000001";
const NEWEST: &str = "2026-11-22T15:20:36Z-000001";

struct Copies {
    env: Env,
    to: TempDir,
}

impl Copies {
    fn new() -> Self {
        let (env, to) = (Env::new(RESTORED), tempfile::tempdir().unwrap());
        Self { env, to }
    }

    fn url(&self) -> String {
        format!("file://{}", self.to.path().display())
    }

    fn copy(&self, arguments: &[&str]) -> Cmd {
        self.env
            .backups(&["copy", "--to", &self.url(), "-o", "json"])
            .args(arguments)
    }

    fn base(&self, etcd: &str) -> PathBuf {
        self.to.path().join(CLUSTER).join("backups/etcd").join(etcd)
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        self.base("main").join(name).join(file)
    }
}

/// Name and state of each row.
fn states(ended: &support::Ended) -> Vec<(String, String)> {
    let rows = ended.json();
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().unwrap().to_owned();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "name"), text(row, "state")))
        .collect()
}

fn all_are(ended: &support::Ended, state: &str, count: usize) {
    let states = states(ended);
    assert_eq!(states.len(), count, "{states:?}");
    assert!(states.iter().all(|(_, found)| found == state), "{states:?}");
}

#[test]
fn all_backups_are_copied_once_and_are_used_like_any_others() {
    let copies = Copies::new();
    let source = tree(copies.env.root());
    let planned = copies.copy(&["--all"]).run().unwrap().success();
    all_are(&planned.stderr_has("pass --yes"), "planned", 10);
    assert_eq!(tree(copies.to.path()), []);

    all_are(&copies.copy(&["--all", "--yes"]).run().unwrap().success(), "copied", 10);
    for etcd in ["main", "events"] {
        for (path, content) in tree(&copies.base(etcd)) {
            let path = path.strip_prefix(copies.base(etcd)).unwrap();
            assert_eq!(fs::read(copies.env.base(etcd).join(path)).unwrap(), content);
        }
    }
    assert_eq!(tree(copies.env.root()), source, "the source is only read");
    let of_copies = |arguments: &[&str]| {
        let cmd = backups(arguments).args(["--state", &copies.url(), "--name", CLUSTER]);
        cmd.run().unwrap()
    };
    let good = of_copies(&["show", "main=latest-good", "-o", "name"]).success();
    assert_eq!(good.stdout.trim_end(), NEWEST);

    // Again: nothing is written.
    let before = tree(copies.to.path());
    all_are(&copies.copy(&["--all", "--yes"]).run().unwrap().success(), "there", 10);
    assert_eq!(tree(copies.to.path()), before);
}

#[test]
fn what_is_named_or_young_is_copied_and_pinned_ones_too() {
    let copies = Copies::new();
    let named = copies.copy(&[&format!("main={HEALTHY}"), "main=latest-good", "--yes"]);
    let named = states(&named.run().unwrap().success());
    assert_eq!(named.len(), 2);
    assert!(copies.file(HEALTHY, "_etcd_backup.meta").exists());
    let young = copies
        .copy(&["--since", "2026-11-22T15:20:00Z"])
        .run()
        .unwrap()
        .success();
    let young = states(&young);
    assert_eq!(young.len(), 2, "{young:?}");
    assert!(young.contains(&(NEWEST.to_owned(), "there".to_owned())));

    let other = "2026-11-22T15:19:01Z-000002";
    let pin = copies.env.backups(&["pin", &format!("main={other}"), "--yes"]);
    let _ = pin.run().unwrap().success();
    fs::remove_dir_all(copies.env.base("main").join(other)).unwrap();
    let pinned = copies.copy(&[&format!("main={other}"), "--yes"]).run().unwrap();
    all_are(&pinned.success(), "copied", 1);

    let _ = copies.copy(&[]).run().unwrap().code(2).stderr_has("--all");
    let _ = copies.copy(&["--all", "main=latest"]).run().unwrap().code(2);
    fs::remove_file(copies.env.file("main", HEALTHY, "_etcd_backup.meta")).unwrap();
    let half = copies.copy(&[&format!("main={HEALTHY}"), "--yes"]).run().unwrap();
    let _ = half.code(1).stderr_has("incomplete");
}

#[test]
fn what_is_different_is_left_alone_and_told() {
    let copies = Copies::new();
    let of_main = |arguments: &[&str]| copies.copy(&["--all", "--etcd", "main"]).args(arguments);
    for file in ["etcd.backup.gz", "_etcd_backup.meta"] {
        fs::create_dir_all(copies.base("main").join(HEALTHY)).unwrap();
        fs::write(copies.file(HEALTHY, file), b"of somebody else").unwrap();
        let different = of_main(&["--yes"]).run().unwrap().code(5);
        let states = states(&different);
        assert!(
            states.contains(&(HEALTHY.to_owned(), "different".to_owned())),
            "{states:?}"
        );
        assert!(states.contains(&(NEWEST.to_owned(), "copied".to_owned())), "{states:?}");
        assert_eq!(fs::read(copies.file(HEALTHY, file)).unwrap(), b"of somebody else");
        fs::remove_dir_all(copies.base("main")).unwrap();
    }
    // A half that is the same is completed; one of the same size that is not, is not.
    let _ = of_main(&["--yes"]).run().unwrap().success();
    fs::remove_file(copies.file(HEALTHY, "_etcd_backup.meta")).unwrap();
    let completed = states(&of_main(&["--yes"]).run().unwrap().success());
    assert!(
        completed.contains(&(HEALTHY.to_owned(), "copied".to_owned())),
        "{completed:?}"
    );
    fs::remove_file(copies.file(HEALTHY, "_etcd_backup.meta")).unwrap();
    let data = copies.file(HEALTHY, "etcd.backup.gz");
    let mut damaged = fs::read(&data).unwrap();
    damaged[4_000] ^= 1;
    fs::write(&data, &damaged).unwrap();
    let kept = states(&of_main(&["--yes"]).run().unwrap().code(5));
    assert!(kept.contains(&(HEALTHY.to_owned(), "different".to_owned())), "{kept:?}");
    assert_eq!(fs::read(&data).unwrap(), damaged);
    assert!(!copies.file(HEALTHY, "_etcd_backup.meta").exists());
}

#[test]
fn the_source_is_no_destination() {
    let copies = Copies::new();
    let (root, folder) = (copies.env.root(), tempfile::tempdir().unwrap());
    let link = folder.path().join("link");
    symlink(root, &link).unwrap();
    let within = root.join("copies");
    let above = root.parent().unwrap();
    let backups_of_main = copies.env.base("main");
    let before = tree(root);
    let places: [&Path; 5] = [root, &within, &link, above, &backups_of_main];
    for place in places {
        let to = format!("file://{}", place.display());
        let refused = copies
            .env
            .backups(&["copy", "--all", "--yes", "--keep", "1s", "--to", &to]);
        let _ = refused.run().unwrap().code(3).stderr_has("the same store");
    }
    // Stores that are named one by one, too.
    let store = format!("main=file://{}", backups_of_main.display());
    let to = format!("file://{}", root.display());
    let refused = backups(&[
        "copy", "--all", "--yes", "--store", &store, "--name", CLUSTER, "--to", &to,
    ]);
    let _ = refused.run().unwrap().code(3).stderr_has("the same store");
    assert_eq!(tree(root), before);
    for to in ["kops-state", "http://x", "s3://"] {
        let wrong = copies.env.backups(&["copy", "--all", "--to", to]);
        let _ = wrong.run().unwrap().code(2);
    }
}

#[test]
fn retention_is_of_the_copies_only_and_spares_the_newest_good_one() {
    let copies = Copies::new();
    let main = |arguments: &[&str]| copies.copy(&["--etcd", "main"]).args(arguments);
    let _ = main(&["--all", "--yes"]).run().unwrap().success();
    let foreign = copies.base("main").join("notes.txt");
    fs::write(&foreign, "mine").unwrap();
    fs::create_dir_all(copies.base("main").join("2020-01-01")).unwrap();
    fs::write(copies.base("main").join("2020-01-01/etcd.backup.gz"), "mine").unwrap();
    let source = tree(copies.env.root());

    // Two hours later, nothing new has come.
    let later = |arguments: &[&str]| main(arguments).now("2026-11-22T17:21:36Z");
    let before = tree(copies.to.path());
    let planned = later(&["--all", "--keep", "1h"]).run().unwrap().success();
    let deleted: Vec<_> = states(&planned)
        .into_iter()
        .filter(|(_, state)| state == "toDelete")
        .collect();
    assert_eq!(deleted.len(), 4, "{deleted:?}");
    assert!(deleted.iter().all(|(name, _)| name != NEWEST), "{deleted:?}");
    assert_eq!(tree(copies.to.path()), before);
    let done = states(&later(&["--all", "--keep", "1h", "--yes"]).run().unwrap().success());
    assert_eq!(
        done.iter().filter(|(_, state)| state == "deleted").count(),
        4,
        "{done:?}"
    );
    assert_eq!(tree(copies.env.root()), source);
    let left = tree(&copies.base("main"));
    assert_eq!(left.len(), 4, "the newest one, and what is not ours: {left:?}");
    assert!(foreign.exists());

    // The newest copy is worthless: the newest good one stays beside it.
    let _ = main(&["--all", "--yes"]).run().unwrap().success();
    let empty = fs::read(copies.env.file("main", "2026-11-22T15:16:00Z-000001", "etcd.backup.gz")).unwrap();
    fs::remove_dir_all(copies.env.base("main")).unwrap();
    copies
        .env
        .write("main", "2026-11-22T17:20:00Z-000001", "etcd.backup.gz", &empty);
    let meta = fs::read(copies.file(NEWEST, "_etcd_backup.meta")).unwrap();
    copies
        .env
        .write("main", "2026-11-22T17:20:00Z-000001", "_etcd_backup.meta", &meta);
    let _ = later(&["--all", "--keep", "1h", "--yes"]).run().unwrap().success();
    assert!(copies.file(NEWEST, "etcd.backup.gz").exists());
    assert!(!copies.file(HEALTHY, "etcd.backup.gz").exists());

    // No good one at all: nothing is deleted.
    fs::remove_dir_all(copies.base("main").join(NEWEST)).unwrap();
    let old = copies.base("main").join("2026-11-22T15:16:00Z-000001");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("etcd.backup.gz"), &empty).unwrap();
    fs::write(old.join("_etcd_backup.meta"), &meta).unwrap();
    let kept = later(&["--all", "--keep", "1h", "--yes"]).run().unwrap().success();
    let _ = kept.stderr_has("none is deleted");
    assert!(old.join("etcd.backup.gz").exists());
}

#[test]
fn check_tells_the_age_of_the_newest_copy() {
    let copies = Copies::new();
    let check = |more: &[&str]| {
        let to = format!("--copy={}", copies.url());
        let check = ["check", "--etcd", "main", "--age-only", to.as_str()];
        copies.env.backups(&check).args(more).run().unwrap()
    };
    let none = check(&["-o", "json"]).code(5).json();
    assert!(
        none[0]["reasons"][0].as_str().unwrap().contains("no complete copy"),
        "{none}"
    );
    let _ = copies
        .copy(&[&format!("main={HEALTHY}"), "--yes"])
        .run()
        .unwrap()
        .success();
    let row = check(&["-o", "json"]).success().json()[0].clone();
    assert_eq!(
        (&row["copyNewest"], &row["copyAgeSeconds"]),
        (&HEALTHY.into(), &215.into())
    );
    let old = check(&["--copy-max-age", "60s", "-o", "json"]).code(5).json();
    assert!(
        old[0]["reasons"][0].as_str().unwrap().contains("the newest copy is 3m"),
        "{old}"
    );
    let metrics = check(&["-o", "prometheus"]);
    let _ = metrics
        .success()
        .stdout_has("etcd_backup_copy_newest_timestamp_seconds{");
}
