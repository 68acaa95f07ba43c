//! Reads a whole backup and reports its content and its problems.

pub use super::known_backups::Examined;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::backup::contents::Snapshot;
use crate::model::backup::goodness::{Evidence, Facts, Lineage};
use crate::model::backup::meta::BackupMeta;
use crate::model::snapshot::Content;
use crate::ports::{ObjectStore, ReadFailure, ReadSnapshot, SnapshotReader, StoreError, StoreErrorKind};

use super::catalog::Backup;
use super::discover::EtcdStore;
use super::encryption::KeyRing;
use super::known_backups::KnownBackups;

/// More than any meta has; what is larger is none.
const META_LIMIT: u64 = 64 * 1024;

/// The backup could not be read; that says nothing about the backup.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The store did not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be read or unpacked.
    #[error("reading backup {name}")]
    Read {
        /// Which backup.
        name: String,
        /// Why.
        #[source]
        source: ReadFailure,
    },
    /// The listing that is judged by is another one than the catalog's.
    #[error("a backup was asked for that is not listed")]
    NotListed,
}

impl Failure for ExamineError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => Failure::hint(error),
            Self::Read { source, .. } => Failure::hint(source),
            Self::NotListed => None,
        }
    }
}

/// Reads a backup's meta.
///
/// # Errors
/// Where the store does not give it. A meta that is damaged is `Ok(Err(..))`: that is a fact about the backup.
pub async fn meta(objects: &dyn ObjectStore, backup: &Backup) -> Result<Result<BackupMeta, String>, StoreError> {
    match objects.get(&backup.meta(), META_LIMIT).await {
        Ok(bytes) => Ok(BackupMeta::parse(&bytes).map_err(|error| error.to_string())),
        Err(StoreError {
            kind: StoreErrorKind::TooLarge { limit },
            ..
        }) => Ok(Err(format!("_etcd_backup.meta is larger than {limit} bytes"))),
        Err(error) => Err(error),
    }
}

/// What is needed to look into backups.
#[derive(Clone, Copy)]
pub struct ExamineContext<'a> {
    /// The stores.
    pub objects: &'a dyn ObjectStore,
    /// What unpacks and decodes.
    pub reader: &'a dyn SnapshotReader,
    /// What decrypts.
    pub keys: &'a KeyRing,
    /// What was read already.
    pub known: &'a KnownBackups,
}

/// Reads a backup of `store` whole, or hands over what was read to judge it. `progress` gets the compressed bytes read so far.
///
/// # Errors
/// [`ExamineError`] where it could not be looked at. Damage is no error but a fact.
pub async fn examine(
    context: ExamineContext<'_>,
    store: &EtcdStore,
    backup: &Backup,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Examined, ExamineError> {
    let ExamineContext { objects, known, .. } = context;
    if let Some(examined) = known.take(backup) {
        return Ok(examined);
    }
    let mut problems = Vec::new();
    let meta = if backup.has_meta {
        meta(objects, backup)
            .await?
            .map_err(|problem| problems.push(problem))
            .ok()
    } else {
        problems.push("_etcd_backup.meta is missing: a partial upload, or a partly deleted backup".to_owned());
        None
    };
    let snapshot = if backup.data_size.is_some() {
        let read = match unpack(context, backup, progress).await? {
            Err(ReadFailure::DiskFull { .. }) if known.let_go() => unpack(context, backup, progress).await?,
            read => read,
        };
        Some(read.map_err(|source| ExamineError::Read {
            name: backup.name.to_string(),
            source,
        })?)
    } else {
        problems.push("etcd.backup.gz is missing: a partly deleted backup".to_owned());
        None
    };
    problems.extend(
        snapshot
            .iter()
            .flat_map(|snapshot| snapshot.problems.iter().map(ToString::to_string)),
    );

    let mut facts = Facts {
        name: backup.name.clone(),
        problems,
        revision: 0,
        lineage: Lineage::None,
        evidence: Evidence::default(),
    };
    if let Some(
        read @ ReadSnapshot {
            content: Some(content),
            db: Some(_),
            ..
        },
    ) = &snapshot
    {
        facts.revision = content.revision;
        facts.evidence = evidence(content);
        facts.lineage = lineage(context, store, read).await;
    }
    Ok(Examined { facts, meta, snapshot })
}

async fn unpack(
    context: ExamineContext<'_>,
    backup: &Backup,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Result<ReadSnapshot, ReadFailure>, StoreError> {
    let body = context.objects.open(&backup.data()).await?;
    Ok(context.reader.read(body, progress).await)
}

/// The cluster's identity: the UID of namespace `kube-system`. Where that is encrypted, the keys are read.
pub async fn lineage(context: ExamineContext<'_>, store: &EtcdStore, snapshot: &ReadSnapshot) -> Lineage {
    let (Some(content), Some(db)) = (&snapshot.content, &snapshot.db) else {
        return Lineage::None;
    };
    let snapshot = Snapshot::new(content, db.as_ref());
    let identity = if snapshot.has_encrypted_identity() {
        let keys = context.keys.of(context.objects, store).await;
        snapshot.with_keys(&keys).identity()
    } else {
        snapshot.identity()
    };
    // What cannot be read at its place is reported as damage by the reader.
    identity.unwrap_or(Lineage::Unknown)
}

/// What its keys show.
#[must_use]
pub fn evidence(content: &Content) -> Evidence {
    Evidence::of_keys(content.keys.iter().map(|live| live.key.as_slice()))
}
