//! What a run of restores has ordered: `<cluster>/backups/recovery/etcd-restore-run.json`.
//!
//! A command that is gone tells nobody whether it was carried out or never queued. Without this record a run that was
//! interrupted after a restore would order it again, and wipe what was just restored. It lies where neither kops nor etcd-manager
//! looks, and never in `control/`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::confirm::Consent;
use crate::domain::store_url::StoreUrl;
use crate::ports::{ObjectStore, PutMode, StoreError, StoreErrorKind};

/// The file's name.
const FILE: &str = "etcd-restore-run.json";
/// More than any record has.
const LIMIT: u64 = 64 * 1024;

/// A run that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// When it began.
    pub started: Timestamp,
    /// What it has ordered.
    pub orders: Vec<Ordered>,
}

/// What was ordered of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ordered {
    /// `main`, `events`, …
    pub etcd: String,
    /// The backup; `None` where it is seeded anew.
    pub backup: Option<String>,
    /// The command's name, where there is one.
    pub command: Option<String>,
    /// Whether it was ordered already: the command was queued, or the created marker removed.
    pub ordered: bool,
}

impl RunRecord {
    /// What it says of an etcd cluster.
    #[must_use]
    pub fn of(&self, etcd: &str) -> Option<&Ordered> {
        self.orders.iter().find(|order| order.etcd == etcd)
    }

    /// Forgets what was ordered by a command that was taken back. `false` where it was not of this run.
    pub fn forget(&mut self, etcd: &str, command: &str) -> bool {
        let before = self.orders.len();
        self.orders
            .retain(|order| order.etcd != etcd || order.command.as_deref() != Some(command));
        self.orders.len() != before
    }

    /// Notes something of an etcd cluster, in place of what was noted before.
    pub fn note(&mut self, ordered: Ordered) {
        self.orders.retain(|other| other.etcd != ordered.etcd);
        self.orders.push(ordered);
        self.orders.sort_by(|a, b| a.etcd.cmp(&b.etcd));
    }
}

/// Where a cluster's record lies; `recovery` is the folder of pinned backups of one of its etcd clusters.
#[must_use]
pub fn place(recovery: &StoreUrl) -> Option<StoreUrl> {
    recovery.parent().map(|folder| folder.join(FILE))
}

/// Reads it; `None` where no run is under way. One that cannot be read is as good as none: `Ok(Err(..))` tells why.
///
/// # Errors
/// Where the store does not answer.
pub async fn read(objects: &dyn ObjectStore, at: &StoreUrl) -> Result<Result<Option<RunRecord>, String>, StoreError> {
    match objects.get(at, LIMIT).await {
        Ok(content) => Ok(serde_json::from_slice(&content)
            .map(Some)
            .map_err(|error| error.to_string())),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(Ok(None)),
        Err(error) => Err(error),
    }
}

/// Writes it. With [`PutMode::Create`] one of two operators is told that the other has begun.
///
/// # Errors
/// Where the store refuses.
pub async fn write(
    objects: &dyn ObjectStore,
    at: &StoreUrl,
    record: &RunRecord,
    mode: PutMode,
    _consent: &Consent,
) -> Result<(), StoreError> {
    let content = serde_json::to_vec_pretty(record).unwrap_or_default();
    match objects.put(at, content.clone(), mode).await {
        // A request that was tried again may have met its own first attempt.
        Err(error)
            if error.kind == StoreErrorKind::AlreadyExists
                && objects.get(at, LIMIT).await.is_ok_and(|found| found == content) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// Removes it: the run is over.
///
/// # Errors
/// Where the store refuses.
pub async fn remove(objects: &dyn ObjectStore, at: &StoreUrl, _consent: &Consent) -> Result<(), StoreError> {
    objects.delete(at).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_what_it_is_and_forgets_what_was_taken_back() {
        let ordered = |etcd: &str| Ordered {
            etcd: etcd.to_owned(),
            backup: Some("b".to_owned()),
            command: Some("c".to_owned()),
            ordered: true,
        };
        let mut record = RunRecord {
            started: "2026-11-22T15:20:06Z".parse().unwrap(),
            orders: Vec::new(),
        };
        record.note(ordered("main"));
        record.note(ordered("events"));
        record.note(ordered("main"));
        assert_eq!(record.orders.len(), 2);
        let text = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<RunRecord>(&text).unwrap(), record);
        assert!(!record.forget("main", "other"));
        assert!(record.forget("main", "c"));
        assert!(record.of("main").is_none() && record.of("events").is_some());
    }

    #[test]
    fn it_lies_beside_the_pins_where_kops_does_not_look() {
        let recovery = "s3://b/c/backups/recovery/main".parse().unwrap();
        assert_eq!(
            place(&recovery).unwrap().to_string(),
            "s3://b/c/backups/recovery/etcd-restore-run.json"
        );
    }
}
