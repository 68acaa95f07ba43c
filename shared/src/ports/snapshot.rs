//! From a backup's object to what it holds (decompressed, hashed, decoded), and from a living etcd to such an object.

use crate::failure::Failure;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::etcd::{EtcdError, SnapshotStream};
use super::hosts::HostError;
use super::{ObjectBody, ReadAt};
use crate::model::snapshot::{Content, Problem};

/// Reads the snapshot in a backup's `etcd.backup.gz`.
///
/// A bad backup is no error but a [`ReadSnapshot`] with problems; an error means that the backup could not be looked at.
/// `progress` gets the compressed bytes read so far.
#[async_trait]
pub trait SnapshotReader: Send + Sync {
    /// Reads and checks the whole snapshot. The decompressed database lives in a temporary file without a name until
    /// the result is dropped.
    async fn read(&self, body: ObjectBody, progress: &(dyn Fn(u64) + Send + Sync))
    -> Result<ReadSnapshot, ReadFailure>;

    /// The same, with the temporary file in `folder`, so that [`SnapshotFile::save_as`] can give it a name there
    /// without copying it.
    async fn read_into(
        &self,
        folder: &Path,
        body: ObjectBody,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<ReadSnapshot, ReadFailure>;
}

/// What was read from one backup.
pub struct ReadSnapshot {
    /// What is wrong with it; empty for a sound one.
    pub problems: Vec<Problem>,
    /// What it holds, where every page could be decoded. With problems beside it (a wrong SHA-256, say) it is what the
    /// damaged file claims.
    pub content: Option<Content>,
    /// The decompressed database, where the object could be decompressed to its end.
    pub db: Option<Box<dyn SnapshotFile>>,
    /// Bytes of the object that were read.
    pub gzip_bytes: u64,
    /// Bytes of the snapshot: the database and its SHA-256 trailer.
    pub snapshot_bytes: u64,
    /// SHA-256 of the database as computed: of all but the trailer, or of all where there is none.
    pub sha256: [u8; 32],
    /// The trailer, where there is one.
    pub trailer: Option<[u8; 32]>,
}

/// A decompressed snapshot in a temporary file: the database for reading, the whole of it for keeping.
pub trait SnapshotFile: ReadAt {
    /// Writes it through to the disk and gives it the name `target`, which is replaced if it exists: the file is there
    /// whole or not at all. It holds the database and the trailer, as `etcdctl snapshot save` writes them, and is
    /// readable for its owner only, since it holds Secrets.
    fn save_as(self: Box<Self>, target: &Path) -> Result<(), ReadFailure>;

    /// The same with a copy of it, so that it can still be read here.
    fn save_copy(&self, target: &Path) -> Result<(), ReadFailure>;
}

/// Why a backup could not be read. It says nothing about the backup.
#[derive(Debug, thiserror::Error)]
pub enum ReadFailure {
    /// The store stopped sending.
    #[error("reading the backup after {at} bytes")]
    Store {
        /// Bytes of the object that had come.
        at: u64,
        /// The store's error.
        #[source]
        source: io::Error,
    },
    /// No room for the decompressed database.
    #[error("no space left for the unpacked snapshot in {}: {}", folder.display(), space(*available, *needed))]
    DiskFull {
        /// The folder of the temporary file.
        folder: PathBuf,
        /// Bytes that were free before.
        available: u64,
        /// Bytes known to be needed: the compressed size before, or what had been written when the disk was full.
        needed: u64,
    },
    /// Another error of the temporary file.
    #[error("{action} a temporary file in {}", folder.display())]
    Temporary {
        /// `creating`, `writing`, `reading`, `keeping`.
        action: &'static str,
        /// The folder of the temporary file.
        folder: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The target of [`SnapshotFile::save_as`] could not be made.
    #[error("writing {}", target.display())]
    Save {
        /// The file that was to be written.
        target: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A thread of ours ended early.
    #[error("the thread that unpacks the snapshot ended early")]
    Worker,
}

impl ReadFailure {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::DiskFull { .. } => Some(MORE_ROOM),
            Self::Temporary { source, .. } => Some(hint_of_folder(source)),
            Self::Store { .. } | Self::Save { .. } | Self::Worker => None,
        }
    }
}

const MORE_ROOM: &str = "pass a directory with more space with --temp-dir";

/// What can be done about a folder in which no file can be made or written.
fn hint_of_folder(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "create that directory, or pass one that exists",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "pass a directory that you can write to",
        _ => MORE_ROOM,
    }
}

fn space(available: u64, needed: u64) -> String {
    format!("{available} bytes were free, {needed} or more are needed")
}

/// Packs the snapshot of a living etcd as a backup's `etcd.backup.gz`.
#[async_trait]
pub trait SnapshotPacker: Send + Sync {
    /// Takes the whole stream. `progress` gets the bytes taken so far.
    async fn pack(
        &self,
        stream: SnapshotStream,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Box<dyn PackedSnapshot>, PackFailure>;
}

/// Keeps an object in a temporary file, as it is.
#[async_trait]
pub trait ObjectSpooler: Send + Sync {
    /// Takes the whole object; also tells the SHA-256 of its bytes. `progress` gets the bytes taken so far.
    async fn spool(
        &self,
        body: ObjectBody,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(Box<dyn PackedSnapshot>, [u8; 32]), PackFailure>;
}

/// A packed snapshot in a temporary file, which goes with it.
#[async_trait]
pub trait PackedSnapshot: Send + Sync {
    /// Its size in bytes, packed.
    fn size(&self) -> u64;

    /// The file.
    fn path(&self) -> &Path;

    /// Reads it from its beginning.
    async fn open(&self) -> io::Result<ObjectBody>;
}

/// Why a snapshot could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackFailure {
    /// etcd stopped sending.
    #[error("taking the snapshot, after {at} bytes")]
    Etcd {
        /// Bytes that had come.
        at: u64,
        /// The way's or etcd's error.
        #[source]
        source: io::Error,
    },
    /// The store stopped sending.
    #[error("reading the backup, after {at} bytes")]
    Store {
        /// Bytes that had come.
        at: u64,
        /// The store's error.
        #[source]
        source: io::Error,
    },
    /// An error of the temporary file.
    #[error("{action} a temporary file in {}", folder.display())]
    Temporary {
        /// `creating`, `writing`.
        action: &'static str,
        /// The folder of the temporary file.
        folder: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl PackFailure {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Etcd { source, .. } => source.get_ref().and_then(|inner| {
                let of_etcd = inner.downcast_ref::<EtcdError>().and_then(EtcdError::hint);
                of_etcd.or_else(|| inner.downcast_ref::<HostError>().and_then(HostError::hint))
            }),
            Self::Store { .. } => None,
            Self::Temporary { source, .. } => Some(hint_of_folder(source).to_owned()),
        }
    }
}

impl Failure for PackFailure {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}

impl Failure for ReadFailure {
    fn hint(&self) -> Option<String> {
        Self::hint(self).map(str::to_owned)
    }
}
