//! Nodes: which machines a restore brings back as objects.
//!
//! Role labels: kubernetes/kops, `pkg/nodelabels/builder.go`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::types;
use super::value::{self, Object, Value, ValueError};
use crate::model::kubernetes::protobuf::{self, Value as Field};

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const INSTANCE_GROUP: &str = "kops.k8s.io/instancegroup";

/// The instance of a provider id: `aws:///us-east-1a/i-0123` gives zone and id. `None` for whatever is not AWS' EC2.
#[must_use]
pub fn instance_of(provider_id: &str) -> Option<(&str, &str)> {
    let path = provider_id.strip_prefix("aws://")?;
    let (rest, instance) = path.rsplit_once('/')?;
    let zone = rest.rsplit('/').next().unwrap_or_default();
    let digits = instance.strip_prefix("i-")?;
    let is_id = (8..=17).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some((zone, instance))
}

/// A Node object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name; with kops on AWS the instance's id.
    pub name: String,
    /// `control-plane`, `node`, `api-server`, …; `null` where no label tells.
    pub role: Option<String>,
    /// The kops instance group, where a label tells.
    pub instance_group: Option<String>,
    /// `aws:///us-east-1a/i-0123`; `null` before the cloud controller has seen it.
    pub provider_id: Option<String>,
    /// Its addresses of type `InternalIP`.
    pub internal_ips: Vec<String>,
    /// When the object was made.
    pub created: Option<Timestamp>,
    /// Its labels.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

impl Node {
    /// Zone and id of its instance, as [`instance_of`] gives them.
    #[must_use]
    pub fn instance(&self) -> Option<(&str, &str)> {
        self.provider_id.as_deref().and_then(instance_of)
    }

    /// Reads a Node out of a stored value.
    ///
    /// # Errors
    /// When the value is encrypted, damaged or no object.
    pub fn of_value(value: &[u8]) -> Result<Self, ValueError> {
        let node: types::Node = value::read(value)?;
        let addresses = node.status.addresses.into_iter();
        let internal = addresses.filter(|address| address.r#type == "InternalIP");
        Ok(Self::of_parts(
            node.metadata.name,
            node.metadata.labels,
            Some(node.spec.provider_id),
            internal.map(|address| address.address).collect(),
            node.metadata.creation_timestamp.timestamp(),
        ))
    }

    /// From an API's response.
    #[must_use]
    pub fn of_parts(
        name: String,
        labels: BTreeMap<String, String>,
        provider_id: Option<String>,
        internal_ips: Vec<String>,
        created: Option<Timestamp>,
    ) -> Self {
        Self {
            role: role(&labels),
            instance_group: labels.get(INSTANCE_GROUP).cloned(),
            provider_id: provider_id.filter(|id| !id.is_empty()),
            internal_ips,
            created,
            name,
            labels,
        }
    }

    /// A Node of which nothing but its key could be read.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: None,
            instance_group: None,
            provider_id: None,
            internal_ips: Vec::new(),
            created: None,
            labels: BTreeMap::new(),
        }
    }

    /// Whether it is a master.
    #[must_use]
    pub fn is_control_plane(&self) -> bool {
        self.role.as_deref() == Some(CONTROL_PLANE)
    }
}

const CONTROL_PLANE: &str = "control-plane";

fn role(labels: &BTreeMap<String, String>) -> Option<String> {
    let legacy = labels.get("kubernetes.io/role").map(String::as_str);
    let mut roles: Vec<&str> = labels
        .keys()
        .filter_map(|label| label.strip_prefix(ROLE_PREFIX))
        .collect();
    roles.extend(legacy);
    // A master carries several of them, `api-server` among them.
    if roles.iter().any(|role| [CONTROL_PLANE, "master"].contains(role)) {
        return Some(CONTROL_PLANE.to_owned());
    }
    roles.first().map(|role| (*role).to_owned())
}

/// Whether two stored Nodes differ in nothing but what heartbeats rewrite: status, and who manages which field. `false`
/// when either cannot be read.
#[must_use]
pub fn same_but_for_status(old: &[u8], new: &[u8]) -> bool {
    match (lasting(old), lasting(new)) {
        (Ok(old), Ok(new)) => old == new,
        _ => false,
    }
}

/// The encoded fields that no heartbeat touches.
#[derive(PartialEq)]
enum Lasting<'v> {
    Protobuf {
        metadata: Vec<(u32, Field<'v>)>,
        others: Vec<(u32, Field<'v>)>,
    },
    Json(serde_json::Value),
}

fn lasting(value: &[u8]) -> Result<Lasting<'_>, ValueError> {
    const STATUS: u32 = 3;
    const MANAGED_FIELDS: u32 = 17;
    match Value::decode(value)?.object()? {
        Object::Protobuf(raw) => {
            let (mut metadata, mut others) = (Vec::new(), Vec::new());
            for field in protobuf::fields(raw) {
                match field? {
                    (1, Field::Bytes(message)) => {
                        for field in protobuf::fields(message) {
                            metadata.extend(Some(field?).filter(|(number, _)| *number != MANAGED_FIELDS));
                        }
                    }
                    (STATUS, _) => {}
                    other => others.push(other),
                }
            }
            Ok(Lasting::Protobuf { metadata, others })
        }
        Object::Json(json) => {
            let mut json: serde_json::Value =
                serde_json::from_slice(json).map_err(|error| ValueError::Json(error.to_string()))?;
            if let Some(object) = json.as_object_mut() {
                object.remove("status");
            }
            if let Some(metadata) = json.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
                metadata.remove("managedFields");
            }
            Ok(Lasting::Json(json))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

    fn label(key: &str, value: &str) -> Vec<u8> {
        bytes_field(
            11,
            &[bytes_field(1, key.as_bytes()), bytes_field(2, value.as_bytes())].concat(),
        )
    }

    fn node(label_key: &str, heartbeat: &[u8]) -> Vec<u8> {
        let mut meta = object_meta("i-1", "", "u", 1_795_360_681);
        meta.extend(label(label_key, ""));
        meta.extend(label("node-role.kubernetes.io/api-server", ""));
        meta.extend(label("kops.k8s.io/instancegroup", "masters-a"));
        meta.extend(bytes_field(17, heartbeat));
        let mut status = bytes_field(4, heartbeat);
        for (kind, address) in [
            ("Hostname", "i-1"),
            ("InternalIP", "10.0.0.1"),
            ("InternalIP", "2001:db8::1"),
        ] {
            status.extend(bytes_field(
                5,
                &[bytes_field(1, kind.as_bytes()), bytes_field(2, address.as_bytes())].concat(),
            ));
        }
        let spec = bytes_field(3, b"aws:///us-east-1a/i-1");
        unknown(
            "v1",
            "Node",
            &[bytes_field(1, &meta), bytes_field(2, &spec), bytes_field(3, &status)].concat(),
        )
    }

    #[test]
    fn protobuf_and_json_tell_the_same() {
        let json = br#"{"kind":"Node","metadata":{"name":"i-1","creationTimestamp":"2026-11-22T15:18:01Z","labels":{
            "node-role.kubernetes.io/master":"","node-role.kubernetes.io/api-server":"","kops.k8s.io/instancegroup":"masters-a"}},
            "spec":{"providerID":"aws:///us-east-1a/i-1"},"status":{"addresses":[{"type":"Hostname","address":"i-1"},
            {"type":"InternalIP","address":"10.0.0.1"},{"type":"InternalIP","address":"2001:db8::1"}]}}"#;
        let found = Node::of_value(&node("node-role.kubernetes.io/master", b"")).unwrap();
        assert_eq!(Node::of_value(json).unwrap(), found);
        assert!(found.is_control_plane());
        insta::assert_snapshot!(serde_json::to_string(&found).unwrap(), @r#"{"name":"i-1","role":"control-plane","instanceGroup":"masters-a","providerId":"aws:///us-east-1a/i-1","internalIps":["10.0.0.1","2001:db8::1"],"created":"2026-11-22T15:18:01Z"}"#);
    }

    #[test]
    fn the_role_is_told_by_any_generation_of_labels() {
        for (label, expected) in [
            ("node-role.kubernetes.io/control-plane", "control-plane"),
            ("node-role.kubernetes.io/node", "api-server"),
            ("unrelated", "api-server"),
        ] {
            assert_eq!(
                Node::of_value(&node(label, b"")).unwrap().role.as_deref(),
                Some(expected)
            );
        }
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(
            role(&labels(&[("kubernetes.io/role", "master")])).as_deref(),
            Some("control-plane")
        );
        assert_eq!(
            role(&labels(&[("kubernetes.io/role", "node")])).as_deref(),
            Some("node")
        );
        assert_eq!(role(&labels(&[])), None);
    }

    #[test]
    fn a_heartbeat_is_no_change_and_a_label_is() {
        let old = node("a", b"1");
        assert!(same_but_for_status(&old, &node("a", b"2")));
        assert!(!same_but_for_status(&old, &node("b", b"1")));
        assert!(!same_but_for_status(&old, b"k8s:enc:aescbc:v1:k:"));
        let json = |unschedulable: bool, time: u8| {
            format!(
                r#"{{"metadata":{{"name":"a","managedFields":[{time}]}},"spec":{{"unschedulable":{unschedulable}}},"status":{time}}}"#
            )
        };
        assert!(same_but_for_status(json(true, 1).as_bytes(), json(true, 2).as_bytes()));
        assert!(!same_but_for_status(
            json(true, 1).as_bytes(),
            json(false, 1).as_bytes()
        ));
    }

    proptest! {
        #[test]
        fn any_object_ends(raw: Vec<u8>) {
            let value = unknown("v1", "Node", &raw);
            let _ = Node::of_value(&value);
            let _ = same_but_for_status(&value, &raw);
            let _ = Node::of_value(&raw);
        }
    }
}
