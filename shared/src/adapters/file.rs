//! `file://` stores: a state store on a disk or a mount, as kops and etcd-manager write it there.
//!
//! Folders mean nothing by themselves: etcd-manager leaves empty ones behind, so only files count.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::consent::Consent;
use crate::model::exposure::{Exposure, of_folder};
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectBody, ObjectInfo, ObjectStore, PutMode, StoreError, StoreErrorKind};

/// What an unfinished write is called. Never listed, so that one cut short by a power failure is no object.
const PARTIAL: &str = ".partial-";

/// The local file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileStore;

#[async_trait]
impl ObjectStore for FileStore {
    async fn require_root(&self, root: &StoreUrl) -> Result<(), StoreError> {
        blocking("list", root, |path| match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Failure::Kind(StoreErrorKind::NoSuchFolder)),
            Err(error) if is_missing(&error) => Err(Failure::Kind(StoreErrorKind::NoSuchFolder)),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn list(&self, at: &StoreUrl) -> Result<Vec<ObjectInfo>, StoreError> {
        blocking("list", at, |path| {
            // Links are judged by where the list began, itself resolved: it may be a link (/tmp often is one).
            let Some(root) = missing_as_none(path.canonicalize())? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            walk(&root, &root, &mut found)?;
            found.sort_by(|a: &ObjectInfo, b| a.path.cmp(&b.path));
            Ok(found)
        })
        .await
    }

    async fn list_folders(&self, at: &StoreUrl) -> Result<Vec<String>, StoreError> {
        blocking("list", at, |path| {
            let Some(entries) = missing_as_none(fs::read_dir(path))? else {
                return Ok(Vec::new());
            };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    names.extend(entry.file_name().into_string().ok());
                }
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn get(&self, at: &StoreUrl, limit: u64) -> Result<Vec<u8>, StoreError> {
        blocking("read", at, move |path| {
            let (file, _) = open_file(path)?;
            let mut content = Vec::new();
            // One more than allowed: a file may grow while it is read.
            file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
            if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
                return Err(Failure::Kind(StoreErrorKind::TooLarge { limit }));
            }
            Ok(content)
        })
        .await
    }

    async fn open(&self, at: &StoreUrl) -> Result<ObjectBody, StoreError> {
        let (file, size) = blocking("read", at, open_file).await?;
        Ok(ObjectBody {
            size,
            reader: Box::new(tokio::fs::File::from_std(file)),
        })
    }

    async fn put(&self, at: &StoreUrl, content: Vec<u8>, mode: PutMode, _consent: &Consent) -> Result<(), StoreError> {
        blocking("write", at, move |path| {
            write_atomically(path, mode, |file| file.write_all(&content)).map_err(Failure::from)
        })
        .await
    }

    async fn put_file(&self, at: &StoreUrl, path: &Path, mode: PutMode, _consent: &Consent) -> Result<(), StoreError> {
        let source = path.to_owned();
        blocking("write", at, move |target| {
            let mut source = fs::File::open(source)?;
            write_atomically(target, mode, |file| io::copy(&mut source, file).map(drop)).map_err(Failure::from)
        })
        .await
    }

    async fn copy(&self, from: &StoreUrl, to: &StoreUrl, _consent: &Consent) -> Result<(), StoreError> {
        let target = path_of("copy", to)?;
        blocking("copy", from, move |path| {
            let (mut source, _) = open_file(path)?;
            write_atomically(&target, PutMode::Replace, |file| io::copy(&mut source, file).map(drop))
                .map_err(Failure::from)
        })
        .await
    }

    async fn resolve(&self, at: &StoreUrl) -> Result<StoreUrl, StoreError> {
        blocking("list", at, |path| {
            // What does not exist yet has the name that it gets below what exists.
            let existing = path.ancestors().find(|folder| folder.exists());
            let Some(existing) = existing else {
                return Err(Failure::Kind(StoreErrorKind::NoSuchFolder));
            };
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            let mut real = existing.canonicalize()?;
            if !rest.as_os_str().is_empty() {
                real.push(rest);
            }
            match real.to_str() {
                Some(path) => Ok(StoreUrl::File { path: path.to_owned() }),
                None => Err(Failure::Kind(StoreErrorKind::Unsupported(
                    "its path is not UTF-8".into(),
                ))),
            }
        })
        .await
    }

    async fn exposure(&self, at: &StoreUrl) -> Result<Exposure, StoreError> {
        blocking("list", at, |path| {
            let about = missing_as_none(fs::metadata(path))?.filter(fs::Metadata::is_dir);
            Ok(of_folder(about.map(|about| about.permissions().mode())))
        })
        .await
    }

    async fn delete(&self, at: &StoreUrl, _consent: &Consent) -> Result<(), StoreError> {
        blocking("delete", at, |path| {
            if missing_as_none(fs::remove_file(path))?.is_none() {
                return Ok(());
            }
            // The last file of a backup takes the backup's own folder along, as it would on S3. Nothing further up: a folder
            // that is not empty stays by itself, and a failure here leaves only what etcd-manager leaves, too.
            if let Some(parent) = path.parent() {
                let _ = fs::remove_dir(parent);
            }
            Ok(())
        })
        .await
    }
}

impl FileStore {
    /// Writes all of `body` to `at`, atomically; what a copy from elsewhere needs.
    pub async fn receive(&self, at: &StoreUrl, mut body: ObjectBody) -> Result<(), StoreError> {
        let (path, partial) = {
            let path = path_of("write", at)?;
            let partial = blocking("write", at, |path| Ok(partial_beside(path)?)).await?;
            (path, partial)
        };
        let handle = partial.reopen().map_err(|error| failed("write", at, error.into()))?;
        let mut file = tokio::fs::File::from_std(handle);
        let copied = async {
            let count = tokio::io::copy(&mut body.reader, &mut file).await?;
            file.sync_all().await?;
            Ok(count)
        };
        let count: u64 = copied
            .await
            .map_err(|error: io::Error| failed("write", at, error.into()))?;
        if count != body.size {
            let short = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{count} of {} bytes arrived", body.size),
            );
            return Err(failed("write", at, short.into()));
        }
        blocking("write", at, move |_| Ok(finish(partial, &path, PutMode::Replace)?)).await
    }
}

/// Why a step failed, before it is known on what.
enum Failure {
    Io(io::Error),
    Kind(StoreErrorKind),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs `step` where it may block.
async fn blocking<T: Send + 'static>(
    action: &'static str,
    at: &StoreUrl,
    step: impl FnOnce(&Path) -> Result<T, Failure> + Send + 'static,
) -> Result<T, StoreError> {
    let path = path_of(action, at)?;
    match tokio::task::spawn_blocking(move || step(&path)).await {
        Ok(result) => result.map_err(|failure| failed(action, at, failure)),
        Err(stopped) => Err(failed(action, at, io::Error::other(stopped).into())),
    }
}

fn path_of(action: &'static str, at: &StoreUrl) -> Result<PathBuf, StoreError> {
    match at {
        StoreUrl::File { path } => Ok(PathBuf::from(path)),
        StoreUrl::S3 { .. } => {
            let kind = StoreErrorKind::Unsupported("not a file:// location".into());
            Err(StoreError {
                action,
                at: at.clone(),
                kind,
                source: None,
            })
        }
    }
}

fn failed(action: &'static str, at: &StoreUrl, failure: Failure) -> StoreError {
    let (kind, source) = match failure {
        Failure::Kind(kind) => (kind, None),
        Failure::Io(error) => match error.kind() {
            _ if is_missing(&error) => (StoreErrorKind::NotFound, None),
            io::ErrorKind::PermissionDenied => (StoreErrorKind::AccessDenied, Some(error)),
            io::ErrorKind::AlreadyExists => (StoreErrorKind::AlreadyExists, None),
            io::ErrorKind::StorageFull => (StoreErrorKind::Other("the disk is full".into()), None),
            _ => (StoreErrorKind::Other(error.to_string()), None),
        },
    };
    StoreError {
        action,
        at: at.clone(),
        kind,
        source: source.map(Into::into),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn missing_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a regular file; a folder is no object.
fn open_file(path: &Path) -> Result<(fs::File, u64), Failure> {
    let file = fs::File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(Failure::Kind(StoreErrorKind::NotFound));
    }
    Ok((file, about.len()))
}

/// Collects the files below `folder`. Linked folders are not entered (they may lead out, or round in a circle); a linked file
/// counts if it lies below `root` itself.
fn walk(root: &Path, folder: &Path, found: &mut Vec<ObjectInfo>) -> Result<(), Failure> {
    // A folder that retention removes while we walk is no failure.
    let Some(entries) = missing_as_none(fs::read_dir(folder))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            walk(root, &path, found)?;
            continue;
        }
        if kind.is_symlink() && !path.canonicalize().is_ok_and(|target| target.starts_with(root)) {
            continue;
        }
        let Some(about) = missing_as_none(fs::metadata(&path))?.filter(fs::Metadata::is_file) else {
            continue;
        };
        let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
            continue;
        };
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            continue;
        }
        let modified = about.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        found.push(ObjectInfo {
            path: name.to_owned(),
            size: about.len(),
            modified,
            tag: None,
        });
    }
    Ok(())
}

/// Writes a temporary file in the same directory, then renames it: a partly written file is never visible.
fn write_atomically(path: &Path, mode: PutMode, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    let mut partial = partial_beside(path)?;
    write(partial.as_file_mut())?;
    partial.as_file().sync_all()?;
    finish(partial, path, mode)
}

/// Readable by its owner only, as the files that kops and etcd-manager write (kubernetes/kops `util/pkg/vfs/fs.go`).
fn partial_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let make = || {
        fs::create_dir_all(folder)?;
        tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder)
    };
    // A concurrent delete may remove the still empty folder between the two steps: retry.
    make().or_else(|error| if is_missing(&error) { make() } else { Err(error) })
}

fn finish(partial: tempfile::NamedTempFile, path: &Path, mode: PutMode) -> io::Result<()> {
    match mode {
        PutMode::Create => partial.persist_noclobber(path),
        PutMode::Replace => partial.persist(path),
    }
    .map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
