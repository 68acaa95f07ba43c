//! Saves an object as it is into a file that appears whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::failure::Failure;
use crate::ports::ObjectBody;

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The store stopped sending.
    #[error("reading the backup after {at} of {size} bytes")]
    Read {
        /// Bytes that had come.
        at: u64,
        /// Bytes that were to come.
        size: u64,
        /// The store's error.
        #[source]
        source: io::Error,
    },
    /// The disk refused.
    #[error("writing {}", file.display())]
    Write {
        /// The file that was to be written.
        file: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Failure for SaveError {}

/// Writes it into the folder of `file`, readable for the owner only, and gives it that name at the end. Returns the bytes
/// written.
///
/// # Errors
/// [`SaveError`]; nothing is left behind then.
pub async fn save(mut body: ObjectBody, file: &Path, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<u64, SaveError> {
    let failed = |source| SaveError::Write {
        file: file.to_owned(),
        source,
    };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (handle, path) = tempfile::NamedTempFile::new_in(folder).map_err(failed)?.into_parts();
    let mut target = tokio::fs::File::from_std(handle);
    let mut buffer = vec![0; 128 * 1024];
    let mut written = 0;
    loop {
        let read = body.reader.read(&mut buffer).await;
        let count = read.map_err(|source| SaveError::Read {
            at: written,
            size: body.size,
            source,
        })?;
        let Some(block) = buffer.get(..count).filter(|block| !block.is_empty()) else {
            break;
        };
        target.write_all(block).await.map_err(failed)?;
        written += count as u64;
        progress(written);
    }
    if written < body.size {
        let source = io::Error::from(io::ErrorKind::UnexpectedEof);
        return Err(SaveError::Read {
            at: written,
            size: body.size,
            source,
        });
    }
    target.sync_all().await.map_err(failed)?;
    path.persist(file).map_err(|error| failed(error.error))?;
    Ok(written)
}

/// Writes a new file, readable for its owner only, which is whole and on the disk when this returns. One that exists is
/// left as it is.
///
/// # Errors
/// [`SaveError::Write`]; nothing is left behind then.
pub fn create_private(file: &Path, content: &[u8]) -> Result<(), SaveError> {
    let failed = |source| SaveError::Write {
        file: file.to_owned(),
        source,
    };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    temporary.write_all(content).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist_noclobber(file).map_err(|error| failed(error.error))?;
    // The name, too, must outlive a crash.
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

/// Reads a file that the user named.
///
/// # Errors
/// The system's error.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("undo.json");
        create_private(&file, b"one").unwrap();
        let error = create_private(&file, b"two").unwrap_err();
        assert!(matches!(error, SaveError::Write { .. }));
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
