//! What a sound snapshot holds.

use super::ReadAt;
use super::problem::Problem;

/// What a snapshot's database holds, as `etcdutl snapshot status` of etcd 3.6 and a start of etcd from it would see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The main revision of the last record of bucket `key`, be it a deletion; 0 for a database without records.
    /// etcdutl's `revision`.
    pub revision: i64,
    /// CRC-32C over the names, keys and values of all buckets, in order. etcdutl's `hash`.
    pub hash: u32,
    /// Records of bucket `key`: every kept version of every key, and deletions.
    pub records: u64,
    /// Bytes of the database's pages, without the SHA-256 trailer. etcdutl's `totalSize`.
    pub db_size: u64,
    /// `3.6` or `3.7`; etcd 3.5 and older write none. etcdutl's `version` is this with `.0` behind it.
    pub storage_version: Option<String>,
    /// The raft index up to which the database holds everything (etcd's `consistent_index`); entries after it are in the
    /// write-ahead log only. Source: etcd-io/etcd server/storage/schema/cindex.go.
    pub applied_index: Option<u64>,
    /// Records of bucket `lease`.
    pub lease_count: u64,
    /// The live keys, sorted by their bytes. Their number is etcdutl's `totalKey`.
    pub keys: Vec<LiveKey>,
}

impl Content {
    /// The live key of exactly these bytes.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<&LiveKey> {
        let at = self.keys.binary_search_by(|live| live.key.as_slice().cmp(key)).ok()?;
        self.keys.get(at)
    }

    /// The live keys that start with `prefix`, sorted.
    #[must_use]
    pub fn below(&self, prefix: &[u8]) -> &[LiveKey] {
        let start = self.keys.partition_point(|live| live.key.as_slice() < prefix);
        let rest = self.keys.get(start..).unwrap_or_default();
        let count = rest.partition_point(|live| live.key.starts_with(prefix));
        rest.get(..count).unwrap_or_default()
    }
}

/// One live key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveKey {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The revision that made it.
    pub create_revision: i64,
    /// The revision that wrote it last.
    pub mod_revision: i64,
    /// How often it was written since it was made.
    pub version: i64,
    /// The lease that it hangs on; 0 for none.
    pub lease: i64,
    /// Where its value is in the database.
    pub value: ValueAt,
    /// Whether the value says of itself that kube-apiserver encrypted it.
    pub encrypted: bool,
}

impl LiveKey {
    /// Reads the value's bytes from the database that this key was read from.
    pub fn value(&self, db: &dyn ReadAt) -> Result<Vec<u8>, Problem> {
        self.value.read(db)
    }
}

/// Where a value lies in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueAt {
    /// Bytes from the database's start.
    pub offset: u64,
    /// Bytes of the value.
    pub length: u32,
}

impl ValueAt {
    /// Reads the bytes.
    pub fn read(self, db: &dyn ReadAt) -> Result<Vec<u8>, Problem> {
        use super::problem::{Fault, Place};

        let place = Place::Snapshot { offset: self.offset };
        let end = self.offset.checked_add(u64::from(self.length));
        if end.is_none_or(|end| end > db.size()) {
            return Err(Problem {
                place,
                fault: Fault::Unreadable("beyond the end of the database".to_owned()),
            });
        }
        let mut value = vec![0; self.length as usize];
        match db.read_exact_at(&mut value, self.offset) {
            Ok(()) => Ok(value),
            Err(error) => Err(Problem {
                place,
                fault: Fault::Unreadable(error.to_string()),
            }),
        }
    }
}
