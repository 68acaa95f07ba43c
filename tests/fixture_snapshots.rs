//! Every backup in tests/fixtures against what etcdutl and etcd said of it (expected.json).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use runbook_kit::adapters::unpack::Unpacker;
use runbook_kit::ports::ObjectBody;
use runbook_kit::ports::snapshot::{ReadSnapshot, SnapshotReader};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    gzip_bytes: u64,
    snapshot_bytes: u64,
    sha256_trailer: String,
    etcdutl_status: Status,
    live_keys: usize,
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Status {
    hash: u32,
    revision: i64,
    #[serde(rename = "totalKey")]
    total_key: usize,
    #[serde(rename = "totalSize")]
    total_size: u64,
    version: String,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Key {
    key: String,
    lease: bool,
}

fn fixtures() -> PathBuf {
    support::paths::fixture("")
}

fn expected() -> BTreeMap<String, BTreeMap<String, Expected>> {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn object(store: &str, backup: &str) -> Vec<u8> {
    let folder = fixtures().join(store).join("super.k8s.local/backups/etcd").join(backup);
    std::fs::read(folder.join("etcd.backup.gz")).unwrap()
}

async fn read(object: Vec<u8>) -> ReadSnapshot {
    let body = ObjectBody {
        size: object.len() as u64,
        reader: Box::new(std::io::Cursor::new(object)),
    };
    Unpacker::default().read(body, &|_| {}).await.unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn every_backup_reads_as_etcdutl_and_etcd_say() {
    let mut seen = 0;
    for (store, backups) in expected() {
        for (backup, expected) in backups {
            let snapshot = read(object(&store, &backup)).await;
            let at = format!("{store}/{backup}");
            assert_eq!(snapshot.problems, [], "{at}");
            assert_eq!(snapshot.gzip_bytes, expected.gzip_bytes, "{at}");
            assert_eq!(snapshot.snapshot_bytes, expected.snapshot_bytes, "{at}");
            assert_eq!(hex(&snapshot.sha256), expected.sha256_trailer, "{at}");
            assert_eq!(snapshot.trailer, Some(snapshot.sha256), "{at}");
            let content = snapshot.content.expect(&at);
            let status = expected.etcdutl_status;
            assert_eq!(content.hash, status.hash, "{at}");
            assert_eq!(content.revision, status.revision, "{at}");
            assert_eq!(content.db_size, status.total_size, "{at}");
            assert_eq!(content.keys.len(), status.total_key, "{at}");
            assert_eq!(
                content.storage_version.clone().unwrap_or_default(),
                status.version,
                "{at}"
            );
            assert_eq!(content.keys.len(), expected.live_keys, "{at}");
            let keys: Vec<Key> = content
                .keys
                .iter()
                .map(|live| Key {
                    key: String::from_utf8(live.key.clone()).unwrap(),
                    lease: live.lease != 0,
                })
                .collect();
            assert_eq!(keys, expected.keys, "{at}");
            let db = snapshot.db.expect(&at);
            for live in &content.keys {
                let value = live.value(&*db).unwrap();
                let is_object = value.starts_with(b"k8s\0") || value.starts_with(b"{");
                assert!(is_object || live.key == b"compact_rev_key", "{at}: {live:?}");
                assert!(
                    live.version > 0 && live.create_revision <= live.mod_revision,
                    "{at}: {live:?}"
                );
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 18);
}
