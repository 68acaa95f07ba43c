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

/// The folder of a store of one etcd cluster, with one backup in it: [`KEYS`] objects of [`VALUE`] bytes, half of them
/// ConfigMaps in protobuf, half of them custom resources in JSON.
pub(super) fn store() -> Result<PathBuf, Box<dyn Error>> {
    let folder = paths::cache().join("bench").join(format!("objects-{KEYS}x{VALUE}"));
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
    let place = format!("{}/settings-{n:06}", namespace(n));
    if is_custom(n) {
        format!("/registry/example.com/settings/{place}")
    } else {
        format!("/registry/configmaps/{place}")
    }
}

const fn is_custom(n: usize) -> bool {
    n % 2 == 1
}

fn namespace(n: usize) -> String {
    format!("namespace-{:03}", n % 200)
}

/// As an API server writes it, names sorted, and about as regular as what is in a cluster, so that it compresses about as well.
fn value(n: usize) -> Vec<u8> {
    let mut state = n as u64;
    let count = (VALUE - 48 - object(n, &[]).len()) / PAIR;
    let mut pairs: Vec<(String, String)> = (0..count)
        .map(|number| {
            // Knuth's MMIX generator: the same numbers in every run, on every machine.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (format!("key-{number:02x}{:02x}", state >> 56), format!("{state:016x}"))
        })
        .collect();
    pairs.push(("~".to_owned(), String::new()));
    let fill = VALUE.saturating_sub(object(n, &pairs).len());
    if let Some((_, last)) = pairs.last_mut() {
        *last = "x".repeat(fill);
    }
    object(n, &pairs)
}

/// Bytes of a pair in either encoding.
const PAIR: usize = 30;

fn object(n: usize, pairs: &[(String, String)]) -> Vec<u8> {
    let name = format!("settings-{n:06}");
    if is_custom(n) {
        let data: serde_json::Map<_, _> = pairs
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        let object = serde_json::json!({
            "apiVersion": "example.com/v1",
            "data": data,
            "kind": "Settings",
            "metadata": { "name": name, "namespace": namespace(n) },
        });
        return object.to_string().into_bytes();
    }
    let metadata = [message(1, name.as_bytes()), message(3, namespace(n).as_bytes())].concat();
    let data = pairs
        .iter()
        .map(|(key, value)| message(2, &[message(1, key.as_bytes()), message(2, value.as_bytes())].concat()));
    let object = [message(1, &metadata), data.collect::<Vec<_>>().concat()].concat();
    let kind = [message(1, b"v1"), message(2, b"ConfigMap")].concat();
    [b"k8s\0".to_vec(), message(1, &kind), message(2, &object)].concat()
}

/// A field of protobuf that has a length, which is less than 16 KiB.
fn message(number: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut field = vec![number << 3 | 2];
    if length < 0x80 {
        field.push(length as u8);
    } else {
        field.extend([(length & 0x7f | 0x80) as u8, (length >> 7) as u8]);
    }
    field.extend_from_slice(content);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_objects_of_the_wanted_size_in_protobuf_and_in_json() {
        for n in [0, 1, 399_998, 399_999] {
            let value = value(n);
            assert_eq!(value.len(), VALUE);
            match is_custom(n) {
                true => assert!(serde_json::from_slice::<serde_json::Value>(&value).is_ok()),
                false => assert!(value.starts_with(b"k8s\0")),
            }
        }
    }
}
