//! YAML as kubectl prints it, written while its source is read: no object is built in memory, which an export of a whole
//! cluster would wait for.
//!
//! What is written reads back the same in YAML 1.1 (kubectl's own reader, which takes `yes` for true) and in YAML 1.2: a
//! text stands without quotes only where neither could take it for anything else.

mod scalar;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Appends one YAML document, without `---`, of what `source` holds, in its order. `source` is a JSON text or a value.
///
/// # Errors
/// Those of `source`. The beginning of the document may have been written then.
pub fn document<'de, D: Deserializer<'de>>(source: D, out: &mut Vec<u8>) -> Result<(), D::Error> {
    Node {
        out,
        indent: 0,
        place: Place::Start,
    }
    .deserialize(source)
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
}

/// A node that is still to be written.
struct Node<'o> {
    out: &'o mut Vec<u8>,
    /// The column of the keys or dashes around it.
    indent: usize,
    place: Place,
}

impl Node<'_> {
    fn scalar(self, text: &str) {
        if self.place != Place::Start {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
    }

    /// The column of what is within this node.
    const fn inner(&self, list: bool) -> usize {
        match self.place {
            Place::Start => self.indent,
            // kubectl writes a list's dashes below the first letter of its key.
            Place::Key if list => self.indent,
            Place::Key | Place::Dash => self.indent + 2,
        }
    }

    /// Begins an entry of what is within this node.
    fn entry(&mut self, first: bool, column: usize) {
        match self.place {
            // The first entry stands on the line of the dash.
            Place::Dash if first => self.out.push(b' '),
            Place::Key if first => {
                self.out.push(b'\n');
                pad(self.out, column);
            }
            _ => pad(self.out, column),
        }
    }
}

pub(super) fn pad(out: &mut Vec<u8>, columns: usize) {
    out.resize(out.len() + columns, b' ');
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.scalar("null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.scalar(&number.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.scalar(&number.to_string());
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        // As JSON writes it, which has a point or an exponent, so that it stays a fraction.
        self.scalar(&serde_json::to_string(&number).map_err(E::custom)?);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.place != Place::Start {
            self.out.push(b' ');
        }
        // The root of a document has no parent whose column its lines must be right of.
        let column = self.indent + 2;
        scalar::write(text, column, self.out);
        self.out.push(b'\n');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let column = self.inner(false);
        let mut first = true;
        loop {
            let start = self.out.len();
            self.entry(first, column);
            let key = Key { out: self.out };
            if map.next_key_seed(key)?.is_none() {
                self.out.truncate(start);
                break;
            }
            self.out.push(b':');
            map.next_value_seed(Node {
                out: self.out,
                indent: column,
                place: Place::Key,
            })?;
            first = false;
        }
        if first {
            self.scalar("{}");
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let column = self.inner(true);
        let mut first = true;
        loop {
            let start = self.out.len();
            self.entry(first, column);
            self.out.push(b'-');
            let node = Node {
                out: self.out,
                indent: column,
                place: Place::Dash,
            };
            if seq.next_element_seed(node)?.is_none() {
                self.out.truncate(start);
                break;
            }
            first = false;
        }
        if first {
            self.scalar("[]");
        }
        Ok(())
    }
}

/// The key of a map.
struct Key<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        scalar::write_on_one_line(key, self.out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
