//! How kube-apiserver writes a value.
//!
//! Three ways: `k8s\0` and a protobuf `runtime.Unknown` (built-in resources), JSON (custom resources, and all with
//! `--storage-media-type=application/json`), or either of them encrypted behind `k8s:enc:<provider>:<version>:<key>:`
//! (kubernetes/kubernetes: `staging/src/k8s.io/apimachinery/pkg/runtime/generated.proto` and
//! `staging/src/k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go`; kubernetes/website,
//! "Kubernetes API concepts", protobuf encoding).

use std::fmt;

use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::kubernetes::protobuf::{self, ProtobufError};

/// What a protobuf value begins with.
const PROTOBUF_MAGIC: &[u8] = b"k8s\0";
/// What an encrypted value begins with.
pub const ENCRYPTED_MAGIC: &[u8] = b"k8s:enc:";

/// A value, decoded as far as that needs no key and no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'v> {
    /// A typed object in protobuf.
    Protobuf(Unknown<'v>),
    /// An object in JSON.
    Json(&'v [u8]),
    /// Encrypted by kube-apiserver.
    Encrypted(Encryption),
    /// Anything else: not a value of Kubernetes, or damaged.
    Other(&'v [u8]),
}

/// `runtime.Unknown`: an object with its type beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown<'v> {
    /// `v1`, `apps/v1`.
    pub api_version: &'v str,
    /// `Secret`, `Deployment`.
    pub kind: &'v str,
    /// The object, encoded as `content_type` says.
    pub raw: &'v [u8],
    /// Empty for protobuf.
    pub content_type: &'v str,
}

/// How a value is encrypted, from its first bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// `aescbc`, `aesgcm`, `secretbox` or `kms`.
    pub provider: String,
    /// `v1`, or `v2` for the newer `kms`.
    pub version: String,
    /// The key's name in the EncryptionConfiguration; for `kms` the plugin's name.
    pub key_name: String,
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} with key `{}`", self.provider, self.version, self.key_name)
    }
}

/// Why nothing can be read out of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Broken protobuf.
    #[error("value is no valid protobuf: {0}")]
    Protobuf(#[from] ProtobufError),
    /// A field of a known kind that is broken or not of its type.
    #[error("value is no valid protobuf: {0}")]
    Message(#[from] prost::DecodeError),
    /// Broken or unexpected JSON.
    #[error("value is no valid JSON: {0}")]
    Json(String),
    /// A text of the protobuf that is not UTF-8.
    #[error("field {field} of the value is not UTF-8")]
    NotText {
        /// Which one.
        field: &'static str,
    },
    /// Encrypted at rest.
    #[error("value is encrypted by {0}")]
    Encrypted(Encryption),
    /// Neither protobuf nor JSON nor encrypted.
    #[error("value is no object of Kubernetes")]
    NotAnObject,
    /// A kind whose fields are not known here.
    #[error("fields of {kind} of {api_version} are not known")]
    UnknownKind {
        /// `apps/v1`.
        api_version: String,
        /// `Deployment`.
        kind: String,
    },
    /// Neither protobuf nor JSON, such as CBOR.
    #[error("value is encoded as {0}, which cannot be read")]
    ContentType(String),
    /// A value that its type does not allow.
    #[error("{path} of the value cannot be read: {why}")]
    Field {
        /// `spec.containers[0].name`.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Deeper than any object of Kubernetes.
    #[error("value is nested deeper than any object of Kubernetes")]
    TooDeep,
}

/// How a value is encoded: what its first bytes tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `k8s\0`.
    Protobuf,
    /// `{`.
    Json,
    /// `k8s:enc:`.
    Encrypted(Encryption),
    /// Anything else.
    Other,
}

impl Encoding {
    /// Tells the encoding by the first bytes of a value; 300 are enough for any key name that Kubernetes' documentation
    /// shows.
    #[must_use]
    pub fn of_head(head: &[u8]) -> Self {
        if head.starts_with(PROTOBUF_MAGIC) {
            Self::Protobuf
        } else if let Some(rest) = head.strip_prefix(ENCRYPTED_MAGIC) {
            let mut parts = rest.splitn(4, |byte| *byte == b':').map(printable);
            let mut next = || parts.next().unwrap_or_default();
            Self::Encrypted(Encryption {
                provider: next(),
                version: next(),
                key_name: next(),
            })
        } else if head.trim_ascii_start().starts_with(b"{") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

/// Text out of untrusted bytes, fit for a terminal.
fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

impl<'v> Value<'v> {
    /// Decodes a whole value.
    ///
    /// # Errors
    /// When what begins as protobuf is none.
    pub fn decode(value: &'v [u8]) -> Result<Self, ValueError> {
        Ok(match Encoding::of_head(value) {
            Encoding::Protobuf => {
                Self::Protobuf(Unknown::decode(value.get(PROTOBUF_MAGIC.len()..).unwrap_or_default())?)
            }
            Encoding::Json => Self::Json(value),
            Encoding::Encrypted(encryption) => Self::Encrypted(encryption),
            Encoding::Other => Self::Other(value),
        })
    }

    /// The protobuf or the JSON of the object.
    ///
    /// # Errors
    /// When the value is encrypted or no object.
    pub fn object(&self) -> Result<Object<'v>, ValueError> {
        match self {
            // Kubernetes wraps what has no protobuf schema as JSON within protobuf.
            Self::Protobuf(unknown) if unknown.content_type.contains("json") => Ok(Object::Json(unknown.raw)),
            Self::Protobuf(unknown) => Ok(Object::Protobuf(unknown.raw)),
            Self::Json(json) => Ok(Object::Json(json)),
            Self::Encrypted(encryption) => Err(ValueError::Encrypted(encryption.clone())),
            Self::Other(_) => Err(ValueError::NotAnObject),
        }
    }
}

/// An object in one of the two encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'v> {
    /// In protobuf, of the message that its kind says.
    Protobuf(&'v [u8]),
    /// In JSON.
    Json(&'v [u8]),
}

impl Object<'_> {
    /// Reads it as a kind that is known in both encodings.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn read<T: Message + Default + DeserializeOwned>(self) -> Result<T, ValueError> {
        match self {
            Self::Protobuf(raw) => Ok(T::decode(raw)?),
            Self::Json(json) => serde_json::from_slice(json).map_err(|error| ValueError::Json(error.to_string())),
        }
    }
}

/// Reads a stored value as a kind that is known in both encodings.
///
/// # Errors
/// When the value is encrypted, damaged or no object.
pub(super) fn read<T: Message + Default + DeserializeOwned>(value: &[u8]) -> Result<T, ValueError> {
    Value::decode(value)?.object()?.read()
}

impl<'v> Unknown<'v> {
    fn decode(message: &'v [u8]) -> Result<Self, ValueError> {
        let mut unknown = Self::default();
        for field in protobuf::fields(message) {
            match field? {
                (1, protobuf::Value::Bytes(type_meta)) => {
                    for field in protobuf::fields(type_meta) {
                        match field? {
                            (1, protobuf::Value::Bytes(text)) => unknown.api_version = utf8(text, "apiVersion")?,
                            (2, protobuf::Value::Bytes(text)) => unknown.kind = utf8(text, "kind")?,
                            _ => {}
                        }
                    }
                }
                (2, protobuf::Value::Bytes(raw)) => unknown.raw = raw,
                (4, protobuf::Value::Bytes(text)) => unknown.content_type = utf8(text, "contentType")?,
                _ => {}
            }
        }
        Ok(unknown)
    }
}

/// The text of a protobuf `string`.
fn utf8<'v>(bytes: &'v [u8], field: &'static str) -> Result<&'v str, ValueError> {
    std::str::from_utf8(bytes).map_err(|_| ValueError::NotText { field })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, unknown};

    #[test]
    fn decodes_the_envelope() {
        let value = unknown("apps/v1", "Deployment", b"raw");
        let decoded = Value::decode(&value).unwrap();
        let expected = Unknown {
            api_version: "apps/v1",
            kind: "Deployment",
            raw: b"raw",
            content_type: "",
        };
        assert_eq!(decoded, Value::Protobuf(expected));
        assert_eq!(decoded.object(), Ok(Object::Protobuf(b"raw")));
    }

    #[test]
    fn finds_json_within_the_envelope() {
        let mut value = unknown("x.example.com/v1", "X", b"{}");
        value.extend(bytes_field(4, b"application/json"));
        assert_eq!(Value::decode(&value).unwrap().object(), Ok(Object::Json(b"{}")));
    }

    #[test]
    fn names_provider_version_and_key() {
        for (head, provider, version, key_name) in [
            (&b"k8s:enc:aescbc:v1:key1:\x00\x01:\xff"[..], "aescbc", "v1", "key1"),
            (b"k8s:enc:secretbox:v1:2026-11:abc", "secretbox", "v1", "2026-11"),
            (
                b"k8s:enc:kms:v2:aws-encryption-provider:\n$",
                "kms",
                "v2",
                "aws-encryption-provider",
            ),
            (b"k8s:enc:aesgcm:v1:\x1b[2J:x", "aesgcm", "v1", r"\x1b[2J"),
            (b"k8s:enc:", "", "", ""),
        ] {
            let encryption = Encryption {
                provider: provider.to_owned(),
                version: version.to_owned(),
                key_name: key_name.to_owned(),
            };
            assert_eq!(Value::decode(head), Ok(Value::Encrypted(encryption.clone())));
            assert_eq!(
                Value::decode(head).unwrap().object(),
                Err(ValueError::Encrypted(encryption))
            );
        }
    }

    #[test]
    fn tells_the_rest_apart() {
        assert_eq!(Value::decode(b"{\"a\":1}"), Ok(Value::Json(b"{\"a\":1}")));
        assert_eq!(Value::decode(b"7"), Ok(Value::Other(b"7")));
        assert_eq!(Value::decode(b"").unwrap().object(), Err(ValueError::NotAnObject));
        assert_eq!(
            Value::decode(b"k8s\0\x0a\x05a"),
            Err(ProtobufError::Truncated { at: 0 }.into())
        );
        assert_eq!(
            Value::decode(b"k8s\0\x0a\x03\x0a\x01\xff"),
            Err(ValueError::NotText { field: "apiVersion" })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end(value: Vec<u8>) {
            let _ = Value::decode(&value).and_then(|value| value.object());
        }

        #[test]
        fn any_envelope_ends(rest: Vec<u8>) {
            let _ = Value::decode(&[PROTOBUF_MAGIC, &rest].concat());
            prop_assert!(matches!(Value::decode(&[ENCRYPTED_MAGIC, &rest].concat()), Ok(Value::Encrypted(_))));
        }
    }
}
