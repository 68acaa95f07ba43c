//! The record that a wipe of the masters leaves: `<cluster>/backups/recovery/wipe-0001.json`, one object a run, numbered.
//!
//! `kops-wipe-masters` writes it. Who restores reads it: a wipe that ended proves that nothing of the old etcd lives any more.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError};

/// More than any journal has, in bytes.
pub const LIMIT: u64 = 4 << 20;

/// What is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// This run.
    pub run: String,
    /// The run that this one goes on with, and those before it: the id of the first.
    pub first: String,
    /// The cluster whose masters were wiped.
    pub cluster: String,
    /// The AWS account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Who: the ARN that AWS knows.
    pub by: String,
    /// When it began.
    pub started: Timestamp,
    /// The last sign of life.
    pub updated: Timestamp,
    /// When it ended; `None` while it runs, and where it was cut off.
    pub finished: Option<Timestamp>,
    /// The digest of its plan.
    pub digest: String,
    /// Every deed of its plan.
    #[serde(rename = "deeds")]
    pub actions: BTreeSet<String>,
    /// The plan as it was shown.
    pub plan: serde_json::Value,
    /// What was done and seen, in order.
    pub log: Vec<Line>,
}

impl Entry {
    /// Whether its plan puts this volume into quarantine.
    #[must_use]
    pub fn quarantines(&self, volume: &str) -> bool {
        self.actions.contains(&format!("{QUARANTINE} {volume}"))
    }

    /// The volumes that its plan puts into quarantine.
    pub fn quarantined_volumes(&self) -> impl Iterator<Item = &str> {
        let actions = self.actions.iter().filter_map(|action| action.split_once(' '));
        actions
            .filter(|(action, _)| *action == QUARANTINE)
            .map(|(_, volume)| volume)
    }

    /// Whether it is of this account and region: a state store that moved may have journals of another place.
    #[must_use]
    pub fn is_of(&self, account: &str, region: &str) -> bool {
        self.account == account && self.region == region
    }
}

/// The word of a deed.
const QUARANTINE: &str = "quarantine";

/// One line of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// The newest journal of a cluster.
#[derive(Clone, Debug)]
pub struct StoredJournal {
    /// Its number, from 1.
    pub number: u32,
    /// Where it is.
    pub at: StoreUrl,
    /// What it says.
    pub entry: Entry,
}

impl StoredJournal {
    /// Whether its run came to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.entry.finished.is_some()
    }
}

/// The journals cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What lies there is not ours.
    #[error("{at} cannot be read as the journal of a wipe: {why}")]
    Unreadable {
        /// Where.
        at: StoreUrl,
        /// Why not.
        why: String,
    },
    /// The state store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failure for ReadError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => Some("look at it, and move it away if it is none".to_owned()),
            Self::Store(error) => Failure::hint(error),
        }
    }
}

/// The folder of a cluster's journals.
#[must_use]
pub fn folder(state: &StoreUrl, cluster: &str) -> StoreUrl {
    state.join(cluster).join("backups/recovery")
}

/// Where the journal of this number lies.
#[must_use]
pub fn place(folder: &StoreUrl, number: u32) -> StoreUrl {
    folder.join(&format!("wipe-{number:04}.json"))
}

/// The number of a journal by its name in the folder; `None` of what is none.
#[must_use]
pub fn number_of(path: &str) -> Option<u32> {
    path.strip_prefix("wipe-")?.strip_suffix(".json")?.parse().ok()
}

/// Reads the newest one; `None` where no wipe was ever begun.
///
/// # Errors
/// [`ReadError`].
pub async fn newest(objects: &dyn ObjectStore, folder: &StoreUrl) -> Result<Option<StoredJournal>, ReadError> {
    let listed = objects.list(folder).await?;
    let Some(number) = listed.iter().filter_map(|object| number_of(&object.path)).max() else {
        return Ok(None);
    };
    let at = place(folder, number);
    let content = objects.get(&at, LIMIT).await?;
    let entry = serde_json::from_slice(&content).map_err(|error| ReadError::Unreadable {
        at: at.clone(),
        why: error.to_string(),
    })?;
    Ok(Some(StoredJournal { number, at, entry }))
}

/// Reads all of them, in their order. The newest one has to be readable; an older one that is not does not hide the others.
///
/// # Errors
/// [`ReadError`].
pub async fn all(objects: &dyn ObjectStore, folder: &StoreUrl) -> Result<Vec<StoredJournal>, ReadError> {
    let listed = objects.list(folder).await?;
    let mut numbers: Vec<u32> = listed.iter().filter_map(|object| number_of(&object.path)).collect();
    numbers.sort_unstable();
    let last = numbers.last().copied();
    let mut journals = Vec::new();
    for number in numbers {
        let at = place(folder, number);
        let content = objects.get(&at, LIMIT).await?;
        match serde_json::from_slice(&content) {
            Ok(entry) => journals.push(StoredJournal { number, at, entry }),
            Err(error) if Some(number) == last => {
                let why = error.to_string();
                return Err(ReadError::Unreadable { at, why });
            }
            Err(_) => {}
        }
    }
    Ok(journals)
}
