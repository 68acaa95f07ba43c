//! Notes on the operator's machine: what a run did, and whether it is still running.

use std::io;
use std::path::Path;

/// A folder of notes.
pub trait LocalState: Send + Sync {
    /// Takes the note of this name for this process alone, until it is dropped or the process ends, however it ends. `None`
    /// where another process that lives has it.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    fn take(&self, name: &str) -> io::Result<Option<Box<dyn Note>>>;

    /// The content of a note; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
}

/// A note that is ours alone.
pub trait Note: Send + Sync {
    /// The file.
    fn path(&self) -> &Path;

    /// Replaces its content atomically.
    ///
    /// # Errors
    /// Where the disk refuses.
    fn write(&self, content: &[u8]) -> io::Result<()>;
}
