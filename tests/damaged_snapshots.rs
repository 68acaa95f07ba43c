//! Damaged objects: each reported as what it is, none a panic, none a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use runbook_kit::adapters::unpack::{UnpackOptions, Unpacker};
use runbook_kit::model::snapshot::{self, Fault, Place};
use runbook_kit::ports::ObjectBody;
use runbook_kit::ports::snapshot::{ReadSnapshot, SnapshotReader};
use sha2::{Digest as _, Sha256};

fn healthy() -> Vec<u8> {
    let path = "state-store-restored/super.k8s.local/backups/etcd/main/2026-11-22T15:18:01Z-000001";
    std::fs::read(support::paths::fixture(path).join("etcd.backup.gz")).unwrap()
}

fn inflated(object: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(object).read_to_end(&mut bytes).unwrap();
    bytes
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn read_with(options: UnpackOptions, object: &[u8]) -> ReadSnapshot {
    let body = ObjectBody {
        size: object.len() as u64,
        reader: Box::new(std::io::Cursor::new(object.to_vec())),
    };
    Unpacker::new(options).read(body, &|_| {}).await.unwrap()
}

async fn read(object: &[u8]) -> ReadSnapshot {
    read_with(UnpackOptions::default(), object).await
}

async fn faults(object: &[u8]) -> Vec<Fault> {
    read(object)
        .await
        .problems
        .into_iter()
        .map(|problem| problem.fault)
        .collect()
}

/// `count` positions spread over `length`.
fn spread(length: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| index * length / count)
}

#[tokio::test]
async fn a_flipped_byte_anywhere_in_the_object_is_reported() {
    let object = healthy();
    let sound = read(&object).await;
    let mut reported = 0;
    for at in spread(object.len(), 2_000) {
        let mut object = object.clone();
        object[at] ^= 1 << (at % 8);
        let snapshot = read(&object).await;
        if snapshot.problems.is_empty() {
            assert_eq!(snapshot.sha256, sound.sha256, "byte {at}");
            assert_eq!(snapshot.content, sound.content, "byte {at}");
        } else {
            reported += 1;
        }
    }
    assert!(
        reported > 1_990,
        "only the header's time and the like may change unnoticed: {reported}"
    );
}

#[tokio::test]
async fn a_cut_anywhere_in_the_object_is_reported() {
    let object = healthy();
    for length in spread(object.len(), 500) {
        let snapshot = read(&object[..length]).await;
        let [problem] = &snapshot.problems[..] else {
            panic!("{length}: {:?}", snapshot.problems)
        };
        let expected = if length == 0 {
            Fault::EmptyObject
        } else {
            Fault::GzipTruncated
        };
        assert_eq!(problem.fault, expected, "{length}");
        assert_eq!(problem.place, Place::Object { offset: length as u64 });
        assert!(snapshot.content.is_none() && snapshot.db.is_none(), "{length}");
    }
}

#[tokio::test]
async fn a_flipped_byte_anywhere_in_the_snapshot_breaks_its_sha256() {
    let bytes = inflated(&healthy());
    for at in spread(bytes.len(), 200) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let faults = faults(&deflated(&bytes)).await;
        assert!(
            matches!(faults[..], [Fault::TrailerMismatch { .. }, ..]),
            "byte {at}: {faults:?}"
        );
    }
}

#[test]
fn a_flipped_byte_anywhere_in_the_database_is_seen_without_the_sha256_too() {
    let mut database = inflated(&healthy());
    database.truncate(database.len() - 32);
    let sound = snapshot::read(&database).unwrap().content.unwrap();
    let mut reported = 0;
    for at in spread(database.len(), 2_000) {
        database[at] ^= 1 << (at % 8);
        let reading = snapshot::read(&database).unwrap();
        if reading.problems.is_empty() {
            let content = reading.content.unwrap();
            assert!(content == sound || content.hash != sound.hash, "byte {at}");
        } else {
            reported += 1;
        }
        database[at] ^= 1 << (at % 8);
    }
    assert!(reported > 10, "{reported}");
}

#[test]
fn a_cut_anywhere_in_the_database_is_reported() {
    let mut database = inflated(&healthy());
    database.truncate(database.len() - 32);
    for length in spread(database.len(), 500) {
        let reading = snapshot::read(&&database[..length]).unwrap();
        assert!(!reading.problems.is_empty() && reading.content.is_none(), "{length}");
    }
}

#[tokio::test]
async fn what_is_no_gzip_is_named() {
    assert_eq!(faults(b"").await, [Fault::EmptyObject]);
    assert_eq!(faults(b"PK\x03\x04 a zip file").await, [Fault::NotGzip]);
    assert_eq!(
        faults(b"\x1f\x8b\x09").await,
        [Fault::NotGzip],
        "another compression than deflate"
    );
    assert_eq!(faults(b"\x1f\x8b\x08").await, [Fault::GzipTruncated]);
    assert_eq!(
        faults(b"<Error><Code>AccessDenied</Code></Error>").await,
        [Fault::NotGzip]
    );
}

#[tokio::test]
async fn members_add_up_and_headers_may_hold_more() {
    let object = healthy();
    let bytes = inflated(&object);
    let (left, right) = bytes.split_at(100_001);
    let several = [deflated(left), deflated(b""), deflated(right)].concat();
    let snapshot = read(&several).await;
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.content, read(&object).await.content);
    assert_eq!(snapshot.gzip_bytes, several.len() as u64);

    let mut named = flate2::GzBuilder::new()
        .filename("etcd.backup")
        .comment("made by a test")
        .extra(vec![7; 300])
        .write(Vec::new(), Compression::best());
    named.write_all(&bytes).unwrap();
    assert_eq!(faults(&named.finish().unwrap()).await, []);
}

#[tokio::test]
async fn a_header_is_checked_by_its_own_checksum_and_bounded() {
    let object = healthy();
    let mut header = object[..10].to_vec();
    header[3] = 2;
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let sum = (crc.sum() as u16).to_le_bytes();
    assert_eq!(faults(&[&header[..], &sum, &object[10..]].concat()).await, []);
    assert_eq!(
        faults(&[&header[..], &[sum[0] ^ 1, sum[1]], &object[10..]].concat()).await,
        [Fault::GzipHeader]
    );
    header[3] = 8;
    assert_eq!(
        faults(&[&header[..], &[b'n'; 4096]].concat()).await,
        [Fault::GzipHeader]
    );
}

#[tokio::test]
async fn a_checksum_that_is_wrong_at_the_end_leaves_the_content_there() {
    let mut object = healthy();
    let sound = read(&object).await.content;
    let end = object.len();
    object[end - 1] ^= 1;
    let snapshot = read(&object).await;
    assert!(matches!(snapshot.problems[0].fault, Fault::GzipChecksum { .. }));
    assert_eq!(snapshot.problems.len(), 1, "the SHA-256 says that the data is sound");
    assert_eq!(snapshot.content, sound);
}

#[tokio::test]
async fn garbage_behind_the_last_member_is_reported() {
    let object = healthy();
    for garbage in [&b"\0"[..], b"garbage", &[0; 512]] {
        let snapshot = read(&[&object[..], garbage].concat()).await;
        let problem = &snapshot.problems[0];
        assert_eq!(problem.fault, Fault::GzipGarbage);
        assert_eq!(
            problem.place,
            Place::Object {
                offset: object.len() as u64
            }
        );
        assert_eq!(snapshot.problems.len(), 1);
        assert!(snapshot.content.is_some());
    }
    assert_eq!(
        faults(&[&object[..], b"\x1f\x8b"].concat()).await,
        [Fault::GzipTruncated]
    );
}

#[tokio::test]
async fn a_missing_or_wrong_trailer_is_reported_beside_the_content() {
    let bytes = inflated(&healthy());
    let (database, trailer) = bytes.split_at(bytes.len() - 32);
    let snapshot = read(&deflated(database)).await;
    assert_eq!(
        snapshot.problems[0].fault,
        Fault::NoTrailer {
            length: database.len() as u64
        }
    );
    assert_eq!(snapshot.trailer, None);
    assert_eq!(snapshot.sha256.to_vec(), trailer, "of the whole");
    assert!(snapshot.content.is_some());

    let other = Sha256::digest(b"another database");
    let snapshot = read(&deflated(&[database, &other[..]].concat())).await;
    assert!(matches!(snapshot.problems[..], [ref one] if matches!(one.fault, Fault::TrailerMismatch { .. })));
    assert_eq!(snapshot.trailer.unwrap().to_vec(), other.to_vec());
    assert!(snapshot.content.is_some());

    let snapshot = read(&deflated(&bytes[..bytes.len() - 1])).await;
    assert!(matches!(snapshot.problems[0].fault, Fault::NoTrailer { .. }));
    assert!(matches!(
        faults(&deflated(b"")).await[..],
        [Fault::NoTrailer { length: 0 }, ..]
    ));
}

#[tokio::test]
async fn a_bomb_is_stopped_at_the_limit() {
    let bomb = deflated(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let options = UnpackOptions {
        max_db_size: 10 << 20,
        ..UnpackOptions::default()
    };
    let snapshot = read_with(options, &bomb).await;
    assert_eq!(snapshot.problems.len(), 1);
    assert_eq!(snapshot.problems[0].fault, Fault::TooLarge { limit: 10 << 20 });
    assert!(
        snapshot.snapshot_bytes <= (10 << 20) + 32,
        "{}",
        snapshot.snapshot_bytes
    );
    assert!(snapshot.content.is_none() && snapshot.db.is_none());

    let object = healthy();
    let exact = inflated(&object).len() as u64 - 32;
    let limited = |max_db_size| UnpackOptions {
        max_db_size,
        ..UnpackOptions::default()
    };
    assert_eq!(read_with(limited(exact), &object).await.problems, []);
    assert_eq!(read_with(limited(exact - 1), &object).await.problems.len(), 1);
}
