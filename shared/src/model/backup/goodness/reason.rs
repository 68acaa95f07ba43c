//! Why a backup is not good, and what should be known of one that is.

use std::fmt;

use jiff::tz::TimeZone;

use super::facts::{Facts, Lineage};
use crate::model::backup::name::BackupName;
use crate::model::units::counted;

/// Why a backup is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It has data without meta or the reverse.
    Incomplete,
    /// It does not verify.
    Damaged(String),
    /// Nothing was ever written to this etcd.
    Empty,
    /// There is no key of namespace `kube-system`.
    NoLineage,
    /// Namespace `kube-system` has another UID than in the lineage that lives, or nothing shows that the two are one.
    OtherLineage {
        /// What was found.
        found: Lineage,
        /// That of the lineage that lives.
        living: Lineage,
        /// A backup of it.
        against: BackupName,
    },
    /// It holds nothing but what an API server and its controllers create by themselves.
    Bare {
        /// Whether something of it is controllers' and not an API server's.
        by_controllers: bool,
    },
    /// It is ambiguous which of two lineages is the current one.
    Undecided {
        /// The newer one.
        newer: Lineage,
        /// The older one.
        older: Lineage,
    },
}

impl Rejection {
    pub(super) fn bare(facts: &Facts) -> Self {
        Self::Bare {
            by_controllers: facts.evidence.by_controllers > 0,
        }
    }

    /// Whether it holds whatever other backups there are.
    #[must_use]
    pub fn tells_by_itself(&self) -> bool {
        matches!(
            self,
            Self::Incomplete | Self::Damaged(_) | Self::Empty | Self::NoLineage
        )
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("incomplete: data or meta is missing"),
            Self::Damaged(problem) => write!(f, "damaged: {problem}"),
            Self::Empty => f.write_str("empty: nothing was ever written to this etcd"),
            Self::NoLineage => f.write_str("no namespace kube-system: no API server has ever used this etcd"),
            Self::OtherLineage {
                found: Lineage::Known(found),
                living: Lineage::Known(living),
                against,
            } => write!(
                f,
                "another cluster: kube-system has UID {}, and {} in {against}",
                first_group(found),
                first_group(living)
            ),
            Self::OtherLineage { against, .. } => write!(
                f,
                "another cluster, by its Nodes and namespaces, than {against}: the UID of kube-system cannot be read in both"
            ),
            Self::Bare { by_controllers: false } => f.write_str(
                "no Nodes, namespaces of users or workloads: it holds only what an API server creates by itself",
            ),
            Self::Bare { by_controllers: true } => f.write_str(
                "no Nodes, namespaces of users or workloads: it holds only what an API server and its controllers create by themselves",
            ),
            Self::Undecided { newer, older } => write!(
                f,
                "two clusters wrote to this store, {} before and {} since less than a day, which holds less: it is not clear which one is meant",
                older.short(),
                newer.short()
            ),
        }
    }
}

fn first_group(uid: &str) -> &str {
    uid.split('-').next().unwrap_or(uid)
}

/// What should be known of a backup that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Less than half the Nodes of an earlier backup of the same lineage.
    FewerNodes {
        /// Nodes in this one.
        now: u64,
        /// Nodes in the earlier one.
        before: u64,
        /// This one.
        of: BackupName,
        /// The earlier one.
        against: BackupName,
    },
    /// Less than half the keys of an earlier backup of the same lineage.
    FewerKeys {
        /// Keys in this one.
        now: u64,
        /// Keys in the earlier one.
        before: u64,
        /// This one.
        of: BackupName,
        /// The earlier one.
        against: BackupName,
    },
    /// All objects of users are missing.
    NowBare,
    /// Another cluster wrote to this store before.
    Follows {
        /// The lineage of this one.
        lineage: Lineage,
        /// The one before.
        before: Lineage,
        /// Its last backup that was read.
        until: BackupName,
    },
    /// The UID of `kube-system` cannot be read, so keys alone were judged.
    UnknownLineage,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewerNodes {
                now,
                before,
                of,
                against,
            } => write!(f, "{}, {before} at {}", counted(*now, "Node"), time(against, of)),
            Self::FewerKeys {
                now,
                before,
                of,
                against,
            } => write!(f, "{}, {before} at {}", counted(*now, "key"), time(against, of)),
            Self::NowBare => f.write_str("no Nodes, namespaces of users or workloads are left in it"),
            Self::Follows { lineage, before, until } => write!(
                f,
                "another cluster wrote to this store until {until}: kube-system had UID {}, and has {}",
                before.short(),
                lineage.short()
            ),
            Self::UnknownLineage => f.write_str(
                "the UID of kube-system cannot be read, its value is encrypted at rest or damaged: judged by keys alone",
            ),
        }
    }
}

/// `18:00`, with its date where that is another day's than `beside`.
fn time(name: &BackupName, beside: &BackupName) -> String {
    let utc = |name: &BackupName| name.created().to_zoned(TimeZone::UTC);
    let (then, now) = (utc(name), utc(beside));
    let format = if then.date() == now.date() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    then.strftime(format).to_string()
}
