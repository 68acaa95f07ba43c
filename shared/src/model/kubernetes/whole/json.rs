//! JSON as it is stored: custom resources, and what protobuf holds as JSON (`RawExtension`, `FieldsV1`).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A value of JSON, its texts borrowed where they have no escapes, its objects sorted by name as kubectl shows them. Not
/// even a deep one is a danger: serde_json reads no deeper than 128.
#[derive(Clone, Debug)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond an `i64`.
    Large(u64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// Sorted, each name once.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Json<'a> {
    /// Reads a text.
    pub fn read(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        // Faster than to check one text in it after the other.
        match std::str::from_utf8(text) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(text),
        }
    }

    /// A field of an object.
    pub fn field(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(fields) = self else { return None };
        let at = place(fields, name).ok()?;
        fields.get_mut(at).map(|(_, value)| value)
    }

    /// Takes a field out of an object.
    pub fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(fields) = self else { return None };
        let at = place(fields, name).ok()?;
        Some(fields.remove(at).1)
    }

    /// Gives a field another name.
    pub fn rename(&mut self, old: &str, new: &'static str) {
        if let Some(value) = self.take(old) {
            self.set(new, value);
        }
    }

    /// Sets a field of an object, and does nothing to what is none.
    pub fn set(&mut self, name: &'static str, value: Self) {
        let Self::Object(fields) = self else { return };
        match place(fields, name) {
            Ok(at) => {
                if let Some((_, old)) = fields.get_mut(at) {
                    *old = value;
                }
            }
            Err(at) => fields.insert(at, (Cow::Borrowed(name), value)),
        }
    }
}

fn place(fields: &[(Cow<'_, str>, Json<'_>)], name: &str) -> Result<usize, usize> {
    fields.binary_search_by(|(found, _)| found.as_ref().cmp(name))
}

/// Beyond this a float is not an exact integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A float as Go writes it: without a fraction where it has none.
pub fn float<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    #[expect(clippy::cast_possible_truncation, reason = "an exact integer")]
    if number.fract() == 0.0 && number.abs() <= EXACT {
        serializer.serialize_i64(number as i64)
    } else {
        serializer.serialize_f64(number)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Large(value) => serializer.serialize_u64(*value),
            Self::Float(value) => float(*value, serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(list) => serializer.collect_seq(list),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub struct Name<'a>(#[serde(borrow)] pub Cow<'a, str>);

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Large(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Json<'de>)> = Vec::with_capacity(8);
        let mut sorted = true;
        while let Some((Name(name), value)) = from.next_entry()? {
            sorted &= fields.last().is_none_or(|(last, _)| *last < name);
            fields.push((name, value));
        }
        if !sorted {
            // Of two of one name the later one counts.
            fields.reverse();
            fields.sort_by(|(left, _), (right, _)| left.cmp(right));
            fields.dedup_by(|(left, _), (right, _)| left == right);
        }
        Ok(Json::Object(fields))
    }
}
