//! `take --data-dir`: from the disk of a stopped etcd, over a real ssh.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::Value;
use support::servers::sshd;
use support::store::{self, CLUSTER};
use support::{Cmd, Etcd, EtcdOptions, EtcdVersion, Put, Sshd, Stored, backup, cmd};

use crate::env::{Env, RESTORED, tree};

const NAME: &str = "2026-11-22T15:21:36Z-000001";
const HEALTHY: &str = "2026-11-22T15:18:01Z-000001";
const VOLUME: &str = "mnt/master-vol-0a1b2c3d4e5f60718";
const TOKEN: &str = "b1_x-YzQ";

/// A master whose volume of etcd main has the healthy backup's data.
struct Master {
    env: Env,
    sshd: Sshd,
}

impl Master {
    fn new() -> Self {
        let (env, sshd) = (Env::new(RESTORED), Sshd::start().unwrap());
        let master = Self { env, sshd };
        master.volume(VOLUME, "data", TOKEN);
        master.state(VOLUME, "etcd-a", CLUSTER, "2380");
        master
    }

    /// Puts the data of the healthy backup into a folder of a volume.
    fn volume(&self, volume: &str, kind: &str, token: &str) {
        let restored = tempfile::tempdir().unwrap();
        let archive = self.env.file("main", HEALTHY, "etcd.backup.gz");
        let data = backup::restore(&archive, restored.path()).unwrap();
        store::copy_folder(&data, &self.sshd.root().join(volume).join(kind).join(token)).unwrap();
    }

    /// The state file of etcd-manager: protobuf, as its `EtcdState`.
    fn state(&self, volume: &str, member: &str, cluster: &str, port: &str) {
        let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
        let url = format!("https://{member}.internal.{cluster}:{port}");
        let node = [field(1, member.as_bytes()), field(2, url.as_bytes())].concat();
        let cluster = [field(5, TOKEN.as_bytes()), field(7, &node)].concat();
        let state = [field(2, &cluster), field(3, b"3.6.11")].concat();
        fs::write(self.sshd.root().join(volume).join("state"), state).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.sshd.root().join(VOLUME).join("data").join(TOKEN)
    }

    fn etcd(&self) -> Etcd {
        Etcd::start_with(&EtcdOptions {
            version: EtcdVersion::V3_6,
            data_dir: Some(self.data()),
        })
        .unwrap()
    }

    fn take(&self, arguments: &[&str]) -> Cmd {
        let take = [
            "take",
            "--etcd",
            "main",
            "--via",
            "ssh",
            "--host",
            sshd::HOST,
            "-o",
            "json",
        ];
        self.env
            .backups(&take)
            .args(arguments)
            .env("PATH", cmd::path_with(&self.sshd.path()))
    }

    /// Refused, and nothing was written.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], code: i32, said: &[&str]) {
        let before = tree(self.env.root());
        let mut ended = self.take(arguments).arg("--yes").run().unwrap().code(code);
        for text in said {
            ended = ended.stderr_has(text);
        }
        assert_eq!(tree(self.env.root()), before, "{said:?}");
    }

    fn archive(&self) -> PathBuf {
        self.env.file("main", NAME, "etcd.backup.gz")
    }
}

fn comparable(stored: Vec<Stored>) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    stored.into_iter().map(|key| (key.key, key.value, key.lease)).collect()
}

fn signal(etcd: &Etcd, signal: &str) {
    let ended = Command::new("kill").args([signal, &etcd.pid().to_string()]).status();
    assert!(ended.unwrap().success());
}

/// Waits until nobody has the database open.
fn gone(data: &Path) {
    let database = data.join("member/snap/db");
    let free = || {
        let lock = Command::new("flock").args(["-n"]).arg(&database).arg("true").status();
        lock.unwrap().success()
    };
    for _ in 0..6_000 {
        if free() {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("etcd is still there");
}

#[test]
fn a_stopped_etcd_gives_all_its_keys() {
    let master = Master::new();
    let etcd = master.etcd();
    let puts: Vec<Put> = (0..500)
        .map(|n| Put::new(format!("/registry/configmaps/shop/c{n}"), "v".repeat(2_000)))
        .collect();
    etcd.put(&puts).unwrap();
    let keys = etcd.keys(b"").unwrap();
    master.refuses(&["--data-dir"], 3, &["is in use", "etcd", "omit --data-dir"]);
    signal(&etcd, "-TERM");
    gone(&master.data());

    let disk = tree(&master.sshd.root().join("mnt"));
    let before = tree(master.env.root());
    let planned = master.take(&["--data-dir"]).run().unwrap().success();
    let planned = planned
        .stderr_has("no process has it open")
        .stderr_has("nothing was changed");
    assert_eq!(planned.json()[0]["taken"], false);
    assert_eq!(tree(master.env.root()), before);

    let taken = master.take(&["--data-dir", "--yes"]).run().unwrap().success();
    let taken = taken.stderr_has("the write-ahead log holds nothing beyond the database");
    let row = &taken.json()[0];
    assert_eq!(
        (&row["keys"], &row["etcdVersion"]),
        (&keys.len().into(), &"3.6.11".into())
    );
    assert_eq!(row["log"]["missingEntries"], 0);
    assert_eq!(comparable(backup::keys(&master.archive()).unwrap()), comparable(keys));
    let verified = master.env.backups(&["verify", &format!("main={NAME}"), "-o", "json"]);
    assert_eq!(verified.run().unwrap().success().json()[0]["good"], true);
    assert_eq!(tree(&master.sshd.root().join("mnt")), disk, "the disk was only read");
}

/// What is only in the write-ahead log is counted, and etcd itself agrees.
#[test]
fn killed_while_it_writes_what_is_lost_of_the_log_is_counted() {
    let master = Master::new();
    let etcd = master.etcd();
    let written = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            (0..100_000)
                .take_while(|n| {
                    etcd.put(&[Put::new(format!("/registry/k/{n:06}"), "v".repeat(100))])
                        .is_ok()
                })
                .count()
        });
        while etcd.keys(b"/registry/k/").is_ok_and(|keys| keys.len() < 300) {
            thread::yield_now();
        }
        signal(&etcd, "-KILL");
        writing.join().unwrap()
    });
    gone(&master.data());
    drop(etcd);

    let taken = master.take(&["--data-dir", "--yes"]).run().unwrap().success();
    let row: &Value = &taken.json()[0];
    let number = |value: &Value| value.as_i64().unwrap();
    let (missing, entries) = (
        number(&row["log"]["missingChanges"]),
        number(&row["log"]["missingEntries"]),
    );
    assert!(missing <= entries, "{row}");
    let kept = backup::keys(&master.archive()).unwrap();
    let kept = kept.iter().filter(|key| key.key.starts_with(b"/registry/k/")).count();
    assert!(
        kept as i64 + missing >= written as i64,
        "{kept} and {missing} of {written}"
    );
    if entries > 0 {
        assert!(taken.stderr.contains("was not replayed"), "{}", taken.stderr);
    }
    // etcd replays its log: each put is a revision.
    let revived = master.etcd();
    assert_eq!(revived.revision().unwrap(), number(&row["revision"]) + missing);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let master = Master::new();
    // By its path, and by that of the whole volume.
    let (data, volume) = (format!("/{VOLUME}/data/{TOKEN}"), format!("/{VOLUME}"));
    for path in [&data, &volume] {
        let planned = master.take(&["--data-dir", path]).run().unwrap().success();
        assert!(planned.json()[0]["way"].as_str().unwrap().contains(TOKEN));
    }
    for hostile in [
        "/mnt/a;reboot",
        "/mnt/$(id)",
        "/mnt/a b",
        "/mnt/../etc",
        "relative",
        "/mnt/a'b",
    ] {
        let _ = master.take(&["--data-dir", hostile]).run().unwrap().code(2);
    }
    master.refuses(
        &["--data-dir", "/mnt/nothing-here"],
        1,
        &["has no folder /mnt/nothing-here"],
    );
    let both = ["take", "--host", sshd::HOST, "--data-dir", data.as_str()];
    let _ = master
        .env
        .backups(&both)
        .run()
        .unwrap()
        .code(2)
        .stderr_has("--etcd main");
    let no_host = ["take", "--etcd", "main", "--data-dir"];
    let _ = master.env.backups(&no_host).run().unwrap().code(2).stderr_has("--host");

    // What etcd-manager has put aside wants its path; a folder of a strange name is left out.
    master.volume(VOLUME, "data-trashcan", "old");
    master.volume("mnt/a strange name", "data", "t");
    let planned = master.take(&["--data-dir"]).run().unwrap().success();
    assert!(planned.json()[0]["way"].as_str().unwrap().ends_with(&data));
    let old = format!("/{VOLUME}/data-trashcan/old");
    let _ = master.take(&["--data-dir", &old]).run().unwrap().success();

    // A second volume of the same etcd.
    master.volume("mnt/master-vol-2", "data", "other");
    master.state("mnt/master-vol-2", "etcd-b", CLUSTER, "2380");
    let said = ["2 data folders", TOKEN, "master-vol-2", "--data-dir PATH"];
    master.refuses(&["--data-dir"], 3, &said);
    // Of events, it is no other of main.
    master.state("mnt/master-vol-2", "etcd-events-a", CLUSTER, "2381");
    let _ = master.take(&["--data-dir"]).run().unwrap().success();
    master.refuses(
        &["--data-dir", "/mnt/master-vol-2"],
        1,
        &["no data folder of etcd main", "etcd-events-a"],
    );
}

#[test]
fn of_another_cluster_or_half_a_file_is_refused() {
    let master = Master::new();
    master.state(VOLUME, "etcd-a", "other.example.com", "2380");
    master.refuses(&["--data-dir"], 3, &["of cluster other.example.com", "--other-lineage"]);

    // By its content: the state file may be lost, or lie.
    master.state(VOLUME, "etcd-a", CLUSTER, "2380");
    let etcd = master.etcd();
    let other = r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"another-one"}}"#;
    etcd.put(&[Put::new("/registry/namespaces/kube-system", other)])
        .unwrap();
    signal(&etcd, "-TERM");
    gone(&master.data());
    master.refuses(&["--data-dir"], 3, &["of another cluster", "another-one"]);
    let consented = master.take(&["--data-dir", "--other-lineage", "--yes"]);
    let _ = consented.run().unwrap().success();
    fs::remove_dir_all(master.env.base("main").join(NAME)).unwrap();

    let database = master.data().join("member/snap/db");
    let half = fs::metadata(&database).unwrap().len() / 2;
    fs::OpenOptions::new()
        .write(true)
        .open(&database)
        .unwrap()
        .set_len(half)
        .unwrap();
    master.refuses(
        &["--data-dir", "--other-lineage"],
        1,
        &["is damaged, nothing was uploaded"],
    );
    fs::write(&database, b"").unwrap();
    master.refuses(&["--data-dir", "--other-lineage"], 1, &["damaged"]);
}
