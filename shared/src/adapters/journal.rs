//! Journals as files, readable for their owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::save::{self, SaveError};
use crate::ports::journal::Journal;

/// One file.
pub struct FileJournal {
    path: PathBuf,
    file: File,
}

impl FileJournal {
    /// Creates the file, whole with its first line. One that exists is left as it is.
    ///
    /// # Errors
    /// [`SaveError::Write`]; nothing is left behind then, unless the new file cannot be opened again.
    pub fn create(path: &Path, first: &str) -> Result<Self, SaveError> {
        save::create_private(path, format!("{first}\n").as_bytes())?;
        let opened = OpenOptions::new().append(true).open(path);
        let file = opened.map_err(|source| SaveError::Write {
            file: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }
}

impl Journal for FileJournal {
    fn path(&self) -> &Path {
        &self.path
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_each_other_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("undo.jsonl");
        let mut journal = FileJournal::create(&path, "one").unwrap();
        journal.append("two").unwrap();
        journal.append("three").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        assert!(FileJournal::create(&path, "other").is_err(), "it exists");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }
}
