//! The temporary files of unpacked snapshots: where they are, what becomes of them, and what is no fault of the backup.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use runbook_kit::adapters::unpack::{UnpackOptions, Unpacker};
use runbook_kit::ports::ObjectBody;
use runbook_kit::ports::snapshot::{ReadFailure, SnapshotReader};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

fn healthy() -> Vec<u8> {
    let path = "state-store-restored/super.k8s.local/backups/etcd/main/2026-11-22T15:18:01Z-000001";
    std::fs::read(support::paths::fixture(path).join("etcd.backup.gz")).unwrap()
}

fn body(object: Vec<u8>) -> ObjectBody {
    ObjectBody {
        size: object.len() as u64,
        reader: Box::new(Cursor::new(object)),
    }
}

fn unpacker(folder: &Path) -> Unpacker {
    Unpacker::new(UnpackOptions {
        temp_dir: Some(folder.to_owned()),
        ..UnpackOptions::default()
    })
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Never has more to say.
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Breaks off.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

#[tokio::test]
async fn a_snapshot_is_kept_whole_under_the_name_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("snapshot.db");
    let other = tempfile::tempdir().unwrap();
    let unpacker = unpacker(other.path());
    for into in [true, false] {
        std::fs::write(&target, "older").unwrap();
        let snapshot = match into {
            true => unpacker
                .read_into(folder.path(), body(healthy()), &|_| {})
                .await
                .unwrap(),
            false => unpacker.read(body(healthy()), &|_| {}).await.unwrap(),
        };
        assert_eq!(names(folder.path()).len(), if into { 2 } else { 1 });
        assert_eq!(names(other.path()), Vec::<String>::new(), "a file without a name");
        snapshot.db.unwrap().save_as(&target).unwrap();
        assert_eq!(names(folder.path()), ["snapshot.db"]);
        let saved = std::fs::read(&target).unwrap();
        let (database, trailer) = saved.split_at(saved.len() - 32);
        assert_eq!(Sha256::digest(database).to_vec(), trailer);
        assert_eq!(saved.len() as u64, snapshot.snapshot_bytes);
        assert_eq!(
            std::fs::metadata(&target).unwrap().permissions().mode() & 0o777,
            0o600,
            "it holds Secrets"
        );
    }
}

#[tokio::test]
async fn what_is_not_kept_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let unpacker = unpacker(folder.path());
    drop(
        unpacker
            .read_into(folder.path(), body(healthy()), &|_| {})
            .await
            .unwrap(),
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());
    drop(
        unpacker
            .read_into(folder.path(), body(b"no gzip".to_vec()), &|_| {})
            .await
            .unwrap(),
    );
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let snapshot = unpacker
        .read_into(folder.path(), body(healthy()), &|_| {})
        .await
        .unwrap();
    let failure = snapshot
        .db
        .unwrap()
        .save_as(&folder.path().join("missing/snapshot.db"))
        .unwrap_err();
    assert!(matches!(failure, ReadFailure::Save { .. }), "{failure}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn an_interrupt_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let object = healthy();
    let size = object.len() as u64;
    let reader = Box::new(Cursor::new(object[..20_000].to_vec()).chain(Silent));
    let unpacker = unpacker(folder.path());
    let mut reading = unpacker.read_into(folder.path(), ObjectBody { size, reader }, &|_| {});
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut reading)
            .await
            .is_err()
    );
    assert_eq!(names(folder.path()).len(), 1);
    drop(reading);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_breaks_off_is_a_failure_and_no_fault_of_the_backup() {
    let object = healthy();
    let size = object.len() as u64;
    let head = Cursor::new(object[..20_000].to_vec());
    let failure = Unpacker::default()
        .read(
            ObjectBody {
                size,
                reader: Box::new(head.clone().chain(Broken)),
            },
            &|_| {},
        )
        .await;
    assert!(matches!(failure, Err(ReadFailure::Store { at: 20_000, .. })));
    let failure = Unpacker::default()
        .read(
            ObjectBody {
                size,
                reader: Box::new(head),
            },
            &|_| {},
        )
        .await;
    let Err(ReadFailure::Store { at: 20_000, source }) = failure else {
        panic!("the object is longer than what came")
    };
    assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_folder_without_room_or_without_existence_is_named_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let huge = ObjectBody {
        size: u64::MAX,
        reader: Box::new(Silent),
    };
    let failure = unpacker(folder.path()).read(huge, &|_| {}).await.err().unwrap();
    assert!(
        matches!(failure, ReadFailure::DiskFull { needed: u64::MAX, .. }),
        "{failure}"
    );
    assert!(
        failure.to_string().contains(&folder.path().display().to_string()),
        "{failure}"
    );
    assert_eq!(failure.hint(), Some("pass a directory with more space with --temp-dir"));
    let failure = unpacker(Path::new("/nowhere/at/all"))
        .read(body(healthy()), &|_| {})
        .await
        .err()
        .unwrap();
    assert!(
        matches!(failure, ReadFailure::Temporary { action: "creating", .. }),
        "{failure}"
    );
    assert!(failure.hint().is_some());
}

#[tokio::test]
async fn progress_counts_the_objects_bytes() {
    let object = healthy();
    let size = object.len() as u64;
    let told = Mutex::new(Vec::new());
    Unpacker::default()
        .read(body(object), &|at| told.lock().unwrap().push(at))
        .await
        .unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.is_sorted());
    assert_eq!(told.last(), Some(&size));
}
