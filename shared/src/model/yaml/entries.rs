//! Lists and maps in YAML.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};

use super::{Node, Place, YamlError, pad};

/// A list or a map that is being written.
pub struct Entries<'o> {
    node: Node<'o>,
    /// The column of its keys or dashes.
    column: usize,
    list: bool,
    empty: bool,
}

impl<'o> Entries<'o> {
    pub(super) const fn new(node: Node<'o>, column: usize, list: bool) -> Self {
        Self {
            node,
            column,
            list,
            empty: true,
        }
    }

    fn begin(&mut self) {
        let (out, first) = (&mut *self.node.out, self.empty);
        self.empty = false;
        match self.node.place {
            // The first entry stands on the line of the dash.
            Place::Dash if first => out.push(b' '),
            Place::Key if first => {
                out.push(b'\n');
                pad(out, self.column);
            }
            _ => pad(out, self.column),
        }
    }

    fn inner(&mut self, place: Place) -> Node<'_> {
        Node {
            out: self.node.out,
            indent: self.column,
            place,
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.begin();
        self.node.out.push(b'-');
        value.serialize(self.inner(Place::Dash))
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), YamlError> {
        self.begin();
        key.serialize(self.inner(Place::Name))?;
        self.node.out.push(b':');
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        value.serialize(self.inner(Place::Key))
    }

    fn close(self) {
        if self.empty {
            self.node.plain(if self.list { "[]" } else { "{}" });
        }
    }
}

impl SerializeSeq for Entries<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.element(value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

impl SerializeTuple for Entries<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.element(value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), YamlError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), YamlError> {
        self.value(value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}

impl SerializeStruct for Entries<'_> {
    type Ok = ();
    type Error = YamlError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), YamlError> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), YamlError> {
        self.close();
        Ok(())
    }
}
