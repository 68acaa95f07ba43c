//! State stores and backup stores for tests: copies of the real ones, and long ones made of a real backup.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::error::Error;
use crate::paths;
use crate::servers::S3;

/// The cluster of all the fixtures.
pub const CLUSTER: &str = "super.k8s.local";

/// Copies the folder `from` to `to`, which is made; files that are there already are replaced, others stay.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file("make", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target)
                .map_err(Error::file("copy", &source))
                .map(drop)?;
        }
    }
    Ok(())
}

/// Every file below a folder with its content, sorted: to show that nothing was touched.
///
/// # Errors
/// When a file cannot be read.
pub fn tree(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let path = entry.map_err(Error::file("read", folder))?.path();
        if path.is_dir() {
            found.extend(tree(&path)?);
        } else {
            let content = fs::read(&path).map_err(Error::file("read", &path))?;
            found.push((path, content));
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a whole kops state store in `folder`: what kops built, with the backups of fixture store `backups`
/// (`state-store-restored`, `state-store-reseeded`), and a spec whose URLs point to `base`, the URL of `folder` itself
/// (`s3://bucket/prefix`, `file:///…`).
///
/// # Errors
/// When a file cannot be read or written.
pub fn make_state_store(folder: &Path, base: &str, backups: &str) -> Result<(), Error> {
    copy_folder(&paths::fixture("kops-built/state"), folder)?;
    copy_folder(&paths::fixture(backups), folder)?;
    for spec in ["cluster-completed.spec", "config"] {
        let path = folder.join(CLUSTER).join(spec);
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let text = text.replace(KOPS_BUILT_BASE, base.trim_end_matches('/'));
        fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    Ok(())
}

/// Makes the same at the root of a new bucket, and gives the number of objects.
///
/// # Errors
/// When a file cannot be read, or the server refuses.
pub fn serve_state_store(server: &impl S3, bucket: &str, backups: &str) -> Result<usize, Error> {
    let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
    make_state_store(folder.path(), &format!("s3://{bucket}"), backups)?;
    server.create_bucket(bucket)?;
    server.upload_folder(bucket, "", folder.path())
}

/// A state store on this disk, in a temporary folder.
#[derive(Debug)]
pub struct StateStore {
    folder: TempDir,
}

impl StateStore {
    /// What kops built, with the backups of fixture store `backups`.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn new(backups: &str) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let store = Self { folder };
        make_state_store(store.root(), &store.url(), backups)?;
        Ok(store)
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// What `--state` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("file://{}", self.root().display())
    }

    /// The folder of one etcd cluster's backups.
    #[must_use]
    pub fn base(&self, etcd: &str) -> PathBuf {
        self.root().join(CLUSTER).join("backups/etcd").join(etcd)
    }
}

/// Where the state store was when kops built it.
const KOPS_BUILT_BASE: &str = "s3://kops-state";

/// What `expected.json` says of every backup of the fixtures.
///
/// # Errors
/// When it cannot be read.
pub fn expected() -> Result<serde_json::Value, Error> {
    let path = paths::fixture("expected.json");
    let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Answer {
        from: path.display().to_string(),
        answer: error.to_string(),
    })
}

/// A backup store to be made.
#[derive(Clone, Debug)]
pub struct LongStore {
    /// How many backups.
    pub backups: usize,
    /// When the first was taken.
    pub first: Timestamp,
    /// The time from one to the next.
    pub interval: SignedDuration,
    /// What is in each `etcd.backup.gz`.
    pub data: Vec<u8>,
}

impl LongStore {
    /// Backups every 15 minutes, as etcd-manager takes them, each with the bytes of a real one of an empty etcd.
    ///
    /// # Errors
    /// When the fixture cannot be read.
    pub fn new(backups: usize, first: Timestamp) -> Result<Self, Error> {
        let path = paths::fixture(SMALL_BACKUP);
        let data = fs::read(&path).map_err(Error::file("read", &path))?;
        Ok(Self {
            backups,
            first,
            interval: SignedDuration::from_mins(15),
            data,
        })
    }

    /// Every file as path (below the store of one etcd cluster) and content, in the order of time.
    pub fn files(&self) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
        let mut taken = self.first;
        (0..self.backups).flat_map(move |_| {
            let name = format!("{}-000001", taken.strftime("%Y-%m-%dT%H:%M:%SZ"));
            let meta = meta(taken);
            taken = taken.checked_add(self.interval).unwrap_or(taken);
            [
                (format!("{name}/etcd.backup.gz"), self.data.clone()),
                (format!("{name}/_etcd_backup.meta"), meta.into_bytes()),
            ]
        })
    }

    /// Writes the store into `folder` and gives the names of the backups, in the order of time.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let mut names = Vec::with_capacity(self.backups);
        for (path, content) in self.files() {
            let file: PathBuf = folder.join(&path);
            if let Some((name, "etcd.backup.gz")) = path.split_once('/') {
                fs::create_dir_all(folder.join(name)).map_err(Error::file("make", &file))?;
                names.push(name.to_owned());
            }
            fs::write(&file, content).map_err(Error::file("write", &file))?;
        }
        Ok(names)
    }
}

const SMALL_BACKUP: &str =
    "state-store-restored/super.k8s.local/backups/etcd/main/2026-11-22T15:16:00Z-000001/etcd.backup.gz";

/// As etcd-manager writes it: protojson, the seconds as a string (kubernetes-sigs/etcd-manager@ad35ed6, pkg/backup).
fn meta(taken: Timestamp) -> String {
    let seconds = taken.as_second();
    format!(
        r#"{{"etcdVersion":"3.5.35","timestamp":"{seconds}","clusterSpec":{{"memberCount":3,"etcdVersion":"3.5.35"}}}}"#
    )
}
