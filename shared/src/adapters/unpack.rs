//! Backups off the wire: decompressed and hashed into a temporary file, then decoded.
//!
//! Three threads share the work: the async side takes the object from the store, one thread inflates, one hashes and
//! writes. The domain's reader then walks the file.

mod gzip;
mod sink;
mod source;
mod spool;
mod worker;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use crate::ports::ObjectBody;
use crate::ports::snapshot::{ReadFailure, ReadSnapshot, SnapshotReader};
use source::Source;
use spool::{Spool, Unlinked};

/// 16 GiB: twice the largest size that etcd's documentation suggests for `--quota-backend-bytes`.
pub const DEFAULT_MAX_DB_SIZE: u64 = 16 << 30;

/// Bytes taken from the store at once.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait for the inflating thread.
const CHUNKS_WAITING: usize = 16;

/// Where snapshots are unpacked to, and how large they may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackOptions {
    /// The folder for temporary files; `None` for the system's (`TMPDIR`, else `/tmp`).
    pub temp_dir: Option<PathBuf>,
    /// The bytes that a database may have.
    pub max_db_size: u64,
}

impl Default for UnpackOptions {
    fn default() -> Self {
        Self {
            temp_dir: None,
            max_db_size: DEFAULT_MAX_DB_SIZE,
        }
    }
}

/// The [`SnapshotReader`] over temporary files.
#[derive(Clone, Debug, Default)]
pub struct Unpacker {
    options: UnpackOptions,
}

impl Unpacker {
    /// With these options.
    #[must_use]
    pub const fn new(options: UnpackOptions) -> Self {
        Self { options }
    }

    async fn unpack(
        &self,
        spool: Spool,
        unlinked: Unlinked,
        body: ObjectBody,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<ReadSnapshot, ReadFailure> {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        let max_db_size = self.options.max_db_size;
        let worker = tokio::task::spawn_blocking(move || worker::run(Source::new(receiver), spool, max_db_size));
        let pumped = pump(body, sender, progress).await;
        let outcome = worker.await.map_err(|_panicked| ReadFailure::Worker)?;
        pumped?;
        Ok(outcome?.into_read_snapshot(unlinked))
    }
}

#[async_trait]
impl SnapshotReader for Unpacker {
    async fn read(
        &self,
        body: ObjectBody,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<ReadSnapshot, ReadFailure> {
        let folder = self.options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let spool = Spool::nameless(&folder, body.size)?;
        self.unpack(spool, Unlinked::Always, body, progress).await
    }

    async fn read_into(
        &self,
        folder: &Path,
        body: ObjectBody,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<ReadSnapshot, ReadFailure> {
        let (spool, path) = Spool::named(folder, body.size)?;
        self.unpack(spool, Unlinked::WhenDropped(path), body, progress).await
    }
}

/// What the inflating thread is sent.
#[derive(Debug)]
enum Piece {
    /// The object's next bytes.
    Bytes(bytes::Bytes),
    /// There are no more. A channel that closes without it means that the result is not wanted any more.
    End,
}

/// Takes the object from the store until it ends or until the worker has seen enough of a damaged one.
async fn pump(
    mut body: ObjectBody,
    sender: mpsc::Sender<Piece>,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), ReadFailure> {
    let mut at = 0;
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        let count = body
            .reader
            .read_buf(&mut buffer)
            .await
            .map_err(|source| ReadFailure::Store { at, source })?;
        if count == 0 {
            break;
        }
        at += count as u64;
        progress(at);
        if sender.send(Piece::Bytes(buffer.split().freeze())).await.is_err() {
            return Ok(());
        }
    }
    if at < body.size {
        let message = format!("the store reported {} bytes but sent {at}", body.size);
        return Err(ReadFailure::Store {
            at,
            source: io::Error::new(io::ErrorKind::UnexpectedEof, message),
        });
    }
    // Where the worker is gone already it has its own reason.
    let _ = sender.send(Piece::End).await;
    Ok(())
}
