//! Which resources of a cluster are its control plane and may be wiped, with reasons.
//!
//! Tags decide, never names: an account may have several clusters, and the name of one may end in another's. Source of
//! the tags: kubernetes/kops `pkg/model/awsmodel/autoscalinggroup.go`, `pkg/model/master_volumes.go`, `upup/pkg/fi/cloudup/awsup`.

pub mod expected;
pub mod location;
pub mod quarantine;
mod select;
#[cfg(test)]
mod select_properties;
#[cfg(test)]
mod select_tests;
pub mod termination;
pub mod terraform;

use serde::Serialize;

use crate::model::check::Check;
use crate::model::fleet::{Group, Instance, Tags, Volume};

pub use crate::model::fleet::{ETCD_PREFIX, Owner, ROLE_PREFIX, TaggedRole, etcds, is_persistent_volume, owner, role};
pub use select::select;

/// The tag that AWS puts on an instance of a group.
pub const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// The tag that kops puts on an instance that it detached from a group.
pub const DETACHED_TAG: &str = "kops.k8s.io/detached-from-asg";
/// The tag that names the instance group.
pub const INSTANCE_GROUP_TAG: &str = "kops.k8s.io/instancegroup";

/// A chosen resource, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<T> {
    /// The resource.
    pub thing: T,
    /// Why, as a lowercase fragment.
    pub reason: String,
}

/// The kind of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An Auto Scaling group.
    AutoScalingGroup,
    /// An instance.
    Instance,
    /// A volume on an instance.
    Attachment,
    /// A volume.
    Volume,
}

impl Kind {
    /// The word for messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AutoScalingGroup => "group",
            Self::Instance => "instance",
            Self::Attachment => "attachment of",
            Self::Volume => "volume",
        }
    }
}

/// A resource of the cluster that was not chosen, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NearMiss {
    /// Its kind.
    pub kind: Kind,
    /// The group's name, `i-…` or `vol-…`.
    pub id: String,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// Why not, as a lowercase fragment.
    pub reason: String,
}

/// Resources to wipe, resources to keep, and checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Sorted by name.
    pub groups: Vec<Chosen<Group>>,
    /// Sorted by id.
    pub instances: Vec<Chosen<Instance>>,
    /// Sorted by id.
    pub volumes: Vec<Chosen<Volume>>,
    /// Sorted by kind and id.
    pub near_misses: Vec<NearMiss>,
    /// Blocking and warning ones.
    pub checks: Vec<Check>,
}

impl Selection {
    /// Whether nothing was chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.instances.is_empty() && self.volumes.is_empty()
    }
}

/// The tag `Name`.
#[must_use]
pub fn name_of(tags: &Tags) -> Option<&str> {
    tags.get("Name").map(String::as_str).filter(|name| !name.is_empty())
}
