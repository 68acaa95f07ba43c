//! A backup store as the etcd-manager stand-in uses it: a folder, or a bucket.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::servers::S3;

/// Where the stand-in finds its commands and backups.
#[derive(Clone, Debug)]
pub enum ManagerStore {
    /// A folder.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket {
        /// `http://127.0.0.1:port`.
        endpoint: String,
        /// The bucket.
        bucket: String,
        /// The prefix, without a slash at its end.
        prefix: String,
    },
}

struct At<'a>(&'a str);

impl S3 for At<'_> {
    fn endpoint(&self) -> String {
        self.0.to_owned()
    }
}

impl ManagerStore {
    /// The paths below `folder`, relative to the store.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(root) => {
                let mut found = Vec::new();
                walk(root, &root.join(folder), &mut found)?;
                found.sort();
                Ok(found)
            }
            Self::Bucket {
                endpoint,
                bucket,
                prefix,
            } => {
                let query = format!("list-type=2&prefix={}%2F{folder}%2F", prefix.replace('/', "%2F"));
                let answer = At(endpoint).bucket_request("GET", bucket, &query, b"")?.text();
                let below = format!("{prefix}/");
                let keys = answer
                    .split("<Key>")
                    .skip(1)
                    .filter_map(|rest| rest.split("</Key>").next());
                Ok(keys
                    .filter_map(|key| key.strip_prefix(&below))
                    .map(str::to_owned)
                    .collect())
            }
        }
    }

    /// One object; `None` where it is not there.
    pub(super) fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Folder(root) => Ok(fs::read(root.join(path)).ok()),
            Self::Bucket {
                endpoint,
                bucket,
                prefix,
            } => {
                let key = format!("{prefix}/{path}");
                if !At(endpoint).exists(bucket, &key)? {
                    return Ok(None);
                }
                At(endpoint).get(bucket, &key).map(Some)
            }
        }
    }

    /// Writes one object.
    pub(super) fn put(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        match self {
            Self::Folder(root) => {
                let file = root.join(path);
                if let Some(folder) = file.parent() {
                    fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
                }
                fs::write(&file, content).map_err(Error::file("write", &file))
            }
            Self::Bucket {
                endpoint,
                bucket,
                prefix,
            } => At(endpoint).put(bucket, &format!("{prefix}/{path}"), content),
        }
    }

    /// Deletes one object; a folder stays behind, as etcd-manager leaves it.
    pub(super) fn delete(&self, path: &str) -> Result<(), Error> {
        match self {
            Self::Folder(root) => {
                let file = root.join(path);
                fs::remove_file(&file).map_err(Error::file("remove", &file))
            }
            Self::Bucket {
                endpoint,
                bucket,
                prefix,
            } => At(endpoint).delete(bucket, &format!("{prefix}/{path}")),
        }
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.map_err(Error::file("read", folder))?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
        } else if let Ok(below) = path.strip_prefix(root) {
            found.push(below.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
