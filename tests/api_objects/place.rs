//! Places in an object, as API servers name them: `spec.containers[0].env`, `metadata.annotations[a]`.

use serde_json::{Map, Value};

use crate::types::{Held, Types};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Field(String),
    Index(usize),
}

pub type Place = Vec<Step>;

pub fn parse(text: &str) -> Place {
    let mut place = Vec::new();
    for part in text.split('.') {
        let mut rest = part;
        if let Some(at) = rest.find('[') {
            if at > 0 {
                place.push(Step::Field(rest[..at].to_owned()));
            }
            rest = &rest[at..];
            while let Some(end) = rest.find(']') {
                let inner = &rest[1..end];
                place.push(match inner.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Field(inner.to_owned()),
                });
                rest = &rest[end + 1..];
                if !rest.starts_with('[') {
                    break;
                }
            }
        } else if !rest.is_empty() {
            place.push(Step::Field(rest.to_owned()));
        }
    }
    place
}

pub fn get<'v>(value: &'v Value, place: &[Step]) -> Option<&'v Value> {
    place.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Index(at) => value.get(at),
    })
}

/// Puts `new` there, and what is missing above it.
pub fn set(value: &mut Value, place: &[Step], new: Value) {
    let Some((first, rest)) = place.split_first() else {
        *value = new;
        return;
    };
    match first {
        Step::Field(name) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            set(
                value
                    .as_object_mut()
                    .unwrap()
                    .entry(name.clone())
                    .or_insert(Value::Null),
                rest,
                new,
            );
        }
        Step::Index(at) => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let list = value.as_array_mut().unwrap();
            while list.len() <= *at {
                list.push(Value::Null);
            }
            set(&mut list[*at], rest, new);
        }
    }
}

/// What is at a place below one of type `of`: how it is held there and its type.
pub fn type_at(types: &Types, of: &str, place: &[Step]) -> Option<(Held, String)> {
    let (mut held, mut of) = (Held::One, of.to_owned());
    for step in place {
        match (held, step) {
            (Held::One, Step::Field(name)) => {
                let field = types.field(&of, name)?;
                (held, of) = (field.held, field.of);
            }
            (Held::List, Step::Index(_)) | (Held::Map, _) => held = Held::One,
            _ => return None,
        }
    }
    Some((held, of))
}
