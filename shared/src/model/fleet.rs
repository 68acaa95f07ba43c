//! What AWS tells of a cluster's machines: groups, instances and volumes with their tags. Facts only, no judgement.

mod owner;
mod role;
pub mod wipe;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use owner::{Owner, owner};
pub use role::{Mastery, TaggedRole, etcds, is_master, is_persistent_volume, mastery, may_be_master, role};

/// Tags by key. AWS allows each key once per resource.
pub type Tags = BTreeMap<String, String>;

/// The tag whose value is the cluster's name.
pub const CLUSTER_TAG: &str = "KubernetesCluster";

/// The key of the tag that says `owned` or `shared`.
#[must_use]
pub fn cluster_key(cluster: &str) -> String {
    format!("kubernetes.io/cluster/{cluster}")
}

/// Whether one of the cluster's tags is there: what it says is another question.
#[must_use]
pub fn has_tag_of(tags: &Tags, cluster: &str) -> bool {
    tags.get(CLUSTER_TAG).is_some_and(|name| name == cluster) || tags.contains_key(&cluster_key(cluster))
}

/// What keys of tags begin with that say of which etcd a volume is.
pub const ETCD_PREFIX: &str = "k8s.io/etcd/";
/// What keys of tags begin with that say what a machine is for.
pub const ROLE_PREFIX: &str = "k8s.io/role/";

/// An Auto Scaling group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name, which is its id within account and region.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// Its instances.
    pub members: Vec<GroupMember>,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// What its instances are made by, where that is one launch template.
    pub launch_template: Option<LaunchTemplate>,
    /// AWS' own word while it is being deleted: `Delete in progress`.
    pub status: Option<String>,
    /// `none`, `prevent-force-deletion` or `prevent-all-deletion`; `None` where AWS does not say.
    pub deletion_protection: Option<String>,
}

/// The launch template of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchTemplate {
    /// Its name.
    pub name: String,
    /// As the group has it: a number, `$Latest` or `$Default`.
    pub version: String,
}

/// An instance as its group sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// `i-…`.
    pub instance: String,
    /// `InService`, `Terminating:Wait`, …
    pub lifecycle: String,
    /// Scale-in protection.
    pub protected_from_scale_in: bool,
}

/// An EC2 instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Whether it runs.
    pub state: InstanceState,
    /// Its tags.
    pub tags: Tags,
    /// `us-east-1a`.
    pub zone: String,
    /// `m5.large`.
    pub instance_type: String,
    /// Addresses and names in the VPC, the primary one first: IPv4, then IPv6.
    pub private_ips: Vec<String>,
    /// Its public address.
    pub public_ip: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its subnet.
    pub subnet: Option<String>,
    /// When it was started.
    pub launched: Option<Timestamp>,
    /// The volumes that are attached to it.
    pub devices: Vec<Device>,
}

/// A volume as its instance sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// `/dev/xvdu`.
    pub name: String,
    /// `vol-…`.
    pub volume: String,
    /// Whether AWS deletes the volume when it terminates the instance; `None` where AWS does not say.
    pub delete_on_termination: Option<bool>,
}

/// What an instance does. Source: EC2 API reference, `InstanceState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// It starts.
    Pending,
    /// It runs.
    #[default]
    Running,
    /// It is being terminated.
    ShuttingDown,
    /// It is gone; AWS lists it for about an hour.
    Terminated,
    /// It is being stopped.
    Stopping,
    /// It is stopped, and can be started again.
    Stopped,
    /// AWS said something else.
    Unknown,
}

/// An EBS volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// `vol-…`.
    pub id: String,
    /// Whether it is in use.
    pub state: VolumeState,
    /// Its tags.
    pub tags: Tags,
    /// `us-east-1a`.
    pub zone: String,
    /// Its size in GiB.
    pub size_gib: i64,
    /// To what it is attached.
    pub attachments: Vec<Attachment>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// What a volume does. Source: EC2 API reference, `Volume.state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeState {
    /// It is being made.
    Creating,
    /// It is free.
    #[default]
    Available,
    /// It is attached.
    InUse,
    /// It is being deleted.
    Deleting,
    /// It is gone.
    Deleted,
    /// It is broken.
    Error,
    /// AWS said something else.
    Unknown,
}

/// A volume on an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// `i-…`.
    pub instance: String,
    /// `/dev/xvdu`.
    pub device: String,
    /// `attached`, `detaching`, …
    pub state: String,
    /// Whether AWS deletes the volume when it terminates the instance; `None` where AWS does not say.
    pub delete_on_termination: Option<bool>,
}

/// A snapshot of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap-…`.
    pub id: String,
    /// Of which volume.
    pub volume: String,
    /// Whether it is whole.
    pub state: SnapshotState,
    /// Its tags.
    pub tags: Tags,
    /// When it was begun.
    pub started: Option<Timestamp>,
}

/// Whether a snapshot is whole. Source: EC2 API reference, `Snapshot.status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is being made, or AWS said something else.
    #[default]
    Pending,
    /// It is whole.
    Completed,
    /// It failed.
    Failed,
}

/// All that AWS has of a cluster, each list sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Its groups.
    pub groups: Vec<Group>,
    /// Its instances, terminated ones too.
    pub instances: Vec<Instance>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
}

/// Who asks AWS, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The account's 12 digits.
    pub account: String,
    /// The account's alias, where it has one and we may know it.
    pub alias: Option<String>,
    /// The ARN of who we are.
    pub arn: String,
    /// The region that is asked.
    pub region: String,
    /// The profile that the credentials are from, where one was named.
    pub profile: Option<String>,
}
