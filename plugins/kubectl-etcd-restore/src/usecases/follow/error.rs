//! Why following stopped before everything served.

use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::shell::quoted;

/// It did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// etcd-manager tries it for ever.
    #[error("{etcd} is looping: {says}{line}")]
    Loops {
        etcd: String,
        says: &'static str,
        line: String,
        way_out: &'static str,
    },
    /// The command went, and the etcd that served before still does.
    #[error("{etcd}: the command was removed before the restore; the previous etcd still serves")]
    Cancelled { etcd: String },
    /// The command went, and nobody answers.
    #[error(
        "{etcd}: the command was removed before the restore; no response for {seconds} s, not even on the quarantine port"
    )]
    Removed { etcd: String, seconds: u64 },
    /// The command went, and nothing tells that it was carried out.
    #[error("{etcd}: the command is gone, and no restore was confirmed within {seconds} s")]
    NotSeen { etcd: String, seconds: u64 },
    /// Too long in one state.
    #[error("{etcd}: waited {seconds} s for {what}")]
    TooLong {
        etcd: String,
        seconds: u64,
        what: &'static str,
        hint: String,
        /// Whether the command lies there untouched.
        untaken: bool,
    },
    /// The API does not come.
    #[error("every etcd is restored, and the API was not ready within {seconds} s: {last}{}", each(.held_up))]
    ApiNotReady {
        cluster: String,
        seconds: u64,
        last: String,
        /// Etcd clusters that were left out and hold it up.
        held_up: Vec<String>,
    },
}

fn each(by: &[String]) -> String {
    by.iter().map(|one| format!("; {one}")).collect()
}

impl FollowError {
    /// Whether its command was removed: what the run has noted of it holds no more.
    pub fn removed(&self) -> Option<&str> {
        match self {
            Self::Cancelled { etcd } | Self::Removed { etcd, .. } => Some(etcd),
            _ => None,
        }
    }

    /// Whether etcd-manager left a command untouched for too long.
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
                "look into its log, `kubectl etcd-restore logs etcd --etcd {}`, and at what it holds; the same command looks on, and \
                 with --anew it orders the restore anew",
                quoted(etcd)
            ),
            Self::TooLong { hint, .. } => hint.clone(),
            Self::ApiNotReady { cluster, held_up, .. } => format!(
                "{}look into the logs of the API servers, `kubectl etcd-restore logs kube-apiserver --name {name}`, and restart the \
                 masters' kubelets, `kubectl etcd-restore restart-kubelet --name {name} --yes`; then the same `run` again looks on",
                if held_up.is_empty() {
                    ""
                } else {
                    "restore what holds it up, or have it seeded anew: the same `run` without --etcd; else "
                },
                name = quoted(cluster)
            ),
        })
    }
}
