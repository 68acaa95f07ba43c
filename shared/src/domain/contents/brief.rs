//! The little that tells a good backup from a worthless one, for judging many of them.

use super::source::Snapshot;
use crate::domain::kube::key::ObjectKey;
use crate::domain::snapshot::Problem;

/// What a backup holds, in three facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Live keys.
    pub keys: u64,
    /// Node objects.
    pub nodes: u64,
    /// UID of namespace `kube-system`, where there is one.
    pub lineage: Option<String>,
}

impl Brief {
    /// Reads them: all keys, and one value.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(snapshot: Snapshot<'_>) -> Result<Self, Problem> {
        let keys = &snapshot.content.keys;
        Ok(Self {
            keys: keys.len() as u64,
            nodes: keys
                .iter()
                .filter(|live| ObjectKey::parse(&live.key).is("nodes"))
                .count() as u64,
            lineage: snapshot.lineage()?,
        })
    }
}
