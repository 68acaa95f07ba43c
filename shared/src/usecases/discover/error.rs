//! Why no backup store was found.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::store_url::{StoreUrl, StoreUrlError};
use crate::ports::StoreError;

/// How many names of a state store a hint lists.
const NAMES_IN_A_HINT: usize = 10;

/// Why no backup store was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// A name that cannot be a cluster's.
    #[error("`{0}` is not a cluster name")]
    ClusterName(String),
    /// The state store has no such cluster.
    #[error("no cluster {cluster} in state store {state}")]
    UnknownCluster {
        /// The requested name.
        cluster: String,
        /// Where.
        state: StoreUrl,
        /// Names there that may have been meant, nearest first.
        near: Vec<String>,
        /// All names there.
        names: Vec<String>,
    },
    /// The state store has no cluster at all.
    #[error("state store {state} holds no kops cluster")]
    EmptyState {
        /// Where.
        state: StoreUrl,
    },
    /// There is a spec, but none that can be read, and there are no backup folders.
    #[error("cluster {cluster} has neither a readable spec nor backups: {}", problems.join("; "))]
    NoUsableSpec {
        /// The cluster.
        cluster: String,
        /// What is wrong with each spec.
        problems: Vec<String>,
    },
    /// The spec puts backups where we cannot read.
    #[error("the backup store of etcd cluster {etcd} of {cluster}")]
    BackupStore {
        /// The cluster.
        cluster: String,
        /// The etcd cluster.
        etcd: String,
        /// What is wrong with the location.
        source: StoreUrlError,
    },
    /// Two explicit stores for the same etcd cluster.
    #[error("two stores are given for etcd cluster {0}")]
    TwoStores(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DiscoverError {
    /// What the user can do, where there is something; to be printed after `hint:`.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ClusterName(_) => {
                "give the name that `kops get clusters` shows, such as prod.example.com, without a path".into()
            }
            Self::UnknownCluster { near, .. } if !near.is_empty() => format!("did you mean {}?", near.join(" or ")),
            Self::UnknownCluster { names, .. } => {
                let more = names.len().saturating_sub(NAMES_IN_A_HINT);
                let shown: Vec<&str> = names.iter().take(NAMES_IN_A_HINT).map(String::as_str).collect();
                let rest = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                format!("it holds {}{rest}", shown.join(", "))
            }
            Self::EmptyState { .. } => {
                "check --state (KOPS_STATE_STORE): the state store is the bucket or prefix whose folders \
                are named after the clusters; a backup store is given by --store"
                    .into()
            }
            Self::NoUsableSpec { .. } => "pass the backup stores: --store main=URL --store events=URL".into(),
            Self::BackupStore { etcd, .. } => format!("copy it to S3 or to a disk and pass --store {etcd}=URL"),
            Self::TwoStores(etcd) => format!("pass each store: --store {etcd}=URL --store OTHER=URL"),
            Self::Store(error) => return error.hint(),
        })
    }
}

impl Failure for DiscoverError {
    fn exit(&self) -> Exit {
        match self {
            Self::ClusterName(_) | Self::TwoStores(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}
