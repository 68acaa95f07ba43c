//! Why following stopped before everything served.

use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::shell::quoted;

/// Why a restore, or the API, was not complete.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The restore keeps failing.
    #[error("{etcd} is looping: {says}{line}")]
    Loops {
        etcd: String,
        says: &'static str,
        line: String,
        way_out: &'static str,
    },
    /// The command was removed, and the previous etcd still serves.
    #[error("{etcd}: the command was removed before the restore; the previous etcd still serves")]
    Cancelled { etcd: String },
    /// The command was removed, and etcd does not respond.
    #[error(
        "{etcd}: the command was removed before the restore; no response for {seconds} s, not even on the quarantine port"
    )]
    Removed { etcd: String, seconds: u64 },
    /// The command is gone, and there is no proof of a restore.
    #[error("{etcd}: the command is gone, and no restore was confirmed within {seconds} s")]
    NotSeen { etcd: String, seconds: u64 },
    /// Too long in one state.
    #[error("{etcd}: waited {seconds} s for {what}")]
    TooLong {
        etcd: String,
        seconds: u64,
        what: &'static str,
        hint: String,
        /// Whether the command is still queued.
        untaken: bool,
    },
    /// The API is not ready.
    #[error("every etcd is restored, and the API was not ready within {seconds} s: {last}{}", each(.held_up))]
    ApiNotReady {
        cluster: String,
        seconds: u64,
        last: String,
        /// Etcd clusters that were left out, and that the API waits for.
        held_up: Vec<String>,
    },
}

fn each(by: &[String]) -> String {
    by.iter().map(|one| format!("; {one}")).collect()
}

impl FollowError {
    /// The etcd cluster whose command was removed: the record of the run is no longer valid for it.
    pub fn removed(&self) -> Option<&str> {
        match self {
            Self::Cancelled { etcd } | Self::Removed { etcd, .. } => Some(etcd),
            _ => None,
        }
    }

    /// Whether etcd-manager did not take a command in time.
    pub const fn untaken(&self) -> bool {
        matches!(self, Self::TooLong { untaken: true, .. })
    }
}

impl Failure for FollowError {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Loops { way_out, .. } => (*way_out).to_owned(),
            Self::Cancelled { .. } | Self::Removed { .. } => {
                "find out who removed it; repeat the command to queue it again".to_owned()
            }
            Self::NotSeen { etcd, .. } => format!(
                "check its log, `kubectl etcd-restore logs etcd --etcd {}`, and its data; repeat the command to continue, or add --anew \
                 to queue the restore again",
                quoted(etcd)
            ),
            Self::TooLong { hint, .. } => hint.clone(),
            Self::ApiNotReady { cluster, held_up, .. } => format!(
                "{}check the logs of the API servers, `kubectl etcd-restore logs kube-apiserver --name {name}`, and restart kubelet on the \
                 control plane, `kubectl etcd-restore restart-kubelet --name {name} --yes`; then repeat `run` to continue",
                if held_up.is_empty() {
                    ""
                } else {
                    "restore the missing etcd, or seed it anew: `run` without --etcd; otherwise "
                },
                name = quoted(cluster)
            ),
        })
    }
}
