//! The file that `prune` writes and `undo` reads. JSON, our own format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "kubectl-masterleases/undo/v1";

/// The keys that were to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    pub taken: Timestamp,
    /// The UID of namespace `kube-system`; `None` if it could not be read.
    pub cluster_uid: Option<String>,
    pub keys: Vec<Deleted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// The revision of its last write.
    pub mod_revision: i64,
}

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndoError {
    /// Another format.
    #[error("not an undo file of masterleases: {0}")]
    NotOurs(String),
    /// Written by a newer version.
    #[error("unknown format `{0}`")]
    Format(String),
    /// A key that is not a masterlease.
    #[error("entry {index}, {key}, does not lie directly below {folder}: the whole file is refused")]
    Foreign {
        /// Which entry, from 1.
        index: usize,
        key: String,
        folder: String,
    },
    /// A key or a value that cannot be decoded.
    #[error("entry {index} is damaged: {why}")]
    Damaged {
        /// Which entry, from 1.
        index: usize,
        why: String,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    format: String,
    taken: Timestamp,
    cluster_uid: Option<String>,
    keys: Vec<Entry>,
}

/// Keys and values in base64; `name` is the key as text.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    name: String,
    key: String,
    value: String,
    mod_revision: i64,
}

impl Undo {
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let entry = |deleted: &Deleted| Entry {
            name: String::from_utf8_lossy(&deleted.key).into_owned(),
            key: BASE64.encode(&deleted.key),
            value: BASE64.encode(&deleted.value),
            mod_revision: deleted.mod_revision,
        };
        let file = File {
            format: FORMAT.to_owned(),
            taken: self.taken,
            cluster_uid: self.cluster_uid.clone(),
            keys: self.keys.iter().map(entry).collect(),
        };
        Ok(serde_json::to_string_pretty(&file)? + "\n")
    }

    /// Reads a file. It is refused whole if one key does not lie directly below the masterleases of `prefix`: such a file was not written by
    /// `prune`.
    pub fn parse(text: &[u8], prefix: &str) -> Result<Self, UndoError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let not_ours = |error: serde_json::Error| UndoError::NotOurs(error.to_string());
        let head: Head = serde_json::from_slice(text).map_err(not_ours)?;
        if head.format != FORMAT {
            return Err(UndoError::Format(head.format));
        }
        let file: File = serde_json::from_slice(text).map_err(not_ours)?;
        let mut keys = Vec::new();
        for (at, entry) in file.keys.into_iter().enumerate() {
            let damaged = |why: String| UndoError::Damaged { index: at + 1, why };
            let bytes = |text: &str| BASE64.decode(text).map_err(|error| damaged(error.to_string()));
            let key = bytes(&entry.key)?;
            if !crate::rules::masterlease::is_directly_below(&key, prefix) {
                return Err(UndoError::Foreign {
                    index: at + 1,
                    key: key.escape_ascii().to_string(),
                    folder: format!("{prefix}{}", runbook_kit::model::kubernetes::masterlease::FOLDER),
                });
            }
            keys.push(Deleted {
                value: bytes(&entry.value)?,
                mod_revision: entry.mod_revision,
                key,
            });
        }
        Ok(Self {
            taken: file.taken,
            cluster_uid: file.cluster_uid,
            keys,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn undo(value: Vec<u8>) -> Undo {
        Undo {
            taken: "2026-11-22T15:18:01Z".parse().unwrap(),
            cluster_uid: Some("uid".into()),
            keys: vec![Deleted {
                key: b"/registry/masterleases/10.0.0.1".to_vec(),
                value,
                mod_revision: 7,
            }],
        }
    }

    #[test]
    fn other_files_are_refused() {
        let parse = |text: &str| Undo::parse(text.as_bytes(), "/registry").unwrap_err();
        assert!(matches!(parse("x"), UndoError::NotOurs(_)));
        assert!(matches!(parse("{}"), UndoError::NotOurs(_)));
        assert_eq!(parse(r#"{"format":"v2"}"#), UndoError::Format("v2".into()));
        let text = undo(vec![1]).to_json().unwrap();
        assert!(matches!(
            parse(&text.replace("\"AQ==\"", "\"*\"")),
            UndoError::Damaged { index: 1, .. }
        ));
    }

    #[test]
    fn a_file_with_any_other_key_is_refused() {
        let text = undo(vec![1]).to_json().unwrap();
        let key = BASE64.encode("/registry/masterleases/10.0.0.1");
        let parse = |other: &str| Undo::parse(text.replace(&key, &BASE64.encode(other)).as_bytes(), "/registry");
        for fine in ["/registry/masterleases/10.0.0.1", "/registry/masterleases/2001:db8::1"] {
            assert_eq!(parse(fine).unwrap().keys[0].key, fine.as_bytes());
        }
        for foreign in [
            "/registry/secrets/a/b",
            "/registry/secrets/masterleases/10.0.0.1",
            "/registry/secrets/a/masterleases/10.0.0.1",
            "/registry/masterleases/../secrets/a/b",
            "/registry/masterleases/..",
            "/registry/masterleases/.",
            "/registry/masterleases/10.0.0.1/x",
            "/registry/masterleases/10.0.0.1/",
            "/registry/masterleases//10.0.0.1",
            "/registry/masterleases/",
            "/registry/masterleases",
            "/other/masterleases/10.0.0.1",
            "registry/masterleases/10.0.0.1",
            "",
        ] {
            assert!(
                matches!(parse(foreign), Err(UndoError::Foreign { index: 1, .. })),
                "{foreign}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_value_survives_the_round_trip(value: Vec<u8>) {
            let written = undo(value);
            prop_assert_eq!(Undo::parse(written.to_json().unwrap().as_bytes(), "/registry"), Ok(written));
        }
    }
}
