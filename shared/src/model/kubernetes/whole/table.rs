//! The table of the built-in kinds' fields, which `cargo xtask kinds` writes from Kubernetes' Go types (its text is
//! described in `tests/xtask/src/kinds/table.rs`). It is inflated once, on first use.

mod parse;

use std::collections::HashMap;
use std::sync::OnceLock;

/// Kinds and types.
#[derive(Debug, Default)]
pub struct Table {
    kinds: HashMap<(&'static str, &'static str), TypeId>,
    types: Vec<Type>,
}

/// A type's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeId(u32);

/// What a message is in JSON.
#[derive(Debug)]
pub enum Type {
    /// An object.
    Fields(Fields),
    /// A list of what its field 1 holds.
    List(Of),
    /// Something of its own.
    Special(Special),
}

/// The fields of an object, those of inlined messages among them.
#[derive(Debug, Default)]
pub struct Fields {
    /// What JSON may show, sorted by name.
    pub shown: Vec<Field>,
    /// What the numbers mean.
    pub numbers: Numbers,
}

/// What the field numbers of one message mean, in order.
#[derive(Debug, Default)]
pub struct Numbers(Vec<(u32, Meaning)>);

/// What a field number means.
#[derive(Debug)]
pub enum Meaning {
    /// The field at this place of [`Fields::shown`].
    Shown(u16),
    /// A message whose fields stand in its place.
    Inline(Numbers),
    /// Nothing that JSON shows.
    Hidden,
}

/// A field in JSON.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// When it is not shown.
    pub left_out: LeftOut,
    /// How it is held.
    pub held: Held,
    /// What it holds.
    pub of: Of,
}

/// When a field is not shown: Go's `omitempty` and `omitzero`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Never: Go shows the nothing of pointers, lists and maps as `null`.
    Never,
    /// When it is 0, false or has no content. A message never is.
    Empty,
    /// When nothing in it is set.
    Zero,
}

/// How a field holds its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// There is one in any case.
    Value,
    /// There may be none.
    Pointer,
    /// Any number.
    List,
    /// Any number, by text.
    Map,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Text,
    Bool,
    Int,
    Double,
    Bytes,
    Message(TypeId),
}

impl Table {
    /// The table of Kubernetes.
    pub fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(parse::committed)
    }

    /// The type of a kind.
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<&Type> {
        self.kinds.get(&(api_version, kind)).and_then(|id| self.of(*id))
    }

    /// A type.
    pub fn of(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0 as usize)
    }

    /// Every kind as `(apiVersion, kind)`, sorted.
    pub fn kinds(&self) -> Vec<(&'static str, &'static str)> {
        let mut kinds: Vec<_> = self.kinds.keys().copied().collect();
        kinds.sort_unstable();
        kinds
    }
}

#[cfg(test)]
impl Table {
    /// Fails where the text names a type that it does not describe.
    pub fn check(&self) {
        let known = |of: Of| {
            if let Of::Message(id) = of {
                assert!(self.of(id).is_some(), "a type of {of:?} is missing");
            }
        };
        for of in &self.types {
            match of {
                Type::Fields(fields) => fields.shown.iter().for_each(|field| {
                    assert!(!field.name.is_empty());
                    known(field.of);
                }),
                Type::List(of) => known(*of),
                Type::Special(Special::Schema { schema, .. }) => known(*schema),
                Type::Special(special) => assert_ne!(*special, Special::Unknown),
            }
        }
    }
}

impl Numbers {
    /// What `number` means; `None` when that is not known.
    pub fn get(&self, number: u32) -> Option<&Meaning> {
        // Most messages number their fields without gaps.
        let guess = (number as usize).checked_sub(1).and_then(|at| self.0.get(at));
        if let Some((_, meaning)) = guess.filter(|(found, _)| *found == number) {
            return Some(meaning);
        }
        let at = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.0.get(at).map(|(_, meaning)| meaning)
    }
}

/// A type that Go writes to JSON by code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `metav1.Time`: RFC 3339 in seconds; the empty message is Go's zero time, `null`.
    Time,
    /// `metav1.MicroTime`: the same with six decimals.
    MicroTime,
    /// `metav1.Duration`: `1h2m3.5s`.
    Duration,
    /// `resource.Quantity`: `100m`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// JSON in field 1: `RawExtension`, `FieldsV1`, `JSON`.
    Json,
    /// A schema or a choice instead of it, as CRDs have them.
    Schema {
        /// `JSONSchemaProps`.
        schema: Of,
        /// Which choice.
        or: Or,
    },
    /// One that is not known here: there is a test that the table has none.
    Unknown,
}

impl Special {
    /// The highest of its field numbers, which have no gaps.
    pub const fn last_number(self) -> u32 {
        match self {
            Self::Duration | Self::Quantity | Self::Json => 1,
            Self::Time | Self::MicroTime | Self::Schema { .. } => 2,
            Self::IntOrString => 3,
            Self::Unknown => u32::MAX,
        }
    }
}

/// What may stand for a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Or {
    /// A list of schemas.
    Array,
    /// Whether anything is allowed.
    Bool,
    /// A list of names.
    Texts,
}

impl Special {
    /// The special type of a name in the table.
    pub fn named(name: &str, of: impl Fn(&str) -> Of) -> Self {
        let (package, of_package) = name.rsplit_once('.').unwrap_or(("", name));
        let schema = |or| Self::Schema {
            schema: of(&format!("{package}.JSONSchemaProps")),
            or,
        };
        match of_package {
            "Time" => Self::Time,
            "MicroTime" => Self::MicroTime,
            "Duration" => Self::Duration,
            "Quantity" => Self::Quantity,
            "IntOrString" => Self::IntOrString,
            "RawExtension" | "FieldsV1" | "JSON" => Self::Json,
            "JSONSchemaPropsOrArray" => schema(Or::Array),
            "JSONSchemaPropsOrBool" => schema(Or::Bool),
            "JSONSchemaPropsOrStringArray" => schema(Or::Texts),
            _ => Self::Unknown,
        }
    }
}
