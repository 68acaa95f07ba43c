//! What a run of restores has ordered: `<cluster>/backups/recovery/etcd-restore-run.json`.
//!
//! A command that is gone tells nobody whether it was carried out or never queued. Without this record a run that was
//! interrupted after a restore would order it again, and wipe what was just restored. It lies where neither kops nor etcd-manager
//! looks, and never in `control/`.
//!
//! It holds only for the masters that it was made for: after another disaster what it says was restored is gone again.

use runbook_kit::model::observed::Observed;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use runbook_kit::consent::Consent;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{ObjectStore, PutMode, StoreError, StoreErrorKind};

/// The file's name.
const FILE: &str = "etcd-restore-run.json";
/// More than any record has.
const LIMIT: u64 = 64 * 1024;
/// The version of what is written: those before 2 do not say for which masters.
pub const VERSION: u32 = 2;

/// A run that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// [`VERSION`] when it was written.
    #[serde(default)]
    pub version: u32,
    /// When it began.
    pub started: Timestamp,
    /// The masters (instance ids) that ran when it began; `None` where AWS could not be asked.
    #[serde(default)]
    pub masters: Option<BTreeSet<String>>,
    /// What it has ordered.
    #[serde(rename = "orders")]
    pub entries: Vec<RecordEntry>,
}

/// What was ordered of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordEntry {
    /// `main`, `events`, …
    pub etcd: String,
    /// The backup; `None` where it is seeded anew.
    pub backup: Option<String>,
    /// The command's name, where there is one.
    pub command: Option<String>,
    /// Whether it was ordered already: the command was queued, or the created marker removed.
    #[serde(rename = "ordered")]
    pub submitted: bool,
    /// Whether the command is this run's own; somebody else's that orders the same was gone on with.
    #[serde(default)]
    pub own: bool,
    /// The content of `etcd-cluster-created` before it was ordered; `None` where there was none.
    #[serde(default)]
    pub created: Option<String>,
    /// The id of the etcd cluster that served when it was ordered, in hexadecimal digits.
    #[serde(default)]
    pub served: Option<String>,
    /// The newest backup in the store when it was ordered.
    #[serde(default)]
    pub newest: Option<String>,
    /// Whether it was proven then that etcd has no members.
    #[serde(default)]
    pub no_members: bool,
}

impl RecordEntry {
    /// The id of the etcd cluster that served when it was ordered.
    #[must_use]
    pub fn served(&self) -> Option<u64> {
        u64::from_str_radix(self.served.as_deref()?, 16).ok()
    }
}

/// Whether what a record says still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is of the masters that run now.
    Holds,
    /// Whether it is cannot be told, for this reason: of what it says only a command that is still queued counts.
    Doubtful(String),
    /// It is of another day, for this reason.
    Void(String),
}

/// What is known now, to be compared with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present<'a> {
    /// The masters that run.
    pub masters: &'a Observed<BTreeSet<String>>,
    /// When the newest wipe of this cluster began; `None` where there was none.
    pub wiped: Observed<Option<Timestamp>>,
    /// The content of `etcd-cluster-created` of each etcd cluster.
    pub created: &'a [(&'a str, Option<String>)],
}

impl RunRecord {
    /// What it says of an etcd cluster.
    #[must_use]
    pub fn of(&self, etcd: &str) -> Option<&RecordEntry> {
        self.entries.iter().find(|entry| entry.etcd == etcd)
    }

    /// A run that begins now.
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

    /// Whether it still holds: it must be of the masters that run now and of the etcd clusters that were seeded then, and no wipe may have
    /// begun since.
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
            // One that is gone altogether is found by the preflight.
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

    /// The etcd clusters whose command is in this record under this name.
    #[must_use]
    pub fn has_command(&self, etcd: &str, command: &str) -> bool {
        self.of(etcd)
            .is_some_and(|entry| entry.command.as_deref() == Some(command))
    }

    /// Forgets what was ordered by a command that was taken back. `false` where it was not of this run.
    pub fn forget(&mut self, etcd: &str, command: &str) -> bool {
        let before = self.entries.len();
        self.entries
            .retain(|entry| entry.etcd != etcd || entry.command.as_deref() != Some(command));
        self.entries.len() != before
    }

    /// Notes something of an etcd cluster, in place of what was noted before.
    pub fn note(&mut self, submitted: RecordEntry) {
        self.entries.retain(|other| other.etcd != submitted.etcd);
        self.entries.push(submitted);
        self.entries.sort_by(|a, b| a.etcd.cmp(&b.etcd));
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
    consent: &Consent,
) -> Result<(), StoreError> {
    let content = serde_json::to_vec_pretty(record).unwrap_or_default();
    match objects.put(at, content.clone(), mode, consent).await {
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

/// Removes a record that holds no more, if it still is that one: somebody else may have begun meanwhile.
///
/// # Errors
/// Where the store refuses.
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

/// Removes it: the run is over.
///
/// # Errors
/// Where the store refuses.
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
