//! The table of kinds and the fields of their types, united over versions.
//!
//! As text it has a line for each kind, then each type with a line for each field:
//!
//! ```text
//! kind apps/v1 Deployment apps/v1.Deployment
//! list meta/v1.Verbs string                   (a message that is a list in JSON)
//! special meta/v1.Time                        (shown as Go's own MarshalJSON says)
//! type apps/v1.Deployment
//! 2 spec ?apps/v1.DeploymentSpec
//! ```
//!
//! A field has its number, its name in JSON (`<`: its own fields stand in its place; `!`: not shown) and its type, before
//! which stand when it is left out (`=` never, `?` when empty, as Go's `omitempty` has it; `0` when zero, as `omitzero`
//! has it) and `*` (a pointer), `[]` (a list) or `{}` (a map from texts).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// What the Go program prints.
pub type Described = Value;

/// Kinds and types of the versions added so far.
#[derive(Default)]
pub struct Table {
    kinds: BTreeMap<(String, String), String>,
    types: BTreeMap<String, Type>,
}

#[derive(Clone, PartialEq)]
enum Type {
    Special,
    List(String),
    Fields(BTreeMap<u64, (String, String)>),
}

impl Table {
    /// Adds the types of a newer version, which win over what is there. Yields what changed in a way that the older
    /// version's bytes may not be read as they were meant.
    pub fn add(&mut self, described: Described) -> Vec<String> {
        for kind in list(&described, "kinds") {
            let key = (text(kind, "apiVersion").to_owned(), text(kind, "kind").to_owned());
            self.kinds.insert(key, short(text(kind, "type")));
        }
        let mut conflicts = Vec::new();
        for (name, described) in described.get("types").and_then(Value::as_object).into_iter().flatten() {
            let name = short(name);
            let mut this = Type::of(described);
            if let (Type::Fields(new), Some(Type::Fields(old))) = (&mut this, self.types.get(&name)) {
                for (number, field) in old {
                    let now = new.entry(*number).or_insert_with(|| gone(field));
                    if now.0 != field.0 || bare(&now.1) != bare(&field.1) {
                        conflicts.push(format!(
                            "{name} {number}: {} {} → {} {}",
                            field.0, field.1, now.0, now.1
                        ));
                    }
                }
            }
            self.types.insert(name, this);
        }
        conflicts
    }

    /// The types that the kinds lead to.
    fn used(&self) -> BTreeSet<&str> {
        let mut used = BTreeSet::new();
        let mut wanted: Vec<&str> = self.kinds.values().map(String::as_str).collect();
        while let Some(name) = wanted.pop() {
            let Some((name, this)) = self.types.get_key_value(name) else {
                continue;
            };
            if used.insert(name.as_str()) {
                match this {
                    Type::Special => {}
                    Type::List(of) => wanted.push(of),
                    Type::Fields(fields) => wanted.extend(fields.values().map(|(_, shape)| bare(shape))),
                }
            }
        }
        used
    }
}

impl Type {
    fn of(described: &Value) -> Self {
        if described.get("special").is_some() {
            return Self::Special;
        }
        if let Some(of) = described.get("list").and_then(Value::as_str) {
            return Self::List(short(of));
        }
        let fields = list(described, "fields").map(|field| {
            let number = field.get("number").and_then(Value::as_u64).unwrap_or_default();
            let has = |value: &Value, name: &str| value.get(name).is_some();
            let name = match text(field, "name") {
                _ if has(field, "inline") => "<",
                _ if has(field, "hidden") => "!",
                name => name,
            };
            let left_out = match (has(field, "omitempty"), has(field, "omitzero")) {
                (_, true) => "0",
                (true, false) => "?",
                (false, false) => "=",
            };
            let shape = field.get("shape").unwrap_or(&Value::Null);
            let around = match (has(shape, "pointer"), has(shape, "list"), has(shape, "map")) {
                (true, ..) => "*",
                (_, true, _) => "[]",
                (_, _, true) => "{}",
                _ => "",
            };
            let of = short(text(shape, "of"));
            (number, (name.to_owned(), format!("{left_out}{around}{of}")))
        });
        Self::Fields(fields.collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((api_version, kind), of) in &self.kinds {
            writeln!(f, "kind {api_version} {kind} {of}")?;
        }
        let used = self.used();
        for (name, this) in self.types.iter().filter(|(name, _)| used.contains(name.as_str())) {
            match this {
                Type::Special => writeln!(f, "special {name}")?,
                Type::List(of) => writeln!(f, "list {name} {of}")?,
                Type::Fields(fields) => {
                    writeln!(f, "type {name}")?;
                    for (number, (name, shape)) in fields {
                        writeln!(f, "{number} {name} {shape}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A field that the newer version has no more: there where an old object has it, and never shown for its absence.
fn gone((name, shape): &(String, String)) -> (String, String) {
    (name.clone(), format!("0{}", shape.trim_start_matches(['=', '?', '0'])))
}

/// A shape without what stands before its type.
fn bare(shape: &str) -> &str {
    shape.trim_start_matches(['=', '?', '0', '*', '[', ']', '{', '}'])
}

/// `k8s.io/api/apps/v1.Deployment` is `apps/v1.Deployment`.
fn short(name: &str) -> String {
    let mut name = name;
    for prefix in [
        "k8s.io/api/",
        "k8s.io/apimachinery/pkg/apis/",
        "k8s.io/apimachinery/pkg/",
        "k8s.io/apiextensions-apiserver/pkg/apis/",
        "k8s.io/kube-aggregator/pkg/apis/",
    ] {
        name = name.strip_prefix(prefix).unwrap_or(name);
    }
    name.to_owned()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
