//! Takes a backup of a living etcd into its store, as etcd-manager would have written it.
//!
//! Order and names: kubernetes-sigs/etcd-manager `pkg/backup`: the data first, then the meta, which makes it a backup.

use jiff::Timestamp;

use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::backup::goodness::{Facts, Lineage, MAIN, Verdict};
use runbook_kit::model::backup::meta::BackupMeta;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_manager::control::ClusterSpec;
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{
    EtcdError, EtcdKv, ObjectStore, PackFailure, PutMode, ReadFailure, ReadSnapshot, SnapshotPacker, SnapshotReader,
    StoreError, StoreErrorKind,
};
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{ChooseContext, FactsCache, Judge};
use runbook_kit::usecases::examine::{self, lineage};

/// A control file is small.
const CONTROL_LIMIT: u64 = 64 * 1024;
/// At this revision nothing was ever written.
const NEVER_WRITTEN: i64 = 1;

/// What taking a backup works with.
#[derive(Clone, Copy)]
pub struct Taking<'a> {
    /// Where it goes.
    pub objects: &'a dyn ObjectStore,
    /// Packs it.
    pub packer: &'a dyn SnapshotPacker,
    /// Reads it back.
    pub reader: &'a dyn SnapshotReader,
    /// The living etcd.
    pub etcd: &'a dyn EtcdKv,
}

/// A backup that is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakePlan {
    /// Its name.
    pub name: BackupName,
    /// The folder that it gets.
    pub folder: StoreUrl,
    /// What will stand in its meta.
    pub meta: BackupMeta,
    /// The size of etcd's database file in bytes.
    pub db_size: u64,
    /// The store's revision now.
    pub revision: i64,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A backup that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The size of `etcd.backup.gz` in bytes.
    pub size: u64,
    /// The revision of the snapshot.
    pub revision: i64,
    /// Its live keys.
    pub keys: u64,
    /// The number that `etcdutl snapshot status` prints.
    pub hash: u32,
    /// The UID of namespace `kube-system`.
    pub lineage: Lineage,
}

/// A meta of etcd-manager has a hundred bytes.
const META_LIMIT: u64 = 64 * 1024;

/// No backup was taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// etcd did not answer.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// The store refused before anything was written.
    #[error(transparent)]
    Store(StoreError),
    /// The snapshot did not arrive whole.
    #[error(transparent)]
    Pack(#[from] PackFailure),
    /// It could not be read back.
    #[error("reading back what was packed")]
    ReadBack(#[source] ReadFailure),
    /// It arrived and is damaged.
    #[error("the snapshot is damaged, nothing was uploaded: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// Nothing was ever written to that etcd.
    #[error("this etcd is empty: nothing was ever written to it, and a backup of it would restore nothing")]
    Empty,
    /// Another cluster's etcd.
    #[error(
        "this etcd is of another cluster than the store's backups: kube-system is {found}, and {} in {newest}", .wanted.join(" or ")
    )]
    OtherCluster {
        /// A backup of the cluster that the store is of.
        newest: BackupName,
        /// The etcd's UID of `kube-system`, or that there is none.
        found: String,
        /// Those of the backups.
        wanted: Vec<String>,
    },
    /// Nothing is left of the cluster that the store's backups are of, or it was never there.
    #[error(
        "this etcd holds only what an API server and its controllers create by themselves, and {newest} holds more: a backup of it would be passed over"
    )]
    Bare {
        /// A backup of the cluster that the store is of.
        newest: BackupName,
    },
    /// The data is there, and the meta that would make it a backup is not.
    #[error("{at} was written and is no backup yet: its meta is missing")]
    Half {
        /// The data.
        at: StoreUrl,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// The store has another size than was sent.
    #[error("{at} has {found} bytes in the store and not {wanted}: no meta was written, so it is no backup")]
    Different {
        /// The data.
        at: StoreUrl,
        /// Its size in the store.
        found: u64,
        /// The size that it should have.
        wanted: u64,
    },
}

impl Failure for TakeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Half { .. } | Self::Different { .. } => Exit::FailedAfterChange,
            Self::Store(error) => Failure::exit(error),
            Self::Empty | Self::OtherCluster { .. } | Self::Bare { .. } => Exit::Refused,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Etcd(error) => error.hint(),
            Self::Store(error) if error.kind == StoreErrorKind::AlreadyExists => {
                Some("etcd-manager took one in the same second: repeat the command".to_owned())
            }
            Self::Store(error) => Failure::hint(error),
            Self::Pack(error) => error.hint(),
            Self::ReadBack(error) => Failure::hint(error),
            Self::Damaged(_) => Some("repeat the command, or take it from another member".to_owned()),
            Self::Empty => Some("check --endpoints, --host or --context: is it the right etcd?".to_owned()),
            Self::OtherCluster { .. } | Self::Bare { .. } => Some(
                "check --endpoints, --host and --context; pass --other-lineage if the store changed hands".to_owned(),
            ),
            Self::Half { .. } | Self::Different { .. } => {
                Some("repeat the command; etcd-manager ignores data without meta, and you may delete it".to_owned())
            }
        }
    }
}

/// Asks etcd and the store what a backup taken at `now` would be.
///
/// # Errors
/// Where one of them does not answer.
pub async fn plan(taking: Taking<'_>, catalog: &Catalog, now: Timestamp) -> Result<TakePlan, TakeError> {
    let status = taking.etcd.status().await?;
    let mut notes = Vec::new();
    let spec_at = catalog
        .store
        .base
        .join(layout::CONTROL_FOLDER)
        .join(layout::CLUSTER_SPEC_FILE);
    let spec = if catalog.listing.has_cluster_spec {
        let file = taking
            .objects
            .get(&spec_at, CONTROL_LIMIT)
            .await
            .map_err(TakeError::Store)?;
        ClusterSpec::parse(&file)
            .map_err(|error| notes.push(format!("{spec_at}: {error}; the meta says what etcd says of itself")))
            .ok()
    } else {
        None
    };
    let spec = match spec {
        Some(spec) => spec,
        None => ClusterSpec {
            member_count: i64::try_from(taking.etcd.voters().await?).unwrap_or(i64::MAX),
            etcd_version: status.version.clone(),
        },
    };
    let name = BackupName::first_of(now);
    Ok(TakePlan {
        folder: catalog.store.base.join(name.as_str()),
        meta: BackupMeta {
            etcd_version: status.version,
            timestamp: Some(now.as_second()),
            cluster_spec: Some(spec),
        },
        name,
        db_size: status.db_size,
        revision: status.revision,
        notes,
    })
}

/// Takes it: packs the snapshot, reads it back whole, uploads it, and at last makes it a backup by its meta. `progress` is
/// told the bytes that came from etcd.
///
/// # Errors
/// [`TakeError`]; before the upload began nothing was changed.
pub async fn take(
    taking: Taking<'_>,
    plan: &TakePlan,
    expected: Option<&Expected>,
    progress: &(dyn Fn(u64) + Send + Sync),
    consent: &Consent,
) -> Result<Taken, TakeError> {
    let stream = taking.etcd.snapshot().await?;
    let packed = taking.packer.pack(stream, progress).await?;
    let body = packed.open().await.map_err(|source| {
        TakeError::Pack(PackFailure::Temporary {
            action: "reading",
            folder: packed.path().to_owned(),
            source,
        })
    })?;
    let read = taking.reader.read(body, &|_| {}).await.map_err(TakeError::ReadBack)?;
    let taken = judge(&read, packed.size(), expected)?;
    drop(read);

    let data = plan.folder.join(layout::DATA_FILE);
    let uploaded = taking
        .objects
        .put_file(&data, packed.path(), PutMode::Create, consent)
        .await;
    if let Err(error) = uploaded
        && !(error.kind == StoreErrorKind::AlreadyExists && is_there(taking, &plan.folder, &taken).await)
    {
        return Err(TakeError::Store(error));
    }
    let half = |source: StoreError| TakeError::Half {
        at: data.clone(),
        source: Box::new(source),
    };
    let listed = taking.objects.list(&plan.folder).await.map_err(half)?;
    let found = listed.iter().find(|object| object.path == layout::DATA_FILE);
    let found = found.map(|object| object.size).unwrap_or_default();
    if found != taken.size {
        return Err(TakeError::Different {
            at: data,
            found,
            wanted: taken.size,
        });
    }
    let meta = plan.folder.join(layout::META_FILE);
    let content = plan.meta.to_file().into_bytes();
    match taking
        .objects
        .put(&meta, content.clone(), PutMode::Create, consent)
        .await
    {
        Err(error)
            if error.kind != StoreErrorKind::AlreadyExists
                || !taking
                    .objects
                    .get(&meta, META_LIMIT)
                    .await
                    .is_ok_and(|found| found == content) =>
        {
            Err(half(error))
        }
        Ok(()) | Err(_) => Ok(taken),
    }
}

/// Whether the data of this very backup lies there, and is no backup yet: a request that was tried again may have met its own first
/// attempt.
async fn is_there(taking: Taking<'_>, folder: &StoreUrl, taken: &Taken) -> bool {
    let listed = taking.objects.list(folder).await.unwrap_or_default();
    let is_data = matches!(listed.as_slice(), [only] if only.path == layout::DATA_FILE && only.size == taken.size);
    if !is_data {
        return false;
    }
    let Ok(body) = taking.objects.open(&folder.join(layout::DATA_FILE)).await else {
        return false;
    };
    let read = taking.reader.read(body, &|_| {}).await;
    read.is_ok_and(|read| judge(&read, taken.size, None).is_ok_and(|found| found == *taken))
}

fn judge(read: &ReadSnapshot, size: u64, expected: Option<&Expected>) -> Result<Taken, TakeError> {
    let mut problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    if read.trailer.is_none() && problems.is_empty() {
        problems.push("it ends without its SHA-256".to_owned());
    }
    let content = match &read.content {
        Some(content) if problems.is_empty() => content,
        _ => return Err(TakeError::Damaged(problems)),
    };
    if content.revision <= NEVER_WRITTEN {
        return Err(TakeError::Empty);
    }
    let lineage = lineage(read);
    if let Some(expected) = expected {
        expected.fits(&lineage, examine::evidence(content).bare())?;
    }
    Ok(Taken {
        size,
        revision: content.revision,
        keys: content.keys.len() as u64,
        hash: content.hash,
        lineage,
    })
}

/// Of which cluster the backups of a store are, by the rule that `latest-good` goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// A backup that says so.
    pub newest: BackupName,
    /// The lineage that lives; two where nobody can know which does.
    pub lineages: Vec<Lineage>,
    /// Whether that backup holds nothing but what an API server and its controllers create by themselves.
    pub bare: bool,
}

impl Expected {
    /// Whether an etcd of this lineage may be backed up here. Where a UID cannot be read, nothing but its being bare speaks against it.
    fn fits(&self, found: &Lineage, bare: bool) -> Result<(), TakeError> {
        let all_known = self.lineages.iter().all(|wanted| wanted.uid().is_some());
        let other = match found {
            Lineage::Known(_) => all_known && !self.lineages.contains(found),
            Lineage::Unknown => false,
            Lineage::None => true,
        };
        if other {
            let shown = |lineage: &Lineage| lineage.uid().unwrap_or_else(|| lineage.short()).to_owned();
            return Err(TakeError::OtherCluster {
                newest: self.newest.clone(),
                found: shown(found),
                wanted: self.lineages.iter().map(shown).collect(),
            });
        }
        let proven = found.uid().is_some() && self.lineages.contains(found);
        if bare && !self.bare && !proven {
            return Err(TakeError::Bare {
                newest: self.newest.clone(),
            });
        }
        Ok(())
    }
}

/// Asks the backups of a store of which cluster they are; `None` where they do not tell.
///
/// # Errors
/// Where one cannot be looked at.
pub async fn expected(taking: Taking<'_>, catalog: &Catalog) -> Result<Option<Expected>, examine::ExamineError> {
    if catalog.store.etcd != MAIN {
        return Ok(None);
    }
    let known = FactsCache::default();
    let looking = ChooseContext {
        objects: taking.objects,
        reader: taking.reader,
        lineage: None,
        known: &known,
    };
    let mut judge = Judge::new(looking, catalog);
    Ok(match judge.verdict().await? {
        Verdict::Lives { at, .. } => {
            let backup = catalog.backups.get(at);
            let facts = backup.and_then(|backup| judge.facts(&backup.name));
            facts.map(|facts| Expected {
                newest: facts.name.clone(),
                lineages: vec![facts.lineage.clone()],
                bare: facts.bare(),
            })
        }
        Verdict::Undecided { newer, older } => Some(Expected {
            newest: newer.last,
            lineages: vec![newer.lineage, older.lineage],
            bare: false,
        }),
        // All are bare: of which cluster the newest is, is all that is known.
        Verdict::Nothing => catalog
            .complete()
            .rev()
            .filter_map(|backup| judge.facts(&backup.name))
            .find(|facts| facts.verifies() && facts.lineage != Lineage::None)
            .map(|facts: &Facts| Expected {
                newest: facts.name.clone(),
                lineages: vec![facts.lineage.clone()],
                bare: true,
            }),
        Verdict::NoSuch(_) | Verdict::Several(_) => None,
    })
}
