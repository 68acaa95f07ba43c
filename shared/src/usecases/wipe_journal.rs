//! The journals of wipes: `<cluster>/backups/recovery/wipe-0001.json`, one numbered object per run.
//!
//! `kops-wipe-masters` writes them. A restore reads them: a finished wipe proves that the old etcd is dead.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::CommandError;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError};

/// The size limit of a journal, in bytes.
pub const LIMIT: u64 = 4 << 20;

/// One journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The ID of this run.
    pub run: String,
    /// The ID of the wipe: that of its first run. Later runs resume it.
    pub first: String,
    /// The cluster.
    pub cluster: String,
    /// The AWS account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The caller's ARN.
    pub by: String,
    /// When it began.
    pub started: Timestamp,
    /// The last write.
    pub updated: Timestamp,
    /// When it ended; `None` while it runs, and after an interruption.
    pub finished: Option<Timestamp>,
    /// The digest of its plan.
    pub digest: String,
    /// All actions of its plan.
    #[serde(rename = "deeds")]
    pub actions: BTreeSet<String>,
    /// The plan as it was shown.
    pub plan: serde_json::Value,
    /// Progress, in order.
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

    /// Whether it is of this account and region: a moved state store may have journals of another one.
    #[must_use]
    pub fn is_of(&self, account: &str, region: &str) -> bool {
        self.account == account && self.region == region
    }
}

/// An action on a volume.
const QUARANTINE: &str = "quarantine";

/// One line of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// A journal in the state store.
#[derive(Clone, Debug)]
pub struct StoredJournal {
    /// Its number, from 1.
    pub number: u32,
    /// Its URL.
    pub at: StoreUrl,
    /// Its content.
    pub entry: Entry,
}

impl StoredJournal {
    /// Whether its run ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.entry.finished.is_some()
    }
}

/// The state store failed, and nothing was changed.
#[must_use]
pub fn store_failed(error: StoreError) -> CommandError {
    CommandError::failed(error.to_string())
        .hint_if(error.hint())
        .source(error)
}

fn unreadable(at: &StoreUrl, error: &serde_json::Error) -> CommandError {
    CommandError::failed(format!("{at} cannot be read as the journal of a wipe: {error}"))
        .hint("check the file, and move it away if it is not a journal")
}

/// The folder of a cluster's journals.
#[must_use]
pub fn folder(state: &StoreUrl, cluster: &str) -> StoreUrl {
    state.join(cluster).join("backups/recovery")
}

/// The URL of the journal with this number.
#[must_use]
pub fn place(folder: &StoreUrl, number: u32) -> StoreUrl {
    folder.join(&format!("wipe-{number:04}.json"))
}

/// The number of a journal, by its file name.
#[must_use]
pub fn number_of(path: &str) -> Option<u32> {
    path.strip_prefix("wipe-")?.strip_suffix(".json")?.parse().ok()
}

/// Reads the newest one; `None` if there was no wipe.
///
/// # Errors
/// If the store fails, or the journal is unreadable.
pub async fn newest(objects: &dyn ObjectStore, folder: &StoreUrl) -> Result<Option<StoredJournal>, CommandError> {
    let listed = objects.list(folder).await.map_err(store_failed)?;
    let Some(number) = listed.iter().filter_map(|object| number_of(&object.path)).max() else {
        return Ok(None);
    };
    let at = place(folder, number);
    let content = objects.get(&at, LIMIT).await.map_err(store_failed)?;
    let entry = serde_json::from_slice(&content).map_err(|error| unreadable(&at, &error))?;
    Ok(Some(StoredJournal { number, at, entry }))
}

/// Reads all of them, in order, without unreadable ones.
///
/// # Errors
/// If the store fails, or the newest journal is unreadable.
pub async fn all(objects: &dyn ObjectStore, folder: &StoreUrl) -> Result<Vec<StoredJournal>, CommandError> {
    let listed = objects.list(folder).await.map_err(store_failed)?;
    let mut numbers: Vec<u32> = listed.iter().filter_map(|object| number_of(&object.path)).collect();
    numbers.sort_unstable();
    let last = numbers.last().copied();
    let mut journals = Vec::new();
    for number in numbers {
        let at = place(folder, number);
        let content = objects.get(&at, LIMIT).await.map_err(store_failed)?;
        match serde_json::from_slice(&content) {
            Ok(entry) => journals.push(StoredJournal { number, at, entry }),
            Err(error) if Some(number) == last => return Err(unreadable(&at, &error)),
            Err(_) => {}
        }
    }
    Ok(journals)
}
