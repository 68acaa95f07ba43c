//! `verify` against etcdutl, on databases of real etcds of each version.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Etcd, EtcdVersion, Put, components, run};

use crate::env::backups;

const NAME: &str = "2026-11-22T15:18:01Z-000001";
const META: &str =
    r#"{"etcdVersion":"3.6.0","timestamp":"1795360681","clusterSpec":{"memberCount":1,"etcdVersion":"3.6.0"}}"#;

#[test]
fn agrees_with_etcdutl_on_what_etcd_3_5_writes() {
    a_life_of_a_database(EtcdVersion::V3_5);
}

#[test]
fn agrees_with_etcdutl_on_what_etcd_3_6_writes() {
    a_life_of_a_database(EtcdVersion::V3_6);
}

#[test]
fn agrees_with_etcdutl_on_what_etcd_3_7_writes() {
    a_life_of_a_database(EtcdVersion::V3_7);
}

#[test]
fn agrees_with_etcdutl_on_a_hundred_thousand_keys() {
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    for first in (0..100_000).step_by(1_000) {
        let puts: Vec<Put> = (first..first + 1_000)
            .map(|n| Put::new(format!("/registry/k/{n:06}"), format!("v{n}")))
            .collect();
        etcd.put(&puts).unwrap();
    }
    assert_eq!(agrees(&etcd, "a hundred thousand keys")["keys"], 100_000);
}

/// Values over one page, leases, deleted and compacted keys, freed pages, a defragmented database, and a last record
/// that is a deletion.
fn a_life_of_a_database(version: EtcdVersion) {
    let etcd = Etcd::start(version).unwrap();
    assert_eq!(agrees(&etcd, "nothing written")["empty"], true);

    let puts: Vec<Put> = (0..900)
        .map(|n| Put::new(format!("/registry/configmaps/a/c{n:04}"), "x".repeat(n)))
        .collect();
    etcd.put(&puts).unwrap();
    for (n, size) in [4_000, 4_096, 10_000, 100_000, 1_000_000].into_iter().enumerate() {
        etcd.put(&[Put::new(format!("/registry/secrets/a/s{n}"), vec![n as u8; size])])
            .unwrap();
    }
    let lease = etcd.grant_lease(3_600).unwrap();
    let leased: Vec<Put> = (0..50)
        .map(|n| Put {
            lease,
            ..Put::new(format!("/registry/events/a/e{n:02}"), "event")
        })
        .collect();
    etcd.put(&leased).unwrap();
    assert_eq!(agrees(&etcd, "values over one page")["keys"], 955);

    for round in 0..5 {
        let puts: Vec<Put> = (0..900)
            .map(|n| Put::new(format!("/registry/configmaps/a/c{n:04}"), format!("{round}")))
            .collect();
        etcd.put(&puts).unwrap();
    }
    etcd.delete_range(b"/registry/configmaps/a/c0100", b"/registry/configmaps/a/c0700")
        .unwrap();
    assert_eq!(agrees(&etcd, "deleted keys")["keys"], 355);

    etcd.compact(etcd.revision().unwrap()).unwrap();
    let compacted = agrees(&etcd, "compacted, with freed pages");
    etcd.put(&[Put::new("/registry/configmaps/a/c0100", "again")]).unwrap();
    etcd.defragment().unwrap();
    let defragmented = agrees(&etcd, "defragmented");
    assert!(
        defragmented["dbSizeBytes"].as_u64() < compacted["dbSizeBytes"].as_u64(),
        "{compacted} {defragmented}"
    );

    etcd.delete(b"/registry/configmaps/a/c0100").unwrap();
    assert_eq!(agrees(&etcd, "the last record is a deletion")["keys"], 355);
    etcd.delete_range(b"/", b"0").unwrap();
    let emptied = agrees(&etcd, "every key deleted");
    assert_eq!(
        (&emptied["keys"], &emptied["empty"]),
        (&Value::from(0), &Value::from(false))
    );
}

/// Takes a snapshot, compares the results of both, and returns our row.
fn agrees(etcd: &Etcd, when: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshot");
    etcd.snapshot(&snapshot).unwrap();
    let status = etcdutl_status(&snapshot);

    let base = folder.path().join("main");
    let backup = base.join(NAME);
    fs::create_dir_all(&backup).unwrap();
    let file = fs::File::create(backup.join("etcd.backup.gz")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(&fs::read(&snapshot).unwrap()).unwrap();
    gzip.finish().unwrap();
    fs::write(backup.join("_etcd_backup.meta"), META).unwrap();

    let store = format!("file://{}", base.display());
    let ended = backups(&["verify", "--all", "-o", "json", "--store", &store])
        .run()
        .unwrap();
    let row = ended.json()[0].clone();
    assert_eq!(row["problems"], Value::Array(Vec::new()), "{when}");
    for (ours, theirs) in [
        ("revision", "revision"),
        ("hash", "hash"),
        ("keys", "totalKey"),
        ("dbSizeBytes", "totalSize"),
    ] {
        assert_eq!(row[ours], status[theirs], "{when}: {ours}");
    }
    assert_eq!(
        row["storageVersion"].as_str().unwrap_or_default(),
        status["version"].as_str().unwrap(),
        "{when}: version"
    );
    row
}

fn etcdutl_status(snapshot: &Path) -> Value {
    let mut etcdutl = Command::new(components::etcdutl().unwrap());
    let said = run::run(etcdutl.args(["snapshot", "status", "-w", "json"]).arg(snapshot)).unwrap();
    serde_json::from_str(&said).unwrap()
}
