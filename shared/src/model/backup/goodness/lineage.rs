//! Whether two backups are of one cluster, and whether one is poorer than the other.

use std::collections::BTreeSet;

use super::facts::{Facts, Lineage};
use crate::model::backup::name::BackupName;

/// Whether `newer` goes on with the cluster of `older`, by all that the two show.
///
/// UIDs decide where both are known. Unknown next to unknown is one lineage, unless it collapsed to what an API server
/// creates by itself: then the etcd was seeded anew. Known beside unknown (encryption at rest was switched on or off) is
/// one only where at least half of the older one's namespaces or Nodes are in the newer one, and it is not poorer: a
/// re-seeded cluster gets some of both back.
#[must_use]
pub fn continues(newer: &Facts, older: &Facts) -> bool {
    match (&newer.lineage, &older.lineage) {
        (Lineage::Known(new), Lineage::Known(old)) => new == old,
        (Lineage::Unknown, Lineage::Unknown) => !newer.bare() || older.bare(),
        (Lineage::Known(_), Lineage::Unknown) | (Lineage::Unknown, Lineage::Known(_)) => {
            (newer.bare() && older.bare()) || (shares(newer, older) && !poorer(newer, older))
        }
        (Lineage::None, _) | (_, Lineage::None) => false,
    }
}

fn shares(newer: &Facts, older: &Facts) -> bool {
    let half = |new: &BTreeSet<String>, old: &BTreeSet<String>| {
        !old.is_empty() && new.intersection(old).count().saturating_mul(2) >= old.len()
    };
    half(&newer.evidence.namespaces, &older.evidence.namespaces) || half(&newer.evidence.nodes, &older.evidence.nodes)
}

/// Whether one holds clearly less than another: less than half of its Nodes, of its users' namespaces, or of its keys. One of
/// the three is enough: where a cluster is being built up again, its machines, its namespaces and its objects come back at
/// different times.
#[must_use]
pub fn poorer(newer: &Facts, older: &Facts) -> bool {
    let (new, old) = (&newer.evidence, &older.evidence);
    halved(new.nodes.len() as u64, old.nodes.len() as u64)
        || halved(new.namespaces.len() as u64, old.namespaces.len() as u64)
        || halved(new.keys, old.keys)
}

/// Whether less than half is left.
#[must_use]
pub fn halved(now: u64, before: u64) -> bool {
    now.saturating_mul(2) < before
}

/// A lineage as it is shown to the user who has to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its UID.
    pub lineage: Lineage,
    /// Nodes in its last backup.
    pub nodes: u64,
    /// Namespaces of users in its last backup.
    pub namespaces: u64,
    /// Keys in its last backup.
    pub keys: u64,
    /// Its first backup in the store.
    pub first: BackupName,
    /// Its last one that can be used.
    pub last: BackupName,
}

impl Summary {
    pub(super) fn new(last: &Facts, first: Option<&BackupName>) -> Self {
        Self {
            lineage: last.lineage.clone(),
            nodes: last.nodes(),
            namespaces: last.evidence.namespaces.len() as u64,
            keys: last.keys(),
            first: first.unwrap_or(&last.name).clone(),
            last: last.name.clone(),
        }
    }
}
