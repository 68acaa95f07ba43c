//! A whole `etcd.backup.gz`: any object ends in problems or in a snapshot with the SHA-256 it says, never in a failure.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use runbook_kit::adapters::unpack::{UnpackOptions, Unpacker};
use runbook_kit::ports::ObjectBody;
use runbook_kit::ports::snapshot::SnapshotReader;
use tokio::runtime::{Builder, Runtime};

/// Small enough that a bomb costs little.
const MAX_DB_SIZE: u64 = 4 << 20;

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().build().expect("a runtime can be made"));
}

fuzz_target!(|data: &[u8]| {
    let body = ObjectBody {
        size: data.len() as u64,
        reader: Box::new(std::io::Cursor::new(data.to_vec())),
    };
    let unpacker = Unpacker::new(UnpackOptions {
        max_db_size: MAX_DB_SIZE,
        ..UnpackOptions::default()
    });
    let snapshot = RUNTIME
        .with_borrow(|runtime| runtime.block_on(unpacker.read(body, &|_| {})))
        .unwrap_or_else(|failure| panic!("whatever the object holds is no failure: {failure}"));
    assert!(snapshot.gzip_bytes <= data.len() as u64);
    assert!(snapshot.snapshot_bytes <= MAX_DB_SIZE + 32);
    if snapshot.problems.is_empty() {
        assert_eq!(snapshot.trailer, Some(snapshot.sha256));
        assert!(snapshot.content.is_some() && snapshot.db.is_some());
    }
});
