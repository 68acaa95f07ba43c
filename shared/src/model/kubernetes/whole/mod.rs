//! Whole objects, as `kubectl get --show-managed-fields -o json` prints them.
//!
//! What etcd holds lacks one field that kubectl shows: `metadata.resourceVersion` is the revision that wrote the key
//! last, and comes from the caller. An object is shown in the version that it is stored at, which need not be the one
//! that kubectl asks for; but for those whose stored version no API server serves: CustomResourceDefinitions, and the
//! EndpointSlices of API servers before 1.34.

mod crd;
mod endpoint_slice;
mod json;
mod message;
mod path;
mod reading;
mod special;
mod stored;
mod streamed;
mod table;
#[cfg(test)]
mod tests;
mod zero;

use serde::ser::Serialize;

use super::value::{Value, ValueError};
use crate::model::yaml::Node;
use reading::{JsonBy, Reading};
use stored::{Stored, json_error};
use table::Table;

/// An object, and what could not be read of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// apiVersion, kind, metadata and all the rest.
    pub object: serde_json::Value,
    /// What the object holds and this version of Kubernetes' types does not know, one line each:
    /// `spec.containers[0]: field 99`. Empty for a whole object.
    pub unknown: Vec<String>,
}

/// A whole object. `value` is plaintext; `revision` is the key's `mod_revision`, which becomes the resource version, or
/// `None` to have none.
///
/// # Errors
/// When the value is encrypted, damaged, no object, or of a kind or an encoding that is not known.
pub fn whole(value: &Value<'_>, revision: Option<i64>) -> Result<Whole, ValueError> {
    let (object, unknown) = read(value, revision, JsonBy::Tree, |stored| {
        stored.serialize(serde_json::value::Serializer).map_err(json_error)
    })?;
    Ok(Whole { object, unknown })
}

/// Appends a whole object as one line of JSON, its fields sorted by name as kubectl has them. Yields what
/// [`Whole::unknown`] would hold.
///
/// # Errors
/// As [`whole`]; nothing is appended then.
pub fn write_json(value: &Value<'_>, revision: Option<i64>, out: &mut Vec<u8>) -> Result<Vec<String>, ValueError> {
    append(value, revision, out, |stored, out| {
        stored
            .serialize(&mut serde_json::Serializer::new(out))
            .map_err(json_error)
    })
}

/// Appends a whole object as a YAML document, without `---`. Yields what [`Whole::unknown`] would hold.
///
/// # Errors
/// As [`whole`]; nothing is appended then.
pub fn write_yaml(value: &Value<'_>, revision: Option<i64>, out: &mut Vec<u8>) -> Result<Vec<String>, ValueError> {
    append(value, revision, out, |stored, out| {
        stored.serialize(Node::document(out)).map_err(json_error)
    })
}

/// Writes by streaming its JSON. Where that fails, by a tree of it: either that can be written, or its error says why not.
fn append(
    value: &Value<'_>,
    revision: Option<i64>,
    out: &mut Vec<u8>,
    write: impl Fn(&Stored<'_>, &mut Vec<u8>) -> Result<(), ValueError>,
) -> Result<Vec<String>, ValueError> {
    let start = out.len();
    let mut attempt = |json_by| {
        let done = read(value, revision, json_by, |stored| write(stored, out));
        if done.is_err() {
            out.truncate(start);
        }
        done.map(|((), unknown)| unknown)
    };
    attempt(JsonBy::Streaming).or_else(|_| attempt(JsonBy::Tree))
}

/// What `write` makes of the object, and what is unknown in it.
fn read<T>(
    value: &Value<'_>,
    revision: Option<i64>,
    json_by: JsonBy,
    write: impl FnOnce(&Stored<'_>) -> Result<T, ValueError>,
) -> Result<(T, Vec<String>), ValueError> {
    let reading = Reading::new(Table::get(), revision, json_by);
    let stored = Stored {
        value,
        reading: &reading,
    };
    match write(&stored) {
        Ok(done) => Ok((done, reading.unknown())),
        Err(error) => Err(reading.problem().unwrap_or(error)),
    }
}

/// Every kind whose fields are known, as `(apiVersion, kind)`, sorted.
#[must_use]
pub fn kinds() -> Vec<(&'static str, &'static str)> {
    Table::get().kinds()
}
