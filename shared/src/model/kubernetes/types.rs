//! The kinds of Kubernetes that are read, as far as they are: one struct for both encodings.
//!
//! Field numbers: `generated.proto` of kubernetes/kubernetes, in `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1` and
//! `staging/src/k8s.io/api/{core,discovery}/v1`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prost::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Go writes the zero value of slices, maps and pointers as `null`.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Any object: its metadata.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    #[prost(message, required, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
}

/// The metadata of an object. Serialised it has the names and the order that kubectl prints; what is not set is left
/// out. `resourceVersion` is never stored in etcd, and `managedFields` are not kept here.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Free-form facts for programs.
    #[prost(btree_map = "string, string", tag = "12")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When the API server first stored it.
    #[prost(message, required, tag = "8")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Time::is_unset")]
    pub creation_timestamp: Time,
    /// When its deletion was requested, if it was.
    #[prost(message, required, tag = "9")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Time::is_unset")]
    pub deletion_timestamp: Time,
    /// What must be done before it is deleted.
    #[prost(string, repeated, tag = "14")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// What its name was made from.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// How often its specification changed; 0 where that is not counted.
    #[prost(int64, tag = "7")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// What it is selected by.
    #[prost(btree_map = "string, string", tag = "11")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its name.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Its namespace; empty for cluster-scoped objects.
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The objects with which it is deleted.
    #[prost(message, repeated, tag = "13")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// Its identity over time; that of namespace `kube-system` is the cluster's own.
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// An owner of an object.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// `apps/v1`.
    #[prost(string, tag = "5")]
    pub api_version: String,
    /// Whether it is the one that manages the object.
    #[prost(bool, tag = "6")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub controller: bool,
    /// `ReplicaSet`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Its UID.
    #[prost(string, tag = "4")]
    pub uid: String,
}

/// `metav1.Time`, in whole seconds. Go's zero time is the empty message, and `null` in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Time {
    #[prost(int64, optional, tag = "1")]
    seconds: Option<i64>,
}

impl Time {
    /// `None` where it is not set.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.seconds?).ok()
    }

    fn is_unset(&self) -> bool {
        self.timestamp().is_none()
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.timestamp().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time: Option<Timestamp> = String::deserialize(deserializer)?.parse().ok();
        Ok(Self {
            seconds: time.map(Timestamp::as_second),
        })
    }
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct ConfigMap {
    #[prost(btree_map = "string, string", tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub data: BTreeMap<String, String>,
}

/// An Endpoints object of which only the addresses count: nothing else in it makes it unreadable.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Masterlease {
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub subsets: Vec<MasterleaseSubset>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct MasterleaseSubset {
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<EndpointAddress>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Endpoints {
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub subsets: Vec<EndpointSubset>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct EndpointSubset {
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<EndpointAddress>,
    #[prost(message, repeated, tag = "3")]
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<EndpointPort>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct EndpointAddress {
    #[prost(string, tag = "1")]
    pub ip: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct EndpointPort {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int32, tag = "2")]
    pub port: i32,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct EndpointSlice {
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    #[prost(string, repeated, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<String>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    #[prost(message, required, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    #[prost(message, required, tag = "2")]
    pub spec: NodeSpec,
    #[prost(message, required, tag = "3")]
    pub status: NodeStatus,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct NodeSpec {
    #[prost(string, tag = "3")]
    #[serde(rename = "providerID")]
    pub provider_id: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct NodeStatus {
    #[prost(message, repeated, tag = "5")]
    #[serde(deserialize_with = "or_default")]
    pub addresses: Vec<NodeAddress>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct NodeAddress {
    #[prost(string, tag = "1")]
    pub r#type: String,
    #[prost(string, tag = "2")]
    pub address: String,
}
