//! The temporary file of one unpacked snapshot.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::ports::ReadAt;
use crate::ports::snapshot::{ReadFailure, SnapshotFile};

/// An open temporary file, being written or read.
pub struct Spool {
    file: File,
    folder: PathBuf,
    length: u64,
    available: u64,
}

/// When a temporary file loses its name.
pub enum Unlinked {
    /// It has had none from the start: it is gone with the process, however that ends.
    Always,
    /// When this is dropped, unless it is saved before. The async side holds it, so that an interrupt, which drops that
    /// side, removes the file even while a thread still writes to it.
    WhenDropped(TempPath),
}

impl Spool {
    /// A file without a name in `folder`, which must have room for the compressed object at least.
    pub fn nameless(folder: &Path, compressed: u64) -> Result<Self, ReadFailure> {
        let available = check_space(folder, compressed)?;
        let file = tempfile::tempfile_in(folder).map_err(|source| trouble("creating", folder, source))?;
        Ok(Self {
            file,
            folder: folder.to_owned(),
            length: 0,
            available,
        })
    }

    /// A file with a name that shows that it is not complete.
    pub fn named(folder: &Path, compressed: u64) -> Result<(Self, TempPath), ReadFailure> {
        let available = check_space(folder, compressed)?;
        let (file, path) = named_in(folder)
            .map_err(|source| trouble("creating", folder, source))?
            .into_parts();
        Ok((
            Self {
                file,
                folder: folder.to_owned(),
                length: 0,
                available,
            },
            path,
        ))
    }

    /// Bytes written.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Adds `block` at the end.
    pub fn write(&mut self, block: &[u8]) -> Result<(), ReadFailure> {
        self.file.write_all(block).map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ReadFailure::DiskFull {
                folder: self.folder.clone(),
                available: self.available,
                needed: self.length + block.len() as u64,
            },
            _ => trouble("writing", &self.folder, source),
        })?;
        self.length += block.len() as u64;
        Ok(())
    }

    /// What a failure to read the file means.
    pub fn unreadable(&self, source: io::Error) -> ReadFailure {
        trouble("reading", &self.folder, source)
    }

    /// The database in it: all but the last `trailer` bytes.
    pub const fn database(&self, trailer: u64) -> Database<'_> {
        Database {
            file: &self.file,
            size: self.length.saturating_sub(trailer),
        }
    }
}

/// The database's part of an open file.
pub struct Database<'a> {
    file: &'a File,
    size: u64,
}

impl ReadAt for Database<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

/// A finished snapshot in its temporary file.
pub struct Unpacked {
    /// The file.
    pub spool: Spool,
    /// Its name, if any.
    pub unlinked: Unlinked,
    /// Bytes of its trailer.
    pub trailer: u64,
}

impl ReadAt for Unpacked {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.spool.database(self.trailer).read_exact_at(buffer, offset)
    }

    fn size(&self) -> u64 {
        self.spool.database(self.trailer).size()
    }
}

impl SnapshotFile for Unpacked {
    fn save_as(self: Box<Self>, target: &Path) -> Result<(), ReadFailure> {
        let Self { spool, unlinked, .. } = *self;
        let folder = folder_of(target);
        let named = match unlinked {
            Unlinked::WhenDropped(path) if path.parent() == Some(folder) => {
                Ok(NamedTempFile::from_parts(spool.file, path))
            }
            _ => copy_into(spool.file, folder),
        };
        persist(named, target)
    }

    fn save_copy(&self, target: &Path) -> Result<(), ReadFailure> {
        let file = self.spool.file.try_clone();
        persist(file.and_then(|file| copy_into(file, folder_of(target))), target)
    }
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn persist(named: io::Result<NamedTempFile>, target: &Path) -> Result<(), ReadFailure> {
    let failed = |source| ReadFailure::Save {
        target: target.to_owned(),
        source,
    };
    let named = named.map_err(failed)?;
    named.as_file().sync_all().map_err(failed)?;
    named.persist(target).map_err(|error| failed(error.error))?;
    // The name itself survives a crash once the folder is written; a file system that cannot do this is not at fault.
    let _ = File::open(folder_of(target)).and_then(|folder| folder.sync_all());
    Ok(())
}

fn copy_into(mut from: File, folder: &Path) -> io::Result<NamedTempFile> {
    let mut named = named_in(folder)?;
    from.rewind()?;
    io::copy(&mut from, named.as_file_mut())?;
    Ok(named)
}

fn named_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".etcd-snapshot-")
        .suffix(".partial")
        .tempfile_in(folder)
}

fn trouble(action: &'static str, folder: &Path, source: io::Error) -> ReadFailure {
    ReadFailure::Temporary {
        action,
        folder: folder.to_owned(),
        source,
    }
}

/// The bytes free in `folder`; too few to start with are an error.
fn check_space(folder: &Path, compressed: u64) -> Result<u64, ReadFailure> {
    let stat = rustix::fs::statvfs(folder).map_err(|source| trouble("creating", folder, source.into()))?;
    let available = stat.f_bavail.saturating_mul(stat.f_frsize);
    if available < compressed {
        return Err(ReadFailure::DiskFull {
            folder: folder.to_owned(),
            available,
            needed: compressed,
        });
    }
    Ok(available)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_told_apart() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut spool = Spool {
            file,
            folder: PathBuf::from("/scratch"),
            length: 4096,
            available: 8192,
        };
        let failure = spool.write(&[0; 8192]).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "no space left for the unpacked snapshot in /scratch: 8192 bytes were free, 12288 or more are needed"
        );
        assert_eq!(spool.length(), 4096);
    }
}
