//! `copy` between S3 servers' buckets and folders.

use std::fs;
use std::thread;
use std::time::Duration;

use support::store::{self, CLUSTER};
use support::{Cmd, Moto, Proxy, Rule, S3, SeaweedFs};

use crate::env::{Env, RESTORED, backups, tree};

const NEWEST: &str = "2026-11-22T15:20:36Z-000001";

fn copy(server: &impl S3, to: &str, arguments: &[&str]) -> Cmd {
    backups(&[
        "copy",
        "--to",
        to,
        "-o",
        "json",
        "--state",
        "s3://kops-state",
        "--name",
        CLUSTER,
    ])
    .args(arguments)
    .envs(server.env())
}

fn key(etcd: &str, name: &str, file: &str) -> String {
    format!("{CLUSTER}/backups/etcd/{etcd}/{name}/{file}")
}

fn count(ended: &support::Ended, field: &str, value: &str) -> usize {
    let rows = ended.json();
    rows.as_array()
        .unwrap()
        .iter()
        .filter(|row| row[field] == value)
        .count()
}

/// A state store that is older than its copies: S3 tells times in seconds, and objects of one content and time are taken
/// for the same.
fn serve_of_before(server: &impl S3, bucket: &str, backups: &str) {
    store::serve_state_store(server, bucket, backups).unwrap();
    thread::sleep(Duration::from_millis(1_100));
}

/// Bucket to bucket, folder to bucket, bucket to folder.
fn every_way(server: &impl S3) {
    serve_of_before(server, "kops-state", RESTORED);
    server.create_bucket("copies").unwrap();
    let copied = copy(server, "s3://copies/kops", &["--all", "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(
        (count(&copied, "state", "copied"), count(&copied, "how", "server")),
        (10, 10)
    );
    for file in ["etcd.backup.gz", "_etcd_backup.meta"] {
        let key = key("main", NEWEST, file);
        let copied = server.get("copies", &format!("kops/{key}")).unwrap();
        assert_eq!(copied, server.get("kops-state", &key).unwrap());
    }
    let again = copy(server, "s3://copies/kops", &["--all", "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(count(&again, "state", "there"), 10);

    let folder = tempfile::tempdir().unwrap();
    let to = format!("file://{}", folder.path().display());
    let down = copy(server, &to, &["main=latest", "--yes"]).run().unwrap().success();
    assert_eq!(
        (count(&down, "state", "copied"), count(&down, "how", "streamed")),
        (1, 1)
    );
    let data = key("main", NEWEST, "etcd.backup.gz");
    let original = server.get("kops-state", &data).unwrap();
    assert_eq!(fs::read(folder.path().join(&data)).unwrap(), original);

    let env = Env::new(RESTORED);
    let up = env
        .backups(&["copy", "main=latest", "--to", "s3://copies/up", "--yes", "-o", "json"])
        .envs(server.env());
    assert_eq!(count(&up.run().unwrap().success(), "how", "streamed"), 1);
    assert_eq!(server.get("copies", &format!("up/{data}")).unwrap(), original);

    // Another name of the same place, and a place in the state store.
    for to in ["s3://kops-state", "s3://kops-state/copies"] {
        let _ = copy(server, to, &["--all", "--yes"]).run().unwrap().code(3);
    }
    let gone = copy(server, "s3://no-such-bucket", &["--all", "--yes"]).run().unwrap();
    let _ = gone.code(1).stderr_has("no-such-bucket");
}

#[test]
fn every_way_works_on_moto() {
    every_way(&Moto::start().unwrap());
}

#[test]
fn every_way_works_on_seaweedfs() {
    every_way(&SeaweedFs::start().unwrap());
}

#[test]
fn where_the_server_does_not_copy_by_itself_the_data_is_streamed() {
    let moto = Moto::start().unwrap();
    serve_of_before(&moto, "kops-state", RESTORED);
    moto.create_bucket("copies").unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    // The first write of the data is the server's own copy.
    proxy.inject(Rule::times(
        1,
        "PUT",
        "etcd.backup.gz",
        Rule::error(403, "AccessDenied"),
    ));
    let copied = copy(&proxy, "s3://copies", &["main=latest", "--yes"])
        .run()
        .unwrap()
        .success();
    assert_eq!(
        (count(&copied, "state", "copied"), count(&copied, "how", "streamed")),
        (1, 1)
    );
    let data = key("main", NEWEST, "etcd.backup.gz");
    assert_eq!(
        moto.get("copies", &data).unwrap(),
        moto.get("kops-state", &data).unwrap()
    );
}

#[test]
fn a_bucket_that_denies_loses_nothing() {
    let moto = Moto::start().unwrap();
    serve_of_before(&moto, "kops-state", RESTORED);
    moto.create_bucket("copies").unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    let all = ["--etcd", "main", "--all", "--keep", "1h", "--yes"];
    let denies = |contains: &str| {
        proxy.reset();
        proxy.inject(Rule::always("PUT", contains, Rule::error(403, "AccessDenied")));
        copy(&proxy, "s3://copies", &all).run().unwrap()
    };
    let denied = denies("etcd.backup.gz").code(1);
    let _ = denied
        .stderr_has("access denied")
        .stderr_has("copies")
        .stderr_has("hint:");
    assert!(!moto.exists("copies", &key("main", NEWEST, "etcd.backup.gz")).unwrap());
    // The data is there, and its meta is not: it is no backup, and is completed by the next.
    let midway = denies("_etcd_backup.meta").code(4);
    let _ = midway.stderr_has("access denied").stderr_has("repeat the command");
    proxy.reset();
    let _ = copy(&proxy, "s3://copies", &all).run().unwrap().success();
    assert!(
        moto.exists("copies", &key("main", NEWEST, "_etcd_backup.meta"))
            .unwrap()
    );
    // Nothing of the destination can be seen.
    proxy.inject(Rule::always("GET", "/copies", Rule::error(403, "AccessDenied")));
    let unseen = copy(&proxy, "s3://copies", &all).run().unwrap().code(1);
    let _ = unseen.stderr_has("access denied");
    assert!(proxy.requests().iter().all(|request| request.method != "DELETE"));
}

#[test]
fn copies_of_a_folder_are_pruned_in_the_bucket_only() {
    let (moto, env) = (Moto::start().unwrap(), Env::new(RESTORED));
    moto.create_bucket("copies").unwrap();
    let run = |now: &str| {
        let copy = [
            "copy",
            "--all",
            "--etcd",
            "main",
            "--keep",
            "1h",
            "--to",
            "s3://copies",
            "--yes",
            "-o",
            "json",
        ];
        env.backups(&copy).envs(moto.env()).now(now).run().unwrap().success()
    };
    let before = tree(env.root());
    assert_eq!(count(&run("2026-11-22T15:21:36Z"), "state", "copied"), 5);
    assert_eq!(count(&run("2026-11-22T17:21:36Z"), "state", "deleted"), 4);
    assert_eq!(tree(env.root()), before);
    assert!(moto.exists("copies", &key("main", NEWEST, "etcd.backup.gz")).unwrap());
}
