//! YAML as kubectl prints it, written while its source is read: no text is made in between, which an export of a whole
//! cluster would wait for.
//!
//! What is written reads back the same in YAML 1.1 (kubectl's own reader, which takes `yes` for true) and in YAML 1.2: a
//! text stands without quotes only where neither could take it for anything else.

mod entries;
mod scalar;

use std::fmt::Display;

use serde::ser::{Error as _, Impossible, Serialize, Serializer};

use entries::Entries;

/// Why a value has no form in YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct YamlError(String);

impl serde::ser::Error for YamlError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Appends one YAML document, without `---`.
///
/// # Errors
/// Where the value has no form in JSON either. The beginning of the document may have been written then.
pub fn document<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), YamlError> {
    value.serialize(Node::document(out))
}

/// A node that is still to be written: the serializer of a document.
pub struct Node<'o> {
    out: &'o mut Vec<u8>,
    /// The column of the keys or dashes around it.
    indent: usize,
    place: Place,
}

/// What stands before a node on its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing.
    Start,
    /// `key:`
    Key,
    /// `-`
    Dash,
    /// Nothing: it is a key itself.
    Name,
}

impl<'o> Node<'o> {
    /// A document, to be appended to `out`.
    #[must_use]
    pub const fn document(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            indent: 0,
            place: Place::Start,
        }
    }

    fn begin(&mut self) {
        if matches!(self.place, Place::Key | Place::Dash) {
            self.out.push(b' ');
        }
    }

    fn end(self) {
        if self.place != Place::Name {
            self.out.push(b'\n');
        }
    }

    fn plain(mut self, text: &str) {
        self.begin();
        self.out.extend_from_slice(text.as_bytes());
        self.end();
    }

    fn entries(self, list: bool) -> Result<Entries<'o>, YamlError> {
        let column = match self.place {
            Place::Name => return Err(YamlError::custom("a key is no text")),
            Place::Start => self.indent,
            // kubectl writes a list's dashes below the first letter of its key.
            Place::Key if list => self.indent,
            Place::Key | Place::Dash => self.indent + 2,
        };
        Ok(Entries::new(self, column, list))
    }
}

fn pad(out: &mut Vec<u8>, columns: usize) {
    const SPACES: &[u8] = &[b' '; 32];
    match SPACES.get(..columns) {
        Some(spaces) => out.extend_from_slice(spaces),
        None => out.resize(out.len() + columns, b' '),
    }
}

/// Integers, which are written as they are.
macro_rules! integers {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, number: $type) -> Result<(), YamlError> {
            self.plain(&number.to_string());
            Ok(())
        })*
    };
}

impl<'o> Serializer for Node<'o> {
    type Ok = ();
    type Error = YamlError;
    type SerializeSeq = Entries<'o>;
    type SerializeTuple = Entries<'o>;
    type SerializeTupleStruct = Impossible<(), YamlError>;
    type SerializeTupleVariant = Impossible<(), YamlError>;
    type SerializeMap = Entries<'o>;
    type SerializeStruct = Entries<'o>;
    type SerializeStructVariant = Impossible<(), YamlError>;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_bool(self, value: bool) -> Result<(), YamlError> {
        self.plain(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Result<(), YamlError> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), YamlError> {
        // As JSON writes it, which has a point or an exponent, so that it stays a fraction.
        self.plain(&serde_json::to_string(&number).map_err(YamlError::custom)?);
        Ok(())
    }

    fn serialize_char(self, character: char) -> Result<(), YamlError> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(mut self, text: &str) -> Result<(), YamlError> {
        self.begin();
        match self.place {
            Place::Name => scalar::write_on_one_line(text, self.out),
            _ => scalar::write(text, self.indent + 2, self.out),
        }
        self.end();
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), YamlError> {
        Err(YamlError::custom("bytes have no form in JSON"))
    }

    fn serialize_none(self) -> Result<(), YamlError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), YamlError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), YamlError> {
        self.plain("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), YamlError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), YamlError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), YamlError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), YamlError> {
        Err(no_variants(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Entries<'o>, YamlError> {
        self.entries(true)
    }

    fn serialize_tuple(self, _: usize) -> Result<Entries<'o>, YamlError> {
        self.entries(true)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, YamlError> {
        Err(no_variants(name))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, YamlError> {
        Err(no_variants(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'o>, YamlError> {
        self.entries(false)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries<'o>, YamlError> {
        self.entries(false)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, YamlError> {
        Err(no_variants(variant))
    }
}

/// No object of Kubernetes has such.
fn no_variants(name: &str) -> YamlError {
    YamlError(format!("{name} is neither a list nor a map"))
}

#[cfg(test)]
mod tests;
