//! Whole objects, as `kubectl get --show-managed-fields -o json` prints them.
//!
//! What etcd holds lacks one field that kubectl shows: `metadata.resourceVersion` is the revision that wrote the key
//! last, and comes from the caller. An object is shown in the version that it is stored at, which need not be the one
//! that kubectl asks for.

use std::io::{self, Write};

use super::metadata::ObjectMeta;
use super::value::{Object, Value, ValueError};

/// An object, and what could not be read of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// apiVersion, kind, metadata and all the rest.
    pub object: serde_json::Value,
    /// What the object holds and this version of Kubernetes' types does not know, one line each:
    /// `spec.containers[0]: field 99`. Empty for a whole object.
    pub unknown: Vec<String>,
}

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It cannot be read. The beginning of it may have been written.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// A whole object. `value` is plaintext; `revision` is the key's `mod_revision`, which becomes the resource version, or
/// `None` to have none.
///
/// # Errors
/// When the value is encrypted, damaged, no object, or of a kind or an encoding that is not known.
pub fn whole(value: &Value<'_>, revision: Option<i64>) -> Result<Whole, ValueError> {
    let json = |error: serde_json::Error| ValueError::Json(error.to_string());
    let (mut object, unknown) = match (value.object()?, value) {
        (Object::Protobuf(raw), Value::Protobuf(envelope)) => {
            let metadata = ObjectMeta::of_object(Object::Protobuf(raw))?;
            let object = serde_json::json!({
                "apiVersion": envelope.api_version,
                "kind": envelope.kind,
                "metadata": metadata,
            });
            (object, vec!["everything but the metadata".to_owned()])
        }
        (Object::Protobuf(_), _) => return Err(ValueError::NotAnObject),
        (Object::Json(text), _) => (serde_json::from_slice(text).map_err(json)?, Vec::new()),
    };
    if let (Some(revision), Some(metadata)) = (revision, object.get_mut("metadata").and_then(|m| m.as_object_mut())) {
        metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
    }
    Ok(Whole { object, unknown })
}

/// Writes a whole object as one line of JSON, its fields sorted by name, without building it in memory. Yields what
/// [`Whole::unknown`] would hold.
///
/// # Errors
/// As [`whole`], and when it cannot be written. After an error the beginning of the object may have been written: write
/// to memory where that matters.
pub fn write_json(value: &Value<'_>, revision: Option<i64>, out: &mut impl Write) -> Result<Vec<String>, WriteError> {
    let whole = whole(value, revision)?;
    serde_json::to_writer(out, &whole.object).map_err(io::Error::from)?;
    Ok(whole.unknown)
}
