//! Grows a small valid object: every field that its type has is tried, and stays where the API server accepts it.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::api::Refusal;
use crate::candidates;
use crate::place::{self, Place, Step};
use crate::types::{Field, Held, Types};

/// How often a value is changed after what the API server says of it, and how many are tried in the newest object.
const TRIES: usize = 8;
/// How many are tried elsewhere.
const MORE_TRIES: usize = 3;
/// How deep objects are filled.
const DEPTH: usize = 14;

/// Fields of types that some object has.
pub type Covered = Mutex<HashSet<(String, String)>>;

/// Asks the API server whether it would take an object.
pub type Ask<'a> = dyn Fn(&Value) -> Result<(), Refusal> + 'a;

pub struct Grower<'a> {
    pub types: &'a Types,
    pub covered: &'a Covered,
    pub ask: &'a Ask<'a>,
    /// The type of the whole object.
    pub root: &'a str,
    /// What is tried at the top: `spec` and the like.
    pub wanted: &'a dyn Fn(&str) -> bool,
}

impl Grower<'_> {
    /// `seed` with all that goes with it, and further objects for what does not.
    pub fn grow(&self, seed: &Value) -> Vec<Value> {
        let mut objects = vec![seed.clone()];
        self.note(self.root, seed);
        self.fill(&mut objects, seed, &Vec::new(), self.root, DEPTH);
        objects
    }

    /// Notes which fields an object has.
    pub fn note(&self, of: &str, value: &Value) {
        let Some(object) = value.as_object() else { return };
        for field in self.types.fields(of).unwrap_or_default() {
            let Some(value) = object.get(&field.name).filter(|value| !value.is_null()) else {
                continue;
            };
            self.covered.lock().unwrap().insert((of.to_owned(), field.name.clone()));
            match field.held {
                Held::One => self.note(&field.of, value),
                Held::List => value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|value| self.note(&field.of, value)),
                Held::Map => value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .for_each(|(_, value)| self.note(&field.of, value)),
            }
        }
    }

    fn is_covered(&self, of: &str, name: &str) -> bool {
        self.covered.lock().unwrap().contains(&(of.to_owned(), name.to_owned()))
    }

    fn fill(&self, objects: &mut Vec<Value>, seed: &Value, at: &Place, of: &str, depth: usize) {
        let Some(fields) = self.types.fields(of).filter(|_| depth > 0) else {
            return;
        };
        for field in fields {
            if at.is_empty() && !(self.wanted)(&field.name) {
                continue;
            }
            let mut here = match self.is_covered(of, &field.name) {
                true => at.clone(),
                false => self.add(objects, seed, at, of, &field).unwrap_or_else(|| at.clone()),
            };
            here.push(Step::Field(field.name.clone()));
            // What is in it, in whichever object has it.
            let Some(value) = objects
                .iter()
                .rev()
                .find_map(|object| place::get(object, &here))
                .cloned()
            else {
                continue;
            };
            match (field.held, &value) {
                (Held::One, _) => self.fill(objects, seed, &here, &field.of, depth - 1),
                (Held::List, Value::Array(list)) if !list.is_empty() => {
                    here.push(Step::Index(0));
                    self.fill(objects, seed, &here, &field.of, depth - 1);
                }
                (Held::Map, Value::Object(map)) => {
                    if let Some((key, _)) = map.iter().next() {
                        here.push(Step::Field(key.clone()));
                        self.fill(objects, seed, &here, &field.of, depth - 1);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds one field to the first object that takes it, the newest first; else to the seed, or to an element of its own of
    /// the list that it is in.
    /// Yields in which message it is.
    fn add(&self, objects: &mut Vec<Value>, seed: &Value, at: &Place, of: &str, field: &Field) -> Option<Place> {
        let mut tried = HashSet::new();
        for index in (0..objects.len()).rev().take(3) {
            if place::get(&objects[index], at).is_none() && index > 0 {
                continue;
            }
            let tries = if index + 1 == objects.len() { TRIES } else { MORE_TRIES };
            if let Some(grown) = self.with(&objects[index], at, of, field, tries) {
                self.note(self.root, &grown);
                objects[index] = grown;
                return Some(at.clone());
            }
            tried.insert(objects[index].to_string());
        }
        if let Some((grown, place)) = self.beside(&objects[0], at, of, field) {
            self.note(self.root, &grown);
            objects[0] = grown;
            return Some(place);
        }
        if tried.contains(&seed.to_string()) {
            return None;
        }
        if let Some(grown) = self.with(seed, at, of, field, TRIES) {
            self.note(self.root, &grown);
            objects.push(grown);
            return Some(at.clone());
        }
        None
    }

    /// In an element of its own: what excludes another in one element may be in the next.
    fn beside(&self, object: &Value, at: &Place, of: &str, field: &Field) -> Option<(Value, Place)> {
        let list_at = at.iter().rposition(|step| matches!(step, Step::Index(_)))?;
        let list = place::get(object, &at[..list_at])?.as_array()?;
        let mut place = at.clone();
        place[list_at] = Step::Index(list.len());
        let mut element = Map::new();
        if let Some(name) = list.first().and_then(|first| first.get("name")).and_then(Value::as_str) {
            element.insert("name".to_owned(), json!(format!("{name}-{}", list.len())));
        }
        let mut grown = object.clone();
        place::set(&mut grown, &place[..=list_at], Value::Object(element));
        let grown = self.with(&grown, &place, of, field, MORE_TRIES)?;
        Some((grown, place))
    }

    /// `object` with the field, where the API server takes it.
    fn with(&self, object: &Value, at: &Place, of: &str, field: &Field, most: usize) -> Option<Value> {
        let mut here = at.clone();
        here.push(Step::Field(field.name.clone()));
        let values = match candidates::of(self.types, &field.name, &field.of) {
            values if values.is_empty() => vec![json!({})],
            values => values,
        };
        let mut tries = 0;
        let mut wanted: Vec<Value> = values;
        wanted.reverse();
        while let Some(value) = wanted.pop() {
            tries += 1;
            let mut grown = object.clone();
            place::set(&mut grown, &here, candidates::held(field.held, value, &field.of));
            match self.settle(&mut grown, at, of, &here) {
                Ok(()) => return Some(grown),
                Err(supported) if tries < most => wanted.extend(supported.into_iter().rev().map(Value::String)),
                Err(_) => return None,
            }
        }
        None
    }

    /// Changes what is at `here` until the API server takes the object. Fails with the values that it names as supported
    /// at that very place.
    fn settle(&self, object: &mut Value, at: &Place, of: &str, here: &Place) -> Result<(), Vec<String>> {
        let mut seen: HashMap<Place, usize> = HashMap::new();
        for _ in 0..TRIES {
            let Err(refusal) = (self.ask)(object) else {
                return Ok(());
            };
            let mut changed = false;
            for cause in &refusal.causes {
                let place = place::parse(&cause.field);
                let supported = cause.supported();
                if !place.starts_with(here) {
                    if here.starts_with(&place) {
                        return Err(supported);
                    }
                    continue;
                }
                let Some((held, found)) = place::type_at(self.types, of, &place[at.len()..]) else {
                    continue;
                };
                let is_leaf =
                    &place == here || place.len() == here.len() + 1 && matches!(place.last(), Some(Step::Index(_)));
                if is_leaf && cause.reason != "FieldValueRequired" && found == "string" {
                    return Err(supported);
                }
                let Some(Step::Field(name)) = place.iter().rev().find(|step| matches!(step, Step::Field(_))) else {
                    continue;
                };
                let nth = seen.entry(place.clone()).or_default();
                let mut values = candidates::of(self.types, name, &found);
                values.splice(0..0, supported.into_iter().map(Value::String));
                if values.is_empty() {
                    values.push(json!({}));
                }
                let Some(value) = values.get(*nth) else { continue };
                *nth += 1;
                place::set(object, &place, candidates::held(held, value.clone(), &found));
                changed = true;
            }
            if !changed {
                return Err(Vec::new());
            }
        }
        Err(Vec::new())
    }
}
