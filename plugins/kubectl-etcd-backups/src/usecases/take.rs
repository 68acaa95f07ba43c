//! Takes a backup of a running etcd, or of a stopped one's disk, into its store, in the format of etcd-manager.
//!
//! Order and names: kubernetes-sigs/etcd-manager `pkg/backup`: first the data, then the meta, without which it is no backup.

use jiff::Timestamp;

use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::backup::goodness::{Facts, Lineage, MAIN, Verdict};
use runbook_kit::model::backup::meta::BackupMeta;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_manager::control::ClusterSpec;
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{
    ObjectStore, PackFailure, PutMode, ReadSnapshot, SnapshotPacker, SnapshotReader, SnapshotStream, StoreErrorKind,
};
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{ChooseContext, Judge};
use runbook_kit::usecases::discover::EtcdStore;
use runbook_kit::usecases::encryption::KeyRing;
use runbook_kit::usecases::examine::{self, ExamineContext};
use runbook_kit::usecases::known_backups::KnownBackups;

use super::data_dir::{DiskHosts, OnDisk, pack_failure};
use super::members::Member;

/// A control file is small.
const CONTROL_LIMIT: u64 = 64 * 1024;
/// The revision of an etcd to which nothing was ever written.
const NEVER_WRITTEN: i64 = 1;

const HINT_INCOMPLETE: &str = "repeat the command; etcd-manager ignores data without a meta, and you may delete it";

/// The ports that taking a backup uses.
#[derive(Clone, Copy)]
pub struct TakePorts<'a> {
    pub objects: &'a dyn ObjectStore,
    pub packer: &'a dyn SnapshotPacker,
    pub reader: &'a dyn SnapshotReader,
    pub keys: &'a KeyRing,
    /// The store that the backup goes to.
    pub store: &'a EtcdStore,
}

impl TakePorts<'_> {
    async fn lineage(self, read: &ReadSnapshot) -> Lineage {
        let context = ExamineContext {
            objects: self.objects,
            reader: self.reader,
            keys: self.keys,
            known: &KnownBackups::default(),
        };
        examine::lineage(context, self.store, read).await
    }
}

/// Where the data is from.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// A member that answers. It needs no quorum: nothing but its status, its list of members and a snapshot is asked of it.
    Member(&'a Member),
    /// The disk of a stopped etcd.
    Disk(&'a OnDisk, &'a dyn DiskHosts),
}

impl Origin<'_> {
    fn db_size(&self) -> u64 {
        match self {
            Self::Member(member) => member.status.db_size,
            Self::Disk(disk, _) => disk.dir.db_size,
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Self::Member(member) => Some(&member.status.version),
            Self::Disk(disk, _) => disk.dir.state.as_ref()?.etcd_version.as_deref(),
        }
    }

    async fn members(&self) -> Result<usize, AnyFailure> {
        match self {
            Self::Member(member) => {
                let members = member.etcd.members().await?;
                Ok(members.iter().filter(|member| !member.learner).count())
            }
            Self::Disk(disk, _) => Ok(disk.dir.state.as_ref().map_or(0, |state| state.nodes.len())),
        }
    }

    async fn stream(&self) -> Result<SnapshotStream, AnyFailure> {
        match self {
            Self::Member(member) => Ok(member.etcd.snapshot().await?),
            Self::Disk(disk, hosts) => disk.database(*hosts).await,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakePlan {
    pub name: BackupName,
    pub folder: StoreUrl,
    pub meta: BackupMeta,
    /// The size of etcd's database file in bytes.
    pub db_size: u64,
    /// `None` where it is known only once the database is read.
    pub revision: Option<i64>,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The size of `etcd.backup.gz` in bytes.
    pub size: u64,
    pub revision: i64,
    pub keys: u64,
    /// The number that `etcdutl snapshot status` prints.
    pub hash: u32,
    pub lineage: Lineage,
    /// The raft index up to which the database holds everything.
    pub applied_index: Option<u64>,
}

/// A meta of etcd-manager has a hundred bytes.
const META_LIMIT: u64 = 64 * 1024;

/// Plans a backup at `now`, from the state of etcd and of the store.
pub async fn plan(
    ports: TakePorts<'_>,
    origin: Origin<'_>,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<TakePlan, AnyFailure> {
    let mut notes = Vec::new();
    let spec_at = catalog
        .store
        .base
        .join(layout::CONTROL_FOLDER)
        .join(layout::CLUSTER_SPEC_FILE);
    let spec = if catalog.listing.has_cluster_spec {
        let file = ports.objects.get(&spec_at, CONTROL_LIMIT).await?;
        ClusterSpec::parse(&file)
            .map_err(|error| notes.push(format!("{spec_at}: {error}; the meta gets what etcd reports")))
            .ok()
    } else {
        None
    };
    let of_spec = spec.as_ref().map(|spec| spec.etcd_version.clone());
    let version = origin.version().map(str::to_owned).or(of_spec).ok_or_else(|| {
        CommandError::failed("the version of that etcd is not known: no state of etcd-manager is beside its data, and the store has no etcd-cluster-spec")
            .hint("pass the path of the whole volume, or use a store with control/etcd-cluster-spec")
    })?;
    let spec = match spec {
        Some(spec) => spec,
        None => ClusterSpec {
            member_count: i64::try_from(origin.members().await?.max(1)).unwrap_or(i64::MAX),
            etcd_version: version.clone(),
        },
    };
    let name = BackupName::first_of(now);
    Ok(TakePlan {
        folder: catalog.store.base.join(name.as_str()),
        meta: BackupMeta {
            etcd_version: version,
            timestamp: Some(now.as_second()),
            cluster_spec: Some(spec),
        },
        name,
        db_size: origin.db_size(),
        revision: match origin {
            Origin::Member(member) => Some(member.status.revision),
            Origin::Disk(..) => None,
        },
        notes,
    })
}

/// Compresses the snapshot, reads it back, uploads it, and writes the meta last. `progress` is called with the bytes that
/// came from etcd.
pub async fn take(
    ports: TakePorts<'_>,
    origin: Origin<'_>,
    plan: &TakePlan,
    expected: Option<&Expected>,
    progress: &(dyn Fn(u64) + Send + Sync),
    consent: &Consent,
) -> Result<Taken, AnyFailure> {
    let stream = origin.stream().await?;
    let packed = ports.packer.pack(stream, progress).await.map_err(pack_failure)?;
    let body = packed.open().await.map_err(|source| PackFailure::Temporary {
        action: "reading",
        folder: packed.path().to_owned(),
        source,
    })?;
    let read = ports.reader.read(body, &|_| {}).await.map_err(|error| {
        CommandError::failed("reading the compressed snapshot back")
            .hint_if(Failure::hint(&error))
            .source(error)
    })?;
    if let Origin::Disk(disk, _) = origin {
        whole(disk, read.snapshot_bytes)?;
        of_version(&read, &plan.meta.etcd_version)?;
    }
    let taken = judge(&read, ports.lineage(&read).await, packed.size(), expected)?;
    drop(read);

    let data = plan.folder.join(layout::DATA_FILE);
    let uploaded = ports
        .objects
        .put_file(&data, packed.path(), PutMode::Create, consent)
        .await;
    if let Err(error) = uploaded
        && !(error.kind == StoreErrorKind::AlreadyExists && has_own_data(ports, &plan.folder, &taken).await)
    {
        return Err(match error.kind {
            StoreErrorKind::AlreadyExists => CommandError::failed(error.to_string())
                .exit(error.exit())
                .hint("etcd-manager took a backup in the same second: repeat the command")
                .source(error)
                .into(),
            _ => error.into(),
        });
    }
    let incomplete = |message: String| CommandError::after_change(message).hint(HINT_INCOMPLETE);
    let half =
        |source| incomplete(format!("{data} was written and is no backup yet: its meta is missing")).source(source);
    let listed = ports.objects.list(&plan.folder).await.map_err(half)?;
    let found = listed.iter().find(|object| object.path == layout::DATA_FILE);
    let found = found.map(|object| object.size).unwrap_or_default();
    if found != taken.size {
        let wanted = taken.size;
        return Err(incomplete(format!(
            "{data} has {found} bytes in the store and not {wanted}: no meta was written, so it is no backup"
        ))
        .into());
    }
    let meta = plan.folder.join(layout::META_FILE);
    let content = plan.meta.to_file().into_bytes();
    match ports
        .objects
        .put(&meta, content.clone(), PutMode::Create, consent)
        .await
    {
        Err(error)
            if error.kind != StoreErrorKind::AlreadyExists
                || !ports
                    .objects
                    .get(&meta, META_LIMIT)
                    .await
                    .is_ok_and(|found| found == content) =>
        {
            Err(half(error).into())
        }
        Ok(()) | Err(_) => Ok(taken),
    }
}

/// A file that was cut off, or that has grown, is not the database that was looked at.
fn whole(disk: &OnDisk, snapshot_bytes: u64) -> Result<(), CommandError> {
    const TRAILER: u64 = 32;
    let (found, wanted) = (snapshot_bytes.saturating_sub(TRAILER), disk.dir.db_size);
    if found == wanted {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "{}:{} has {wanted} bytes and {found} were read: nothing was uploaded",
        disk.host,
        disk.dir.database()
    ))
    .hint("check that no etcd was started there, then repeat the command"))
}

/// etcd-manager restores by the version in the meta: a database of a newer one would not start.
fn of_version(read: &ReadSnapshot, version: &str) -> Result<(), CommandError> {
    let minor = |text: &str| {
        let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
        numbers.next().flatten().zip(numbers.next().flatten())
    };
    let storage = read
        .content
        .as_ref()
        .and_then(|content| content.storage_version.as_deref());
    match storage.and_then(minor).zip(minor(version)) {
        Some((storage, meant)) if storage > meant => Err(CommandError::refused(format!(
            "the database is of etcd {}.{} and the meta would say {version}: nothing was uploaded",
            storage.0, storage.1
        ))
        .hint("pass the path of the whole volume, whose state file has the version")),
        _ => Ok(()),
    }
}

/// Whether the folder has only the data of this backup: a repeated request may find what its first attempt has written.
async fn has_own_data(ports: TakePorts<'_>, folder: &StoreUrl, taken: &Taken) -> bool {
    let listed = ports.objects.list(folder).await.unwrap_or_default();
    let is_data = matches!(listed.as_slice(), [only] if only.path == layout::DATA_FILE && only.size == taken.size);
    if !is_data {
        return false;
    }
    let Ok(body) = ports.objects.open(&folder.join(layout::DATA_FILE)).await else {
        return false;
    };
    let Ok(read) = ports.reader.read(body, &|_| {}).await else {
        return false;
    };
    judge(&read, ports.lineage(&read).await, taken.size, None).is_ok_and(|found| found == *taken)
}

fn judge(read: &ReadSnapshot, lineage: Lineage, size: u64, expected: Option<&Expected>) -> Result<Taken, CommandError> {
    let mut problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    if read.trailer.is_none() && problems.is_empty() {
        problems.push("the SHA-256 at its end is missing".to_owned());
    }
    let content = match &read.content {
        Some(content) if problems.is_empty() => content,
        _ => {
            let message = format!("the snapshot is damaged, nothing was uploaded: {}", problems.join("; "));
            return Err(CommandError::failed(message).hint("repeat the command, or use another member"));
        }
    };
    if content.revision <= NEVER_WRITTEN {
        return Err(CommandError::refused(
            "this etcd is empty: nothing was ever written to it, a backup would restore nothing",
        )
        .hint("check --endpoints, --host or --context"));
    }
    if let Some(expected) = expected {
        expected.check(&lineage, examine::evidence(content).bare())?;
    }
    Ok(Taken {
        size,
        revision: content.revision,
        keys: content.keys.len() as u64,
        hash: content.hash,
        lineage,
        applied_index: content.applied_index,
    })
}

/// The cluster of a store's backups, by the rules of `latest-good`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// A backup of this cluster.
    pub newest: BackupName,
    /// Its lineage; two if it cannot be decided which one is the current cluster.
    pub lineages: Vec<Lineage>,
    /// Whether that backup has only what an API server and its controllers create by themselves.
    pub bare: bool,
}

impl Expected {
    /// Whether an etcd of this lineage may be backed up here. If the UID cannot be read, only a bare etcd is refused.
    fn check(&self, found: &Lineage, bare: bool) -> Result<(), CommandError> {
        let newest = &self.newest;
        let refused = |message| {
            CommandError::refused(message)
                .hint("check --endpoints, --host and --context; if the store now belongs to another cluster, pass --other-lineage")
        };
        let all_known = self.lineages.iter().all(|wanted| wanted.uid().is_some());
        let other = match found {
            Lineage::Known(_) => all_known && !self.lineages.contains(found),
            Lineage::Unknown => false,
            Lineage::None => true,
        };
        if other {
            let shown = |lineage: &Lineage| lineage.uid().unwrap_or_else(|| lineage.short()).to_owned();
            let wanted: Vec<String> = self.lineages.iter().map(shown).collect();
            return Err(refused(format!(
                "this etcd is of another cluster than the store's backups: kube-system is {}, and {} in {newest}",
                shown(found),
                wanted.join(" or ")
            )));
        }
        let proven = found.uid().is_some() && self.lineages.contains(found);
        if bare && !self.bare && !proven {
            return Err(refused(format!(
                "this etcd holds only what an API server and its controllers create by themselves, and {newest} holds more: \
                 a backup of it would be rejected"
            )));
        }
        Ok(())
    }
}

/// The cluster of a store's backups; `None` if they do not show it.
pub async fn expected(ports: TakePorts<'_>, catalog: &Catalog) -> Result<Option<Expected>, examine::ExamineError> {
    if catalog.store.etcd != MAIN {
        return Ok(None);
    }
    let known = KnownBackups::default();
    let looking = ChooseContext {
        objects: ports.objects,
        reader: ports.reader,
        lineage: None,
        known: &known,
        keys: ports.keys,
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
        // All are bare: the newest one decides.
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
