//! A backup of etcd-manager, read by etcd's own tools.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::MultiGzDecoder;

use crate::components::{self, EtcdVersion};
use crate::error::Error;
use crate::run;
use crate::servers::{Etcd, EtcdOptions, Stored};

/// Restores `archive`, an `etcd.backup.gz`, by etcdutl; gives the data folder, which is below `folder`. etcdutl of 3.6 writes
/// what a server of 3.6 reads.
///
/// # Errors
/// When the archive cannot be read, or etcdutl refuses it.
pub fn restore(archive: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let (snapshot, data_dir) = (folder.join("snapshot.db"), folder.join("data"));
    let source = File::open(archive).map_err(Error::file("read", archive))?;
    let mut target = File::create(&snapshot).map_err(Error::file("write", &snapshot))?;
    io::copy(&mut MultiGzDecoder::new(source), &mut target).map_err(Error::file("read", archive))?;
    let mut etcdutl = Command::new(components::etcdutl()?);
    etcdutl.args(["snapshot", "restore"]).arg(&snapshot);
    run::run(etcdutl.arg("--data-dir").arg(&data_dir))?;
    Ok(data_dir)
}

/// Every key that comes back from `archive`, sorted.
///
/// # Errors
/// As of [`restore`], or when an etcd does not start on it.
pub fn keys(archive: &Path) -> Result<Vec<Stored>, Error> {
    let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
    let data_dir = restore(archive, folder.path())?;
    let etcd = Etcd::start_with(&EtcdOptions {
        version: EtcdVersion::V3_6,
        data_dir: Some(data_dir),
    })?;
    etcd.keys(b"")
}
