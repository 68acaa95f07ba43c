//! Plays etcd-manager: takes a backup of an etcd, and restores one as it does.
//!
//! What matters of a restore, as observed with etcd-manager v3.0.20260707: the old etcd is stopped and its data moved aside
//! before the backup is read; the backup is restored into an etcd that nobody else sees; a new, empty member is started; and
//! every key is copied into it by a plain put. So leases are lost and revisions start again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use crate::backup;
use crate::components::EtcdVersion;
use crate::error::Error;
use crate::servers::{Etcd, Put, ServerTls};

/// The stand-in and the backup store of its etcd cluster.
#[derive(Clone, Debug)]
pub struct EtcdManagerSimulator {
    store: PathBuf,
}

impl EtcdManagerSimulator {
    /// With backups in `store`.
    pub fn new(store: impl Into<PathBuf>) -> Self {
        Self { store: store.into() }
    }

    /// Takes a backup and gives its name. The data is written before the meta.
    ///
    /// # Errors
    /// When etcd does not answer, or the store cannot be written.
    pub fn take_backup(&self, etcd: &Etcd, version: EtcdVersion) -> Result<String, Error> {
        let taken = Timestamp::now();
        let name = format!("{}-000001", taken.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let folder = self.store.join(&name);
        fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        let snapshot = folder.join("snapshot.db");
        etcd.snapshot(&snapshot)?;
        pack(&snapshot, &folder.join("etcd.backup.gz"))?;
        fs::remove_file(&snapshot).map_err(Error::file("remove", &snapshot))?;
        let (seconds, version) = (taken.as_second(), exact(version));
        let meta = folder.join("_etcd_backup.meta");
        let text = format!(
            r#"{{"etcdVersion":"{version}","timestamp":"{seconds}","clusterSpec":{{"memberCount":1,"etcdVersion":"{version}"}}}}"#
        );
        fs::write(&meta, text).map_err(Error::file("write", &meta))?;
        Ok(name)
    }

    /// Stops `old`, restores the backup `name`, and gives the new etcd.
    ///
    /// # Errors
    /// When the backup cannot be read, or an etcd does not start.
    pub fn restore(&self, old: Etcd, name: &str, version: EtcdVersion, tls: &ServerTls) -> Result<Etcd, Error> {
        drop(old);
        // Which server reads the backup out does not matter.
        let keys = backup::keys(&self.store.join(name).join("etcd.backup.gz"))?;
        let new = Etcd::start_tls(version, tls)?;
        for stored in keys {
            new.put(&[Put::new(stored.key, stored.value)])?;
        }
        Ok(new)
    }
}

pub(super) const fn exact(version: EtcdVersion) -> &'static str {
    match version {
        EtcdVersion::V3_5 => "3.5.35",
        EtcdVersion::V3_6 => "3.6.16",
        EtcdVersion::V3_7 => "3.7.3",
    }
}

pub(super) fn pack(from: &Path, to: &Path) -> Result<(), Error> {
    let mut source = File::open(from).map_err(Error::file("read", from))?;
    let target = File::create(to).map_err(Error::file("write", to))?;
    let mut packed = GzEncoder::new(target, Compression::default());
    io::copy(&mut source, &mut packed).map_err(Error::file("write", to))?;
    packed.finish().map(drop).map_err(Error::file("write", to))
}
