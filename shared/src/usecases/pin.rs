//! Pinned backups: copies at `<cluster>/backups/recovery/<etcd>/<NAME>/`, where etcd-manager's clean-up never comes.

use super::catalog::{Backup, Catalog};
use crate::consent::Consent;
use crate::exit::Exit;
use crate::failure::{Failure, with_repeating};
use crate::model::backup::name::BackupName;
use crate::model::etcd_manager::layout;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError};

/// A copy to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which backup.
    pub name: BackupName,
    /// Its folder.
    pub from: StoreUrl,
    /// The folder of the copy.
    pub to: StoreUrl,
    data_size: Option<u64>,
}

/// It cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A half is no backup.
    #[error("backup {0} is incomplete: data or meta is missing")]
    Incomplete(BackupName),
    /// The cluster's folder in the state store is not known.
    #[error("{0} does not show which cluster it belongs to")]
    NoPlace(StoreUrl),
    /// The copy is not what was copied.
    #[error("the copy {at} has {found} bytes instead of {wanted}: it is incomplete")]
    Different {
        /// The copy.
        at: StoreUrl,
        /// Its size in bytes.
        found: u64,
        /// The size it should have.
        wanted: u64,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something was done already.
    #[error("{done}, and then: {source}")]
    Midway {
        /// What.
        done: String,
        /// What failed then.
        source: Box<PinError>,
    },
}

impl PinError {
    /// The same, once something was done before.
    #[must_use]
    pub fn after(self, done: impl Into<String>) -> Self {
        Self::Midway {
            done: done.into(),
            source: Box::new(self),
        }
    }
}

impl Failure for PinError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => Failure::exit(error),
            Self::Different { .. } | Self::Midway { .. } => Exit::FailedAfterChange,
            Self::Incomplete(_) | Self::NoPlace(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Midway { source, .. } => Some(with_repeating(source.hint(), "does the rest")),
            Self::NoPlace(_) => Some("pass --state and --name as well".to_owned()),
            Self::Store(error) => Failure::hint(error),
            Self::Different { .. } => Some("repeat the command: it copies again".to_owned()),
            Self::Incomplete(_) => None,
        }
    }
}

/// What pinning a backup takes; nothing where it is pinned already.
///
/// # Errors
/// Where it cannot be pinned.
pub fn plan_pin(catalog: &Catalog, backup: &Backup) -> Result<Option<Pin>, PinError> {
    if backup.pinned.is_some() {
        return Ok(None);
    }
    if !backup.complete() {
        return Err(PinError::Incomplete(backup.name.clone()));
    }
    let recovery = catalog
        .store
        .recovery
        .as_ref()
        .ok_or_else(|| PinError::NoPlace(catalog.store.base.clone()))?;
    Ok(Some(Pin {
        name: backup.name.clone(),
        from: backup.folder.clone(),
        to: recovery.join(backup.name.as_str()),
        data_size: backup.data_size,
    }))
}

/// What it takes to bring a pinned backup back to where etcd-manager finds it.
#[must_use]
pub fn plan_copy_back(catalog: &Catalog, backup: &Backup) -> Pin {
    Pin {
        name: backup.name.clone(),
        from: backup.pinned.clone().unwrap_or_else(|| backup.folder.clone()),
        to: catalog.store.base.join(backup.name.as_str()),
        data_size: backup.data_size,
    }
}

/// Copies data first and meta last, so that a broken-off copy is no backup. Doing it again completes it.
///
/// # Errors
/// Where the store refuses, or the copy is not of the same size.
pub async fn pin(objects: &dyn ObjectStore, pin: &Pin, consent: &Consent) -> Result<(), PinError> {
    let data = pin.to.join(layout::DATA_FILE);
    objects.copy(&pin.from.join(layout::DATA_FILE), &data, consent).await?;
    finish(objects, pin, data, consent)
        .await
        .map_err(|error| error.after("the data was copied"))
}

/// Looks whether the data arrived whole, and only then makes it a backup.
async fn finish(objects: &dyn ObjectStore, pin: &Pin, data: StoreUrl, consent: &Consent) -> Result<(), PinError> {
    let found = objects
        .list(&pin.to)
        .await?
        .into_iter()
        .find(|object| object.path == layout::DATA_FILE);
    let (found, wanted) = (found.map_or(0, |object| object.size), pin.data_size.unwrap_or_default());
    if found != wanted {
        return Err(PinError::Different {
            at: data,
            found,
            wanted,
        });
    }
    objects
        .copy(
            &pin.from.join(layout::META_FILE),
            &pin.to.join(layout::META_FILE),
            consent,
        )
        .await?;
    Ok(())
}

/// Deletes the meta first, so that what is left of a broken-off deletion is no backup. Doing it again completes it.
///
/// # Errors
/// Where the store refuses.
pub async fn unpin(objects: &dyn ObjectStore, backup: &Backup, consent: &Consent) -> Result<(), PinError> {
    if let Some(folder) = backup.pinned.as_ref().or(backup.half_pinned.as_ref()) {
        objects.delete(&folder.join(layout::META_FILE), consent).await?;
        let data = objects.delete(&folder.join(layout::DATA_FILE), consent).await;
        data.map_err(|error| PinError::from(error).after("the meta was deleted"))?;
    }
    Ok(())
}
