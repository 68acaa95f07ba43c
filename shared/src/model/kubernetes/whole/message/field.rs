//! The values of one field.

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Message, Slot};
use crate::model::kubernetes::protobuf::{self, ProtobufError, Value};
use crate::model::kubernetes::value::ValueError;
use crate::model::kubernetes::whole::json::{self, Json};
use crate::model::kubernetes::whole::path::{Path, Step};
use crate::model::kubernetes::whole::reading::{Beside, JsonBy, Reading};
use crate::model::kubernetes::whole::special;
use crate::model::kubernetes::whole::streamed::{Place, Streamed};
use crate::model::kubernetes::whole::table::{Field, Held, Of, Or, Special, Type, TypeId};

/// A field of a message.
pub struct FieldValue<'a> {
    pub reading: &'a Reading,
    pub field: &'static Field,
    /// All of them, in their order.
    pub values: &'a [Slot<'a>],
    /// Where the message is.
    pub path: &'a Path<'a>,
    pub depth: u8,
    /// Whether it is a field of the object itself.
    pub root: bool,
}

impl FieldValue<'_> {
    /// What is shown beside the fields of the messages in this field.
    fn beside(&self) -> Beside<'static> {
        match self.field.name {
            "metadata" if self.root => self.reading.revision.map_or(Beside::Nothing, Beside::Revision),
            // The API server puts these there when it reads one (kubernetes v1.34, pkg/apis/apps/v1/conversion.go).
            "volumeClaimTemplates" => Beside::Type("v1", "PersistentVolumeClaim"),
            _ => Beside::Nothing,
        }
    }

    fn item<'b>(&'b self, value: Option<Value<'b>>, path: &'b Path<'b>) -> Item<'b> {
        Item {
            reading: self.reading,
            of: self.field.of,
            value,
            path,
            depth: self.depth,
            beside: self.beside(),
            within: self.field.held,
        }
    }
}

impl Serialize for FieldValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let path = self.path.to(Step::Field(self.field.name));
        let last = self.values.last().map(|(_, value)| *value);
        match (self.field.held, last) {
            (Held::Value, last) => self.item(last, &path).serialize(serializer),
            (Held::Pointer, Some(last)) => self.item(Some(last), &path).serialize(serializer),
            (Held::Pointer | Held::List | Held::Map, None) => serializer.serialize_unit(),
            (Held::List, Some(_)) => {
                let mut list = serializer.serialize_seq(None)?;
                let values = self.values.iter().map(|(_, value)| *value);
                let mut at = 0;
                for value in values {
                    for value in elements(self.field.of, value) {
                        let value = value.map_err(|error| self.reading.fail(error))?;
                        list.serialize_element(&self.item(Some(value), &path.to(Step::Index(at))))?;
                        at += 1;
                    }
                }
                list.end()
            }
            (Held::Map, Some(_)) => {
                let mut entries = Vec::with_capacity(self.values.len());
                for (_, entry) in self.values {
                    let Value::Bytes(entry) = entry else {
                        return Err(self.reading.field_fails(&path, WRONG_TYPE));
                    };
                    entries.push(key_and_value(entry).map_err(|error| self.reading.fail(error))?);
                }
                // Most are written sorted.
                if !entries.is_sorted_by(|(left, _), (right, _)| left < right) {
                    // Of two entries of one key the later one counts.
                    entries.reverse();
                    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
                    entries.dedup_by(|(left, _), (right, _)| left == right);
                }
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in &entries {
                    map.serialize_entry(key, &self.item(*value, &path.to(Step::Key(key))))?;
                }
                map.end()
            }
        }
    }
}

const WRONG_TYPE: &str = "it is encoded as another type";

/// A map's entry: key and value are its fields 1 and 2.
fn key_and_value(entry: &[u8]) -> Result<(Cow<'_, str>, Option<Value<'_>>), ProtobufError> {
    let (mut key, mut value) = (Cow::Borrowed(""), None);
    for field in protobuf::fields(entry) {
        match field? {
            (1, Value::Bytes(text)) => key = self::text(text),
            (2, found) => value = Some(found),
            _ => {}
        }
    }
    Ok((key, value))
}

/// A text as Go writes it. Most are UTF-8, which is told faster than by reading them as if they were not.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The elements in one occurrence of a list's field: numbers may be packed.
fn elements(of: Of, value: Value<'_>) -> impl Iterator<Item = Result<Value<'_>, ProtobufError>> {
    let packed = match (of, value) {
        (Of::Int | Of::Bool, Value::Bytes(packed)) => Some(packed),
        _ => None,
    };
    let one = packed.is_none().then_some(Ok(value));
    one.into_iter()
        .chain(packed.into_iter().flat_map(protobuf::packed_varints))
}

/// One value.
pub struct Item<'a> {
    reading: &'a Reading,
    of: Of,
    /// `None` where it was not written: Go's zero value.
    value: Option<Value<'a>>,
    path: &'a Path<'a>,
    depth: u8,
    beside: Beside<'a>,
    within: Held,
}

impl<'a> Item<'a> {
    fn nested(&self, of: Of, value: Value<'a>, path: &'a Path<'a>) -> Item<'a> {
        Item {
            reading: self.reading,
            of,
            value: Some(value),
            path,
            depth: self.depth.saturating_sub(1),
            beside: Beside::Nothing,
            within: Held::List,
        }
    }

    fn message<S: Serializer>(&self, id: TypeId, raw: &'a [u8], serializer: S) -> Result<S::Ok, S::Error> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.reading.fail(ValueError::TooDeep));
        };
        match self.reading.table.of(id) {
            Some(Type::Fields(fields)) => Message {
                reading: self.reading,
                fields,
                raw,
                path: self.path,
                depth,
                beside: self.beside,
            }
            .serialize(serializer),
            Some(Type::List(of)) => self.list(*of, 1, raw, serializer),
            Some(Type::Special(special)) => self.special(*special, raw, serializer),
            None => Err(self.reading.field_fails(self.path, "its type is not known")),
        }
    }

    /// The fields of number `number` of a message as a list.
    fn list<S: Serializer>(&self, of: Of, number: u32, raw: &'a [u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut found = Vec::new();
        for field in protobuf::fields(raw) {
            let (at, value) = field.map_err(|error| self.reading.fail(error))?;
            match at == number {
                true => found.push(value),
                // The lists in place of a schema have it as field 1.
                false if at > number => self.reading.is_unknown(self.path, at),
                false => {}
            }
        }
        // Go makes an empty list of what is in a map, and none of a field that is not there.
        if found.is_empty() && self.within != Held::Map {
            return serializer.serialize_unit();
        }
        let mut list = serializer.serialize_seq(Some(found.len()))?;
        for (at, value) in found.into_iter().enumerate() {
            list.serialize_element(&self.nested(of, value, &self.path.to(Step::Index(at))))?;
        }
        list.end()
    }

    fn special<S: Serializer>(&self, special: Special, raw: &'a [u8], serializer: S) -> Result<S::Ok, S::Error> {
        let broken = |error: ProtobufError| self.reading.fail(error);
        for field in protobuf::fields(raw) {
            let (number, _) = field.map_err(broken)?;
            if number > special.last_number() {
                self.reading.is_unknown(self.path, number);
            }
        }
        match special {
            Special::Time | Special::MicroTime => special::time_text(raw, special == Special::MicroTime)
                .map_err(|fault| self.reading.special_fails(self.path, fault))?
                .serialize(serializer),
            Special::Duration => {
                let nanos = protobuf::fields(raw).try_fold(0, |last, field| {
                    Ok(match field? {
                        (1, Value::Varint(nanos)) => nanos.cast_signed(),
                        _ => last,
                    })
                });
                serializer.serialize_str(&special::duration(nanos.map_err(broken)?))
            }
            Special::Quantity => match special::bytes(raw).map_err(broken)? {
                [] => serializer.serialize_str("0"),
                bytes => serializer.serialize_str(&text(bytes)),
            },
            Special::IntOrString => {
                match special::int_or_string(raw).map_err(|fault| self.reading.special_fails(self.path, fault))? {
                    Ok(number) => serializer.serialize_i64(number),
                    Err(bytes) => serializer.serialize_str(&text(bytes)),
                }
            }
            Special::Json => match special::bytes(raw).map_err(broken)? {
                [] => serializer.serialize_unit(),
                text if self.reading.json_by == JsonBy::Streaming => {
                    let place = Place::Within;
                    Streamed { text, place }.serialize(serializer)
                }
                text => Json::read(text)
                    .map_err(|error| self.reading.field_fails(self.path, error))?
                    .serialize(serializer),
            },
            Special::Schema { schema, or } => self.schema(schema, or, raw, serializer),
            Special::Unknown => Err(self.reading.field_fails(self.path, "its type is not known")),
        }
    }

    fn schema<S: Serializer>(&self, of: Of, or: Or, raw: &'a [u8], serializer: S) -> Result<S::Ok, S::Error> {
        let (mut schema, mut listed, mut allowed) = (None, false, false);
        let place = if or == Or::Bool { 2 } else { 1 };
        for field in protobuf::fields(raw) {
            match field.map_err(|error| self.reading.fail(error))? {
                (number, value @ Value::Bytes(_)) if number == place => schema = Some(value),
                (2, _) => listed = true,
                (1, Value::Varint(number)) => allowed = number != 0,
                _ => {}
            }
        }
        match (or, schema) {
            (Or::Array, _) if listed => self.list(of, 2, raw, serializer),
            (Or::Texts, _) if listed => self.list(Of::Text, 2, raw, serializer),
            (_, Some(schema)) => self.nested(of, schema, self.path).serialize(serializer),
            (Or::Bool, None) => serializer.serialize_bool(allowed),
            (_, None) => serializer.serialize_unit(),
        }
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.of, self.value) {
            (Of::Text, None) => serializer.serialize_str(""),
            (Of::Text, Some(Value::Bytes(bytes))) => serializer.serialize_str(&text(bytes)),
            (Of::Bool, None) => serializer.serialize_bool(false),
            (Of::Bool, Some(Value::Varint(number))) => serializer.serialize_bool(number != 0),
            (Of::Int, None) => serializer.serialize_i64(0),
            (Of::Int, Some(Value::Varint(number))) => serializer.serialize_i64(number.cast_signed()),
            (Of::Double, None) => serializer.serialize_i64(0),
            (Of::Double, Some(Value::Fixed64(bits))) => match f64::from_bits(bits) {
                number if number.is_finite() => json::float(number, serializer),
                _ => Err(self.reading.field_fails(self.path, "it is no finite number")),
            },
            (Of::Bytes, None) if self.within == Held::Map => serializer.serialize_str(""),
            (Of::Bytes, None) => serializer.serialize_unit(),
            (Of::Bytes, Some(Value::Bytes(bytes))) => serializer.collect_str(&Base64Display::new(bytes, &STANDARD)),
            (Of::Message(id), None) => self.message(id, &[], serializer),
            (Of::Message(id), Some(Value::Bytes(raw))) => self.message(id, raw, serializer),
            _ => Err(self.reading.field_fails(self.path, WRONG_TYPE)),
        }
    }
}
