//! The record of an unfinished run: `<cluster>/backups/recovery/etcd-restore-run.json`.
//!
//! Without it, an interrupted run could not tell a completed restore from one that was never queued: it would queue it again and wipe restored
//! data. Neither kops nor etcd-manager reads this folder.
//!
//! It is valid only for the masters that it was written for.

use runbook_kit::model::observed::Observed;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use runbook_kit::consent::Consent;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{ObjectStore, PutMode, StoreError, StoreErrorKind};

/// The file's name.
const FILE: &str = "etcd-restore-run.json";
/// More than the size of any record.
const LIMIT: u64 = 64 * 1024;
/// Version of the format: those before 2 have no masters.
pub const VERSION: u32 = 2;

/// An unfinished run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// [`VERSION`] when it was written.
    #[serde(default)]
    pub version: u32,
    /// When it started.
    pub started: Timestamp,
    /// The masters (instance ids) that ran when it started; `None` where AWS was not available.
    #[serde(default)]
    pub masters: Option<BTreeSet<String>>,
    /// One entry for each etcd cluster.
    #[serde(rename = "orders")]
    pub entries: Vec<RecordEntry>,
}

/// The restore of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordEntry {
    /// `main`, `events`, …
    pub etcd: String,
    /// The backup; `None` where it is seeded anew.
    pub backup: Option<String>,
    /// The command's name, where there is one.
    pub command: Option<String>,
    /// Whether the command was queued, or the created marker removed.
    #[serde(rename = "ordered")]
    pub submitted: bool,
    /// Whether the command is from this run, and not another user's that was adopted.
    #[serde(default)]
    pub own: bool,
    /// The content of `etcd-cluster-created` before.
    #[serde(default)]
    pub created: Option<String>,
    /// The id of the etcd cluster that served before, in hexadecimal digits.
    #[serde(default)]
    pub served: Option<String>,
    /// The newest backup in the store before.
    #[serde(default)]
    pub newest: Option<String>,
    /// Whether etcd was proven to have no members.
    #[serde(default)]
    pub no_members: bool,
}

impl RecordEntry {
    /// The id of the etcd cluster that served before.
    #[must_use]
    pub fn served(&self) -> Option<u64> {
        u64::from_str_radix(self.served.as_deref()?, 16).ok()
    }
}

/// Whether a record is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is for the masters that run now.
    Holds,
    /// Not known, for this reason: only entries that can be verified are used.
    Doubtful(String),
    /// It is for an earlier recovery, for this reason.
    Void(String),
}

/// The current state, to compare a record with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present<'a> {
    /// The masters that run.
    pub masters: &'a Observed<BTreeSet<String>>,
    /// When the newest wipe of this cluster started; `None` where there was none.
    pub wiped: Observed<Option<Timestamp>>,
    /// The content of `etcd-cluster-created` of each etcd cluster.
    pub created: &'a [(&'a str, Option<String>)],
}

impl RunRecord {
    /// The entry of an etcd cluster.
    #[must_use]
    pub fn of(&self, etcd: &str) -> Option<&RecordEntry> {
        self.entries.iter().find(|entry| entry.etcd == etcd)
    }

    /// A run that starts now.
    #[must_use]
    pub fn begin(started: Timestamp, masters: &Observed<BTreeSet<String>>) -> Self {
        Self {
            version: VERSION,
            started,
            masters: match masters {
                Observed::Known(masters) => Some(masters.clone()),
                Observed::Unknown(_) => None,
            },
            entries: Vec::new(),
        }
    }

    /// Whether it is valid: it must be for the masters that run now and for the same created markers, and no wipe may have started since.
    #[must_use]
    pub fn validity(&self, now: &Present<'_>) -> Validity {
        if self.version < VERSION {
            return Validity::Void("it was written by an older version, without its masters".to_owned());
        }
        match &now.wiped {
            Observed::Known(Some(wiped)) if *wiped > self.started => {
                return Validity::Void(format!("the masters were wiped since, at {wiped:.0}"));
            }
            _ => {}
        }
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.submitted && entry.backup.is_some())
        {
            let now = now.created.iter().find(|(etcd, _)| *etcd == entry.etcd);
            // A missing marker is found by the preflight.
            if let Some((_, Some(created))) = now
                && entry.created.as_ref() != Some(created)
            {
                return Validity::Void(format!("etcd {} was seeded anew since", entry.etcd));
            }
        }
        match (&self.masters, now.masters) {
            (Some(then), Observed::Known(masters)) => {
                let new: Vec<&str> = masters.difference(then).map(String::as_str).collect();
                if !new.is_empty() {
                    return Validity::Void(format!("it is for other masters than run now; new: {}", new.join(", ")));
                }
                if masters.is_empty() {
                    return Validity::Void("none of its masters is running".to_owned());
                }
            }
            (None, _) => {
                return Validity::Doubtful("AWS was not available when it was recorded".to_owned());
            }
            (_, Observed::Unknown(why)) => {
                return Validity::Doubtful(format!("not checked whether its masters still run: {why}"));
            }
        }
        match &now.wiped {
            Observed::Known(_) => Validity::Holds,
            Observed::Unknown(why) => {
                Validity::Doubtful(format!("not checked whether the masters were wiped since: {why}"))
            }
        }
    }

    /// Whether this command is in the record.
    #[must_use]
    pub fn has_command(&self, etcd: &str, command: &str) -> bool {
        self.of(etcd)
            .is_some_and(|entry| entry.command.as_deref() == Some(command))
    }

    /// Removes the entry of a removed command. `false` where there is none.
    pub fn forget(&mut self, etcd: &str, command: &str) -> bool {
        let before = self.entries.len();
        self.entries
            .retain(|entry| entry.etcd != etcd || entry.command.as_deref() != Some(command));
        self.entries.len() != before
    }

    /// Adds or replaces the entry of an etcd cluster.
    pub fn note(&mut self, submitted: RecordEntry) {
        self.entries.retain(|other| other.etcd != submitted.etcd);
        self.entries.push(submitted);
        self.entries.sort_by(|a, b| a.etcd.cmp(&b.etcd));
    }
}

/// The URL of a cluster's record; `recovery` is the folder of pinned backups of one of its etcd clusters.
#[must_use]
pub fn place(recovery: &StoreUrl) -> Option<StoreUrl> {
    recovery.parent().map(|folder| folder.join(FILE))
}

/// Reads it; `None` where there is none, `Ok(Err(..))` where it cannot be parsed.
///
/// # Errors
/// Where the store fails.
pub async fn read(objects: &dyn ObjectStore, at: &StoreUrl) -> Result<Result<Option<RunRecord>, String>, StoreError> {
    match objects.get(at, LIMIT).await {
        Ok(content) => Ok(serde_json::from_slice(&content)
            .map(Some)
            .map_err(|error| error.to_string())),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(Ok(None)),
        Err(error) => Err(error),
    }
}

/// Writes it. With [`PutMode::Create`] it fails where another run has started.
///
/// # Errors
/// Where the store fails.
pub async fn write(
    objects: &dyn ObjectStore,
    at: &StoreUrl,
    record: &RunRecord,
    mode: PutMode,
    consent: &Consent,
) -> Result<(), StoreError> {
    let content = serde_json::to_vec_pretty(record).unwrap_or_default();
    match objects.put(at, content.clone(), mode, consent).await {
        // A retried request may find its own first attempt.
        Err(error)
            if error.kind == StoreErrorKind::AlreadyExists
                && objects.get(at, LIMIT).await.is_ok_and(|found| found == content) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// Removes an invalid record, unless another run has replaced it.
///
/// # Errors
/// Where the store fails.
pub async fn discard(
    objects: &dyn ObjectStore,
    at: &StoreUrl,
    record: &RunRecord,
    consent: &Consent,
) -> Result<bool, StoreError> {
    let content = match objects.get(at, LIMIT).await {
        Ok(content) => content,
        Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if serde_json::from_slice::<RunRecord>(&content).ok().as_ref() != Some(record) {
        return Ok(false);
    }
    objects.delete_if(at, &content, consent).await
}

/// Removes it: the run is complete.
///
/// # Errors
/// Where the store fails.
pub async fn remove(objects: &dyn ObjectStore, at: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
    objects.delete(at, consent).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submitted(etcd: &str) -> RecordEntry {
        RecordEntry {
            etcd: etcd.to_owned(),
            backup: Some("b".to_owned()),
            command: Some("c".to_owned()),
            submitted: true,
            own: true,
            created: Some(r#"{"timestamp":1}"#.to_owned()),
            served: Some(format!("{:x}", u64::MAX)),
            newest: None,
            no_members: false,
        }
    }

    fn masters(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn record(ids: &[&str]) -> RunRecord {
        let started = "2026-11-22T15:20:06Z".parse().unwrap();
        let mut record = RunRecord::begin(started, &Observed::Known(masters(ids)));
        record.note(submitted("main"));
        record
    }

    /// What holds of a record of the masters i-1 and i-2, made at 15:20.
    fn validity(now: &Observed<BTreeSet<String>>, wiped: Observed<Option<&str>>, created: &str) -> Validity {
        let wiped = match wiped {
            Observed::Known(time) => Observed::Known(time.map(|time| time.parse().unwrap())),
            Observed::Unknown(why) => Observed::Unknown(why),
        };
        let created = [("main", (!created.is_empty()).then(|| created.to_owned()))];
        record(&["i-1", "i-2"]).validity(&Present {
            masters: now,
            wiped,
            created: &created,
        })
    }

    #[test]
    fn a_record_holds_for_its_masters_and_its_marker_until_a_wipe_begins() {
        const MARKER: &str = r#"{"timestamp":1}"#;
        let of = |ids: &[&str]| Observed::Known(masters(ids));
        let unasked = || Observed::Unknown("no credentials".to_owned());
        let void = |validity: Validity| matches!(validity, Validity::Void(_));
        let doubtful = |validity: Validity| matches!(validity, Validity::Doubtful(_));
        let same = of(&["i-1", "i-2"]);
        assert_eq!(validity(&same, Observed::Known(None), MARKER), Validity::Holds);
        // The wipe that came before it, and a master that is down for a while.
        let before = Observed::Known(Some("2026-11-22T15:00:00Z"));
        assert_eq!(validity(&of(&["i-2"]), before, MARKER), Validity::Holds);
        assert_eq!(validity(&same, Observed::Known(None), ""), Validity::Holds);
        let since = || Observed::Known(Some("2026-11-22T15:20:07Z"));
        assert!(void(validity(&same, since(), MARKER)));
        assert!(void(validity(&unasked(), since(), MARKER)));
        assert!(void(validity(&of(&["i-1", "i-9"]), Observed::Known(None), MARKER)));
        assert!(void(validity(&of(&[]), Observed::Known(None), MARKER)));
        assert!(void(validity(&same, Observed::Known(None), r#"{"timestamp":2}"#)));
        assert!(void(validity(&unasked(), Observed::Known(None), r#"{"timestamp":2}"#)));
        assert!(doubtful(validity(&unasked(), Observed::Known(None), MARKER)));
        assert!(doubtful(validity(
            &same,
            Observed::Unknown("no JSON".to_owned()),
            MARKER
        )));
    }

    #[test]
    fn a_record_of_an_older_version_is_void_and_one_without_masters_doubtful() {
        let old = r#"{"started":"2026-11-22T15:20:06Z","orders":[{"etcd":"main","backup":"b","command":"c","ordered":true}]}"#;
        let old: RunRecord = serde_json::from_str(old).unwrap();
        let (asked, created) = (Observed::Known(masters(&["i-1"])), []);
        let now = Present {
            masters: &asked,
            wiped: Observed::Known(None),
            created: &created,
        };
        let Validity::Void(why) = old.validity(&now) else {
            panic!("{old:?}");
        };
        assert!(why.contains("older version"), "{why}");
        let blind = RunRecord::begin(old.started, &Observed::Unknown("no credentials".to_owned()));
        assert!(matches!(blind.validity(&now), Validity::Doubtful(_)));
    }

    #[test]
    fn a_record_is_read_as_what_it_is_and_forgets_what_was_taken_back() {
        let mut record = record(&["i-1"]);
        record.entries.clear();
        record.note(submitted("main"));
        record.note(submitted("events"));
        record.note(submitted("main"));
        assert_eq!(record.entries.len(), 2);
        let text = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<RunRecord>(&text).unwrap(), record);
        assert_eq!(record.of("main").unwrap().served(), Some(u64::MAX));
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
