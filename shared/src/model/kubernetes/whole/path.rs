//! Where in an object something stands: `spec.containers[0].env`.

use std::fmt;

/// One step from the object's root, and how it was come to.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    /// `None` at the root.
    pub parent: Option<&'p Path<'p>>,
    /// The last step.
    pub step: Step<'p>,
}

/// A step.
#[derive(Clone, Copy)]
pub enum Step<'p> {
    /// The object itself.
    Root,
    /// A field.
    Field(&'static str),
    /// An element of a list.
    Index(usize),
    /// An entry of a map.
    Key(&'p str),
}

impl Path<'_> {
    /// The object itself.
    pub const ROOT: Self = Self {
        parent: None,
        step: Step::Root,
    };

    /// One step further.
    pub const fn to<'q>(&'q self, step: Step<'q>) -> Path<'q> {
        Path {
            parent: Some(self),
            step,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if self.parent.is_none_or(|parent| matches!(parent.step, Step::Root)) => {
                f.write_str(name)
            }
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(at) => write!(f, "[{at}]"),
            Step::Key(key) => write!(f, "[{key:?}]"),
        }
    }
}
