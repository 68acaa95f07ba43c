//! What the judgement rests on, for one backup that was read.

use super::evidence::Evidence;
use crate::model::backup::name::BackupName;

/// Whose the keys are, by the UID of namespace `kube-system`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lineage {
    /// This UID.
    Known(String),
    /// The namespace's key is there, and no UID can be read from its value: it is encrypted at rest, or damaged.
    Unknown,
    /// There is no such key: etcd `events`, cilium's, an etcd that no API server has used.
    #[default]
    None,
}

impl Lineage {
    /// The UID, where it could be read.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Known(uid) => Some(uid),
            Self::Unknown | Self::None => None,
        }
    }

    /// The UID's first group, which tells two clusters apart well enough for a line on a screen; or that it is unknown.
    #[must_use]
    pub fn short(&self) -> &str {
        match self {
            Self::Known(uid) => uid.split('-').next().unwrap_or(uid),
            Self::Unknown => "unknown",
            Self::None => "none",
        }
    }
}

/// What is known of one backup that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which backup.
    pub name: BackupName,
    /// What is damaged; empty when it verifies.
    pub problems: Vec<String>,
    /// etcd's revision; 0 or 1 when nothing was ever written.
    pub revision: i64,
    /// Whose it is.
    pub lineage: Lineage,
    /// What its keys show.
    pub evidence: Evidence,
}

impl Facts {
    /// Whether it verifies.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether nothing was ever written to this etcd.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.revision <= 1
    }

    /// Live keys.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.evidence.keys
    }

    /// Node objects.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.evidence.nodes.len() as u64
    }

    /// Whether it holds nothing but what an API server and its controllers create by themselves.
    #[must_use]
    pub fn bare(&self) -> bool {
        self.evidence.bare()
    }
}
