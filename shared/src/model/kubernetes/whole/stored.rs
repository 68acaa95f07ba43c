//! A stored object, which serialises as kubectl shows it.

use std::fmt::Display;

use serde::ser::{Serialize, Serializer};

use super::json::Json;
use super::message::Message;
use super::path::Path;
use super::reading::{Beside, JsonBy, Reading};
use super::streamed::{Place, Streamed};
use super::table::Type;
use super::{crd, endpoint_slice};
use crate::model::kubernetes::value::{Object, Unknown, Value, ValueError};

/// How deep messages nest: the deepest of Kubernetes' own are less than half of it.
const DEPTH: u8 = 64;
/// What CBOR begins with (RFC 8949, 3.4.6), which Kubernetes may store custom resources in.
const CBOR: &[u8] = &[0xd9, 0xd9, 0xf7];

/// An object. What is wrong with it or unknown in it is noted in `reading`.
pub struct Stored<'a> {
    pub value: &'a Value<'a>,
    pub reading: &'a Reading,
}

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content_type = |content_type: &str| self.reading.fail(ValueError::ContentType(content_type.to_owned()));
        match self.value {
            Value::Protobuf(envelope)
                if ["", "application/vnd.kubernetes.protobuf"].contains(&envelope.content_type) =>
            {
                self.typed(envelope, serializer)
            }
            Value::Protobuf(envelope) if !envelope.content_type.contains("json") => {
                Err(content_type(envelope.content_type))
            }
            Value::Other(bytes) if bytes.starts_with(CBOR) => Err(content_type("application/cbor")),
            value => match value.object() {
                Ok(Object::Json(text)) => self.json(text, serializer),
                Ok(Object::Protobuf(_)) => Err(self.reading.fail(ValueError::NotAnObject)),
                Err(error) => Err(self.reading.fail(error)),
            },
        }
    }
}

impl Stored<'_> {
    fn typed<S: Serializer>(&self, envelope: &Unknown<'_>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(Type::Fields(fields)) = self.reading.table.kind(envelope.api_version, envelope.kind) else {
            return Err(self.reading.fail(ValueError::UnknownKind {
                api_version: envelope.api_version.to_owned(),
                kind: envelope.kind.to_owned(),
            }));
        };
        let message = Message {
            reading: self.reading,
            fields,
            raw: envelope.raw,
            path: &Path::ROOT,
            depth: DEPTH,
            beside: Beside::Type(envelope.api_version, envelope.kind),
        };
        if (envelope.api_version, envelope.kind) != endpoint_slice::STORED {
            return message.serialize(serializer);
        }
        // What the message failed by is noted already.
        let text = serde_json::to_vec(&message).map_err(serde::ser::Error::custom)?;
        let mut object = Json::read(&text).map_err(|error| self.reading.fail(json_error(error)))?;
        endpoint_slice::as_served(&mut object);
        object.serialize(serializer)
    }

    /// What is stored as JSON is whole but for its resource version.
    fn json<S: Serializer>(&self, text: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let revision = self.reading.revision;
        if self.reading.json_by == JsonBy::Streaming {
            let place = Place::Object(revision);
            return Streamed { text, place }.serialize(serializer);
        }
        let mut object = Json::read(text).map_err(|error| self.reading.fail(json_error(error)))?;
        if !matches!(object, Json::Object(_)) {
            return Err(self.reading.fail(ValueError::NotAnObject));
        }
        crd::as_served(&mut object);
        if let (Some(revision), Some(metadata)) = (revision, object.field("metadata")) {
            metadata.set("resourceVersion", Json::Text(revision.to_string().into()));
        }
        object.serialize(serializer)
    }
}

pub fn json_error(error: impl Display) -> ValueError {
    ValueError::Json(error.to_string())
}
