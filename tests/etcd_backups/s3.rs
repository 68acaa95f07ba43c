//! The same over S3 servers: moto and SeaweedFS.

use support::store::{self, CLUSTER, LongStore};
use support::{Cmd, Moto, Proxy, Rule, S3, SeaweedFs};

use crate::env::{NOW, RESTORED, backups};

fn fill(server: &impl S3) {
    store::serve_state_store(server, "kops-state", RESTORED).unwrap();
}

fn on(server: &impl S3, arguments: &[&str]) -> Cmd {
    backups(arguments)
        .envs(server.env())
        .args(["--state", "s3://kops-state", "--name", CLUSTER])
        .now(NOW)
}

/// From listing to a pinned copy.
fn every_subcommand(server: &impl S3) {
    fill(server);
    let rows = on(server, &["list", "-o", "json"]).run().unwrap().success().json();
    assert_eq!(
        (rows.as_array().unwrap().len(), &rows[0]["sizeBytes"]),
        (10, &27_762.into())
    );
    let rows = on(server, &["verify", "--all", "-o", "json"])
        .run()
        .unwrap()
        .code(5)
        .json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["ok"] == true));
    let name = "2026-11-22T15:18:01Z-000001";
    let _ = on(server, &["pin", &format!("main={name}"), "--yes"])
        .run()
        .unwrap()
        .success();
    let pin = format!("{CLUSTER}/backups/recovery/main/{name}/etcd.backup.gz");
    let own = format!("{CLUSTER}/backups/etcd/main/{name}/etcd.backup.gz");
    assert_eq!(
        server.get("kops-state", &pin).unwrap(),
        server.get("kops-state", &own).unwrap()
    );
    let _ = on(server, &["unpin", &format!("main={name}"), "--yes"])
        .run()
        .unwrap()
        .success();
    assert!(!server.exists("kops-state", &pin).unwrap() && server.exists("kops-state", &own).unwrap());
    let _ = on(server, &["check"]).run().unwrap().success();
}

#[test]
fn every_subcommand_works_on_moto() {
    every_subcommand(&Moto::start().unwrap());
}

#[test]
fn every_subcommand_works_on_seaweedfs() {
    every_subcommand(&SeaweedFs::start().unwrap());
}

#[test]
fn a_thousand_backups_take_no_more_listings_than_pages_and_no_meta_unless_shown() {
    let moto = Moto::start().unwrap();
    moto.create_bucket("long").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let names = LongStore::new(1_000, "2026-11-01T00:00:00Z".parse().unwrap())
        .unwrap()
        .write(folder.path())
        .unwrap();
    assert_eq!(names.len(), 1_000);
    moto.upload_folder("long", "main", folder.path()).unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    let list = |format: &str| {
        proxy.reset();
        let ended = backups(&["list", "--store", "s3://long/main", "-o", format])
            .envs(proxy.env())
            .now("2026-11-12T00:00:00Z");
        let ended = ended.run().unwrap().success();
        assert!(ended.stdout.lines().count() >= 1_000);
        (proxy.lists(), proxy.gets("_etcd_backup.meta"))
    };
    // 2,000 objects are two pages.
    assert_eq!(list("name"), (2, 0));
    assert_eq!(list("table"), (2, 0));
    assert_eq!(list("json"), (2, 1_000));
    assert!(
        proxy.most_in_flight() > 16,
        "metas are read one after the other: {}",
        proxy.most_in_flight()
    );
}

#[test]
fn no_command_fetches_a_backup_twice_and_the_next_one_fetches_only_what_it_shows() {
    let moto = Moto::start().unwrap();
    fill(&moto);
    let proxy = Proxy::start(&moto).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let fetched = |arguments: &[&str]| -> Vec<String> {
        proxy.reset();
        let command = on(&proxy, arguments).env("XDG_CACHE_HOME", cache.path());
        let _ = command.run().unwrap().success();
        let data = |path: String| {
            Some(
                path.strip_suffix("/etcd.backup.gz")?
                    .rsplit('/')
                    .next()?
                    .replace("%3A", ":"),
            )
        };
        let mut names: Vec<String> = proxy.requests().into_iter().filter_map(|get| data(get.path)).collect();
        names.sort();
        names
    };
    let newest = "2026-11-22T15:20:36Z-000001";
    let inspect = ["inspect", "main=latest-good"];
    let first = fetched(&inspect);
    let mut once = first.clone();
    once.dedup();
    assert!(first.len() > 1 && first == once, "{first:?}");
    assert_eq!(
        fetched(&inspect),
        [newest],
        "what is shown is read; the others are remembered"
    );
    assert_eq!(fetched(&["download", "main=latest-good", "main.db"]), [newest]);
    assert_eq!(fetched(&["inspect", "main=latest-good", "--no-cache"]), first);

    // What was replaced is not what is remembered.
    let other = first.iter().find(|name| *name != newest).unwrap();
    let folder = format!("{CLUSTER}/backups/etcd/main");
    let data = moto
        .get("kops-state", &format!("{folder}/{newest}/etcd.backup.gz"))
        .unwrap();
    moto.put("kops-state", &format!("{folder}/{other}/etcd.backup.gz"), &data)
        .unwrap();
    assert_eq!(fetched(&inspect), [other.as_str(), newest]);

    // A note that somebody has changed is no note.
    for note in std::fs::read_dir(cache.path().join("kops-recovery/facts")).unwrap() {
        std::fs::write(note.unwrap().path(), b"{}").unwrap();
    }
    let anew = fetched(&inspect);
    assert!(anew.len() > 1);
    assert_eq!(fetched(&["inspect", "main=latest-good", "--no-cache"]), anew);

    // A chart restores nothing: what is remembered is enough for it.
    let chart = ["timeline", "--keys", "--etcd", "main"];
    assert!(!fetched(&chart).is_empty());
    assert_eq!(fetched(&chart), Vec::<String>::new());
}

#[test]
fn errors_of_s3_have_hints() {
    let moto = Moto::start().unwrap();
    fill(&moto);
    let proxy = Proxy::start(&moto).unwrap();
    for (status, code, said) in [
        (403, "AccessDenied", "access denied"),
        (400, "ExpiredToken", "expired"),
        (403, "InvalidAccessKeyId", "does not accept the credentials"),
    ] {
        proxy.reset();
        proxy.inject(Rule::always("GET", "kops-state", Rule::error(status, code)));
        let ended = on(&proxy, &["list"]).run().unwrap().code(1);
        let _ = ended.stderr_has(said).stderr_has("hint:");
    }
    // Listing is allowed, reading is not.
    proxy.reset();
    proxy.inject(Rule::always("GET", "etcd.backup.gz", Rule::error(403, "AccessDenied")));
    let _ = on(&proxy, &["list", "-o", "name"]).run().unwrap().success();
    let _ = on(&proxy, &["verify"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("access denied")
        .stderr_has("etcd.backup.gz");
}

#[test]
fn a_bucket_that_is_not_there_and_no_credentials() {
    let moto = Moto::start().unwrap();
    let list = || backups(&["list", "--state", "s3://no-such-bucket", "--name", CLUSTER]);
    let _ = list()
        .envs(moto.env())
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no-such-bucket")
        .stderr_has("does not exist");
    let begun = std::time::Instant::now();
    let ended = list()
        .env("AWS_ENDPOINT_URL", moto.endpoint())
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY");
    let _ = ended
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no AWS credentials")
        .stderr_has("hint:");
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(30),
        "it waited for {:?}",
        begun.elapsed()
    );
}

/// To judge the newest one it is read, and the oldest one to compare it with, and an empty one before that.
#[test]
fn few_backups_are_read_for_judging_and_none_twice() {
    let moto = Moto::start().unwrap();
    fill(&moto);
    let proxy = Proxy::start(&moto).unwrap();
    let reads = |arguments: &[&str]| {
        proxy.reset();
        let _ = on(&proxy, arguments).run().unwrap().success();
        proxy.gets("etcd.backup.gz")
    };
    assert_eq!(reads(&["check", "--etcd", "main"]), 3);
    assert_eq!(reads(&["check", "--etcd", "main", "--age-only"]), 0);
    assert_eq!(reads(&["list", "--etcd", "main", "-o", "wide"]), 3);
    assert_eq!(reads(&["list", "--etcd", "main", "-o", "json"]), 0);
    assert_eq!(reads(&["verify", "main=latest"]), 3);
    assert_eq!(reads(&["verify", "main=latest-good"]), 3);
    assert_eq!(reads(&["show", "main=latest-good"]), 3);
    assert_eq!(reads(&["show", "main=latest"]), 0);
}
