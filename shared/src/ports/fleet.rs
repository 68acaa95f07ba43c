//! AWS' machines of a cluster: the verbs that the suite uses and no more.

use crate::failure::Failure;
use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::consent::Consent;
use crate::model::aws_error::AwsErrorKind;
use crate::model::fleet::{Caller, Group, Instance, Snapshot, Tags, Volume};

/// EC2 and Auto Scaling in one account and region.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// The AWS account, identity and region. The alias is left out where it is not allowed to read it.
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

    /// Those of the groups that exist; an unknown name is no error. Sorted by name.
    async fn groups(&self, names: &[String]) -> Result<Vec<Group>, FleetError>;

    /// Those of the volumes that exist, in any state; an unknown id is no error. Sorted by id.
    async fn volumes(&self, ids: &[String]) -> Result<Vec<Volume>, FleetError>;

    /// Every volume with exactly this tag, in any state. Sorted by id.
    async fn volumes_tagged(&self, key: &str, value: &str) -> Result<Vec<Volume>, FleetError>;

    /// The ids of the VPCs and subnets with one of the cluster's tags. Sorted.
    async fn networks_of(&self, cluster: &str) -> Result<Vec<String>, FleetError>;

    /// Those of the VPCs and subnets that the account has in this region, given by their ids; an unknown id is no error. Sorted.
    async fn networks(&self, ids: &[String]) -> Result<Vec<String>, FleetError>;

    /// The account's own snapshots of these volumes. Sorted by id.
    async fn snapshots_of(&self, volumes: &[String]) -> Result<Vec<Snapshot>, FleetError>;
}

/// The verbs that change something. None does so without the user's consent:
///
/// ```compile_fail,E0061
/// # use runbook_kit::ports::fleet::{FleetChange, FleetError};
/// async fn careless(fleet: &dyn FleetChange) -> Result<(), FleetError> {
///     fleet.delete_group("control-plane-us-east-1a.masters.k8s.example.com").await
/// }
/// ```
///
/// With a [`Consent`], which only `cli::confirm` makes, the same compiles:
///
/// ```
/// # use runbook_kit::consent::Consent;
/// # use runbook_kit::ports::fleet::{FleetChange, FleetError};
/// async fn agreed(fleet: &dyn FleetChange, consent: &Consent) -> Result<(), FleetError> {
///     fleet.delete_group("control-plane-us-east-1a.masters.k8s.example.com", consent).await
/// }
/// ```
#[async_trait]
pub trait FleetChange: Fleet {
    /// Deletes a group and terminates its instances (`ForceDelete`). AWS takes minutes over it.
    async fn delete_group(&self, name: &str, consent: &Consent) -> Result<(), FleetError>;

    /// Terminates one instance. One that is terminated already is no error.
    async fn terminate(&self, instance: &str, consent: &Consent) -> Result<(), FleetError>;

    /// Makes AWS leave the volume on this device of an instance when it terminates the instance: `DeleteOnTermination` off.
    async fn keep_volume(&self, instance: &str, device: &str, consent: &Consent) -> Result<(), FleetError>;

    /// Adds these tags to a volume, all or none; a tag with the same key is replaced.
    async fn tag(&self, volume: &str, tags: &Tags, consent: &Consent) -> Result<(), FleetError>;

    /// Takes the tags with these keys off a volume, all or none. One that is not there is no error.
    async fn untag(&self, volume: &str, keys: &BTreeSet<String>, consent: &Consent) -> Result<(), FleetError>;

    /// Begins a snapshot of a volume, with these tags. It is not tried twice: look whether there is one before.
    async fn snapshot(&self, volume: &str, tags: &Tags, consent: &Consent) -> Result<Snapshot, FleetError>;

    /// Deletes a volume for good. It must not be attached.
    async fn delete_volume(&self, volume: &str, consent: &Consent) -> Result<(), FleetError>;
}

/// Why a request to AWS failed.
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

/// The reasons, by what a user can do about them.
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
    /// Too many requests, also after retries.
    #[error("AWS throttles the requests")]
    Throttled,
    /// AWS could not be reached, or did not answer in time.
    #[error("AWS is unreachable")]
    Unreachable,
    /// There is no such thing (any more).
    #[error("not found")]
    NotFound,
    /// Anything else, with AWS' message.
    #[error("{0}")]
    Other(String),
}

impl FleetError {
    /// What the user can do, where there is something; to be printed after `hint:`.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.kind.hint().map(str::to_owned)
    }
}

impl FleetErrorKind {
    /// What the user can do, where there is something.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        let hint = match self {
            Self::NoCredentials => return AwsErrorKind::NoCredentials.hint(),
            Self::ExpiredCredentials => return AwsErrorKind::ExpiredCredentials.hint(),
            Self::BadCredentials => return AwsErrorKind::BadCredentials.hint(),
            Self::AccessDenied(_) => return AwsErrorKind::AccessDenied.hint(),
            Self::Throttled => return AwsErrorKind::Throttled.hint(),
            Self::NoRegion => "pass --region, set AWS_REGION, or give the profile a region",
            Self::Unreachable => {
                "check network, VPN and proxy (HTTPS_PROXY), the region, and AWS_ENDPOINT_URL if it is set"
            }
            Self::NotFound | Self::Other(_) => return None,
        };
        Some(hint)
    }
}

impl Failure for FleetError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}
