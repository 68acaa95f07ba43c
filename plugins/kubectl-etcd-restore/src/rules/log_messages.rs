//! Reads etcd-manager's log messages about restores.
//!
//! Source of the phrases: kubernetes-sigs/etcd-manager `pkg/controller` at ad35ed6, seen with v3.0.20260707.

use serde::Serialize;

/// The meaning of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// This member leads.
    Leads,
    /// This member follows.
    Follows,
    /// etcd has no members, and the leader waits for a command.
    WaitsForCommand,
    /// A command was taken.
    TookCommand,
    /// A backup was taken.
    TookBackup,
    /// The restored etcd starts to serve.
    Serves,
    /// `etcd-cluster-created` is missing: a new, empty cluster is seeded.
    Seeds,
    /// `etcd-cluster-spec` is missing: nothing is done at all.
    NoClusterSpec,
    /// A failure.
    Failed(LoopCause, String),
}

/// Why a restore keeps failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoopCause {
    /// The backup is missing, or its meta cannot be read.
    BackupUnreadable,
    /// etcd-manager does not have this version of etcd.
    UnknownVersion,
    /// The backup could not be restored.
    RestoreFailed,
    /// Fewer masters than the command's spec requires.
    TooFewPeers,
    /// The restore is complete, but the command cannot be deleted.
    CommandStays,
    /// etcd comes up empty and is stopped again.
    Unknown,
}

impl LoopCause {
    /// The failure as text.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::BackupUnreadable => {
                "etcd-manager cannot read the backup: it is not in the store, or its meta is broken"
            }
            Self::UnknownVersion => "this etcd-manager does not have the etcd version that the backup needs",
            Self::RestoreFailed => "etcd-manager found the backup and could not restore it",
            Self::TooFewPeers => "etcd-manager finds fewer masters than the cluster spec requires",
            Self::Unknown => {
                "etcd comes up empty and is stopped again and again: etcd-manager cannot restore this backup"
            }
            Self::CommandStays => {
                "the restore is complete but the command is still queued: the masters are not allowed to delete it"
            }
        }
    }

    /// How to fix it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::BackupUnreadable | Self::RestoreFailed | Self::Unknown => {
                "if the backup was deleted from the store, repeat `kubectl etcd-restore run`: it copies back the pinned one; otherwise cancel \
                 the command, queue another backup and restart the leader, which caches the old command: \
                 `kubectl etcd-restore cancel`, `queue`, `restart-etcd`; the old data is in data-trashcan/ on the etcd volumes"
            }
            Self::UnknownVersion => {
                "cancel the command and queue a backup of another etcd version, then `kubectl etcd-restore restart-etcd`; or use \
                 an etcd-manager that has this version: set spec.etcdClusters[].manager.image, then `kops update cluster --yes` \
                 and replace the masters"
            }
            Self::TooFewPeers => {
                "start the missing masters: check `kubectl etcd-restore logs` and the Auto Scaling groups"
            }
            Self::CommandStays => {
                "grant the masters' role s3:DeleteObject on control/ in the backup store, or remove the command with \
                 `kubectl etcd-restore cancel` and your own credentials"
            }
        }
    }

    /// How often it may be logged before it is a loop: after a wipe one failed search for peers is normal.
    #[must_use]
    pub const fn max_repeats(self) -> u32 {
        match self {
            Self::TooFewPeers => 3,
            _ => 2,
        }
    }
}

/// The event of a line; `None` where it is not about a restore.
#[must_use]
pub fn read(line: &str) -> Option<LogEvent> {
    let failed = |cause| Some(LogEvent::Failed(cause, shortened(line)));
    let says = |phrase: &str| line.contains(phrase);
    if says("error reading backup info in") || says("etcd version not found in") {
        failed(LoopCause::BackupUnreadable)
    } else if says("unknown etcd version") {
        failed(LoopCause::UnknownVersion)
    } else if says("unable to find peer on which to run restore operation")
        || says("insufficient peers in our gossip group")
    {
        failed(LoopCause::TooFewPeers)
    } else if says("error restoring backup on peer") {
        failed(LoopCause::RestoreFailed)
    } else if says("must issue restore-backup command to proceed") {
        Some(LogEvent::WaitsForCommand)
    } else if says("got restore-backup command:") {
        Some(LogEvent::TookCommand)
    } else if says("took backup:") {
        Some(LogEvent::TookBackup)
    } else if says("Setting quarantined state to false") {
        Some(LogEvent::Serves)
    } else if says("detected that there is no existing cluster") {
        Some(LogEvent::Seeds)
    } else if says("no cluster spec set - must seed new cluster") {
        Some(LogEvent::NoClusterSpec)
    } else if says("I am leader with token") {
        Some(LogEvent::Leads)
    } else if says("we are not leader") {
        Some(LogEvent::Follows)
    } else {
        None
    }
}

/// A log line may hold a whole object.
fn shortened(line: &str) -> String {
    const MOST: usize = 200;
    let line = line.trim();
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or(line)),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_log_messages_of_a_restore() {
        for (line, event) in [
            (
                "I1122 15:20:07 controller.go:1] I am leader with token \"x\"",
                LogEvent::Leads,
            ),
            ("we are not leader", LogEvent::Follows),
            (
                "W1122 controller.go:427] etcd has 0 members registered; must issue restore-backup command to proceed",
                LogEvent::WaitsForCommand,
            ),
            ("got restore-backup command: timestamp:1", LogEvent::TookCommand),
            ("took backup: name:\"2026\"", LogEvent::TookBackup),
            ("Setting quarantined state to false", LogEvent::Serves),
            ("no cluster spec set - must seed new cluster", LogEvent::NoClusterSpec),
            ("detected that there is no existing cluster", LogEvent::Seeds),
        ] {
            assert_eq!(read(line), Some(event));
        }
        for (line, cause) in [
            ("error reading backup info in \"x\"", LoopCause::BackupUnreadable),
            (
                "error restoring backup on peer: unknown etcd version \"3.4.3\"",
                LoopCause::UnknownVersion,
            ),
            ("error restoring backup on peer etcd-a: rpc", LoopCause::RestoreFailed),
            (
                "unable to find peer on which to run restore operation",
                LoopCause::TooFewPeers,
            ),
        ] {
            assert!(
                matches!(read(line), Some(LogEvent::Failed(found, _)) if found == cause),
                "{line}"
            );
        }
        assert_eq!(read("starting etcd"), None);
    }
}
