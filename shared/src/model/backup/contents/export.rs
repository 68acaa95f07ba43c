//! One object out of a backup.

use serde::Serialize;

use super::source::Snapshot;
use crate::model::kubernetes::encryption::DecryptError;
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::metadata::ObjectMeta;
use crate::model::kubernetes::object_ref::ObjectRef;
use crate::model::kubernetes::value::{Object, Value, ValueError};
use crate::model::snapshot::{LiveKey, Problem};

/// How many near misses are named.
const SUGGESTIONS: usize = 5;

/// Why there is nothing to export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// No such object.
    #[error("no object `{wanted}` in this backup")]
    NotFound {
        /// What was requested.
        wanted: String,
        /// Objects that it may have been meant for, best first.
        near: Vec<String>,
    },
    /// The name means more than one object.
    #[error("`{wanted}` is more than one object: {}", found.join(", "))]
    Ambiguous {
        /// What was requested.
        wanted: String,
        /// The keys of the objects, each of which is unambiguous.
        found: Vec<String>,
    },
    /// Encrypted at rest.
    #[error("{object} cannot be read: {why}")]
    Encrypted {
        /// Which object.
        object: String,
        /// Which key is missing.
        why: DecryptError,
    },
    /// Only the metadata of what is stored as protobuf is decoded. Without spec, status and data it is not the object.
    #[error("{object} is stored as protobuf, of which only the metadata can be read: nothing is written")]
    NotWhole {
        /// Which object.
        object: String,
    },
    /// Not an object of Kubernetes, or damaged.
    #[error("{object} cannot be decoded: {why}")]
    Undecodable {
        /// Which object.
        object: String,
        /// What is wrong.
        why: ValueError,
    },
    /// It could not be written as YAML.
    #[error("{object} cannot be written as YAML: {why}")]
    Yaml {
        /// Which object.
        object: String,
        /// What is wrong.
        why: String,
    },
    /// The database could not be read.
    #[error("reading the backup")]
    Read(#[from] Problem),
}

impl ExportError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { near, .. } if near.is_empty() => {
                Some("`inspect` lists the resources and namespaces that this backup holds".to_owned())
            }
            Self::NotFound { near, .. } => Some(format!("did you mean {}?", near.join(", "))),
            Self::Ambiguous { .. } => Some("name it by its key".to_owned()),
            Self::Encrypted {
                why: DecryptError::NoKey { .. } | DecryptError::WrongKey { .. },
                ..
            } => Some("--encryption-config FILE names the keys; --raw writes the stored bytes".to_owned()),
            Self::Encrypted { .. } | Self::NotWhole { .. } | Self::Undecodable { .. } | Self::Yaml { .. } => {
                Some("--raw writes the stored bytes".to_owned())
            }
            Self::Read(_) => None,
        }
    }
}

/// Finds the one object that `wanted` names.
///
/// # Errors
/// When there is none or more than one.
pub fn find<'a>(snapshot: Snapshot<'a>, wanted: &ObjectRef) -> Result<&'a LiveKey, ExportError> {
    let keys = &snapshot.content.keys;
    let mut found = keys
        .iter()
        .filter(|live| wanted.matches(&live.key, &ObjectKey::parse(&live.key)));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(ExportError::NotFound {
            wanted: wanted.to_string(),
            near: wanted.near_misses(keys.iter().map(|live| live.key.as_slice()), SUGGESTIONS),
        }),
        (Some(first), Some(second)) => Err(ExportError::Ambiguous {
            wanted: wanted.to_string(),
            found: [first, second]
                .map(|live| String::from_utf8_lossy(&live.key).into_owned())
                .into(),
        }),
    }
}

/// An object's name, as an operator types it.
#[must_use]
pub fn name(live: &LiveKey) -> String {
    ObjectKey::parse(&live.key).to_string()
}

/// The stored bytes of an object.
///
/// # Errors
/// When the database cannot be read.
pub fn raw(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Vec<u8>, ExportError> {
    Ok(snapshot.stored(live)?)
}

/// An object of which the metadata was decoded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decoded<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    metadata: ObjectMeta,
}

/// What [`decoded`] yields: the object as JSON, and whether that is all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// apiVersion, kind and metadata; all the rest, too, of what is stored as JSON.
    pub object: serde_json::Value,
    /// Whether nothing is missing.
    pub whole: bool,
}

/// An object decoded as far as that goes.
///
/// # Errors
/// When it is encrypted, damaged, or no object of Kubernetes.
pub fn decoded(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Exported, ExportError> {
    let plain = snapshot.decrypted(live)?.map_err(|why| ExportError::Encrypted {
        object: name(live),
        why,
    })?;
    decode(&plain).map_err(|why| ExportError::Undecodable {
        object: name(live),
        why,
    })
}

fn decode(stored: &[u8]) -> Result<Exported, ValueError> {
    let json = |error: serde_json::Error| ValueError::Json(error.to_string());
    let value = Value::decode(stored)?;
    match (value.object()?, &value) {
        (Object::Json(text), _) => Ok(Exported {
            object: serde_json::from_slice(text).map_err(json)?,
            whole: true,
        }),
        (Object::Protobuf(raw), Value::Protobuf(unknown)) => {
            let metadata = ObjectMeta::of_object(Object::Protobuf(raw))?;
            let decoded = Decoded {
                api_version: unknown.api_version,
                kind: unknown.kind,
                metadata,
            };
            Ok(Exported {
                object: serde_json::to_value(decoded).map_err(json)?,
                whole: false,
            })
        }
        (Object::Protobuf(_), _) => Err(ValueError::NotAnObject),
    }
}

/// A whole object.
///
/// # Errors
/// As [`decoded`]; and where that is not all of it.
pub fn whole(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<serde_json::Value, ExportError> {
    let exported = decoded(snapshot, live)?;
    match exported.whole {
        true => Ok(exported.object),
        false => Err(ExportError::NotWhole { object: name(live) }),
    }
}

/// A whole object as a YAML document.
///
/// # Errors
/// As [`whole`].
pub fn yaml(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<String, ExportError> {
    let object = whole(snapshot, live)?;
    // Folding long lines is valid YAML and unreadable in a certificate or a last-applied annotation.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(&object, options).map_err(|error| ExportError::Yaml {
        object: name(live),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup::contents::testing::Fake;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

    const CERTIFICATE: &[u8] = br#"{"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"annotations":{
        "kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"Certificate\",\"metadata\":{\"name\":\"web\"}}\n"},
        "creationTimestamp":"2026-11-22T15:18:01Z","name":"web","namespace":"shop"},"spec":{"dnsNames":["shop.example.com"],
        "duration":"2160h","enabled":"yes","port":443,"share":0.5,"empty":{},"none":null}}"#;

    fn fake() -> Fake {
        let deployment = unknown(
            "apps/v1",
            "Deployment",
            &bytes_field(1, &object_meta("web", "shop", "u-1", 1_795_360_681)),
        );
        Fake::of(&[
            ("/registry/a.b.c/d/e", 0, b"{}"),
            ("/registry/b.c/a/d/e", 0, b"{}"),
            ("/registry/cert-manager.io/certificates/shop/web", 0, CERTIFICATE),
            ("/registry/configmaps/shop/broken", 0, b"k8s\0\x12\x05a"),
            ("/registry/deployments/shop/web", 0, &deployment),
            ("/registry/secrets/billing/s1", 0, b"k8s:enc:aescbc:v1:key1:\x00\x01"),
            ("compact_rev_key", 0, b"290"),
        ])
    }

    fn exported(text: &str) -> Result<String, ExportError> {
        let fake = fake();
        let live = find(fake.snapshot(), &ObjectRef::parse(text).unwrap())?;
        yaml(fake.snapshot(), live)
    }

    #[test]
    fn json_is_written_whole_and_reads_back_as_the_same() {
        let text = exported("certificate/shop/web").unwrap();
        insta::assert_snapshot!(text);
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, serde_json::from_slice::<serde_json::Value>(CERTIFICATE).unwrap());
    }

    #[test]
    fn of_protobuf_only_the_metadata_is_known_and_half_an_object_is_not_written() {
        let fake = fake();
        let live = find(fake.snapshot(), &ObjectRef::parse("deploy/shop/web").unwrap()).unwrap();
        let half = decoded(fake.snapshot(), live).unwrap();
        assert!(!half.whole);
        assert_eq!(half.object["metadata"]["uid"], "u-1");
        let refused = ExportError::NotWhole {
            object: "deployments/shop/web".to_owned(),
        };
        assert_eq!(whole(fake.snapshot(), live), Err(refused.clone()));
        assert_eq!(yaml(fake.snapshot(), live), Err(refused.clone()));
        assert!(refused.hint().unwrap().contains("--raw"));
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let refusal = |text: &str| {
            let error = exported(text).unwrap_err();
            format!("{error}\nhint: {}", error.hint().unwrap_or_default())
        };
        insta::assert_snapshot!(
            [
                "secrets/billing/s1",
                "configmaps/shop/broken",
                "compact_rev_key/x",
                "secrets/s1",
                "pods/x/y",
                "a.b.c/d/e"
            ]
            .map(refusal)
            .join("\n")
        );
    }

    #[test]
    fn raw_bytes_are_there_in_any_case() {
        let fake = fake();
        for (text, stored) in [
            ("secrets/billing/s1", &b"k8s:enc:aescbc:v1:key1:\x00\x01"[..]),
            ("/registry/a.b.c/d/e", b"{}"),
        ] {
            let live = find(fake.snapshot(), &ObjectRef::parse(text).unwrap()).unwrap();
            assert_eq!(raw(fake.snapshot(), live).unwrap(), stored);
        }
    }
}
