//! Copies backups to another store: data first, meta last, each copy compared with what it is a copy of.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_manager::layout::{DATA_FILE, META_FILE};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{ObjectInfo, ObjectSpooler, ObjectStore, PutMode, SnapshotReader, StoreErrorKind};
use runbook_kit::usecases::catalog::{self, Backup, Catalog};
use runbook_kit::usecases::choose::{ChooseContext, ChooseError, Judge};
use runbook_kit::usecases::discover::EtcdStore;
use runbook_kit::usecases::encryption::KeyRing;
use runbook_kit::usecases::known_backups::KnownBackups;

use super::copy_row::{CopyRow, How, State};
use super::hashed;
use crate::rules::copies::{
    Compared, Files, Listed, backups_of, compare, expired, is_expired, is_same_store, same_tag,
};

/// A meta of etcd-manager has a hundred bytes.
pub const META_LIMIT: u64 = 64 * 1024;

/// The ports that copying uses.
#[derive(Clone, Copy)]
pub struct CopyPorts<'a> {
    pub source: &'a dyn ObjectStore,
    pub target: &'a dyn ObjectStore,
    /// Whether both are reached with the same credentials: then S3 may copy by itself.
    pub same_credentials: bool,
    pub spooler: &'a dyn ObjectSpooler,
    pub reader: &'a dyn SnapshotReader,
    pub keys: &'a KeyRing,
}

/// What is to be done for one etcd cluster.
pub struct CopyPlan {
    pub cluster: String,
    pub etcd: String,
    /// Where its copies lie.
    pub base: StoreUrl,
    pub items: Vec<Item>,
    /// Copies that are no longer kept, oldest first.
    pub deletes: Vec<BackupName>,
    /// Why none is deleted, or what else is to be known.
    pub notes: Vec<String>,
}

/// One backup to be copied.
pub struct Item {
    pub name: BackupName,
    pub from: StoreUrl,
    pub to: StoreUrl,
    pub source: Files,
    pub state: State,
}

/// How long copies are kept.
#[derive(Clone, Copy)]
pub struct Keep {
    pub keep: Option<SignedDuration>,
    pub now: Timestamp,
}

/// Plans the copies of `wanted`, all of one etcd cluster, and what of the destination is no longer kept.
pub async fn plan(
    ports: CopyPorts<'_>,
    catalog: &Catalog,
    wanted: &[&Backup],
    to: &StoreUrl,
    keep: Keep,
) -> Result<CopyPlan, AnyFailure> {
    let store = &catalog.store;
    let base = backups_of(to, &store.cluster, &store.etcd);
    let there = ports.target.list(&base).await?;
    let here = listings(ports, wanted).await?;
    // A folder has one real name, and copies of files may keep their times; where nothing is deleted, that does no harm.
    let may_be_the_same = matches!(base, StoreUrl::S3 { .. }) || keep.keep.is_some();
    for (_, listing) in &here {
        if may_be_the_same && is_same_store(listing, &there) {
            return Err(CommandError::refused(format!(
                "{base} holds the very objects of {}: it is the same store by another name",
                store.base
            ))
            .hint("pass the URL of another store with --to")
            .into());
        }
    }
    let mut items = Vec::new();
    let mut notes = Vec::new();
    for backup in wanted {
        if keep.keep.is_some_and(|age| is_expired(&backup.name, age, keep.now)) {
            notes.push(format!(
                "{} {} is older than --keep: not copied",
                store.etcd, backup.name
            ));
            continue;
        }
        let parent = backup.folder.parent().unwrap_or_else(|| backup.folder.clone());
        let listing = here
            .iter()
            .find(|(place, _)| *place == parent)
            .map(|(_, listing)| listing);
        let source = Files::of(listing.map(Vec::as_slice).unwrap_or_default(), &backup.name);
        let mut item = Item {
            name: backup.name.clone(),
            from: backup.folder.clone(),
            to: base.join(backup.name.as_str()),
            source,
            state: State::Planned,
        };
        item.state = state_of(ports, &item, &Files::of(&there, &backup.name)).await?;
        items.push(item);
    }
    let deletes = match keep.keep {
        Some(age) => deletes(ports, store, &base, &items, age, keep.now, &mut notes).await?,
        None => Vec::new(),
    };
    Ok(CopyPlan {
        cluster: store.cluster.clone(),
        etcd: store.etcd.clone(),
        base,
        items,
        deletes,
        notes,
    })
}

/// The folders that hold the wanted backups: the store's own, and that of pinned ones.
async fn listings(ports: CopyPorts<'_>, wanted: &[&Backup]) -> Result<Vec<(StoreUrl, Vec<ObjectInfo>)>, AnyFailure> {
    let mut found: Vec<(StoreUrl, Vec<ObjectInfo>)> = Vec::new();
    for backup in wanted {
        let Some(parent) = backup.folder.parent() else {
            continue;
        };
        if !found.iter().any(|(place, _)| *place == parent) {
            let listing = ports.source.list(&parent).await?;
            found.push((parent, listing));
        }
    }
    Ok(found)
}

async fn state_of(ports: CopyPorts<'_>, item: &Item, target: &Files) -> Result<State, AnyFailure> {
    Ok(match compare(&item.source, target) {
        Compared::Absent | Compared::Half => State::Planned,
        Compared::Same => State::There,
        Compared::Different => State::Different,
        Compared::Similar => {
            let ours = ports.source.get(&item.from.join(META_FILE), META_LIMIT).await?;
            let theirs = ports.target.get(&item.to.join(META_FILE), META_LIMIT).await?;
            if ours == theirs { State::There } else { State::Different }
        }
    })
}

/// What the destination no longer keeps. It never loses its newest good copy; where none can be told to be good, nothing is deleted.
async fn deletes(
    ports: CopyPorts<'_>,
    store: &EtcdStore,
    base: &StoreUrl,
    items: &[Item],
    age: SignedDuration,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<Vec<BackupName>, AnyFailure> {
    let copies = EtcdStore {
        base: base.clone(),
        recovery: None,
        ..store.clone()
    };
    let Some(catalog) = catalog::read(ports.target, &[copies], now).await?.pop() else {
        return Ok(Vec::new());
    };
    let names: Vec<(BackupName, bool)> = catalog
        .backups
        .iter()
        .map(|backup| (backup.name.clone(), backup.complete()))
        .collect();
    let mut spared: Vec<BackupName> = items.iter().map(|item| item.name.clone()).collect();
    let without_good = expired(&names, age, now, &spared);
    if without_good.is_empty() {
        return Ok(without_good);
    }
    let known = KnownBackups::default();
    let looking = ChooseContext {
        objects: ports.target,
        reader: ports.reader,
        lineage: None,
        known: &known,
        keys: ports.keys,
    };
    match Judge::new(looking, &catalog).latest_good(None).await {
        Ok(good) => spared.push(good.backup.name.clone()),
        Err(ChooseError::NoneGood { .. } | ChooseError::Undecided { .. }) => {
            notes.push(format!(
                "no copy of etcd {} is known to be good: none is deleted",
                store.etcd
            ));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(expired(&names, age, now, &spared))
}

/// Copies what is missing of one backup. `changed` is set as soon as something was written.
pub async fn copy(
    ports: CopyPorts<'_>,
    item: &Item,
    changed: &mut bool,
    progress: &(dyn Fn(u64) + Send + Sync),
    consent: &Consent,
) -> Result<(State, Option<How>), AnyFailure> {
    // Since the plan somebody else may have written there.
    let there = listed(ports, item).await?;
    match state_of(ports, item, &there).await? {
        State::Planned => {}
        other => return Ok((other, None)),
    }
    let mut how = None;
    let data = item.to.join(DATA_FILE);
    match &there.data {
        None => how = Some(data_to(ports, item, &data, changed, progress, consent).await?),
        Some(found) => {
            if !same_data(ports, item, found, None).await? {
                return Ok((State::Different, None));
            }
        }
    }
    let content = ports.source.get(&item.from.join(META_FILE), META_LIMIT).await?;
    let meta = item.to.join(META_FILE);
    match ports.target.put(&meta, content.clone(), PutMode::Create, consent).await {
        Err(error) if error.kind != StoreErrorKind::AlreadyExists => return Err(error.into()),
        Ok(()) => *changed = true,
        Err(_) => {}
    }
    if ports.target.get(&meta, META_LIMIT).await? != content {
        return Ok((State::Different, None));
    }
    Ok((State::Copied, how))
}

async fn listed(ports: CopyPorts<'_>, item: &Item) -> Result<Files, AnyFailure> {
    let found = ports.target.list(&item.to).await?;
    let file = |name: &str| {
        found.iter().find(|object| object.path == name).map(|object| Listed {
            size: object.size,
            tag: object.tag.clone(),
            modified: object.modified,
        })
    };
    Ok(Files {
        data: file(DATA_FILE),
        meta: file(META_FILE),
    })
}

/// On the servers' side where they can, else by way of this machine; then compares.
async fn data_to(
    ports: CopyPorts<'_>,
    item: &Item,
    data: &StoreUrl,
    changed: &mut bool,
    progress: &(dyn Fn(u64) + Send + Sync),
    consent: &Consent,
) -> Result<How, AnyFailure> {
    let from = item.from.join(DATA_FILE);
    let both_s3 = matches!((&from, data), (StoreUrl::S3 { .. }, StoreUrl::S3 { .. }));
    let mut by_server = false;
    if both_s3 && ports.same_credentials {
        match ports.target.copy(&from, data, consent).await {
            Ok(()) => by_server = true,
            Err(error) if error.may_have_happened() => {
                *changed = true;
                return Err(error.into());
            }
            // Of another region or account: what cannot be read or written at all fails again, by its own name.
            Err(_) => {}
        }
    }
    let mut hash = None;
    if !by_server {
        let body = ports.source.open(&from).await?;
        let (spooled, sha256) = ports.spooler.spool(body, progress).await?;
        match ports
            .target
            .put_file(data, spooled.path(), PutMode::Create, consent)
            .await
        {
            Ok(()) => hash = Some(sha256),
            // A repeated request may find what its first attempt has written: it is compared like any other.
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => hash = Some(sha256),
            Err(error) => {
                *changed |= Failure::exit(&error) == runbook_kit::exit::Exit::FailedAfterChange;
                return Err(error.into());
            }
        }
    }
    *changed = true;
    let found = listed(ports, item).await?.data;
    let is_same = match &found {
        Some(found) => same_data(ports, item, found, hash).await?,
        None => false,
    };
    if !is_same {
        return Err(CommandError::after_change(format!(
            "{data} is not what {from} is: it has no meta, so it is no backup"
        ))
        .hint("check the destination, delete that object, then repeat the command")
        .into());
    }
    Ok(if by_server { How::Server } else { How::Streamed })
}

/// By tags where both have some that are of the content alone, else by the SHA-256 of what is read back.
async fn same_data(
    ports: CopyPorts<'_>,
    item: &Item,
    found: &Listed,
    hash: Option<[u8; 32]>,
) -> Result<bool, AnyFailure> {
    let Some(source) = &item.source.data else {
        return Ok(false);
    };
    if source.size != found.size {
        return Ok(false);
    }
    if same_tag(source, found) == Some(true) {
        return Ok(true);
    }
    let hash = match hash {
        Some(hash) => hash,
        None => hashed::sha256(ports.source, &item.from.join(DATA_FILE)).await?,
    };
    Ok(hash == hashed::sha256(ports.target, &item.to.join(DATA_FILE)).await?)
}

/// Deletes a copy, its meta first.
pub async fn delete(
    ports: CopyPorts<'_>,
    base: &StoreUrl,
    name: &BackupName,
    changed: &mut bool,
    consent: &Consent,
) -> Result<(), AnyFailure> {
    let folder = base.join(name.as_str());
    for file in [META_FILE, DATA_FILE] {
        ports.target.delete(&folder.join(file), consent).await?;
        *changed = true;
    }
    Ok(())
}

impl CopyPlan {
    /// The rows of the plan.
    pub fn rows(&self) -> Vec<CopyRow> {
        let items = self.items.iter().map(|item| self.row(item, item.state, None));
        let deletes = self.deletes.iter().map(|name| self.deleted(name, State::ToDelete));
        items.chain(deletes).collect()
    }

    pub fn row(&self, item: &Item, state: State, how: Option<How>) -> CopyRow {
        CopyRow {
            cluster: self.cluster.clone(),
            etcd: self.etcd.clone(),
            name: item.name.to_string(),
            state,
            size_bytes: item.source.data.as_ref().map(|data| data.size),
            how,
            from: Some(item.from.to_string()),
            to: item.to.to_string(),
        }
    }

    pub fn deleted(&self, name: &BackupName, state: State) -> CopyRow {
        CopyRow {
            cluster: self.cluster.clone(),
            etcd: self.etcd.clone(),
            name: name.to_string(),
            state,
            size_bytes: None,
            how: None,
            from: None,
            to: self.base.join(name.as_str()).to_string(),
        }
    }
}
