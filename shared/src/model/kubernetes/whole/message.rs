//! A message of the table, which serialises as Go writes its type to JSON, its fields sorted by name.

mod field;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::path::Path;
use super::reading::{Beside, Reading};
use super::table::{Field, Fields, Held, LeftOut, Meaning, Numbers, Of, Type};
use super::zero;
use crate::model::kubernetes::protobuf::{self, ProtobufError, Value};
use field::FieldValue;

/// A message.
pub struct Message<'a> {
    pub reading: &'a Reading,
    pub fields: &'static Fields,
    pub raw: &'a [u8],
    pub path: &'a Path<'a>,
    /// How many messages may still be nested in it.
    pub depth: u8,
    pub beside: Beside<'a>,
}

/// A field's value and the field's place in [`Fields::shown`].
pub type Slot<'a> = (u16, Value<'a>);

impl<'a> Message<'a> {
    fn gather(&self, numbers: &Numbers, raw: &'a [u8], slots: &mut Vec<Slot<'a>>) -> Result<(), ProtobufError> {
        for field in protobuf::fields(raw) {
            let (number, value) = field?;
            match (numbers.get(number), value) {
                (Some(Meaning::Shown(at)), value) => slots.push((*at, value)),
                (Some(Meaning::Inline(numbers)), Value::Bytes(raw)) => self.gather(numbers, raw, slots)?,
                (Some(Meaning::Hidden), _) => {}
                (Some(Meaning::Inline(_)) | None, _) => self.reading.is_unknown(self.path, number),
            }
        }
        Ok(())
    }

    fn beside(&self) -> Vec<(&'static str, String)> {
        match self.beside {
            Beside::Nothing => Vec::new(),
            Beside::Type(api_version, kind) => {
                vec![("apiVersion", api_version.to_owned()), ("kind", kind.to_owned())]
            }
            Beside::Revision(revision) => vec![("resourceVersion", revision.to_string())],
        }
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut slots = Vec::with_capacity(self.fields.shown.len());
        self.gather(&self.fields.numbers, self.raw, &mut slots)
            .map_err(|error| self.reading.fail(error))?;
        // Stable: the elements of a list stay in their order.
        slots.sort_by_key(|(at, _)| *at);

        let beside = self.beside();
        let mut beside = beside.iter().peekable();
        let mut map = serializer.serialize_map(None)?;
        let mut rest = slots.as_slice();
        for (at, field) in (0_u16..).zip(&self.fields.shown) {
            let count = rest.iter().take_while(|(found, _)| *found == at).count();
            let (values, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            rest = others;
            let mut replaced = false;
            while let Some((name, text)) = beside.next_if(|(name, _)| *name <= field.name) {
                map.serialize_entry(name, text)?;
                replaced |= *name == field.name;
            }
            // An API server writes every value that its types have, be it empty: one that is not there is not shown by the
            // one that wrote it, either.
            if replaced || values.is_empty() && (field.left_out != LeftOut::Never || field.is_written()) {
                continue;
            }
            let value = FieldValue {
                reading: self.reading,
                field,
                values,
                path: self.path,
                depth: self.depth,
                root: matches!(self.beside, Beside::Type(..)) && self.path.parent.is_none(),
            };
            if !value.is_left_out().map_err(|error| self.reading.fail(error))? {
                map.serialize_entry(field.name, &value)?;
            }
        }
        for (name, text) in beside {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

impl Field {
    /// Whether Go's protobuf writes it even where nothing is set in it.
    fn is_written(&self) -> bool {
        self.held == Held::Value && self.of != Of::Bytes
    }
}

impl FieldValue<'_> {
    /// Go's `omitempty` and `omitzero`.
    fn is_left_out(&self) -> Result<bool, ProtobufError> {
        let table = self.reading.table;
        let last = self.values.last().map(|(_, value)| *value);
        Ok(match (self.field.left_out, self.field.held, self.field.of) {
            (LeftOut::Never, ..) => false,
            // No list and no map is there without an entry.
            (_, Held::Pointer | Held::List | Held::Map, _) => last.is_none(),
            (LeftOut::Empty, Held::Value, Of::Message(id)) => {
                matches!(table.of(id), Some(Type::List(_))) && zero::is_zero(table, self.field.of, last)?
            }
            (_, Held::Value, of) => zero::is_zero(table, of, last)?,
        })
    }
}
