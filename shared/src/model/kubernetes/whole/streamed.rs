//! Stored JSON, handed to a serializer while it is read: a tree of each object would take most of an export's time.
//!
//! It fails where the names of an object are not sorted, as kubectl shows them, or a text is not UTF-8, or a
//! CustomResourceDefinition has to be shown in another version. [`super::json`] is for those.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::json::{self, Name};

/// A text of JSON.
pub struct Streamed<'a> {
    pub text: &'a [u8],
    pub place: Place,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the object. The revision becomes its resource version.
    Object(Option<i64>),
    /// It is the metadata of an object of this revision.
    Metadata(i64),
    /// Anywhere else.
    Within,
}

impl Place {
    fn of_field(self, name: &str) -> Self {
        match (self, name) {
            (Self::Object(Some(revision)), "metadata") => Self::Metadata(revision),
            _ => Self::Within,
        }
    }
}

impl Serialize for Streamed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.text).map_err(S::Error::custom)?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let done = Passing::new(&mut reader, self.place).serialize(serializer)?;
        reader.end().map_err(S::Error::custom)?;
        Ok(done)
    }
}

/// A value that is still to be read, once.
struct Passing<D> {
    reader: Cell<Option<D>>,
    place: Place,
}

impl<D> Passing<D> {
    const fn new(reader: D, place: Place) -> Self {
        Self {
            reader: Cell::new(Some(reader)),
            place,
        }
    }
}

impl<'de, D: Deserializer<'de>> Serialize for Passing<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reader = self.reader.take().ok_or_else(|| S::Error::custom("read twice"))?;
        let place = self.place;
        reader
            .deserialize_any(Pass { serializer, place })
            .map_err(S::Error::custom)
    }
}

/// Hands on what is read.
struct Pass<S> {
    serializer: S,
    place: Place,
}

impl<S: Serializer> Pass<S> {
    /// For a value that is not an object.
    fn serializer<E: serde::de::Error>(self) -> Result<S, E> {
        match self.place {
            Place::Object(_) => Err(E::custom("not an object")),
            Place::Metadata(_) | Place::Within => Ok(self.serializer),
        }
    }

    fn hand_on<E: serde::de::Error>(self, write: impl FnOnce(S) -> Result<S::Ok, S::Error>) -> Result<S::Ok, E> {
        write(self.serializer()?).map_err(E::custom)
    }
}

impl<'de, S: Serializer> Visitor<'de> for Pass<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.hand_on(S::serialize_unit)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<S::Ok, E> {
        self.hand_on(|serializer| serializer.serialize_bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<S::Ok, E> {
        self.hand_on(|serializer| serializer.serialize_i64(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<S::Ok, E> {
        self.hand_on(|serializer| serializer.serialize_u64(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<S::Ok, E> {
        self.hand_on(|serializer| json::float(value, serializer))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<S::Ok, E> {
        self.hand_on(|serializer| serializer.serialize_str(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<S::Ok, A::Error> {
        let mut list = self.serializer()?.serialize_seq(None).map_err(A::Error::custom)?;
        while from.next_element_seed(Element(&mut list))?.is_some() {}
        list.end().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<S::Ok, A::Error> {
        let mut map = self.serializer.serialize_map(None).map_err(A::Error::custom)?;
        let mut revision = match self.place {
            Place::Metadata(revision) => Some(revision),
            Place::Object(_) | Place::Within => None,
        };
        let mut last = None;
        while let Some(Name(name)) = from.next_key()? {
            if last.as_ref().is_some_and(|last| *last >= name) {
                return Err(A::Error::custom("not sorted"));
            }
            if let Some(revision) = revision.take_if(|_| RESOURCE_VERSION <= name.as_ref()) {
                write_revision(&mut map, revision).map_err(A::Error::custom)?;
            }
            if matches!(self.place, Place::Metadata(_)) && name == RESOURCE_VERSION {
                from.next_value::<IgnoredAny>()?;
            } else if matches!(self.place, Place::Object(_)) && name == "kind" {
                let Name(kind) = from.next_value()?;
                if kind == "CustomResourceDefinition" {
                    return Err(A::Error::custom("to be converted"));
                }
                map.serialize_entry("kind", &kind).map_err(A::Error::custom)?;
            } else {
                map.serialize_key(&name).map_err(A::Error::custom)?;
                from.next_value_seed(FieldValue {
                    map: &mut map,
                    place: self.place.of_field(&name),
                })?;
            }
            last = Some(name);
        }
        if let Some(revision) = revision {
            write_revision(&mut map, revision).map_err(A::Error::custom)?;
        }
        map.end().map_err(A::Error::custom)
    }
}

const RESOURCE_VERSION: &str = "resourceVersion";

fn write_revision<M: SerializeMap>(map: &mut M, revision: i64) -> Result<(), M::Error> {
    map.serialize_entry(RESOURCE_VERSION, &revision.to_string())
}

/// The next element of a list.
struct Element<'l, L>(&'l mut L);

impl<'de, L: SerializeSeq> DeserializeSeed<'de> for Element<'_, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        self.0
            .serialize_element(&Passing::new(reader, Place::Within))
            .map_err(D::Error::custom)
    }
}

/// The value of the field whose name was written.
struct FieldValue<'m, M> {
    map: &'m mut M,
    place: Place,
}

impl<'de, M: SerializeMap> DeserializeSeed<'de> for FieldValue<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        self.map
            .serialize_value(&Passing::new(reader, self.place))
            .map_err(D::Error::custom)
    }
}
