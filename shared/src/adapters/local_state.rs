//! Notes in a folder of the user's: `$XDG_STATE_HOME/kops-recovery`, else `~/.local/state/kops-recovery`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::user_folders;
use crate::ports::local_state::{LocalState, Note};

const FOLDER: &str = "kops-recovery";

/// Notes in this folder; none where there is no home.
pub struct Folder(Option<PathBuf>);

impl Folder {
    /// Where the environment says.
    #[must_use]
    pub fn of_user() -> Self {
        let state = user_folders::folder("XDG_STATE_HOME", ".local/state");
        Self(state.map(|state| state.join(FOLDER)))
    }

    /// In this folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(Some(folder.to_path_buf()))
    }

    fn path(&self) -> io::Result<&Path> {
        let homeless = || io::Error::new(io::ErrorKind::NotFound, "no home directory");
        self.0.as_deref().ok_or_else(homeless)
    }
}

struct Locked {
    path: PathBuf,
    /// Locked while this exists: the system unlocks it when the process ends.
    _lock: File,
}

impl LocalState for Folder {
    fn take(&self, name: &str) -> io::Result<Option<Box<dyn Note>>> {
        take(self.path()?, name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Ok(folder) = self.path() else {
            return Ok(None);
        };
        match fs::read(folder.join(format!("{name}.json"))) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn take(folder: &Path, name: &str) -> io::Result<Option<Box<dyn Note>>> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock = folder.join(format!("{name}.lock"));
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(lock)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(Box::new(Locked {
            path: folder.join(format!("{name}.json")),
            _lock: lock,
        }))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Note for Locked {
    fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, content: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_processes_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Folder::at(&folder.path().join("new"));
        assert_eq!(notes.read("run-1").unwrap(), None);
        let note = notes.take("run-1").unwrap().unwrap();
        note.write(b"one").unwrap();
        note.write(b"two").unwrap();
        assert!(notes.take("run-1").unwrap().is_none(), "it is taken");
        assert!(notes.take("run-2").unwrap().is_some());
        assert_eq!(notes.read("run-1").unwrap().unwrap(), b"two");
        drop(note);
        assert!(notes.take("run-1").unwrap().is_some());
    }
}
