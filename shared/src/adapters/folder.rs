//! A new folder full of files that appears whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::Failure;

/// The folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something is in it, or it is a file.
    #[error("{} is not an empty folder: nothing was written", .0.display())]
    NotEmpty(PathBuf),
    /// The disk refused.
    #[error("writing {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Failure for FolderError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotEmpty(_) => Exit::Usage,
            Self::Write { .. } => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NotEmpty(_)).then(|| "choose a new or empty folder".to_owned())
    }
}

/// A folder that is being filled. Until [`NewFolder::finish`] its files are in a hidden folder within it, which is removed
/// when this is dropped.
#[derive(Debug)]
pub struct NewFolder {
    folder: PathBuf,
    partial: tempfile::TempDir,
    /// Whether the folder itself is new.
    made: bool,
    finished: bool,
}

impl NewFolder {
    /// Begins with `folder`, which must be empty or absent. All of it will be readable for its owner only.
    ///
    /// # Errors
    /// [`FolderError`]; nothing is left behind then.
    pub fn create(folder: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Write {
            path: folder.to_owned(),
            source,
        };
        let made = match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
            Ok(true) => false,
            Ok(false) => return Err(FolderError::NotEmpty(folder.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private_folders(folder).map_err(failed)?;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(FolderError::NotEmpty(folder.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        };
        let partial = tempfile::Builder::new()
            .prefix(".partial-")
            .tempdir_in(folder)
            .map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            partial,
            made,
            finished: false,
        })
    }

    /// Adds a file. `path` is relative and names no file that was added before.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn add(&self, path: &Path, content: &[u8]) -> Result<(), FolderError> {
        let failed = |source| FolderError::Write {
            path: self.folder.join(path),
            source,
        };
        let file = self.partial.path().join(path);
        let mut created = match new_private_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = file.parent().unwrap_or(self.partial.path());
                private_folders(parent).and_then(|()| new_private_file(&file))
            }
            created => created,
        }
        .map_err(failed)?;
        created.write_all(content).map_err(failed)
    }

    /// Gives the files their places.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn finish(mut self) -> Result<(), FolderError> {
        let failed = |source| FolderError::Write {
            path: self.folder.clone(),
            source,
        };
        for entry in fs::read_dir(self.partial.path()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            fs::rename(entry.path(), self.folder.join(entry.file_name())).map_err(failed)?;
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.partial.path());
        if self.made && !self.finished {
            // Only if nobody put anything into it.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

fn private_folders(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn new_private_file(file: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_and_appear_at_the_end() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/export");
        let new = NewFolder::create(&folder).unwrap();
        new.add(Path::new("shop/secrets/s.yaml"), b"x").unwrap();
        new.add(Path::new("shop/secrets/t.yaml"), b"y").unwrap();
        assert!(!folder.join("shop").exists());
        let again = new.add(Path::new("shop/secrets/t.yaml"), b"z").unwrap_err();
        assert!(matches!(again, FolderError::Write { .. }), "{again}");
        new.finish().unwrap();
        assert_eq!(fs::read(folder.join("shop/secrets/t.yaml")).unwrap(), b"y");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        for (path, mode) in [("shop/secrets", 0o700), ("shop/secrets/s.yaml", 0o600)] {
            assert_eq!(
                fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777,
                mode
            );
        }
    }

    #[test]
    fn an_unfinished_folder_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("export");
        for there in [false, true] {
            if there {
                fs::create_dir(&folder).unwrap();
            }
            let new = NewFolder::create(&folder).unwrap();
            new.add(Path::new("a/b.yaml"), b"x").unwrap();
            drop(new);
            assert_eq!(folder.exists(), there);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("mine");
        fs::write(&file, b"x").unwrap();
        for place in [parent.path(), &file] {
            let error = NewFolder::create(place).unwrap_err();
            assert!(matches!(error, FolderError::NotEmpty(_)), "{error}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }
}
