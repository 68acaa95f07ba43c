//! Snapshots off a living etcd: gzipped into a temporary file as they come.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::ports::snapshot::{ObjectSpooler, PackFailure, PackedSnapshot, SnapshotPacker};
use crate::ports::{ObjectBody, SnapshotStream};

/// Bytes taken from etcd at once.
const BLOCK: usize = 256 << 10;
/// Blocks that may wait for the compressing thread.
const BLOCKS_WAITING: usize = 16;

/// The [`SnapshotPacker`] over temporary files.
#[derive(Clone, Debug, Default)]
pub struct Packer {
    temp_dir: Option<PathBuf>,
}

impl Packer {
    /// With this folder for temporary files; `None` for the system's (`TMPDIR`, else `/tmp`).
    #[must_use]
    pub const fn new(temp_dir: Option<PathBuf>) -> Self {
        Self { temp_dir }
    }
}

#[async_trait]
impl SnapshotPacker for Packer {
    async fn pack(
        &self,
        mut stream: SnapshotStream,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Box<dyn PackedSnapshot>, PackFailure> {
        let folder = self.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let temporary = |action| {
            let folder = folder.clone();
            move |source| PackFailure::Temporary { action, folder, source }
        };
        // Readable by its owner only: it holds Secrets. It is removed when `path` goes, also on an interrupt.
        let (file, path) = tempfile::NamedTempFile::new_in(&folder)
            .map_err(temporary("creating"))?
            .into_parts();
        let (sender, receiver) = mpsc::channel(BLOCKS_WAITING);
        let has_trailer = stream.has_trailer;
        let worker = tokio::task::spawn_blocking(move || compress(file, receiver, has_trailer));
        let mut taken = 0;
        loop {
            let mut block = Vec::with_capacity(BLOCK);
            let count = stream.reader.read_buf(&mut block).await;
            let count = count.map_err(|source| PackFailure::Etcd { at: taken, source })?;
            if count == 0 || sender.send(block).await.is_err() {
                break;
            }
            taken += count as u64;
            progress(taken);
        }
        drop(sender);
        let size = worker
            .await
            .map_err(io::Error::other)
            .and_then(|size| size)
            .map_err(temporary("writing"))?;
        Ok(Box::new(Packed { path, size }))
    }
}

/// Where the snapshot stops early its sender is dropped, too: then what is written is dropped by the caller.
fn compress(file: File, mut blocks: mpsc::Receiver<Vec<u8>>, has_trailer: bool) -> io::Result<u64> {
    let mut gzip = GzEncoder::new(file, Compression::default());
    let mut hash = Sha256::new();
    while let Some(block) = blocks.blocking_recv() {
        gzip.write_all(&block)?;
        if !has_trailer {
            hash.update(&block);
        }
    }
    if !has_trailer {
        gzip.write_all(&hash.finalize())?;
    }
    let file = gzip.finish()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

#[async_trait]
impl ObjectSpooler for Packer {
    async fn spool(
        &self,
        mut body: ObjectBody,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(Box<dyn PackedSnapshot>, [u8; 32]), PackFailure> {
        let folder = self.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let temporary = |action| {
            let folder = folder.clone();
            move |source| PackFailure::Temporary { action, folder, source }
        };
        let (file, path) = tempfile::NamedTempFile::new_in(&folder)
            .map_err(temporary("creating"))?
            .into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let (mut hash, mut block, mut size) = (Sha256::new(), vec![0; BLOCK], 0);
        loop {
            let count = body.reader.read(&mut block).await;
            let count = count.map_err(|source| PackFailure::Store { at: size, source })?;
            let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            hash.update(bytes);
            file.write_all(bytes).await.map_err(temporary("writing"))?;
            size += count as u64;
            progress(size);
        }
        if size != body.size {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(PackFailure::Store { at: size, source });
        }
        file.sync_all().await.map_err(temporary("writing"))?;
        Ok((Box::new(Packed { path, size }), hash.finalize().into()))
    }
}

/// A temporary file, removed with this value.
struct Packed {
    path: TempPath,
    size: u64,
}

#[async_trait]
impl PackedSnapshot for Packed {
    fn size(&self) -> u64 {
        self.size
    }

    fn path(&self) -> &Path {
        &self.path
    }

    async fn open(&self) -> io::Result<ObjectBody> {
        Ok(ObjectBody {
            size: self.size,
            reader: Box::new(tokio::fs::File::open(&self.path).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Mutex;

    use super::*;

    fn stream(reader: impl tokio::io::AsyncRead + Send + Unpin + 'static) -> SnapshotStream {
        SnapshotStream {
            reader: Box::new(reader),
            has_trailer: true,
        }
    }

    #[tokio::test]
    async fn packs_what_comes_and_removes_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 1000) as u8).collect();
        let seen = Mutex::new(0);
        let packer = Packer::new(Some(folder.path().to_owned()));
        let packed = packer
            .pack(stream(io::Cursor::new(content.clone())), &|at| {
                *seen.lock().unwrap() = at
            })
            .await
            .unwrap();
        assert_eq!(*seen.lock().unwrap(), 3_000_000);
        let mut body = packed.open().await.unwrap();
        let mut gzip = Vec::new();
        body.reader.read_to_end(&mut gzip).await.unwrap();
        assert_eq!(gzip.len() as u64, packed.size());
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == content);
        drop(packed);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_file_off_a_disk_gets_its_trailer() {
        let folder = tempfile::tempdir().unwrap();
        let database = SnapshotStream {
            reader: Box::new(io::Cursor::new(b"database".to_vec())),
            has_trailer: false,
        };
        let packer = Packer::new(Some(folder.path().to_owned()));
        let packed = packer.pack(database, &|_| {}).await.unwrap();
        let mut back = Vec::new();
        let gzip = std::fs::File::open(packed.path()).unwrap();
        flate2::read::GzDecoder::new(gzip).read_to_end(&mut back).unwrap();
        assert_eq!(back.split_at(8), (&b"database"[..], &Sha256::digest(b"database")[..]));
    }

    #[tokio::test]
    async fn an_etcd_that_stops_sending_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let broken = tokio_util::io::StreamReader::new(futures::stream::iter([
            Ok(bytes::Bytes::from_static(b"some")),
            Err(io::Error::other("gone")),
        ]));
        let packed = Packer::new(Some(folder.path().to_owned()))
            .pack(stream(broken), &|_| {})
            .await;
        assert!(matches!(packed.err().unwrap(), PackFailure::Etcd { at: 4, .. }));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let absent = Packer::new(Some(folder.path().join("absent")));
        let failed = absent.pack(stream(io::Cursor::new(Vec::new())), &|_| {}).await;
        assert!(matches!(failed.err().unwrap(), PackFailure::Temporary { .. }));
    }
}
