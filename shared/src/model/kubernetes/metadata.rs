//! `metav1.ObjectMeta`, which stands first in every object: who it is, who owns it, since when.
//!
//! Field numbers from kubernetes/kubernetes, `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::value::{Object, Value, ValueError, utf8};
use crate::model::kubernetes::protobuf::{self, Value as Field};

/// The metadata of an object. Serialised it has the names and the order that kubectl prints; what is not set is left
/// out. `resourceVersion` is never stored in etcd, and `managedFields` are not kept here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Free-form facts for programs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When the API server first stored it, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// When its deletion was asked for, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// What must be done before it may go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// What its name was made from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// How often its specification changed; 0 where that is not counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// What it is selected by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its name.
    pub name: String,
    /// Its namespace; empty for what lives in none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What it goes away with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// Its identity over time; that of namespace `kube-system` is the cluster's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// An owner of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// `apps/v1`.
    pub api_version: String,
    /// Whether it is the one that manages the object.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub controller: bool,
    /// `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl ObjectMeta {
    /// The metadata of a stored value.
    ///
    /// # Errors
    /// When the value is encrypted, damaged or no object.
    pub fn of_value(value: &Value<'_>) -> Result<Self, ValueError> {
        match value.object()? {
            Object::Protobuf(raw) => Self::of_protobuf(raw),
            Object::Json(json) => Self::of_json(json),
        }
    }

    /// The metadata of an object in protobuf: its field 1.
    ///
    /// # Errors
    /// When it is no valid protobuf.
    pub fn of_protobuf(object: &[u8]) -> Result<Self, ValueError> {
        let mut meta = Self::default();
        for field in protobuf::fields(object) {
            if let (1, Field::Bytes(message)) = field? {
                meta.read(message)?;
            }
        }
        Ok(meta)
    }

    /// The metadata of an object in JSON: its field `metadata`.
    ///
    /// # Errors
    /// When it is no valid JSON or not of that shape.
    pub fn of_json(object: &[u8]) -> Result<Self, ValueError> {
        let object: JsonObject = serde_json::from_slice(object).map_err(|error| ValueError::Json(error.to_string()))?;
        Ok(object.metadata.unwrap_or_default().into())
    }

    fn read(&mut self, message: &[u8]) -> Result<(), ValueError> {
        for field in protobuf::fields(message) {
            match field? {
                (1, Field::Bytes(text)) => self.name = utf8(text, "name")?.to_owned(),
                (2, Field::Bytes(text)) => self.generate_name = utf8(text, "generateName")?.to_owned(),
                (3, Field::Bytes(text)) => self.namespace = utf8(text, "namespace")?.to_owned(),
                (5, Field::Bytes(text)) => self.uid = utf8(text, "uid")?.to_owned(),
                (7, Field::Varint(number)) => self.generation = number as i64,
                (8, Field::Bytes(time)) => self.creation_timestamp = read_time(time)?,
                (9, Field::Bytes(time)) => self.deletion_timestamp = read_time(time)?,
                (11, Field::Bytes(entry)) => insert(&mut self.labels, entry, "labels")?,
                (12, Field::Bytes(entry)) => insert(&mut self.annotations, entry, "annotations")?,
                (13, Field::Bytes(owner)) => self.owner_references.push(OwnerReference::read(owner)?),
                (14, Field::Bytes(text)) => self.finalizers.push(utf8(text, "finalizers")?.to_owned()),
                _ => {}
            }
        }
        Ok(())
    }
}

impl OwnerReference {
    fn read(message: &[u8]) -> Result<Self, ValueError> {
        let mut owner = Self::default();
        for field in protobuf::fields(message) {
            match field? {
                (1, Field::Bytes(text)) => owner.kind = utf8(text, "kind")?.to_owned(),
                (3, Field::Bytes(text)) => owner.name = utf8(text, "name")?.to_owned(),
                (4, Field::Bytes(text)) => owner.uid = utf8(text, "uid")?.to_owned(),
                (5, Field::Bytes(text)) => owner.api_version = utf8(text, "apiVersion")?.to_owned(),
                (6, Field::Varint(flag)) => owner.controller = flag != 0,
                _ => {}
            }
        }
        Ok(owner)
    }
}

/// `metav1.Time{seconds=1}`; the empty message is Go's zero time, which means none.
fn read_time(message: &[u8]) -> Result<Option<Timestamp>, ValueError> {
    let mut seconds = None;
    for field in protobuf::fields(message) {
        if let (1, Field::Varint(number)) = field? {
            seconds = Some(number as i64);
        }
    }
    Ok(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
}

/// One entry of a `map<string, string>`: a message of the key (1) and the value (2).
fn insert(map: &mut BTreeMap<String, String>, entry: &[u8], name: &'static str) -> Result<(), ValueError> {
    let (mut key, mut value) = ("", "");
    for field in protobuf::fields(entry) {
        match field? {
            (1, Field::Bytes(text)) => key = utf8(text, name)?,
            (2, Field::Bytes(text)) => value = utf8(text, name)?,
            _ => {}
        }
    }
    map.insert(key.to_owned(), value.to_owned());
    Ok(())
}

/// The newest creation time that stands in the first bytes of a value, for the many values of which no more than these
/// are read. Protobuf has it among the first fields of the metadata, JSON among the first keys, which Go sorts.
#[must_use]
pub fn creation_time_in_head(head: &[u8]) -> Option<Timestamp> {
    match super::value::Encoding::of_head(head) {
        super::value::Encoding::Protobuf => {
            let unknown = nested(head.get(4..)?, 2)?;
            let metadata = nested(unknown, 1)?;
            read_time(nested(metadata, 8)?).ok().flatten()
        }
        super::value::Encoding::Json => {
            const NAME: &[u8] = b"\"creationTimestamp\":\"";
            let at = head.windows(NAME.len()).position(|window| window == NAME)?;
            let text = head.get(at + NAME.len()..)?.split(|byte| *byte == b'"').next()?;
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// The embedded message `wanted` of a message of which only the beginning is there.
fn nested(message: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut rest = message;
    while !rest.is_empty() {
        let (tag, after) = varint(rest)?;
        let (length, after) = match tag & 7 {
            0 => (0, varint(after)?.1),
            1 => (8, after),
            2 => varint(after)?,
            5 => (4, after),
            _ => return None,
        };
        let length = usize::try_from(length).ok()?;
        if tag == u64::from(wanted) << 3 | 2 {
            return Some(after.get(..length).unwrap_or(after));
        }
        rest = after.get(length..)?;
    }
    None
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[derive(Deserialize)]
struct JsonObject {
    metadata: Option<JsonMeta>,
}

/// Every field may be missing or `null`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMeta {
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
    finalizers: Option<Vec<String>>,
    generate_name: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
    uid: Option<String>,
}

impl From<JsonMeta> for ObjectMeta {
    fn from(json: JsonMeta) -> Self {
        let time = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Self {
            annotations: json.annotations.unwrap_or_default(),
            creation_timestamp: time(json.creation_timestamp),
            deletion_timestamp: time(json.deletion_timestamp),
            finalizers: json.finalizers.unwrap_or_default(),
            generate_name: json.generate_name.unwrap_or_default(),
            generation: json.generation.unwrap_or_default(),
            labels: json.labels.unwrap_or_default(),
            name: json.name.unwrap_or_default(),
            namespace: json.namespace.unwrap_or_default(),
            owner_references: json.owner_references.unwrap_or_default(),
            uid: json.uid.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown, varint_field};

    fn full() -> Vec<u8> {
        let mut meta = object_meta("web", "shop", "u-1", 1_795_360_681);
        meta.extend(bytes_field(2, b"we"));
        meta.extend(varint_field(7, 3));
        meta.extend(bytes_field(9, &[]));
        for (number, key, value) in [(11, "app", "web"), (11, "tier", ""), (12, "note", "two\nlines")] {
            meta.extend(bytes_field(
                number,
                &[bytes_field(1, key.as_bytes()), bytes_field(2, value.as_bytes())].concat(),
            ));
        }
        let owner = [
            bytes_field(1, b"ReplicaSet"),
            bytes_field(3, b"web-1"),
            bytes_field(4, b"u-2"),
            bytes_field(5, b"apps/v1"),
            varint_field(6, 1),
        ];
        meta.extend(bytes_field(13, &owner.concat()));
        meta.extend(bytes_field(14, b"example.com/wait"));
        meta.extend(bytes_field(17, b"managed"));
        bytes_field(1, &meta)
    }

    #[test]
    fn protobuf_and_json_tell_the_same() {
        let json = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"note":"two\nlines"},
            "creationTimestamp":"2026-11-22T15:18:01Z","deletionTimestamp":null,"finalizers":["example.com/wait"],
            "generateName":"we","generation":3,"labels":{"app":"web","tier":""},"managedFields":[{}],"name":"web",
            "namespace":"shop","ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,
            "kind":"ReplicaSet","name":"web-1","uid":"u-2"}],"uid":"u-1"},"spec":{}}"#;
        let from_protobuf = ObjectMeta::of_protobuf(&full()).unwrap();
        assert_eq!(ObjectMeta::of_json(json).unwrap(), from_protobuf);
        insta::assert_snapshot!(serde_json::to_string(&from_protobuf).unwrap(), @r#"{"annotations":{"note":"two\nlines"},"creationTimestamp":"2026-11-22T15:18:01Z","finalizers":["example.com/wait"],"generateName":"we","generation":3,"labels":{"app":"web","tier":""},"name":"web","namespace":"shop","ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web-1","uid":"u-2"}],"uid":"u-1"}"#);
    }

    #[test]
    fn missing_and_null_fields_are_empty() {
        for json in [
            &br#"{}"#[..],
            br#"{"metadata":null}"#,
            br#"{"metadata":{"labels":null,"creationTimestamp":null}}"#,
        ] {
            assert_eq!(ObjectMeta::of_json(json).unwrap(), ObjectMeta::default());
        }
        assert!(ObjectMeta::of_json(b"{").is_err());
        assert_eq!(ObjectMeta::of_protobuf(b"").unwrap(), ObjectMeta::default());
    }

    #[test]
    fn creation_time_is_found_in_a_cut_value() {
        let created = Some("2026-11-22T15:18:01Z".parse().unwrap());
        let value = unknown("apps/v1", "Deployment", &full());
        assert_eq!(creation_time_in_head(&value), created);
        assert_eq!(creation_time_in_head(&value[..60]), created);
        assert_eq!(creation_time_in_head(&value[..30]), None);
        let json = br#"{"metadata":{"annotations":{"a":"{\"creationTimestamp\":\"x\"}"},"creationTimestamp":"2026-11-22T15:18:01Z","gen"#;
        assert_eq!(creation_time_in_head(json), created);
        assert_eq!(creation_time_in_head(&json[..90]), None);
        assert_eq!(creation_time_in_head(b"k8s:enc:aescbc:v1:k:"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let _ = ObjectMeta::of_protobuf(&bytes);
            let _ = ObjectMeta::of_protobuf(&bytes_field(1, &bytes));
            let _ = ObjectMeta::of_json(&bytes);
            let _ = creation_time_in_head(&[b"k8s\0", &bytes[..]].concat());
            let _ = creation_time_in_head(&[b"{\"creationTimestamp\":\"", &bytes[..]].concat());
        }

        #[test]
        fn a_flipped_byte_is_no_panic(at in 0_usize..200, byte: u8) {
            let mut value = unknown("v1", "Pod", &full());
            let length = value.len();
            value[at % length] = byte;
            let _ = Value::decode(&value).and_then(|value| ObjectMeta::of_value(&value));
            let _ = creation_time_in_head(&value);
        }
    }
}
