//! A backup of etcd-manager, read and written by etcd's own tools.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

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

/// Writes what a living etcd holds as a backup into `folder`, which is made, as etcd-manager does.
///
/// # Errors
/// When etcd does not answer, or a file cannot be written.
pub fn write(etcd: &Etcd, folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    let snapshot = folder.join("snapshot.db");
    etcd.snapshot(&snapshot)?;
    let data = folder.join("etcd.backup.gz");
    let mut source = File::open(&snapshot).map_err(Error::file("read", &snapshot))?;
    let target = File::create(&data).map_err(Error::file("write", &data))?;
    let mut packed = GzEncoder::new(target, Compression::default());
    io::copy(&mut source, &mut packed).map_err(Error::file("write", &data))?;
    packed.finish().map_err(Error::file("write", &data))?;
    fs::remove_file(&snapshot).map_err(Error::file("remove", &snapshot))?;
    let meta = folder.join("_etcd_backup.meta");
    let content =
        r#"{"etcdVersion":"3.5.35","timestamp":"1795360681","clusterSpec":{"memberCount":3,"etcdVersion":"3.5.35"}}"#;
    fs::write(&meta, content).map_err(Error::file("write", &meta))
}
