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
mod table;
#[cfg(test)]
mod tests;
mod zero;

use std::fmt::Display;
use std::io::{self, Write};

use serde::ser::{Serialize, Serializer};

use super::value::{Object, Unknown, Value, ValueError};
use json::Json;
use message::Message;
use path::Path;
use reading::{Beside, Reading};
use table::{Table, Type};

/// How deep messages nest: the deepest of Kubernetes' own are less than half of it.
const DEPTH: u8 = 64;
/// What CBOR begins with (RFC 8949, 3.4.6), which Kubernetes may store custom resources in.
const CBOR: &[u8] = &[0xd9, 0xd9, 0xf7];

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
    serialize(value, revision, serde_json::value::Serializer).map(|(object, unknown)| Whole { object, unknown })
}

/// Writes a whole object as one line of JSON, its fields sorted by name as kubectl has them, without building it in memory:
/// many calls are made per second, so hand it something buffered. Yields what [`Whole::unknown`] would hold.
///
/// # Errors
/// As [`whole`], and when it cannot be written. After an error the beginning of the object may have been written: write
/// to memory where that matters.
pub fn write_json(value: &Value<'_>, revision: Option<i64>, out: &mut impl Write) -> Result<Vec<String>, WriteError> {
    let mut out = Remembering { out, error: None };
    match serialize(value, revision, &mut serde_json::Serializer::new(&mut out)) {
        Ok(((), unknown)) => Ok(unknown),
        Err(error) => Err(out.error.map_or(WriteError::Value(error), WriteError::Write)),
    }
}

/// Hands a whole object to a serializer of any format. Yields what it made and what [`Whole::unknown`] would hold.
///
/// # Errors
/// As [`whole`]. An error of the serializer's own is [`ValueError::Json`].
pub fn serialize<S: Serializer>(
    value: &Value<'_>,
    revision: Option<i64>,
    serializer: S,
) -> Result<(S::Ok, Vec<String>), ValueError> {
    match value {
        Value::Protobuf(envelope) if ["", "application/vnd.kubernetes.protobuf"].contains(&envelope.content_type) => {
            typed(envelope, revision, serializer)
        }
        Value::Protobuf(envelope) if !envelope.content_type.contains("json") => {
            Err(ValueError::ContentType(envelope.content_type.to_owned()))
        }
        Value::Other(bytes) if bytes.starts_with(CBOR) => Err(ValueError::ContentType("application/cbor".to_owned())),
        value => match value.object()? {
            Object::Json(text) => stored_json(text, revision, serializer).map(|done| (done, Vec::new())),
            Object::Protobuf(_) => Err(ValueError::NotAnObject),
        },
    }
}

fn typed<S: Serializer>(
    envelope: &Unknown<'_>,
    revision: Option<i64>,
    serializer: S,
) -> Result<(S::Ok, Vec<String>), ValueError> {
    let table = Table::get();
    let Some(Type::Fields(fields)) = table.kind(envelope.api_version, envelope.kind) else {
        return Err(ValueError::UnknownKind {
            api_version: envelope.api_version.to_owned(),
            kind: envelope.kind.to_owned(),
        });
    };
    let reading = Reading::new(table, revision);
    let message = Message {
        reading: &reading,
        fields,
        raw: envelope.raw,
        path: &Path::ROOT,
        depth: DEPTH,
        beside: Beside::Type(envelope.api_version, envelope.kind),
    };
    let done = if (envelope.api_version, envelope.kind) == endpoint_slice::STORED {
        serde_json::to_vec(&message).map_err(json_error).and_then(|text| {
            let mut object = Json::read(&text).map_err(json_error)?;
            endpoint_slice::as_served(&mut object);
            object.serialize(serializer).map_err(json_error)
        })
    } else {
        message.serialize(serializer).map_err(json_error)
    };
    match done {
        Ok(done) => Ok((done, reading.unknown())),
        Err(error) => Err(reading.problem().unwrap_or(error)),
    }
}

fn json_error(error: impl Display) -> ValueError {
    ValueError::Json(error.to_string())
}

/// What is stored as JSON is whole but for its resource version.
fn stored_json<S: Serializer>(text: &[u8], revision: Option<i64>, serializer: S) -> Result<S::Ok, ValueError> {
    let mut object = Json::read(text).map_err(json_error)?;
    if !matches!(object, Json::Object(_)) {
        return Err(ValueError::NotAnObject);
    }
    crd::as_served(&mut object);
    if let (Some(revision), Some(metadata)) = (revision, object.field("metadata")) {
        metadata.set("resourceVersion", Json::Text(revision.to_string().into()));
    }
    object.serialize(serializer).map_err(json_error)
}

/// Every kind whose fields are known, as `(apiVersion, kind)`, sorted.
#[must_use]
pub fn kinds() -> Vec<(&'static str, &'static str)> {
    Table::get().kinds()
}

/// Keeps the error of a writer, which serialising would turn into text.
struct Remembering<'w, W> {
    out: &'w mut W,
    error: Option<io::Error>,
}

impl<W: Write> Write for Remembering<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            self.error = Some(error);
            told
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
