//! AWS' machines of a cluster: the verbs that the suite uses and no more.

use async_trait::async_trait;

use crate::domain::fleet::{Caller, Group, Instance, Volume};

/// EC2 and Auto Scaling in one account and region.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Who we are and where we ask. The alias is left out where it may not be asked.
    async fn caller(&self) -> Result<Caller, FleetError>;

    /// Every group with one of the cluster's tags: `KubernetesCluster=<cluster>`, or the key
    /// `kubernetes.io/cluster/<cluster>` with any value. Sorted by name.
    async fn groups_of(&self, cluster: &str) -> Result<Vec<Group>, FleetError>;

    /// Every instance with one of the cluster's tags, in any state. Sorted by id.
    async fn instances_of(&self, cluster: &str) -> Result<Vec<Instance>, FleetError>;

    /// Every volume with one of the cluster's tags, in any state. Sorted by id.
    async fn volumes_of(&self, cluster: &str) -> Result<Vec<Volume>, FleetError>;

    /// Those of the instances that AWS knows, in any state; an unknown id is no error. Sorted by id.
    async fn instances(&self, ids: &[String]) -> Result<Vec<Instance>, FleetError>;
}

/// Why AWS did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {kind}")]
pub struct FleetError {
    /// What was tried, and on what: `list the instances of k8s.example.com`, `terminate i-0123`.
    pub action: String,
    /// Why it failed.
    pub kind: FleetErrorKind,
    /// The adapter's own error, where there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The reasons that a user can do something about, told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetErrorKind {
    /// No credentials were found.
    #[error("no AWS credentials found")]
    NoCredentials,
    /// Credentials were found and have expired.
    #[error("the AWS credentials have expired")]
    ExpiredCredentials,
    /// Credentials were found and AWS does not know them.
    #[error("AWS does not accept the credentials")]
    BadCredentials,
    /// Credentials were found and are not allowed to do this.
    #[error("access denied: {0}")]
    AccessDenied(String),
    /// No region is named.
    #[error("no AWS region is named")]
    NoRegion,
    /// AWS wants fewer requests, and went on wanting it.
    #[error("AWS throttles the requests")]
    Throttled,
    /// AWS could not be reached, or did not answer in time.
    #[error("AWS cannot be reached")]
    Unreachable,
    /// There is no such thing (any more).
    #[error("not found")]
    NotFound,
    /// Anything else, in AWS' words.
    #[error("{0}")]
    Other(String),
}
