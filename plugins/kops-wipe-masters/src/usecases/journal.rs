//! The record of a run, in the state store and beside it on the operator's machine: so that two operators do not run at once, so
//! that a run that was killed can be gone on with, and so that one can read later what was done.
//!
//! `<cluster>/backups/recovery/wipe-0001.json`: one object a run, numbered. Who makes the highest number runs; making one is a
//! conditional write, so of two who try only one succeeds. A run that still lives sees that it was overtaken, and stops.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::local_state::{LocalState, Note};
use runbook_kit::ports::{Clock, ObjectStore, PutMode, StoreError, StoreErrorKind};
use runbook_kit::usecases::wipe_journal::{Entry, LIMIT, Line, Newest, ReadError, newest, number_of, place};
use tokio::time::Instant;

use crate::rules::plan::Plan;

/// A living run writes at least so often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After so long without a sign a run on another machine counts as ended.
const SILENCE: SignedDuration = SignedDuration::from_mins(2);

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another one runs.
    #[error("{by} is wiping these masters already, since {started}; last sign of life at {updated} ({at})")]
    Busy {
        by: String,
        started: Timestamp,
        updated: Timestamp,
        /// The journal.
        at: StoreUrl,
        /// Whether it is on this machine.
        here: bool,
    },
    /// Another one began in this very moment.
    #[error("somebody else began to wipe these masters in this moment: {0}")]
    Overtaken(StoreUrl),
    /// Those that are there cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failure for JournalError {
    fn exit(&self) -> Exit {
        match self {
            Self::Busy { .. } | Self::Overtaken(_) => Exit::Refused,
            Self::Read(_) | Self::Store(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Busy { here: true, .. } => Some("wait for it, or end it: then this command goes on".to_owned()),
            Self::Busy { updated, .. } => {
                let free = updated.checked_add(SILENCE).unwrap_or(*updated);
                Some(format!(
                    "talk to them; if that run was ended, this command goes on with it after {free}"
                ))
            }
            Self::Overtaken(_) => Some("talk to them, and run this again when they are done".to_owned()),
            Self::Read(error) => error.hint(),
            Self::Store(error) => Failure::hint(error),
        }
    }
}

/// What a journal is written with.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    pub objects: &'a dyn ObjectStore,
    pub local_state: &'a dyn LocalState,
    pub clock: &'a dyn Clock,
}

/// Every deed of the plan with this digest, where a run was begun with it, or it was shown on this machine.
pub async fn shown(desk: Desk<'_>, folder: &StoreUrl, digest: &str) -> Result<Option<BTreeSet<String>>, JournalError> {
    if let Some(shown) = recall(desk.local_state, digest) {
        return Ok(Some(shown));
    }
    let listed = desk.objects.list(folder).await?;
    let mut numbers: Vec<u32> = listed.iter().filter_map(|object| number_of(&object.path)).collect();
    numbers.sort_unstable();
    for number in numbers.into_iter().rev() {
        let content = desk.objects.get(&place(folder, number), LIMIT).await?;
        // One that cannot be read does not hide the others.
        if let Ok(entry) = serde_json::from_slice::<Entry>(&content)
            && entry.digest == digest
        {
            return Ok(Some(entry.deeds));
        }
    }
    Ok(None)
}

fn note_of_plan(digest: &str) -> String {
    format!("wipe-plan-{digest}")
}

fn recall(local_state: &dyn LocalState, digest: &str) -> Option<BTreeSet<String>> {
    let is_digest = !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let content = local_state.read(&note_of_plan(digest)).ok().filter(|_| is_digest)??;
    serde_json::from_slice(&content).ok()
}

/// Remembers that this plan was shown: `--plan DIGEST` then accepts what remains of it. Where the machine has no place for notes,
/// only the very same plan is accepted later.
pub fn remember(local_state: &dyn LocalState, plan: &Plan) {
    let Ok(content) = serde_json::to_vec(&plan.deeds()) else {
        return;
    };
    if let Ok(Some(note)) = local_state.take(&note_of_plan(&plan.digest)) {
        // A convenience: nothing depends on it.
        let _ = note.write(&content);
    }
}

/// The journal of this run.
pub struct Journal<'a> {
    desk: Desk<'a>,
    consent: &'a Consent,
    folder: StoreUrl,
    number: u32,
    at: StoreUrl,
    entry: Entry,
    note: Option<Box<dyn Note>>,
    /// Since when the state store has not been written.
    written: Instant,
    /// Whether something was noted since.
    dirty: bool,
    silent: bool,
}

impl<'a> Journal<'a> {
    /// Begins one, unless another run lives. One that does not is gone on with.
    pub async fn begin(
        desk: Desk<'a>,
        folder: StoreUrl,
        plan: &Plan,
        newest: Option<Newest>,
        consent: &'a Consent,
    ) -> Result<Self, JournalError> {
        let now = desk.clock.now();
        let run = fresh_id();
        let (number, first) = match newest {
            None => (1, run.clone()),
            Some(before) if before.is_finished() => (before.number + 1, run.clone()),
            Some(before) => {
                // Held until ours is made: so nobody on this machine does the same meanwhile.
                let _its_note = may_be_taken(desk, &before, now)?;
                (before.number + 1, before.entry.first)
            }
        };
        let at = place(&folder, number);
        let entry = Entry {
            first,
            cluster: plan.cluster.clone(),
            account: plan.account.clone(),
            region: plan.region.clone(),
            by: plan.caller.clone(),
            started: now,
            updated: now,
            finished: None,
            digest: plan.digest.clone(),
            deeds: plan.deeds(),
            plan: serde_json::to_value(plan).unwrap_or_default(),
            log: Vec::new(),
            run,
        };
        // Taken before the journal is there: whoever reads it on this machine finds that we live.
        let note = desk.local_state.take(&note_of(&entry)).ok().flatten();
        let journal = Self {
            desk,
            consent,
            folder,
            number,
            at,
            entry,
            note,
            written: Instant::now(),
            dirty: false,
            silent: false,
        };
        let content = journal.content();
        journal.note_down(&content);
        match desk.objects.put(&journal.at, content, PutMode::Create, consent).await {
            Ok(()) => Ok(journal),
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => Err(JournalError::Overtaken(journal.at)),
            Err(error) => Err(error.into()),
        }
    }

    /// The id of the whole effort: the same for the run that was killed and those that go on with it.
    pub fn first(&self) -> &str {
        &self.entry.first
    }

    /// Where it is.
    pub fn at(&self) -> &StoreUrl {
        &self.at
    }

    /// The local copy, where there is one.
    pub fn copy(&self) -> Option<&std::path::Path> {
        self.note.as_ref().map(|note| note.path())
    }

    /// Whether this goes on with a run that did not end.
    pub fn goes_on(&self) -> bool {
        self.entry.first != self.entry.run
    }

    /// Adds a line.
    pub fn add(&mut self, what: &str) {
        self.entry.log.push(Line {
            at: self.desk.clock.now(),
            what: what.to_owned(),
        });
        self.dirty = true;
    }

    /// Writes what was added, and a sign of life now and then.
    ///
    /// # Errors
    /// Where another run has taken over: then this one must stop. In words.
    pub async fn keep(&mut self) -> Result<(), String> {
        if !self.dirty && self.written.elapsed() < HEARTBEAT {
            return Ok(());
        }
        let next = place(&self.folder, self.number + 1);
        match self.desk.objects.get(&next, LIMIT).await {
            Ok(_) => return Err(format!("another run has taken over: {next}")),
            // Whether it is there cannot be told: what is done is the same plan's, whoever does it.
            Err(_) => self.write().await,
        }
        Ok(())
    }

    /// Writes that it is done.
    pub async fn finish(&mut self) {
        self.entry.finished = Some(self.desk.clock.now());
        self.write().await;
    }

    /// Whether the state store did not take the last of it.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    async fn write(&mut self) {
        self.entry.updated = self.desk.clock.now();
        let content = self.content();
        self.note_down(&content);
        self.dirty = false;
        self.written = Instant::now();
        // The deed does not wait for the record of it: the next time it is tried again.
        self.silent = self
            .desk
            .objects
            .put(&self.at, content, PutMode::Replace, self.consent)
            .await
            .is_err();
    }

    fn content(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.entry).unwrap_or_default()
    }

    fn note_down(&self, content: &[u8]) {
        if let Some(note) = &self.note {
            // The copy in the state store is the one that counts.
            let _ = note.write(content);
        }
    }
}

/// The note of a run on the machine that runs it.
fn note_of(entry: &Entry) -> String {
    format!("wipe-{}-{}", entry.cluster, entry.run)
}

/// Whether a run that has no end yet is over. With the note of its machine, where it is this one.
fn may_be_taken(desk: Desk<'_>, before: &Newest, now: Timestamp) -> Result<Option<Box<dyn Note>>, JournalError> {
    let entry = &before.entry;
    let busy = |here| JournalError::Busy {
        by: entry.by.clone(),
        started: entry.started,
        updated: entry.updated,
        at: before.at.clone(),
        here,
    };
    let name = note_of(entry);
    if let Ok(Some(_)) = desk.local_state.read(&name)
        && let Ok(taken) = desk.local_state.take(&name)
    {
        return match taken {
            Some(note) => Ok(Some(note)),
            None => Err(busy(true)),
        };
    }
    match now.duration_since(entry.updated) > SILENCE {
        true => Ok(None),
        false => Err(busy(false)),
    }
}

/// Fails where a wipe of this cluster runs somewhere.
pub async fn require_quiet(desk: Desk<'_>, folder: &StoreUrl) -> Result<(), JournalError> {
    if let Some(before) = newest(desk.objects, folder).await?
        && !before.is_finished()
    {
        may_be_taken(desk, &before, desk.clock.now())?;
    }
    Ok(())
}

/// Different each time; it needs no more.
fn fresh_id() -> String {
    format!("{:016x}", RandomState::new().hash_one("wipe"))
}
