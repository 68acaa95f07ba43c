//! Which fields of an object differ in two states of it.
//!
//! Objects are compared field by field. A list is compared element by element: by what tells its elements apart, where one
//! of `KEYS` does so in both states and what is in both has the same order; else by index. So an inserted container,
//! variable, port or condition is one difference, not one of each element that follows.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

/// What tells the elements of a list apart: the first of these that every element of both lists has, each with a value
/// of its own.
const KEYS: [&str; 5] = ["name", "type", "mountPath", "containerPort", "port"];

/// Fields of the metadata that are no state of the object: who wrote which field, and when in etcd's time.
pub const BOOKKEEPING: [&str; 3] = ["managedFields", "resourceVersion", "selfLink"];

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange<'v> {
    /// Where, as a JSON pointer (RFC 6901) into the second state, or into the first one where the field is gone.
    pub pointer: String,
    /// The same for people: `/spec/containers/[web]/image`, where an element is known by more than its index.
    pub path: String,
    /// What was there; `None` where the field is new.
    pub old: Option<&'v Value>,
    /// What is there; `None` where the field is gone.
    pub new: Option<&'v Value>,
}

/// The differences of two states, sorted by fields; elements that are gone stand before those that are there. What `skipped`
/// names of the metadata is not compared.
#[must_use]
pub fn compare<'v>(old: &'v Value, new: &'v Value, skipped: &[&str]) -> Vec<FieldChange<'v>> {
    let mut found = Vec::new();
    walk(&Place::default(), old, new, skipped, &mut found);
    found
}

/// Whether nothing differs but what is `skipped` of the metadata.
#[must_use]
pub fn same(old: &Value, new: &Value, skipped: &[&str]) -> bool {
    compare(old, new, skipped).is_empty()
}

/// Where two values stand: an element of a list may have another index in each state.
#[derive(Clone, Default)]
struct Place {
    old: String,
    new: String,
    path: String,
}

impl Place {
    fn field(&self, name: &str) -> Self {
        let token = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self {
            old: format!("{}{token}", self.old),
            new: format!("{}{token}", self.new),
            path: format!("{}{token}", self.path),
        }
    }

    fn element(&self, old: usize, new: usize, key: Option<&str>) -> Self {
        let shown = key.map_or_else(|| new.to_string(), |key| format!("[{key}]"));
        Self {
            old: format!("{}/{old}", self.old),
            new: format!("{}/{new}", self.new),
            path: format!("{}/{shown}", self.path),
        }
    }

    fn is_metadata(&self) -> bool {
        self.new == "/metadata"
    }

    fn gone(self, value: &Value) -> FieldChange<'_> {
        FieldChange {
            pointer: self.old,
            path: self.path,
            old: Some(value),
            new: None,
        }
    }

    fn made(self, value: &Value) -> FieldChange<'_> {
        FieldChange {
            pointer: self.new,
            path: self.path,
            old: None,
            new: Some(value),
        }
    }
}

fn walk<'v>(place: &Place, old: &'v Value, new: &'v Value, skipped: &[&str], found: &mut Vec<FieldChange<'v>>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => fields(place, old, new, skipped, found),
        (Value::Array(old), Value::Array(new)) => elements(place, old, new, found),
        _ => found.push(FieldChange {
            pointer: place.new.clone(),
            path: place.path.clone(),
            old: Some(old),
            new: Some(new),
        }),
    }
}

fn fields<'v>(
    place: &Place,
    old: &'v Map<String, Value>,
    new: &'v Map<String, Value>,
    skipped: &[&str],
    found: &mut Vec<FieldChange<'v>>,
) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        if place.is_metadata() && skipped.contains(&name.as_str()) {
            continue;
        }
        let at = || place.field(name);
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => walk(&at(), old, new, skipped, found),
            (Some(old), None) => found.push(at().gone(old)),
            (None, Some(new)) => found.push(at().made(new)),
            (None, None) => {}
        }
    }
}

fn elements<'v>(place: &Place, old: &'v [Value], new: &'v [Value], found: &mut Vec<FieldChange<'v>>) {
    if let Some((olds, news)) = keyed(old, new) {
        let index: HashMap<&str, usize> = olds.iter().enumerate().map(|(at, key)| (key.as_str(), at)).collect();
        let kept: BTreeSet<&String> = news.iter().collect();
        for (at, (key, value)) in olds.iter().zip(old).enumerate() {
            if !kept.contains(key) {
                found.push(place.element(at, at, Some(key)).gone(value));
            }
        }
        for (at, (key, value)) in news.iter().zip(new).enumerate() {
            match index.get(key.as_str()).and_then(|was| Some((*was, old.get(*was)?))) {
                Some((was, before)) => walk(&place.element(was, at, Some(key)), before, value, &[], found),
                None => found.push(place.element(at, at, Some(key)).made(value)),
            }
        }
        return;
    }
    for (at, value) in old.iter().enumerate().skip(new.len()) {
        found.push(place.element(at, at, None).gone(value));
    }
    for (at, value) in new.iter().enumerate() {
        match old.get(at) {
            Some(before) => walk(&place.element(at, at, None), before, value, &[], found),
            None => found.push(place.element(at, at, None).made(value)),
        }
    }
}

/// The keys of the elements of both lists, where one of [`KEYS`] tells them apart and what is in both has one order.
fn keyed(old: &[Value], new: &[Value]) -> Option<(Vec<String>, Vec<String>)> {
    if old.is_empty() || new.is_empty() {
        return None;
    }
    KEYS.iter().find_map(|key| {
        let (olds, news) = (keys_of(old, key)?, keys_of(new, key)?);
        let (in_old, in_new): (BTreeSet<&String>, BTreeSet<&String>) = (olds.iter().collect(), news.iter().collect());
        let unique = in_old.len() == olds.len() && in_new.len() == news.len();
        let of_both = olds.iter().filter(|key| in_new.contains(key));
        let same_order = || of_both.eq(news.iter().filter(|key| in_old.contains(key)));
        (unique && same_order()).then_some((olds, news))
    })
}

fn keys_of(list: &[Value], key: &str) -> Option<Vec<String>> {
    list.iter()
        .map(|element| match element.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "fields_diff_tests.rs"]
mod tests;
