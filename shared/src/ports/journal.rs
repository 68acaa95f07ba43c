//! A file of what was done, to undo it.

use std::io;
use std::path::Path;

/// A file that only grows.
pub trait Journal: Send {
    /// Where it is, for the user.
    fn path(&self) -> &Path;

    /// Adds a line, which is on the disk when this returns. The text has no line end.
    ///
    /// # Errors
    /// The system's.
    fn append(&mut self, line: &str) -> io::Result<()>;
}
