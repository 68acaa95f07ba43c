//! Broken databases: each fault by its name.

use super::*;

#[test]
fn what_is_no_database_is_named() {
    let (mut db, _) = sample(4096);
    for bytes in [
        Vec::new(),
        b"SQLite format 3\0".to_vec(),
        vec![0; 20],
        vec![0; 100_000],
        vec![0xff; 8192],
    ] {
        let reading = read(&bytes).unwrap();
        assert_eq!(reading.content, None);
        assert!(
            reading.problems.iter().any(|problem| problem.fault == Fault::NoMeta),
            "{reading:?}"
        );
    }
    db.version = 3;
    assert!(faults(&db).contains(&Fault::UnknownVersion(3)));
    let (mut db, _) = sample(4096);
    db.page_size = 4096;
    db.page_count = u64::MAX / 8;
    let bytes = [db.meta(0, 1), db.meta(1, 2), vec![0; 4096]].concat();
    let reading = read(&bytes).unwrap();
    assert!(matches!(
        reading.problems[..],
        [Problem {
            fault: Fault::DatabaseTruncated { length: 12288, .. },
            ..
        }]
    ));
}

#[test]
fn a_cut_anywhere_is_reported() {
    let (db, _) = sample(512);
    let bytes = db.bytes();
    for length in 0..bytes.len() {
        let reading = read(&bytes[..length].to_vec()).unwrap();
        assert_eq!(reading.content, None, "{length}");
        assert!(!reading.problems.is_empty(), "{length}");
    }
}

/// Breaks the sample in one way and tells the fault and whether the content survives.
type Breakage = fn(&mut Database, &Sample) -> (Fault, bool);

#[test]
fn every_breakage_of_the_tree_is_named() {
    let cases: &[(&str, Breakage)] = &[
        ("circle", |db, sample| {
            *db.page(sample.keys) = rebuilt(
                db,
                sample.keys,
                build::branch(&[(b"", sample.left), (b"\xff", sample.keys)]),
            );
            (Fault::ReachedTwice, false)
        }),
        ("shared page", |db, sample| {
            *db.page(sample.keys) = rebuilt(
                db,
                sample.keys,
                build::branch(&[(b"", sample.left), (b"\0\0\0\0\0\0\0\x06", sample.left)]),
            );
            (Fault::ReachedTwice, false)
        }),
        ("overflow over another page", |db, sample| {
            db.page(sample.left)[12] = 1;
            db.page(sample.keys)[16 + 16 + 8..][..8].copy_from_slice(&(sample.left + 1).to_le_bytes());
            (Fault::ReachedTwice, false)
        }),
        ("meta page in the tree", |db, sample| {
            db.page(sample.keys)[16 + 8] = 1;
            (
                Fault::PageOutOfRange {
                    target: 1,
                    last: db.page_count - 1,
                },
                false,
            )
        }),
        ("page beyond the end", |db, sample| {
            db.page(sample.keys)[16 + 8 + 7] = 0x7f;
            let target = sample.left | 0x7f << 56;
            (
                Fault::PageOutOfRange {
                    target,
                    last: db.page_count - 1,
                },
                false,
            )
        }),
        ("wrong page id", |db, sample| {
            db.page(sample.left)[0] ^= 0x40;
            (
                Fault::WrongPageId {
                    found: sample.left ^ 0x40,
                },
                false,
            )
        }),
        ("wrong kind", |db, sample| {
            db.page(sample.left)[8] = 3;
            (
                Fault::WrongPageKind {
                    flags: 3,
                    expected: "branch or leaf",
                },
                false,
            )
        }),
        ("overflow beyond the end", |db, sample| {
            db.page(sample.left)[15] = 1;
            (Fault::OverflowOutOfRange { overflow: 1 << 24 }, false)
        }),
        ("value beyond its page", |db, sample| {
            db.page(sample.left)[16 + 12 + 3] = 1;
            (Fault::ElementOutOfPage { index: 0 }, false)
        }),
        ("elements that overlap", |db, sample| {
            db.page(sample.left)[16 + 16 + 4] -= 1;
            (Fault::ElementOutOfPage { index: 1 }, false)
        }),
        ("more elements than fit", |db, sample| {
            db.page(sample.left)[11] = 0xff;
            (Fault::ElementOutOfPage { index: 0 }, false)
        }),
        ("branch without children", |db, sample| {
            db.page(sample.keys)[10] = 0;
            (Fault::EmptyBranch, false)
        }),
        ("branch key beyond its page", |db, sample| {
            db.page(sample.keys)[16 + 16 + 7] = 0x10;
            (Fault::ElementOutOfPage { index: 1 }, false)
        }),
        ("keys out of order in a leaf", |db, sample| {
            *db.page(sample.left) = rebuilt(
                db,
                sample.left,
                build::leaf(&[put(5, "/a", [5, 1, 0], b""), put(3, "/b", [3, 1, 0], b"")]),
            );
            (Fault::KeyOrder { index: 1 }, false)
        }),
        ("key twice in a leaf", |db, sample| {
            *db.page(sample.left) = rebuilt(
                db,
                sample.left,
                build::leaf(&[put(5, "/a", [5, 1, 0], b""), put(5, "/b", [5, 1, 0], b"")]),
            );
            (Fault::KeyOrder { index: 1 }, false)
        }),
        ("leaf beyond its parent's range", |db, sample| {
            *db.page(sample.left) = rebuilt(db, sample.left, build::leaf(&[put(6, "/a", [6, 1, 0], b"")]));
            (Fault::KeyOrder { index: 0 }, false)
        }),
        ("branch keys out of order", |db, sample| {
            let (first, second) = (build::revision(6, 0), build::revision(2, 0));
            *db.page(sample.keys) = rebuilt(
                db,
                sample.keys,
                build::branch(&[(&first, sample.right), (&second, sample.left)]),
            );
            (Fault::KeyOrder { index: 0 }, false)
        }),
        ("page used and free", |db, sample| {
            db.page(sample.free_list)[16] = sample.left as u8;
            (Fault::ReachableFree, true)
        }),
        ("page lost", |db, sample| {
            db.page(sample.free_list)[10] = 0;
            (Fault::Leaked { count: 1 }, true)
        }),
        ("free page beyond the end", |db, sample| {
            db.page(sample.free_list)[16] = 0xff;
            (
                Fault::FreeList {
                    target: 0xff,
                    why: ", which does not exist",
                },
                true,
            )
        }),
        ("page free twice", |db, sample| {
            db.page(sample.free_list)[10] = 2;
            db.page(sample.free_list)[24] = sample.free as u8;
            (
                Fault::FreeList {
                    target: sample.free,
                    why: "twice",
                },
                true,
            )
        }),
        ("list of free pages of another kind", |db, sample| {
            db.page(sample.free_list)[8] = 2;
            (
                Fault::WrongPageKind {
                    flags: 2,
                    expected: "free list",
                },
                true,
            )
        }),
        ("list of free pages too long", |db, sample| {
            db.page(sample.free_list)[10..12].copy_from_slice(&u16::MAX.to_le_bytes());
            db.page(sample.free_list)[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
            db.page(sample.free_list)[24] = sample.free as u8;
            (
                Fault::FreeList {
                    target: 0,
                    why: ", which does not exist",
                },
                true,
            )
        }),
    ];
    for (name, breakage) in cases {
        let (mut db, sample) = sample(4096);
        let (fault, survives) = breakage(&mut db, &sample);
        let reading = read_all(&db);
        assert!(
            reading.problems.iter().any(|problem| problem.fault == fault),
            "{name}: {reading:?}"
        );
        assert_eq!(reading.content.is_some(), survives, "{name}");
    }
}

/// `page` in the place of page `id`.
fn rebuilt(db: &mut Database, id: u64, mut page: Vec<u8>) -> Vec<u8> {
    page.resize(db.page_size, 0);
    page[..8].copy_from_slice(&id.to_le_bytes());
    page
}

#[test]
fn what_is_no_record_of_etcd_is_named() {
    let value = build::record("/a", [2, 2, 1, 0], b"");
    for key in [
        &b"short"[..],
        &[build::revision(2, 0), b"x".to_vec()].concat(),
        &[0xff; 17],
        &build::revision(-2, 0),
    ] {
        let db = with_records(&[(false, key.to_vec(), value.clone())]);
        assert!(
            matches!(faults(&db)[..], [Fault::RevisionKey { index: 0, .. }]),
            "{key:?}"
        );
    }
    for value in [&b"\x0a\x05ab"[..], b"\x08\x01", b"\xff", b"\x12\x01a", b"\x28\x01"] {
        let db = with_records(&[(false, build::revision(2, 0), value.to_vec())]);
        assert!(matches!(faults(&db)[..], [Fault::Record { index: 0, .. }]), "{value:?}");
        assert_eq!(read_all(&db).content, None);
    }
}

#[test]
fn buckets_must_be_etcds() {
    let mut db = Database::new(4096);
    db.root = db.leaf(&[build::inline_bucket("meta", &[])]);
    assert_eq!(faults(&db), [Fault::MissingBucket { bucket: "key" }]);
    let mut db = Database::new(4096);
    db.root = db.leaf(&[(false, b"name\xff".to_vec(), b"value".to_vec())]);
    assert_eq!(
        faults(&db),
        [Fault::NotABucket {
            name: "name\\xff".to_owned()
        }]
    );
    for header in [&b""[..], &[0; 15], &[0; 16], &[0; 31]] {
        let mut db = Database::new(4096);
        db.root = db.leaf(&[(true, b"key".to_vec(), header.to_vec())]);
        assert_eq!(
            faults(&db),
            [Fault::BucketHeader {
                bucket: "key".to_owned()
            }]
        );
    }
}

#[test]
fn a_tower_of_pages_or_of_buckets_ends() {
    let mut db = Database::new(4096);
    let mut page = db.leaf(&[]);
    for _ in 0..200 {
        page = db.branch(&[(b"", page)]);
    }
    db.root = db.leaf(&build::buckets(page));
    assert!(faults(&db).contains(&Fault::TooDeep { limit: 64 }));

    let mut db = Database::new(65536);
    let mut inner = build::inline_bucket("b", &[]);
    for _ in 0..200 {
        inner = build::inline_bucket("b", &[inner]);
    }
    db.root = db.leaf(&[inner]);
    assert!(faults(&db).contains(&Fault::TooDeep { limit: 64 }));
}

#[test]
fn of_many_problems_some_are_listed_and_all_are_counted() {
    let records: Vec<Entry> = (0..200)
        .map(|main| (false, build::revision(main, 0), b"\xff".to_vec()))
        .collect();
    let mut db = Database::new(65536);
    let keys = db.leaf(&records);
    db.root = db.leaf(&build::buckets(keys));
    let faults = faults(&db);
    assert_eq!(faults.len(), 51);
    assert_eq!(faults[50], Fault::More { count: 150 });
}

/// A file with a hole: zeros behind what was written.
struct Sparse {
    written: Vec<u8>,
    size: u64,
}

impl ReadAt for Sparse {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        buffer.fill(0);
        if let Some(rest) = usize::try_from(offset).ok().and_then(|start| self.written.get(start..)) {
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size
    }
}

#[test]
fn overflow_of_gigabytes_is_not_loaded() {
    let (mut db, sample) = sample(4096);
    let written = db.bytes();
    db.free_list = u64::MAX;
    db.page_count = 1 << 20;
    db.page(sample.right)[12..16].copy_from_slice(&(1_u32 << 19).to_le_bytes());
    let metas = [db.meta(0, 8), db.meta(1, 7)].concat();
    let mut written = [&metas, &written[metas.len()..]].concat();
    let at = sample.right as usize * 4096;
    written[at..at + 4096].copy_from_slice(&db.page(sample.right)[..4096]);
    let reading = read(&Sparse { written, size: 4 << 30 }).unwrap();
    let length = ((1 << 19) + 1) * 4096;
    let problem = Problem {
        place: Place::Page {
            page: sample.right,
            offset: at as u64,
        },
        fault: Fault::PageTooLong {
            length,
            limit: 128 << 20,
        },
    };
    assert_eq!(reading.problems[0], problem);
    assert_eq!(reading.content, None);
}
