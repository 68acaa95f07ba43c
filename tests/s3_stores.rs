//! `Stores` against two S3 servers that share no code, and against what S3 answers on bad days.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by a panic, and a child process answers on its standard output"
)]

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use runbook_kit::adapters::store_options::{Multipart, StoreEnvironment, StoreOptions};
use runbook_kit::adapters::stores::Stores;
use runbook_kit::cli::confirm;
use runbook_kit::consent::Consent;
use runbook_kit::model::exposure::Known;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{ObjectStore, PutMode, StoreError, StoreErrorKind};
use support::{Fault, Moto, Proxy, Rule, S3, SeaweedFs};
use tokio::io::AsyncReadExt;

#[path = "s3_stores/aws_chain.rs"]
mod aws_chain;
#[path = "s3_stores/bad_days.rs"]
mod bad_days;
#[path = "s3_stores/lifecycle.rs"]
mod lifecycle;
#[path = "s3_stores/writes.rs"]
mod writes;

/// One moto for all tests that run at a time; the last one ends it.
fn moto() -> Arc<Moto> {
    static RUNNING: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Moto::start().unwrap());
        *running = Arc::downgrade(&started);
        started
    })
}

/// moto, a proxy in front of it, and a bucket of this test's own.
struct Bench {
    moto: Arc<Moto>,
    proxy: Proxy,
    bucket: &'static str,
}

impl Bench {
    fn new(bucket: &'static str) -> Self {
        let moto = moto();
        moto.create_bucket(bucket).unwrap();
        Self {
            proxy: Proxy::start(&*moto).unwrap(),
            moto,
            bucket,
        }
    }

    fn stores(&self) -> Stores {
        Stores::new(options(&self.proxy))
    }

    fn url(&self, key: &str) -> StoreUrl {
        at(self.bucket, key)
    }

    fn put(&self, key: &str, content: &[u8]) {
        self.moto.put(self.bucket, key, content).unwrap();
    }
}

/// As a user of a server of his own: kops' `S3_*` variables.
fn options(server: &impl S3) -> StoreOptions {
    let environment = StoreEnvironment {
        s3_endpoint: Some(server.endpoint()),
        s3_access_key_id: Some("test".into()),
        s3_secret_access_key: Some("test".into()),
        ..StoreEnvironment::default()
    };
    StoreOptions {
        environment,
        ..StoreOptions::default()
    }
}

fn at(bucket: &str, key: &str) -> StoreUrl {
    format!("s3://{bucket}/{key}").parse().unwrap()
}

fn agreed() -> Consent {
    confirm::plain(true).unwrap()
}

fn refused<T>(result: Result<T, StoreError>) -> StoreError {
    result.err().expect("it should have been refused")
}

async fn read(stores: &Stores, at: &StoreUrl) -> std::io::Result<Vec<u8>> {
    let mut body = stores.open(at).await.map_err(std::io::Error::other)?;
    let mut content = Vec::new();
    body.reader.read_to_end(&mut content).await?;
    Ok(content)
}

/// Bytes that repeat nowhere near, so that a gap or a double piece shows.
fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// What every server must do alike.
async fn every_verb(server: &impl S3) {
    let (bucket, other) = ("every-verb", "every-verb-2");
    server.create_bucket(bucket).unwrap();
    server.create_bucket(other).unwrap();
    let stores = Stores::new(options(server));
    let base = "c.example.com/backups/etcd/main";
    let name = "2026-11-22T15:18:01Z-000001";
    let meta = at(bucket, &format!("{base}/{name}/_etcd_backup.meta"));

    stores
        .put(&meta, b"{\"a\":1}".to_vec(), PutMode::Create, &agreed())
        .await
        .unwrap();
    let again = refused(
        stores
            .put(&meta, b"{\"a\":2}".to_vec(), PutMode::Create, &agreed())
            .await,
    );
    assert_eq!(again.kind, StoreErrorKind::AlreadyExists, "{again}");
    assert_eq!(stores.get(&meta, 100).await.unwrap(), b"{\"a\":1}");
    stores
        .put(&meta, b"{\"a\":3}".to_vec(), PutMode::Replace, &agreed())
        .await
        .unwrap();
    assert_eq!(stores.get(&meta, 7).await.unwrap(), b"{\"a\":3}");
    assert_eq!(
        refused(stores.get(&meta, 6).await).kind,
        StoreErrorKind::TooLarge { limit: 6 }
    );

    let empty = at(bucket, &format!("{base}/{name}/empty"));
    stores
        .put(&empty, Vec::new(), PutMode::Replace, &agreed())
        .await
        .unwrap();
    assert_eq!(stores.get(&empty, 0).await.unwrap(), b"");
    let listed = stores.list(&at(bucket, base)).await.unwrap();
    let paths: Vec<_> = listed.iter().map(|object| (object.path.clone(), object.size)).collect();
    assert_eq!(
        paths,
        [(format!("{name}/_etcd_backup.meta"), 7), (format!("{name}/empty"), 0)]
    );
    assert!(listed.iter().all(|object| object.modified.is_some()));
    assert_eq!(stores.list_folders(&at(bucket, base)).await.unwrap(), [name]);
    assert_eq!(stores.list_folders(&at(bucket, "")).await.unwrap(), ["c.example.com"]);
    assert_eq!(
        stores.list(&at(bucket, "c.example")).await.unwrap(),
        [],
        "a prefix ends at a slash"
    );

    for target in [
        at(bucket, "c.example.com/backups/recovery/main/x y+z/meta"),
        at(other, "meta"),
    ] {
        stores.copy(&meta, &target, &agreed()).await.unwrap();
        assert_eq!(stores.get(&target, 100).await.unwrap(), b"{\"a\":3}");
    }
    stores.copy(&empty, &at(other, "empty"), &agreed()).await.unwrap();
    assert_eq!(stores.get(&at(other, "empty"), 100).await.unwrap(), b"");
    let absent = at(bucket, "absent");
    let error = refused(stores.copy(&absent, &at(other, "x"), &agreed()).await);
    assert_eq!((error.kind, error.at), (StoreErrorKind::NotFound, absent.clone()));

    stores.delete(&meta, &agreed()).await.unwrap();
    stores.delete(&meta, &agreed()).await.unwrap();
    assert_eq!(refused(stores.get(&meta, 100).await).kind, StoreErrorKind::NotFound);
    assert_eq!(
        refused(stores.open(&absent).await.map(drop)).kind,
        StoreErrorKind::NotFound
    );

    let nowhere = at("no-such-bucket-here", "c");
    assert_eq!(refused(stores.list(&nowhere).await).kind, StoreErrorKind::NoSuchBucket);
    assert_eq!(
        refused(stores.list_folders(&nowhere).await).kind,
        StoreErrorKind::NoSuchBucket
    );
}

/// Copies a large object in parts, and to and from a disk.
async fn large_objects(server: &impl S3) {
    let bucket = "large-objects";
    server.create_bucket(bucket).unwrap();
    let content = bytes(12 << 20);
    let (from, to) = (at(bucket, "from:here"), at(bucket, "to"));
    server.put(bucket, "from:here", &content).unwrap();
    let proxy = Proxy::start(server).unwrap();
    let multipart = Multipart {
        threshold: 5 << 20,
        part: 5 << 20,
    };
    let stores = Stores::new(StoreOptions {
        multipart,
        ..options(&proxy)
    });
    stores.copy(&from, &to, &agreed()).await.unwrap();
    assert!(server.get(bucket, "to").unwrap() == content, "the copy differs");
    let ranges: Vec<_> = proxy
        .requests()
        .iter()
        .filter_map(|request| request.header("x-amz-copy-source-range").map(str::to_owned))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(
        ranges,
        ["bytes=0-5242879", "bytes=10485760-12582911", "bytes=5242880-10485759"]
    );
    assert_eq!(
        proxy
            .requests()
            .iter()
            .filter(|request| request.method == "GET" && request.header("range").is_none())
            .count(),
        1,
        "only the bucket's encryption is read: not a byte more than the first of the object came here"
    );

    let disk = tempfile::tempdir().unwrap();
    let file: StoreUrl = format!("file://{}/a/b", disk.path().display()).parse().unwrap();
    stores.copy(&from, &file, &agreed()).await.unwrap();
    assert!(
        std::fs::read(disk.path().join("a/b")).unwrap() == content,
        "the file differs"
    );
    stores.copy(&file, &at(bucket, "back"), &agreed()).await.unwrap();
    assert!(server.get(bucket, "back").unwrap() == content, "what came back differs");
    let absent: StoreUrl = format!("file://{}/absent", disk.path().display()).parse().unwrap();
    let error = refused(stores.copy(&absent, &at(bucket, "never"), &agreed()).await);
    assert_eq!((error.kind, error.at), (StoreErrorKind::NotFound, absent));
}

#[tokio::test]
async fn moto_does_every_verb() {
    every_verb(&*moto()).await;
}

#[tokio::test]
async fn moto_copies_large_objects() {
    large_objects(&*moto()).await;
}

#[tokio::test]
async fn seaweedfs_does_every_verb_and_copies_large_objects() {
    let server = SeaweedFs::start().unwrap();
    every_verb(&server).await;
    large_objects(&server).await;
    writes::encryption_is_given_up_once(&server).await;
    versions_are_told(&server).await;
}

/// moto answers with another root element than S3, which no strict client reads.
async fn versions_are_told(server: &impl S3) {
    const BUCKET: &str = "versions-told";
    server.create_bucket(BUCKET).unwrap();
    let stores = Stores::new(options(server));
    let url = at(BUCKET, "cluster");
    assert!(matches!(stores.versioned(&url).await, Known::No(why) if why.contains("never enabled")));
    for (status, wanted) in [("Enabled", true), ("Suspended", false)] {
        let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        server
            .bucket_request("PUT", BUCKET, "versioning", body.as_bytes())
            .unwrap();
        let told = stores.versioned(&url).await;
        assert_eq!(matches!(told, Known::Yes(_)), wanted, "{told:?}");
        assert_eq!(matches!(told, Known::No(_)), !wanted, "{told:?}");
    }
}

#[tokio::test]
async fn a_page_costs_one_request_and_an_object_none() {
    let bench = Bench::new("pages");
    for n in 0..2_100 {
        bench.put(&format!("main/n{n:04}/meta"), b"{}");
    }
    let stores = bench.stores();
    let listed = stores.list(&bench.url("main")).await.unwrap();
    assert_eq!(listed.len(), 2_100);
    assert!(listed.is_sorted_by(|a, b| a.path < b.path));
    assert_eq!((bench.proxy.lists(), bench.proxy.requests().len()), (3, 3));
    bench.proxy.reset();
    assert_eq!(stores.list_folders(&bench.url("main")).await.unwrap().len(), 2_100);
    assert_eq!(bench.proxy.requests().len(), 3);
    bench.proxy.reset();
    assert_eq!(stores.list(&bench.url("elsewhere")).await.unwrap(), []);
    assert_eq!(bench.proxy.requests().len(), 1);
}

#[tokio::test]
async fn a_versioned_bucket_shows_what_is_current() {
    let bench = Bench::new("versioned");
    let on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    bench
        .moto
        .bucket_request("PUT", bench.bucket, "versioning", on)
        .unwrap();
    let stores = bench.stores();
    for content in ["old", "new"] {
        stores
            .put(&bench.url("a/b"), content.into(), PutMode::Replace, &agreed())
            .await
            .unwrap();
    }
    assert_eq!(stores.list(&bench.url("a")).await.unwrap().len(), 1);
    assert_eq!(stores.get(&bench.url("a/b"), 9).await.unwrap(), b"new");
    stores.delete(&bench.url("a/b"), &agreed()).await.unwrap();
    assert_eq!(stores.list(&bench.url("a")).await.unwrap(), []);
    assert_eq!(
        refused(stores.get(&bench.url("a/b"), 9).await).kind,
        StoreErrorKind::NotFound
    );
    let versions = bench
        .moto
        .bucket_request("GET", bench.bucket, "versions", b"")
        .unwrap()
        .text();
    assert_eq!(
        (
            versions.matches("<Version>").count(),
            versions.matches("<DeleteMarker>").count()
        ),
        (2, 1),
        "{versions}"
    );
}
