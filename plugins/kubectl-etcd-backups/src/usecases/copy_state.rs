//! Copies what a state store needs to live beside the backups: spec, instance groups, keys, secrets, manifests.
//!
//! Each copy is a dated folder of its own, so none is ever overwritten; it is complete once its manifest is there.

use jiff::Timestamp;
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{ObjectStore, PutMode};

use super::copy::{CopyPorts, Keep};
use super::copy_row::{CopyRow, How, State};
use super::hashed;
use crate::rules::copies::expired;
use crate::rules::state_copy::{MANIFEST, Manifest, StateFile, complete, is_state, parts, states_of, written};

/// More than any file of kops.
const LARGEST_FILE: u64 = 64 << 20;
const MOST_FILES: usize = 20_000;
const LARGEST_MANIFEST: u64 = 16 << 20;

/// Where a cluster's state lies.
pub struct Places {
    pub cluster: String,
    pub folder: StoreUrl,
    pub config_base: StoreUrl,
    pub key_store: StoreUrl,
}

/// One copy to be made, or why none is.
pub struct StatePlan {
    cluster: String,
    base: StoreUrl,
    name: BackupName,
    manifest: Manifest,
    /// Each file's location, in the manifest's order.
    sources: Vec<StoreUrl>,
    /// The newest complete copy is the same.
    unchanged: Option<BackupName>,
    deletes: Vec<(BackupName, Manifest)>,
}

pub async fn plan(ports: CopyPorts<'_>, places: Places, to: &StoreUrl, keep: Keep) -> Result<StatePlan, AnyFailure> {
    let base = states_of(to, &places.cluster);
    let cluster = places.cluster;
    let parts = parts(places.folder, places.config_base, places.key_store);
    let (manifest, sources) = read(ports.source, &cluster, &parts).await?;
    if manifest.files.is_empty() {
        let places: Vec<String> = parts.iter().map(|(_, place)| place.to_string()).collect();
        return Err(CommandError::failed(format!("there is no state in {}", places.join(", "))).into());
    }
    let there = ports.target.list(&base).await?;
    let copies = complete(&there);
    let unchanged = match copies.last() {
        Some(newest) => {
            let theirs = manifest_of(ports.target, &base, newest).await?;
            (theirs == manifest && all_there(&there, newest, &theirs)).then(|| newest.clone())
        }
        None => None,
    };
    let mut deletes = Vec::new();
    if let Some(age) = keep.keep {
        let names: Vec<(BackupName, bool)> = copies.iter().map(|name| (name.clone(), true)).collect();
        for name in expired(&names, age, keep.now, &[]) {
            let manifest = manifest_of(ports.target, &base, &name).await?;
            deletes.push((name, manifest));
        }
    }
    Ok(StatePlan {
        cluster,
        base,
        name: fresh_name(keep.now),
        manifest,
        sources,
        unchanged,
        deletes,
    })
}

fn fresh_name(now: Timestamp) -> BackupName {
    BackupName::first_of(now)
}

/// All files with their hashes.
async fn read(
    objects: &dyn ObjectStore,
    cluster: &str,
    parts: &[(String, StoreUrl)],
) -> Result<(Manifest, Vec<StoreUrl>), AnyFailure> {
    let mut files = Vec::new();
    for (folder, place) in parts {
        let listing = objects.list(place).await?;
        for object in listing.iter().filter(|object| is_state(&object.path)) {
            let at = place.join(&object.path);
            if files.len() >= MOST_FILES {
                return Err(CommandError::failed(format!("{place} has more than {MOST_FILES} files")).into());
            }
            let content = objects.get(&at, LARGEST_FILE).await?;
            let path = match folder.as_str() {
                "" => object.path.clone(),
                folder => format!("{folder}/{}", object.path),
            };
            let file = StateFile {
                path,
                size_bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
                sha256: hashed::hex(&content),
            };
            files.push((file, at));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let (files, sources) = files.into_iter().unzip();
    let parts = parts.iter().map(|(name, place)| (name.clone(), place.to_string()));
    let manifest = Manifest {
        cluster: cluster.to_owned(),
        parts: parts.collect(),
        files,
    };
    Ok((manifest, sources))
}

async fn manifest_of(objects: &dyn ObjectStore, base: &StoreUrl, name: &BackupName) -> Result<Manifest, AnyFailure> {
    let at = base.join(name.as_str()).join(MANIFEST);
    let content = objects.get(&at, LARGEST_MANIFEST).await?;
    serde_json::from_slice(&content).map_err(|error| {
        CommandError::failed(format!("{at} is not the manifest of a copy: {error}"))
            .hint("check who wrote it; move it away to have a new copy made")
            .into()
    })
}

fn all_there(listing: &[runbook_kit::ports::ObjectInfo], name: &BackupName, manifest: &Manifest) -> bool {
    manifest.files.iter().all(|file| {
        let path = format!("{name}/{}", file.path);
        listing
            .iter()
            .any(|object| object.path == path && object.size == file.size_bytes)
    })
}

/// Writes every file, reads it back, and writes the manifest last.
pub async fn copy(
    ports: CopyPorts<'_>,
    plan: &StatePlan,
    changed: &mut bool,
    progress: &(dyn Fn(u64) + Send + Sync),
    consent: &Consent,
) -> Result<(), AnyFailure> {
    let folder = plan.base.join(plan.name.as_str());
    let meanwhile = |at: &StoreUrl| {
        CommandError::failed(format!("{at} was changed while it was copied"))
            .hint("repeat the command: it makes a new copy; the incomplete one has no manifest")
    };
    let mut done = 0;
    for (file, source) in plan.manifest.files.iter().zip(&plan.sources) {
        let content = ports.source.get(source, LARGEST_FILE).await?;
        if hashed::hex(&content) != file.sha256 {
            return Err(meanwhile(source).into());
        }
        let target = folder.join(&file.path);
        ports.target.put(&target, content, PutMode::Create, consent).await?;
        *changed = true;
        let back = ports.target.get(&target, LARGEST_FILE).await?;
        if hashed::hex(&back) != file.sha256 {
            return Err(meanwhile(&target).into());
        }
        done += file.size_bytes;
        progress(done);
    }
    let content = serde_json::to_vec_pretty(&plan.manifest)
        .map_err(|error| CommandError::failed(format!("writing the manifest: {error}")))?;
    ports
        .target
        .put(&folder.join(MANIFEST), content, PutMode::Create, consent)
        .await?;
    *changed = true;
    Ok(())
}

/// Deletes the copies that are no longer kept: of each what its own manifest names, the manifest first.
pub async fn delete(
    ports: CopyPorts<'_>,
    plan: &StatePlan,
    changed: &mut bool,
    consent: &Consent,
) -> Result<Vec<CopyRow>, AnyFailure> {
    let mut rows = Vec::new();
    for (name, manifest) in &plan.deletes {
        for path in written(name, manifest) {
            ports.target.delete(&plan.base.join(&path), consent).await?;
            *changed = true;
        }
        rows.push(plan.row(name, State::Deleted, None));
    }
    Ok(rows)
}

impl StatePlan {
    /// Whether there is something to copy.
    pub fn is_needed(&self) -> bool {
        self.unchanged.is_none()
    }

    pub fn size(&self) -> u64 {
        self.manifest.files.iter().map(|file| file.size_bytes).sum()
    }

    /// The row of the copy itself.
    pub fn copied(&self, state: State) -> CopyRow {
        match &self.unchanged {
            Some(name) => self.row(name, State::There, None),
            None => self.row(&self.name, state, (state == State::Copied).then_some(How::Streamed)),
        }
    }

    /// The rows of the plan.
    pub fn rows(&self) -> Vec<CopyRow> {
        let deletes = self
            .deletes
            .iter()
            .map(|(name, _)| self.row(name, State::ToDelete, None));
        std::iter::once(self.copied(State::Planned)).chain(deletes).collect()
    }

    fn row(&self, name: &BackupName, state: State, how: Option<How>) -> CopyRow {
        let is_delete = matches!(state, State::ToDelete | State::Deleted);
        let from = self.manifest.parts.first().map(|(_, place)| place.clone());
        CopyRow {
            cluster: self.cluster.clone(),
            etcd: String::new(),
            name: name.to_string(),
            state,
            size_bytes: (!is_delete).then(|| self.size()),
            how,
            from: from.filter(|_| !is_delete),
            to: self.base.join(name.as_str()).to_string(),
        }
    }
}
