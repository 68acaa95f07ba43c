//! Reads one backup whole and says what is in it and what is wrong with it.

use crate::domain::backup_meta::BackupMeta;
use crate::domain::contents::Snapshot;
use crate::domain::goodness::Facts;
use crate::domain::kube::key::ObjectKey;
use crate::domain::snapshot::Content;
use crate::error::Failure;
use crate::exit::Exit;
use crate::ports::{ObjectStore, ReadFailure, ReadSnapshot, SnapshotReader, StoreError, StoreErrorKind};

use super::catalog::Backup;

/// Below it kube-apiserver keeps the Nodes.
const NODES_PREFIX: &[u8] = b"/registry/minions/";
/// More than any meta has; what is larger is none.
const META_LIMIT: u64 = 64 * 1024;

/// One backup that was read.
pub struct Examined {
    /// What its goodness is judged by.
    pub facts: Facts,
    /// Its meta, where it could be read.
    pub meta: Option<BackupMeta>,
    /// The snapshot; `None` where there is no data to read.
    pub snapshot: Option<ReadSnapshot>,
}

impl Examined {
    /// What the snapshot holds, where it could be decoded.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        self.snapshot.as_ref().and_then(|snapshot| snapshot.content.as_ref())
    }

    /// Whether nothing is damaged.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.facts.problems.is_empty()
    }
}

/// The backup could not be looked at; that says nothing about the backup.
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
}

impl Failure for ExamineError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => Failure::hint(error),
            Self::Read { source, .. } => Failure::hint(source),
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

/// Reads a backup whole. `progress` is told the compressed bytes read so far.
///
/// # Errors
/// [`ExamineError`] where it could not be looked at. Damage is no error but a fact.
pub async fn examine(
    objects: &dyn ObjectStore,
    reader: &dyn SnapshotReader,
    backup: &Backup,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Examined, ExamineError> {
    let mut problems = Vec::new();
    let meta = if backup.has_meta {
        meta(objects, backup)
            .await?
            .map_err(|problem| problems.push(problem))
            .ok()
    } else {
        problems.push("_etcd_backup.meta is missing: a partial upload, or a half-removed backup".to_owned());
        None
    };
    let snapshot = if backup.data_size.is_some() {
        let body = objects.open(&backup.data()).await?;
        let read = reader.read(body, progress).await;
        Some(read.map_err(|source| ExamineError::Read {
            name: backup.name.to_string(),
            source,
        })?)
    } else {
        problems.push("etcd.backup.gz is missing: a half-removed backup".to_owned());
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
        keys: 0,
        nodes: 0,
        lineage: None,
    };
    if let Some(ReadSnapshot {
        content: Some(content),
        db: Some(_),
        ..
    }) = &snapshot
    {
        facts.revision = content.revision;
        facts.keys = content.keys.len() as u64;
        facts.nodes = nodes(content);
        facts.lineage = snapshot.as_ref().and_then(lineage);
    }
    Ok(Examined { facts, meta, snapshot })
}

/// The cluster's identity: the UID of namespace `kube-system`.
#[must_use]
pub fn lineage(snapshot: &ReadSnapshot) -> Option<String> {
    let (content, db) = (snapshot.content.as_ref()?, snapshot.db.as_ref()?);
    Snapshot::new(content, db.as_ref()).lineage().ok().flatten()
}

/// How many Nodes there are; under another prefix than kube-apiserver's default one every key is looked at.
fn nodes(content: &Content) -> u64 {
    let usual = content.below(NODES_PREFIX).len() as u64;
    if usual > 0 {
        return usual;
    }
    content
        .keys
        .iter()
        .filter(|live| ObjectKey::parse(&live.key).is("nodes"))
        .count() as u64
}
