//! Sound databases, and any bytes at all.

use proptest::prelude::*;

use super::build::{self, Database, Entry, deletion, put};
use super::*;

mod broken;

/// Two leaves below a branch, a value of three pages, a free page, a list of free pages.
fn sample(page_size: usize) -> (Database, Sample) {
    let mut db = Database::new(page_size);
    let large = vec![b'x'; page_size * 2];
    let left = db.leaf(&[
        put(2, "/a", [2, 1, 0], b"one"),
        put(3, "/b", [3, 1, 77], b"two"),
        put(5, "/a", [2, 2, 0], b"three"),
    ]);
    let free = db.push(vec![0xee; page_size]);
    let right = db.leaf(&[
        put(6, "/large", [6, 1, 0], &large),
        put(7, "/gone", [7, 1, 0], b"four"),
        deletion(9, "/gone"),
    ]);
    let keys = db.branch(&[(&build::revision(2, 0), left), (&build::revision(6, 0), right)]);
    db.root = db.leaf(&build::buckets(keys));
    let free_list = db.free_list(&[free]);
    (
        db,
        Sample {
            left,
            free,
            right,
            keys,
            free_list,
            large,
        },
    )
}

struct Sample {
    left: u64,
    free: u64,
    right: u64,
    keys: u64,
    free_list: u64,
    large: Vec<u8>,
}

fn read_all(db: &Database) -> Reading {
    read(&db.bytes()).unwrap()
}

fn faults(db: &Database) -> Vec<Fault> {
    read_all(db).problems.into_iter().map(|problem| problem.fault).collect()
}

/// A database whose bucket `key` is one leaf of `records`.
fn with_records(records: &[Entry]) -> Database {
    let mut db = Database::new(4096);
    let keys = db.leaf(records);
    db.root = db.leaf(&build::buckets(keys));
    db
}

/// CRC-32C bit by bit, to check the one that is used.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

#[test]
fn a_sound_database_of_any_page_size_tells_its_content() {
    for page_size in [512, 1024, 4096, 16384, 65536] {
        let (db, sample) = sample(page_size);
        let bytes = db.bytes();
        let Reading { problems, content } = read(&bytes).unwrap();
        assert_eq!(problems, [], "{page_size}");
        let content = content.unwrap();
        assert_eq!(content.revision, 9, "the last record counts, a deletion too");
        assert_eq!(content.records, 6);
        assert_eq!(content.db_size, bytes.len() as u64);
        assert_eq!(content.storage_version.as_deref(), Some("3.6.0"));
        assert_eq!(content.lease_count, 1);
        let keys: Vec<_> = content.keys.iter().map(|live| live.key.as_slice()).collect();
        assert_eq!(keys, [&b"/a"[..], b"/b", b"/large"]);
        let values: Vec<_> = content.keys.iter().map(|live| live.value(&bytes).unwrap()).collect();
        assert_eq!(values, [b"three".to_vec(), b"two".to_vec(), sample.large]);
        let a = content.find(b"/a").unwrap();
        assert_eq!((a.create_revision, a.mod_revision, a.version, a.lease), (2, 5, 2, 0));
        assert_eq!(content.find(b"/b").unwrap().lease, 77);
        assert_eq!(content.find(b"/gone"), None);
        assert_eq!(content.below(b"/l").len(), 1);
        assert_eq!(content.below(b"/").len(), 3);
        assert_eq!(content.below(b"/z"), []);
    }
}

#[test]
fn the_hash_covers_names_keys_and_values_in_order() {
    let db = with_records(&[put(2, "/a", [2, 1, 0], b"v")]);
    let mut hashed = b"key".to_vec();
    hashed.extend(build::revision(2, 0));
    hashed.extend(build::record("/a", [2, 2, 1, 0], b"v"));
    hashed.extend(b"lease");
    hashed.extend(77_i64.to_be_bytes());
    hashed.extend([8, 77, 16, 15]);
    hashed.extend(b"metaconsistent_index\0\0\0\0\0\0\0\x09storageVersion3.6.0");
    assert_eq!(read_all(&db).content.unwrap().hash, crc32c(&hashed));
}

#[test]
fn a_database_without_records_is_empty_and_sound() {
    let reading = read_all(&with_records(&[]));
    assert_eq!(reading.problems, []);
    let content = reading.content.unwrap();
    assert_eq!((content.revision, content.records, content.keys), (0, 0, Vec::new()));
}

#[test]
fn a_key_written_again_after_its_deletion_lives() {
    let db = with_records(&[
        put(4, "/a", [2, 7, 0], b"left by a compaction"),
        deletion(5, "/a"),
        deletion(6, "/never-there"),
        put(8, "/a", [8, 1, 3], b"again"),
    ]);
    let content = read_all(&db).content.unwrap();
    assert_eq!(content.keys.len(), 1);
    assert_eq!((content.keys[0].create_revision, content.keys[0].lease), (8, 3));
}

#[test]
fn a_bucket_in_a_bucket_is_checked_and_hashed_by_its_name_only() {
    let mut db = Database::new(4096);
    let keys = db.leaf(&[]);
    let inner = db.leaf(&[(false, b"k".to_vec(), b"v".to_vec())]);
    let mut root = build::buckets(keys);
    root.insert(
        0,
        build::inline_bucket(
            "auth",
            &[build::bucket("inner", inner), build::inline_bucket("tiny", &[])],
        ),
    );
    db.root = db.leaf(&root);
    let reading = read_all(&db);
    assert_eq!(reading.problems, []);
    let hashed = b"authinnertinykeylease\0\0\0\0\0\0\0\x4d\x08\x4d\x10\x0fmetaconsistent_index\0\0\0\0\0\0\0\x09storageVersion3.6.0";
    assert_eq!(reading.content.unwrap().hash, crc32c(hashed));
}

#[test]
fn the_valid_meta_page_of_the_higher_transaction_counts() {
    let (db, _) = sample(4096);
    let sound = read_all(&db).content;
    let mut stale = db.clone();
    stale.root = 3;
    let mut bytes = db.bytes();
    bytes[..4096].copy_from_slice(&stale.meta(0, 6));
    assert_eq!(
        read(&bytes).unwrap(),
        Reading {
            problems: Vec::new(),
            content: sound.clone()
        },
        "page 1 is newer"
    );

    // Without page 0, page 1 is found behind whatever page size it has.
    for page_size in [512, 4096, 65536] {
        let (db, _) = sample(page_size);
        let mut bytes = db.bytes();
        bytes[20] ^= 1;
        let reading = read(&bytes).unwrap();
        let problem = Problem {
            place: Place::Page { page: 0, offset: 0 },
            fault: Fault::UnknownVersion(3),
        };
        assert_eq!(reading.problems, [problem]);
        assert_eq!(reading.content.unwrap().revision, 9);
    }

    let mut bytes = db.bytes();
    bytes[4096 + 16 + 40] ^= 1;
    let reading = read(&bytes).unwrap();
    let place = Place::Page { page: 1, offset: 4096 };
    assert_eq!(
        reading.problems,
        [Problem {
            place,
            fault: Fault::Meta(MetaFault::Checksum)
        }]
    );
    assert_eq!(reading.content, sound, "the other one is enough");
}

#[test]
fn a_value_that_the_database_does_not_hold_is_a_problem_not_an_allocation() {
    let (db, _) = sample(512);
    for value in [
        ValueAt {
            offset: u64::MAX,
            length: 4,
        },
        ValueAt {
            offset: 0,
            length: u32::MAX,
        },
    ] {
        assert!(matches!(
            value.read(&db.bytes()),
            Err(Problem {
                fault: Fault::Unreadable(_),
                ..
            })
        ));
    }
}

#[test]
fn problems_read_as_sentences() {
    let problem = Problem {
        place: Place::Page {
            page: 17,
            offset: 69632,
        },
        fault: Fault::ReachedTwice,
    };
    assert_eq!(
        problem.to_string(),
        "page 17, byte 69632 of the database: reached twice: pages form a circle or share a page"
    );
}

proptest! {
    #[test]
    fn any_bytes_behind_sound_meta_pages_end_without_a_panic(mut tail in proptest::collection::vec(any::<u8>(), 512 * 8)) {
        let mut db = Database::new(512);
        db.root = 2;
        db.page_count = 10;
        for (page, chunk) in tail.chunks_mut(512).enumerate() {
            // Headers that get past the first checks.
            chunk[..8].copy_from_slice(&(page as u64 + 2).to_le_bytes());
            let (flags, count) = (1 + chunk[8] % 2, chunk[10] % 8);
            chunk[8..16].copy_from_slice(&[flags, 0, count, 0, 0, 0, 0, 0]);
        }
        let bytes = [db.meta(0, 1), db.meta(1, 2), tail].concat();
        let reading = read(&bytes).unwrap();
        prop_assert!(reading.content.is_none());
    }

    #[test]
    fn changed_bytes_are_reported_or_change_the_hash_or_nothing(changes in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4)) {
        let (db, _) = sample(512);
        let sound = read_all(&db).content.unwrap();
        let mut bytes = db.bytes();
        for (at, change) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        let reading = read(&bytes).unwrap();
        if reading.problems.is_empty() {
            let content = reading.content.unwrap();
            prop_assert!(content == sound || content.hash != sound.hash);
        } else if let Some(content) = reading.content {
            for live in content.keys {
                prop_assert!(live.value(&bytes).is_ok());
            }
        }
    }

    #[test]
    fn a_replay_equals_a_map(writes in proptest::collection::vec((0_u8..12, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..700))), 0..60)) {
        let mut model = std::collections::BTreeMap::new();
        let mut db = Database::new(1024);
        let mut leaves = Vec::new();
        for (chunk, writes) in writes.chunks(5).enumerate() {
            let mut entries = Vec::new();
            for (index, (key, value)) in writes.iter().enumerate() {
                let main = (chunk * 5 + index) as i64 + 2;
                let key = format!("/registry/{key}");
                match value {
                    Some(value) => {
                        entries.push(put(main, &key, [main, 1, 0], value));
                        model.insert(key.into_bytes(), value.clone());
                    }
                    None => {
                        entries.push(deletion(main, &key));
                        model.remove(key.as_bytes());
                    }
                }
            }
            leaves.push((entries[0].1.clone(), db.leaf(&entries)));
        }
        let children: Vec<_> = leaves.iter().map(|(key, page)| (key.as_slice(), *page)).collect();
        let keys = if children.is_empty() { db.leaf(&[]) } else { db.branch(&children) };
        db.root = db.leaf(&build::buckets(keys));
        let bytes = db.bytes();
        let reading = read(&bytes).unwrap();
        prop_assert_eq!(reading.problems, []);
        let content = reading.content.unwrap();
        prop_assert_eq!(content.records, writes.len() as u64);
        let live: std::collections::BTreeMap<_, _> =
            content.keys.iter().map(|live| (live.key.clone(), live.value(&bytes).unwrap())).collect();
        prop_assert_eq!(live, model);
    }
}
