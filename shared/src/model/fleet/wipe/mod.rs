//! What of a cluster is its control plane, and may be wiped. Pure: AWS' facts in, a selection with reasons out.
//!
//! Tags decide, never names: several clusters in one account are normal, and the name of one may end in another's. Source of
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
/// The tag by which kops remembers from which group it took an instance.
pub const DETACHED_TAG: &str = "kops.k8s.io/detached-from-asg";
/// The tag that names the instance group.
pub const INSTANCE_GROUP_TAG: &str = "kops.k8s.io/instancegroup";

/// Something that was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<T> {
    /// What.
    pub thing: T,
    /// Why, a lowercase fragment.
    pub reason: String,
}

/// What kind of thing.
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
    /// As it is called in a sentence.
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

/// Something of the cluster that was not chosen, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NearMiss {
    /// What kind of thing.
    pub kind: Kind,
    /// The group's name, `i-…` or `vol-…`.
    pub id: String,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// Why it was not chosen, a lowercase fragment.
    pub reason: String,
}

/// What would be wiped, what is near and would not, and what is doubtful.
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
    /// What refuses, and what gives to think.
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
