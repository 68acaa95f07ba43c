//! What is remembered of a backup that was read: its facts as JSON. A backup is never changed once it is written, so they stay
//! true as long as the store has the same content at the same place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Evidence, Facts, Lineage};
use crate::model::backup::name::BackupName;

/// Counts the changes of what facts are made of: notes of another version are not read.
const FORMAT: u32 = 1;

/// What a note is found by: where the data is, the store's tag of its content (S3's `ETag`), its bytes, and the format.
#[must_use]
pub fn key(data: &str, tag: &str, size: u64) -> String {
    format!("{data} {tag} {size} {FORMAT}")
}

/// The note's text; `None` for what is not worth to be remembered: a damaged backup is looked at again, and so is one whose
/// lineage could not be read.
#[must_use]
pub fn write(key: &str, facts: &Facts) -> Option<Vec<u8>> {
    if !facts.verifies() || facts.lineage == Lineage::Unknown {
        return None;
    }
    let Evidence {
        keys,
        nodes,
        namespaces,
        workloads,
        by_controllers,
        by_somebody,
    } = facts.evidence.clone();
    let note = Note {
        key: key.to_owned(),
        revision: facts.revision,
        lineage: facts.lineage.uid().map(str::to_owned),
        keys,
        nodes,
        namespaces,
        workloads,
        by_controllers,
        by_somebody,
    };
    serde_json::to_vec(&note).ok()
}

/// The facts of a note; `None` where it is no note of this key.
#[must_use]
pub fn read(key: &str, name: &BackupName, note: &[u8]) -> Option<Facts> {
    let note: Note = serde_json::from_slice(note).ok()?;
    (note.key == key).then(|| Facts {
        name: name.clone(),
        problems: Vec::new(),
        revision: note.revision,
        lineage: note.lineage.map_or(Lineage::None, Lineage::Known),
        evidence: Evidence {
            keys: note.keys,
            nodes: note.nodes,
            namespaces: note.namespaces,
            workloads: note.workloads,
            by_controllers: note.by_controllers,
            by_somebody: note.by_somebody,
        },
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    key: String,
    revision: i64,
    lineage: Option<String>,
    keys: u64,
    nodes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    workloads: u64,
    by_controllers: u64,
    by_somebody: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            name: "2026-11-22T15:18:01Z-000001".parse().unwrap(),
            problems: Vec::new(),
            revision: 7,
            lineage: Lineage::Known("u-1".to_owned()),
            evidence: Evidence {
                keys: 6,
                nodes: ["n".to_owned()].into(),
                namespaces: ["shop".to_owned()].into(),
                workloads: 3,
                by_controllers: 2,
                by_somebody: 1,
            },
        }
    }

    #[test]
    fn facts_are_remembered_as_they_are() {
        let key = key("s3://b/main/etcd.backup.gz", "\"abc\"", 9);
        for lineage in [Lineage::Known("u-1".to_owned()), Lineage::None] {
            let facts = Facts { lineage, ..facts() };
            let note = write(&key, &facts).unwrap();
            assert_eq!(read(&key, &facts.name, &note), Some(facts));
        }
    }

    #[test]
    fn what_may_be_otherwise_the_next_time_is_not_remembered() {
        let damaged = Facts {
            problems: vec!["a".to_owned()],
            ..facts()
        };
        let encrypted = Facts {
            lineage: Lineage::Unknown,
            ..facts()
        };
        assert_eq!([write("k", &damaged), write("k", &encrypted)], [None, None]);
    }

    #[test]
    fn a_note_of_other_content_or_none_at_all_is_not_believed() {
        let note = write("k", &facts()).unwrap();
        let name = facts().name;
        assert_eq!(read("l", &name, &note), None);
        assert_eq!(read("k", &name, b"{}"), None);
        assert_eq!(read("k", &name, note.get(..note.len() / 2).unwrap()), None);
        assert_ne!(key("a", "b", 1), key("a", "b", 2));
    }
}
