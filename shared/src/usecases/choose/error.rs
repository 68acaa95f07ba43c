//! Why nothing was chosen.

use jiff::Timestamp;

use super::Rejected;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::backup::goodness::Summary;
use crate::model::backup::name::BackupName;
use crate::usecases::examine::ExamineError;

/// Nothing could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// `--etcd` or `ETCD=` names none of the cluster's.
    #[error("no etcd cluster `{name}`, only {}", .known.join(", "))]
    NoSuchEtcd {
        /// The name given.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// No backup at all.
    #[error("no complete backup of etcd {etcd} in {at}")]
    NoBackups {
        /// The etcd cluster, or several.
        etcd: String,
        /// Where was looked.
        at: String,
    },
    /// None younger than `--at`.
    #[error("no complete backup of etcd {etcd} not after {at}; the oldest is {oldest}")]
    NoneBefore {
        /// The etcd cluster.
        etcd: String,
        /// The time given.
        at: Timestamp,
        /// The oldest backup.
        oldest: BackupName,
    },
    /// None of this name.
    #[error("no backup `{text}` of etcd {etcd}")]
    NotFound {
        /// What was requested.
        text: String,
        /// The etcd cluster, or several.
        etcd: String,
        /// The backups nearest in time.
        near: Vec<String>,
    },
    /// Several begin so.
    #[error("`{text}` is the beginning of {} backups of etcd {etcd}: {}", names.len(), shortened(names))]
    Ambiguous {
        /// What was requested.
        text: String,
        /// The etcd cluster.
        etcd: String,
        /// Those that begin so.
        names: Vec<String>,
    },
    /// Not one is good.
    #[error("no good backup of etcd {etcd}{}", listed(rejected))]
    NoneGood {
        /// The etcd cluster.
        etcd: String,
        /// All that were looked at, newest first.
        rejected: Vec<Rejected>,
    },
    /// Two lineages, and it is not clear which one is meant.
    #[error(
        "two clusters wrote to the store of etcd {etcd}, and it is not clear which one is meant: the newer one is less than a day \
         old, and holds less{}",
        compared(newer, older)
    )]
    Undecided {
        /// The etcd cluster.
        etcd: String,
        /// The younger lineage, less than a day old and poorer.
        newer: Box<Summary>,
        /// The one before.
        older: Box<Summary>,
        /// The younger ones that were passed over for another reason, newest first.
        rejected: Vec<Rejected>,
    },
    /// `--lineage` names none.
    #[error("no backup of etcd {etcd} is of a cluster whose kube-system UID begins with `{asked}`")]
    NoSuchLineage {
        /// The etcd cluster.
        etcd: String,
        /// What was requested.
        asked: String,
        /// The UIDs there are.
        known: Vec<String>,
    },
    /// `--lineage` names several.
    #[error("`{asked}` is the beginning of {} UIDs: {}", .matching.len(), .matching.join(", "))]
    AmbiguousLineage {
        /// What was requested.
        asked: String,
        /// Those that begin so.
        matching: Vec<String>,
    },
    /// One could not be looked at.
    #[error(transparent)]
    Examine(#[from] ExamineError),
}

impl ChooseError {
    /// Whether that is how the store is, and not that it could not be looked at.
    #[must_use]
    pub const fn is_a_finding(&self) -> bool {
        !matches!(self, Self::Examine(_))
    }
}

impl Failure for ChooseError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuchEtcd { .. } | Self::Ambiguous { .. } | Self::AmbiguousLineage { .. } => Exit::Usage,
            Self::NoBackups { .. } | Self::NoneBefore { .. } | Self::NotFound { .. } | Self::NoSuchLineage { .. } => {
                Exit::Failed
            }
            Self::NoneGood { .. } => Exit::Found,
            Self::Undecided { .. } => Exit::Refused,
            Self::Examine(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { near, .. } if !near.is_empty() => Some(format!("near it: {}", near.join(", "))),
            Self::Ambiguous { .. } => Some("give a longer prefix".to_owned()),
            Self::NoneGood { .. } => Some("check one with `inspect NAME`; to use it anyway, pass its name".to_owned()),
            Self::Undecided { newer, older, .. } => Some(decide(newer, older)),
            Self::NoSuchLineage { known, .. } if !known.is_empty() => Some(format!("available: {}", known.join(", "))),
            Self::AmbiguousLineage { .. } => Some("give a longer prefix of the UID".to_owned()),
            Self::NoBackups { .. } => {
                Some("check --state, --name and --store; `list` also shows incomplete backups".to_owned())
            }
            Self::Examine(error) => error.hint(),
            _ => None,
        }
    }
}

fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 4 { shown + ", …" } else { shown }
}

fn listed(rejected: &[Rejected]) -> String {
    rejected.iter().map(|rejected| format!("\n  {rejected}")).collect()
}

/// Both lineages, one below the other, in 80 columns.
fn compared(newer: &Summary, older: &Summary) -> String {
    // To the minute, as the beginning of a backup's name.
    let minute = |name: &BackupName| name.as_str().chars().take(16).collect::<String>();
    let mut text = format!(
        "\n  {:<8}  {:>5}  {:>10}  {:>6}  {:<16}  {}",
        "UID", "NODES", "NAMESPACES", "KEYS", "FIRST BACKUP", "LAST BACKUP"
    );
    for one in [newer, older] {
        text.push_str(&format!(
            "\n  {:<8}  {:>5}  {:>10}  {:>6}  {:<16}  {}",
            one.lineage.short(),
            one.nodes,
            one.namespaces,
            one.keys,
            minute(&one.first),
            minute(&one.last)
        ));
    }
    text
}

fn decide(newer: &Summary, older: &Summary) -> String {
    let flags: Vec<String> = [newer, older]
        .iter()
        .filter(|one| one.lineage.uid().is_some())
        .map(|one| format!("--lineage {}", one.lineage.short()))
        .collect();
    let named = format!("name the backup, {} or {}", newer.last, older.last);
    match flags.is_empty() {
        true => named,
        false => format!("pass {}; or {named}", flags.join(" or ")),
    }
}
