//! A snapshot in memory, made by hand or read from a database.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Snapshot;
use crate::model::kubernetes::value::ENCRYPTED_MAGIC;
use crate::model::snapshot::ReadAt;
use crate::model::snapshot::{self, Content, LiveKey, ValueAt};

/// Keys and values in memory; it counts the bytes read.
pub struct Fake {
    pub content: Content,
    db: Bytes,
}

struct Bytes {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl ReadAt for Bytes {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let source = self
            .bytes
            .get(start..start + buffer.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(source);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Fake {
    /// From a database, as the reader decodes it.
    pub fn read(bytes: Vec<u8>) -> Self {
        let db = Bytes {
            bytes,
            read: AtomicU64::new(0),
        };
        let reading = snapshot::read(&db).unwrap();
        assert_eq!(reading.problems, []);
        Self {
            content: reading.content.unwrap(),
            db,
        }
    }

    /// Of (key, lease, value), sorted by key; the nth is written at revision n + 2.
    pub fn of(entries: &[(&str, i64, &[u8])]) -> Self {
        assert!(
            entries.is_sorted_by_key(|(key, ..)| *key),
            "keys of a snapshot are sorted"
        );
        let mut bytes = Vec::new();
        let mut keys = Vec::new();
        for (revision, (key, lease, value)) in (2..).zip(entries) {
            let value_at = ValueAt {
                offset: bytes.len() as u64,
                length: value.len() as u32,
            };
            bytes.extend_from_slice(value);
            keys.push(LiveKey {
                key: key.as_bytes().to_vec(),
                create_revision: revision,
                mod_revision: revision,
                version: 1,
                lease: *lease,
                value: value_at,
                encrypted: value.starts_with(ENCRYPTED_MAGIC),
            });
        }
        let content = Content {
            revision: 1 + keys.len() as i64,
            hash: 0,
            records: keys.len() as u64,
            db_size: bytes.len() as u64,
            storage_version: None,
            applied_index: None,
            lease_count: 0,
            keys,
        };
        Self {
            content,
            db: Bytes {
                bytes,
                read: AtomicU64::new(0),
            },
        }
    }

    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.content, &self.db)
    }

    pub fn bytes_read(&self) -> u64 {
        self.db.read.load(Ordering::Relaxed)
    }
}
