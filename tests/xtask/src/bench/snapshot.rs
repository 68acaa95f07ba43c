//! A large backup, made by a real etcd and kept in the cache folder.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Etcd, EtcdVersion, Put, paths};

use crate::say;

/// How many keys; with values of 2 KB etcd makes 1.6 GB of them.
pub(super) const KEYS: usize = 400_000;
/// The size of a value in bytes.
pub(super) const VALUE: usize = 2048;
/// 500 × 2 KB stays below what a request to etcd may hold.
const BATCH: usize = 500;

/// The folder of a store of one etcd cluster, with one backup in it: [`KEYS`] keys of [`VALUE`] bytes.
pub(super) fn store() -> Result<PathBuf, Box<dyn Error>> {
    let folder = paths::cache().join("bench").join(format!("store-{KEYS}x{VALUE}"));
    if !folder.is_dir() {
        let parent = folder.parent().ok_or("the cache folder is no folder")?;
        fs::create_dir_all(parent)?;
        let temporary = tempfile::tempdir_in(parent)?;
        make(temporary.path())?;
        fs::rename(temporary.keep(), &folder)?;
    }
    Ok(folder)
}

/// The name of the one backup.
pub(super) const NAME: &str = "2026-11-22T12:00:00Z-000001";

fn make(store: &Path) -> Result<(), Box<dyn Error>> {
    say::note(&format!("making a database of {KEYS} keys of {VALUE} bytes"));
    let backup = store.join(NAME);
    fs::create_dir(&backup)?;
    let snapshot = store.join("snapshot");
    let etcd = Etcd::start(EtcdVersion::V3_6)?;
    for first in (0..KEYS).step_by(BATCH) {
        let puts: Vec<Put> = (first..KEYS.min(first + BATCH))
            .map(|n| Put::new(key(n), value(n)))
            .collect();
        etcd.put(&puts)?;
        if first % 50_000 == 0 {
            say::note(&format!("  {first} keys"));
        }
    }
    etcd.snapshot(&snapshot)?;
    say::note("  compressing");
    let file = BufWriter::new(File::create(backup.join("etcd.backup.gz"))?);
    let mut gzip = GzEncoder::new(file, Compression::default());
    io::copy(
        &mut BufReader::with_capacity(1 << 20, File::open(&snapshot)?),
        &mut gzip,
    )?;
    gzip.finish()?.into_inner()?.sync_all()?;
    fs::remove_file(&snapshot)?;
    let meta =
        r#"{"etcdVersion":"3.6.16","timestamp":"1795348800","clusterSpec":{"memberCount":3,"etcdVersion":"3.6.16"}}"#;
    Ok(fs::write(backup.join("_etcd_backup.meta"), meta)?)
}

fn key(n: usize) -> String {
    format!("/registry/configmaps/namespace-{:03}/settings-{n:06}", n % 200)
}

/// JSON-like text: about as regular as what Kubernetes writes, so that it compresses about as well.
fn value(n: usize) -> String {
    let mut state = n as u64;
    let mut text = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"settings-{n:06}","namespace":"namespace-{:03}"}},"data":{{"#,
        n % 200
    );
    while text.len() < VALUE - 40 {
        // Knuth's MMIX generator: the same numbers in every run, on every machine.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!(r#""key-{:04x}":"{:016x}","#, (state >> 48), state));
    }
    let fill = VALUE.saturating_sub(text.len() + r#""end":""}}"#.len());
    text.push_str(&format!(r#""end":"{}"}}}}"#, "x".repeat(fill)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_of_the_wanted_size() {
        for n in [0, 1, 399_999] {
            assert_eq!(value(n).len(), VALUE);
            assert!(
                serde_json::from_str::<serde_json::Value>(&value(n)).is_ok(),
                "{}",
                value(n)
            );
        }
    }
}
