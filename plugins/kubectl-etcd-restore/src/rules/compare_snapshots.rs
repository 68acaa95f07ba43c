//! Compares two snapshots key by key.

use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::snapshot::{LiveKey, Problem};

/// How many key names are shown of each kind.
const SHOWN: usize = 3;

/// Keys of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub count: u64,
    /// The first ones.
    pub some: Vec<String>,
}

impl Keys {
    fn add(&mut self, key: &LiveKey) {
        self.count += 1;
        if self.some.len() < SHOWN {
            self.some.push(key.key.escape_ascii().to_string());
        }
    }
}

/// The differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Only in the backup, without a lease.
    pub missing: Keys,
    /// Only in the restored etcd.
    pub added: Keys,
    /// In both, with another value, revision or lease.
    pub changed: Keys,
    /// Only in the backup, with a lease: it expired.
    pub expired: u64,
}

/// Compares the backup with the restored etcd.
///
/// # Errors
/// Where a database cannot be read.
pub fn compare(saved: Snapshot<'_>, served: Snapshot<'_>) -> Result<Compared, Problem> {
    let mut compared = Compared::default();
    let mut theirs = served.content.keys.iter().peekable();
    for ours in &saved.content.keys {
        while let Some(added) = theirs.next_if(|their| their.key < ours.key) {
            compared.added.add(added);
        }
        match theirs.next_if(|their| their.key == ours.key) {
            Some(their) => {
                let same = (ours.mod_revision, ours.lease, ours.version)
                    == (their.mod_revision, their.lease, their.version)
                    && saved.value(ours)? == served.value(their)?;
                if !same {
                    compared.changed.add(ours);
                }
            }
            None if ours.lease != 0 => compared.expired += 1,
            None => compared.missing.add(ours),
        }
    }
    for added in theirs {
        compared.added.add(added);
    }
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::snapshot::{Content, ValueAt};

    use super::*;

    /// Keys of one letter each, with the offset of a value of one byte and a lease.
    fn content(keys: &[(&str, u64, i64)]) -> Content {
        let live = |(key, offset, lease): &(&str, u64, i64)| LiveKey {
            key: key.as_bytes().to_vec(),
            create_revision: 1,
            mod_revision: 1,
            version: 1,
            lease: *lease,
            value: ValueAt {
                offset: *offset,
                length: 1,
            },
            encrypted: false,
        };
        Content {
            revision: 1,
            hash: 0,
            records: 0,
            db_size: 0,
            storage_version: None,
            applied_index: None,
            lease_count: 0,
            keys: keys.iter().map(live).collect(),
        }
    }

    #[test]
    fn every_difference_is_seen() {
        let db = b"xy".to_vec();
        let saved = content(&[("a", 0, 0), ("b", 0, 0), ("c", 0, 7), ("d", 0, 0), ("e", 0, 7)]);
        let of = |content| compare(Snapshot::new(&saved, &db), Snapshot::new(content, &db)).unwrap();
        assert_eq!(of(&saved), Compared::default());
        let other = content(&[("a", 1, 0), ("aa", 0, 0), ("d", 0, 0), ("e", 0, 7), ("z", 0, 0)]);
        let found = of(&other);
        assert_eq!(
            (found.missing.some, found.changed.some),
            (vec!["b".to_owned()], vec!["a".to_owned()])
        );
        assert_eq!(
            (found.added.some, found.expired),
            (vec!["aa".to_owned(), "z".to_owned()], 1)
        );
        assert_eq!(of(&content(&[])).missing.count, 3);
    }
}
