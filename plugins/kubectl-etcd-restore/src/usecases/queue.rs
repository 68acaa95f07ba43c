//! etcd-manager's command queue: queues a restore, lists and removes commands.

use jiff::{SignedDuration, Timestamp};

use crate::rules::etcd_manager::command_name;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_manager::control::{ClusterSpec, Command};
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{Clock, ObjectStore, PutMode, StoreError, StoreErrorKind};
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::pin;

/// How often another time is tried where a command of this name exists.
const COLLISIONS: u32 = 5;
/// More than the size of any command.
const LIMIT: u64 = 64 * 1024;

/// A restore to queue.
#[derive(Clone, Debug)]
pub struct RestoreRequest<'a> {
    pub catalog: &'a Catalog,
    pub backup: &'a Backup,
    /// The `etcd-cluster-spec` of the store.
    pub spec: ClusterSpec,
    /// The time that names the command; the current time where it is `None`. Two users with the same time queue one command.
    pub time: Option<Timestamp>,
}

/// A command that was queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The name of its folder.
    pub name: String,
    /// Where it is.
    pub at: StoreUrl,
}

/// A command could not be queued.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The store refused, and nothing was written.
    #[error(transparent)]
    Store(StoreError),
    /// The backup could not be copied to where etcd-manager finds it.
    #[error("copying the pinned backup back")]
    CopyBack(#[source] pin::PinError),
    /// Another user queued another restore in the same second.
    #[error("{at} was just queued and restores {backup}; nothing was queued")]
    Another {
        /// The other command.
        at: StoreUrl,
        /// The other backup.
        backup: String,
    },
    /// Another user keeps queueing commands.
    #[error("{0}: other commands keep being queued at the same time")]
    Crowded(StoreUrl),
    /// The file reads back differently than written.
    #[error("{0} was written but reads back differently")]
    NotTheSame(StoreUrl),
    /// It was written, but could not be read back.
    #[error("{at} was written but could not be read back")]
    NotReadBack {
        /// The command.
        at: StoreUrl,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl Failure for QueueError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => Failure::exit(error),
            Self::CopyBack(error) => error.exit(),
            Self::Crowded(_) => Exit::Failed,
            Self::Another { .. } => Exit::Refused,
            Self::NotTheSame(_) | Self::NotReadBack { .. } => Exit::FailedAfterChange,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => Failure::hint(error),
            Self::CopyBack(error) => error.hint(),
            Self::Another { .. } | Self::Crowded(_) => {
                Some("check the queue: `kubectl etcd-restore commands`".to_owned())
            }
            Self::NotTheSame(_) | Self::NotReadBack { .. } => Some(
                "check it with `kubectl etcd-restore commands`; `kubectl etcd-restore cancel NAME` removes it"
                    .to_owned(),
            ),
        }
    }
}

/// The folder of a store's control files.
#[must_use]
pub fn control_folder(catalog: &Catalog) -> StoreUrl {
    catalog.store.base.join(layout::CONTROL_FOLDER)
}

/// Queues a restore: copies a pinned backup back first, never overwrites another command, and reads back what it wrote. `waiting` is called when
/// another command has the same name.
///
/// # Errors
/// [`QueueError`].
pub async fn queue(
    objects: &dyn ObjectStore,
    clock: &dyn Clock,
    request: &RestoreRequest<'_>,
    consent: &Consent,
    waiting: &(dyn Fn(&str) + Send + Sync),
) -> Result<Queued, QueueError> {
    copy_back(objects, request.catalog, request.backup, consent).await?;
    let mut now = request.time.unwrap_or_else(|| clock.now());
    for _ in 0..COLLISIONS {
        let name = command_name(now);
        let at = control_folder(request.catalog).join(&name).join(layout::COMMAND_FILE);
        let file = Command::restore(now, request.spec.clone(), request.backup.name.as_str()).to_file();
        match objects
            .put(&at, file.clone().into_bytes(), PutMode::Create, consent)
            .await
        {
            Ok(()) => return read_back(objects, Queued { name, at }, file.as_bytes()).await,
            Err(error) if error.kind != StoreErrorKind::AlreadyExists => return Err(QueueError::Store(error)),
            Err(_) => match restores(objects, &at).await {
                // Another user queued the same, or a retried request finds its own first attempt.
                Some(backup) if backup == request.backup.name.as_str() => return Ok(Queued { name, at }),
                // Every queued command is run, and each one wipes etcd again.
                Some(backup) => return Err(QueueError::Another { at, backup }),
                None => {
                    waiting(&name);
                    now = next_second(clock, now).await;
                }
            },
        }
    }
    Err(QueueError::Crowded(control_folder(request.catalog)))
}

/// The backup that the command there restores.
async fn restores(objects: &dyn ObjectStore, at: &StoreUrl) -> Option<String> {
    let content = objects.get(at, LIMIT).await.ok()?;
    Some(Command::parse(&content).ok()?.restore_backup?.backup)
}

/// Waits one second, and gives a later time even where the clock stands still.
async fn next_second(clock: &dyn Clock, taken: Timestamp) -> Timestamp {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let next = taken.checked_add(SignedDuration::from_secs(1)).unwrap_or(taken);
    clock.now().max(next)
}

fn own_folder(catalog: &Catalog, name: &BackupName) -> StoreUrl {
    catalog.store.base.join(name.as_str())
}

/// Copies a pinned backup back to where etcd-manager finds it. `false` where it is not needed.
///
/// # Errors
/// [`QueueError::CopyBack`].
pub async fn copy_back(
    objects: &dyn ObjectStore,
    catalog: &Catalog,
    backup: &Backup,
    consent: &Consent,
) -> Result<bool, QueueError> {
    if backup.in_store && backup.folder == own_folder(catalog, &backup.name) {
        return Ok(false);
    }
    let copy = pin::plan_copy_back(catalog, backup);
    let copied = pin::pin(objects, &copy, consent).await;
    copied.map_err(QueueError::CopyBack)?;
    Ok(true)
}

async fn read_back(objects: &dyn ObjectStore, queued: Queued, written: &[u8]) -> Result<Queued, QueueError> {
    match objects.get(&queued.at, LIMIT).await {
        Ok(found) if found == written => Ok(queued),
        Ok(_) => Err(QueueError::NotTheSame(queued.at)),
        // A waiting leader may have taken it already.
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(queued),
        Err(source) => Err(QueueError::NotReadBack { at: queued.at, source }),
    }
}

/// A command in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedCommand {
    /// The name of its folder.
    pub name: String,
    /// Where it is.
    pub at: StoreUrl,
    /// Its bytes.
    pub content: Vec<u8>,
    /// Its content, or why it cannot be read; the leader is blocked then.
    pub command: Result<Command, String>,
}

impl QueuedCommand {
    /// When it was queued, where it says so.
    pub fn queued(&self) -> Option<Timestamp> {
        self.command.as_ref().ok()?.queued()
    }

    /// The backup that it restores, or why it cannot be read.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn backup(&self) -> Result<&str, String> {
        let command = self.command.as_ref().map_err(Clone::clone)?;
        match &command.restore_backup {
            None => Err("it contains no known action".to_owned()),
            Some(request) if request.cluster_spec.is_none() => Err("it has no clusterSpec".to_owned()),
            Some(request) if request.backup.is_empty() => Err("it names no backup".to_owned()),
            Some(request) => Ok(&request.backup),
        }
    }
}

/// The content of `control/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The queue in the order in which it is run: by the time in each command, broken ones first.
    pub commands: Vec<QueuedCommand>,
    /// Whether `etcd-cluster-created` exists.
    pub created: bool,
}

/// Reads the queue.
///
/// # Errors
/// Where the store cannot be read. A command that disappears meanwhile was taken.
pub async fn commands(objects: &dyn ObjectStore, catalog: &Catalog) -> Result<Vec<QueuedCommand>, StoreError> {
    Ok(control(objects, catalog).await?.commands)
}

/// Reads `control/`.
///
/// # Errors
/// The same.
pub async fn control(objects: &dyn ObjectStore, catalog: &Catalog) -> Result<Control, StoreError> {
    let folder = control_folder(catalog);
    let (mut found, mut created) = (Vec::new(), false);
    for object in objects.list(&folder).await? {
        created |= object.path == layout::CLUSTER_CREATED_FILE;
        let Some(name) = object
            .path
            .strip_suffix(layout::COMMAND_FILE)
            .map(|name| name.trim_end_matches('/'))
        else {
            continue;
        };
        if name.is_empty() || name.contains('/') {
            continue;
        }
        let at = folder.join(&object.path);
        let content = match objects.get(&at, LIMIT).await {
            Ok(content) => content,
            Err(error) if error.kind == StoreErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        found.push(QueuedCommand {
            name: name.to_owned(),
            command: Command::parse(&content).map_err(|error| error.to_string()),
            at,
            content,
        });
    }
    found.sort_by_cached_key(|found| {
        let queued = found.command.as_ref().ok().and_then(|command| command.timestamp);
        (queued, found.name.clone())
    });
    Ok(Control {
        commands: found,
        created,
    })
}

/// Removes a command if it has not changed. `false` where it is gone.
///
/// # Errors
/// Where the store fails.
pub async fn cancel(objects: &dyn ObjectStore, found: &QueuedCommand, consent: &Consent) -> Result<bool, StoreError> {
    objects.delete_if(&found.at, &found.content, consent).await
}

/// Removes the created marker: without it etcd-manager seeds a new etcd.
///
/// # Errors
/// Where the store fails.
pub async fn remove_created_marker(
    objects: &dyn ObjectStore,
    catalog: &Catalog,
    consent: &Consent,
) -> Result<(), StoreError> {
    objects
        .delete(&control_folder(catalog).join(layout::CLUSTER_CREATED_FILE), consent)
        .await
}
