//! What a store holds: its own backups, and those that were pinned beside it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use super::discover::EtcdStore;
use crate::model::backup::name::BackupName;
use crate::model::backup::retention::{self, Keep};
use crate::model::etcd_manager::layout::{self, Listing};
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectInfo, ObjectStore, StoreError};

/// The backups of one etcd cluster.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Whose they are, and where.
    pub store: EtcdStore,
    /// All of them, halves included, oldest first.
    pub backups: Vec<Backup>,
    /// The store's own listing: control files and what does not belong there.
    pub listing: Listing,
}

/// One backup.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its name.
    pub name: BackupName,
    /// The folder to read it from: the store's own where it is whole, else the pinned copy.
    pub folder: StoreUrl,
    /// The size of `etcd.backup.gz` in bytes, where there is one.
    pub data_size: Option<u64>,
    /// What tells this content of it from any other, where the store has such a tag.
    pub data_tag: Option<String>,
    /// Whether `_etcd_backup.meta` is there.
    pub has_meta: bool,
    /// Whether it is in the store's own folder, where etcd-manager finds it.
    pub in_store: bool,
    /// The pinned copy's folder, out of retention's reach.
    pub pinned: Option<StoreUrl>,
    /// A partly written or partly deleted pinned copy: not a backup, and never removed by etcd-manager.
    pub half_pinned: Option<StoreUrl>,
    /// What etcd-manager's clean-up will do to it; `None` for what it does not look at.
    pub keep: Option<Keep>,
}

impl Backup {
    /// Whether data and meta are there: only then it is a backup.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.has_meta && self.data_size.is_some()
    }

    /// Where the data is.
    #[must_use]
    pub fn data(&self) -> StoreUrl {
        self.folder.join(layout::DATA_FILE)
    }

    /// Where the meta is.
    #[must_use]
    pub fn meta(&self) -> StoreUrl {
        self.folder.join(layout::META_FILE)
    }

    /// Its age.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.name.created())
    }
}

impl Catalog {
    /// The complete ones, oldest first.
    pub fn complete(&self) -> impl DoubleEndedIterator<Item = &Backup> {
        self.backups.iter().filter(|backup| backup.complete())
    }

    /// The newest complete one.
    #[must_use]
    pub fn latest(&self) -> Option<&Backup> {
        self.complete().next_back()
    }
}

/// Lists the stores: one listing for each, and one for each folder of pinned backups.
///
/// # Errors
/// Where a listing fails.
pub async fn read(objects: &dyn ObjectStore, stores: &[EtcdStore], now: Timestamp) -> Result<Vec<Catalog>, StoreError> {
    let folders: BTreeSet<StoreUrl> = stores
        .iter()
        .filter_map(|store| store.recovery.as_ref().and_then(StoreUrl::parent))
        .collect();
    let pins = try_join_all(folders.iter().map(|folder| async move {
        let found = objects.list(folder).await?;
        Ok::<_, StoreError>((folder.clone(), found))
    }));
    let bases = try_join_all(stores.iter().map(|store| objects.list(&store.base)));
    let (pins, bases) = futures::future::try_join(pins, bases).await?;
    let pins: BTreeMap<_, _> = pins.into_iter().collect();

    Ok(stores
        .iter()
        .zip(&bases)
        .map(|(store, base)| {
            let listing = Listing::of(base.iter().map(|object| (object.path.as_str(), object.size)));
            let recovery = store.recovery.as_ref().and_then(|recovery| {
                let below = format!("{}/", recovery.name());
                let found = pins.get(&recovery.parent()?)?;
                Some(Listing::of(found.iter().filter_map(|object| {
                    Some((object.path.strip_prefix(&below)?, object.size))
                })))
            });
            let mut catalog = combine(store, listing, recovery.unwrap_or_default(), now);
            tag(&mut catalog, &store.base, base.iter());
            let folder = store.recovery.as_ref().and_then(StoreUrl::parent);
            for (folder, found) in folder.iter().filter_map(|folder| Some((folder, pins.get(folder)?))) {
                tag(&mut catalog, folder, found.iter());
            }
            catalog
        })
        .collect())
}

/// Gives the backups below `at` the tags of their data.
fn tag<'o>(catalog: &mut Catalog, at: &StoreUrl, objects: impl Iterator<Item = &'o ObjectInfo>) {
    let tags: HashMap<StoreUrl, &String> = objects
        .filter_map(|object| Some((at.join(&object.path), object.tag.as_ref()?)))
        .collect();
    for backup in &mut catalog.backups {
        if let Some(&tag) = tags.get(&backup.data()) {
            backup.data_tag = Some(tag.clone());
        }
    }
}

fn combine(store: &EtcdStore, listing: Listing, pinned: Listing, now: Timestamp) -> Catalog {
    // etcd-manager takes every folder with a meta for a backup.
    let names: Vec<BackupName> = listing
        .backups
        .iter()
        .filter(|backup| backup.has_meta)
        .map(|backup| backup.name.clone())
        .collect();
    let keeps: HashMap<BackupName, Keep> = retention::replay(&names, now, store.retention());

    let mut backups: BTreeMap<BackupName, Backup> = listing
        .backups
        .iter()
        .map(|found| {
            let backup = Backup {
                name: found.name.clone(),
                folder: store.base.join(found.name.as_str()),
                data_size: found.data_size,
                data_tag: None,
                has_meta: found.has_meta,
                in_store: true,
                pinned: None,
                half_pinned: None,
                keep: keeps.get(&found.name).copied(),
            };
            (found.name.clone(), backup)
        })
        .collect();
    for (pin, recovery) in pinned
        .backups
        .into_iter()
        .zip(std::iter::repeat(store.recovery.as_ref()))
    {
        let Some(folder) = recovery.map(|recovery| recovery.join(pin.name.as_str())) else {
            continue;
        };
        if !pin.complete() {
            let own = backups.entry(pin.name.clone()).or_insert_with(|| Backup {
                name: pin.name.clone(),
                folder: folder.clone(),
                data_size: pin.data_size,
                data_tag: None,
                has_meta: pin.has_meta,
                in_store: false,
                pinned: None,
                half_pinned: None,
                keep: None,
            });
            own.half_pinned = Some(folder);
            continue;
        }
        match backups.get_mut(&pin.name) {
            Some(own) if own.complete() => own.pinned = Some(folder),
            Some(half) => {
                half.pinned = Some(folder.clone());
                (half.folder, half.data_size, half.has_meta) = (folder, pin.data_size, true);
            }
            None => {
                let backup = Backup {
                    name: pin.name.clone(),
                    folder: folder.clone(),
                    data_size: pin.data_size,
                    data_tag: None,
                    has_meta: true,
                    in_store: false,
                    pinned: Some(folder),
                    half_pinned: None,
                    keep: None,
                };
                backups.insert(pin.name, backup);
            }
        }
    }
    Catalog {
        store: store.clone(),
        backups: backups.into_values().collect(),
        listing,
    }
}
