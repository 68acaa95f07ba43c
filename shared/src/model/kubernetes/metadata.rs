//! `metav1.ObjectMeta`, which stands first in every object: name, labels, owners, times.

use jiff::Timestamp;
use prost::Message;

pub use super::types::ObjectMeta;
use super::types::{self, Time};
use super::value::{self, Value, ValueError};

impl ObjectMeta {
    /// The metadata of a stored value.
    ///
    /// # Errors
    /// When the value is encrypted, damaged or no object.
    pub fn of_value(value: &Value<'_>) -> Result<Self, ValueError> {
        Self::of_object(value.object()?)
    }

    /// The metadata of an object.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_object(object: value::Object<'_>) -> Result<Self, ValueError> {
        Ok(object.read::<types::Object>()?.metadata)
    }
}

/// The newest creation time that stands in the first bytes of a value, for the many values of which no more than these
/// are read. Protobuf has it among the first fields of the metadata, JSON among the first keys, which Go sorts.
#[must_use]
pub fn creation_time_in_head(head: &[u8]) -> Option<Timestamp> {
    match super::value::Encoding::of_head(head) {
        super::value::Encoding::Protobuf => {
            let unknown = nested(head.get(4..)?, 2)?;
            let metadata = nested(unknown, 1)?;
            Time::decode(nested(metadata, 8)?).ok()?.timestamp()
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

/// The `apiVersion` of a value of which no more than the first bytes are there: protobuf begins with it. `None` for JSON, which must be
/// there whole, and for what is encrypted or no object.
#[must_use]
pub fn api_version_in_head(head: &[u8]) -> Option<&str> {
    match super::value::Encoding::of_head(head) {
        super::value::Encoding::Protobuf => {
            let type_meta = nested(head.get(4..)?, 1)?;
            std::str::from_utf8(nested(type_meta, 1)?).ok()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown, varint_field};
    use crate::model::kubernetes::value::Object;

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
        let from_protobuf = ObjectMeta::of_object(Object::Protobuf(&full())).unwrap();
        assert_eq!(ObjectMeta::of_object(Object::Json(json)).unwrap(), from_protobuf);
        insta::assert_snapshot!(serde_json::to_string(&from_protobuf).unwrap(), @r#"{"annotations":{"note":"two\nlines"},"creationTimestamp":"2026-11-22T15:18:01Z","finalizers":["example.com/wait"],"generateName":"we","generation":3,"labels":{"app":"web","tier":""},"name":"web","namespace":"shop","ownerReferences":[{"apiVersion":"apps/v1","controller":true,"kind":"ReplicaSet","name":"web-1","uid":"u-2"}],"uid":"u-1"}"#);
    }

    #[test]
    fn missing_and_null_fields_are_empty() {
        for json in [
            &br#"{}"#[..],
            br#"{"metadata":null}"#,
            br#"{"metadata":{"labels":null,"creationTimestamp":null}}"#,
        ] {
            assert_eq!(
                ObjectMeta::of_object(Object::Json(json)).unwrap(),
                ObjectMeta::default()
            );
        }
        assert!(ObjectMeta::of_object(Object::Json(b"{")).is_err());
        assert_eq!(
            ObjectMeta::of_object(Object::Protobuf(b"")).unwrap(),
            ObjectMeta::default()
        );
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

    #[test]
    fn the_version_is_found_in_a_cut_value() {
        let value = unknown("apps/v1", "Deployment", &full());
        assert_eq!(api_version_in_head(&value[..32]), Some("apps/v1"));
        assert_eq!(api_version_in_head(b"{\"apiVersion\":\"v1\"}"), None);
        assert_eq!(api_version_in_head(b"k8s:enc:aescbc:v1:k:"), None);
        assert_eq!(api_version_in_head(b"k8s\0"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let _ = ObjectMeta::of_object(Object::Protobuf(&bytes));
            let _ = ObjectMeta::of_object(Object::Protobuf(&bytes_field(1, &bytes)));
            let _ = ObjectMeta::of_object(Object::Json(&bytes));
            let _ = creation_time_in_head(&[b"k8s\0", &bytes[..]].concat());
            let _ = api_version_in_head(&[b"k8s\0", &bytes[..]].concat());
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
