//! JSON within protobuf (`RawExtension`, `FieldsV1`), handed on as it is read.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

/// A text of JSON, which serialises as what it says, in its own order. Not even a deep one is a danger: serde_json reads
/// no deeper than 128.
pub struct Json<'a>(pub &'a [u8]);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = serde_json::Deserializer::from_slice(self.0);
        let done = text.deserialize_any(HandOn(serializer)).map_err(S::Error::custom)?;
        text.end().map_err(S::Error::custom)?;
        Ok(done)
    }
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

/// Hands on what is read to a serializer.
struct HandOn<S>(S);

impl<'de, S: Serializer> Visitor<'de> for HandOn<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<S::Ok, E> {
        self.0.serialize_bool(value).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<S::Ok, E> {
        self.0.serialize_i64(value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<S::Ok, E> {
        self.0.serialize_u64(value).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<S::Ok, E> {
        float(value, self.0).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<S::Ok, E> {
        self.0.serialize_str(value).map_err(E::custom)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.0.serialize_unit().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<S::Ok, A::Error> {
        let mut to = self.0.serialize_seq(None).map_err(A::Error::custom)?;
        while from.next_element_seed(Element(&mut to))?.is_some() {}
        to.end().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<S::Ok, A::Error> {
        let mut to = self.0.serialize_map(None).map_err(A::Error::custom)?;
        while let Some(key) = from.next_key::<Key<'de>>()? {
            to.serialize_key(&key.0).map_err(A::Error::custom)?;
            from.next_value_seed(Entry(&mut to))?;
        }
        to.end().map_err(A::Error::custom)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Element<'t, T>(&'t mut T);

impl<'de, T: SerializeSeq> DeserializeSeed<'de> for Element<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.0
            .serialize_element(&Once(Cell::new(Some(from))))
            .map_err(D::Error::custom)
    }
}

struct Entry<'t, T>(&'t mut T);

impl<'de, T: SerializeMap> DeserializeSeed<'de> for Entry<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.0
            .serialize_value(&Once(Cell::new(Some(from))))
            .map_err(D::Error::custom)
    }
}

/// What is yet to be read, and can be read once.
struct Once<D>(Cell<Option<D>>);

impl<'de, D: Deserializer<'de>> Serialize for Once<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let from = self.0.take().ok_or_else(|| S::Error::custom("read a second time"))?;
        from.deserialize_any(HandOn(serializer)).map_err(S::Error::custom)
    }
}
