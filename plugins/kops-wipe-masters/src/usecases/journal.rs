//! The journal of a run, in the state store, with a copy on the operator's machine. It keeps two operators from running at once, lets an
//! interrupted run be resumed, and records what was done.
//!
//! `<cluster>/backups/recovery/wipe-0001.json`: one numbered object per run. The highest number is the active run. It is created by a
//! conditional write, so only one of two concurrent runs succeeds. A run that finds a higher number stops.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::local_state::{LocalState, Note};
use runbook_kit::ports::{Clock, ObjectStore, PutMode, StoreErrorKind};
use runbook_kit::usecases::quarantine;
use runbook_kit::usecases::wipe_journal::{Entry, LIMIT, Line, StoredJournal, newest, number_of, place, store_failed};
use tokio::time::Instant;

use crate::context::Context;
use crate::rules::plan::Plan;

/// A run writes at least this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A run on another machine counts as ended after this time without a write.
const EXPIRY: SignedDuration = SignedDuration::from_mins(2);

/// What a journal is read and written with.
#[derive(Clone, Copy)]
pub struct JournalPorts<'a> {
    pub objects: &'a dyn ObjectStore,
    pub local_state: &'a dyn LocalState,
    pub clock: &'a dyn Clock,
}

impl<'a> JournalPorts<'a> {
    pub fn of(context: &'a Context) -> Self {
        Self {
            objects: context.session.objects(),
            local_state: context.local_state.as_ref(),
            clock: context.session.clock.as_ref(),
        }
    }
}

/// The actions of the plan with this digest, if it was shown on this machine or a run started with it.
pub async fn shown(
    ports: JournalPorts<'_>,
    folder: &StoreUrl,
    digest: &str,
) -> Result<Option<BTreeSet<String>>, AnyFailure> {
    if let Some(shown) = recall(ports.local_state, digest) {
        return Ok(Some(shown));
    }
    let listed = ports.objects.list(folder).await.map_err(store_failed)?;
    let mut numbers: Vec<u32> = listed.iter().filter_map(|object| number_of(&object.path)).collect();
    numbers.sort_unstable();
    for number in numbers.into_iter().rev() {
        let content = ports.objects.get(&place(folder, number), LIMIT).await;
        let content = content.map_err(store_failed)?;
        // A broken journal does not hide the others.
        if let Ok(entry) = serde_json::from_slice::<Entry>(&content)
            && entry.digest == digest
        {
            return Ok(Some(entry.actions));
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

/// Remembers that this plan was shown, so that `--plan DIGEST` accepts it when partly applied. Without local state only the identical plan
/// is accepted later.
pub fn remember(local_state: &dyn LocalState, plan: &Plan) {
    let Ok(content) = serde_json::to_vec(&plan.actions()) else {
        return;
    };
    if let Ok(Some(note)) = local_state.take(&note_of_plan(&plan.digest)) {
        // Optional.
        let _ = note.write(&content);
    }
}

/// The journal of this run.
pub struct Journal<'a> {
    ports: JournalPorts<'a>,
    consent: &'a Consent,
    folder: StoreUrl,
    number: u32,
    at: StoreUrl,
    entry: Entry,
    note: Option<Box<dyn Note>>,
    /// Of the state store's copy.
    last_write: Instant,
    has_unsaved: bool,
    is_behind: bool,
}

impl<'a> Journal<'a> {
    /// Starts a run, unless another one is active. An interrupted one is resumed.
    pub async fn begin(
        ports: JournalPorts<'a>,
        folder: StoreUrl,
        plan: &Plan,
        last_run: Option<StoredJournal>,
        consent: &'a Consent,
    ) -> Result<Self, AnyFailure> {
        let now = ports.clock.now();
        let run = quarantine::fresh_run();
        let (number, first) = match last_run {
            None => (1, run.clone()),
            Some(last) if last.is_finished() => (last.number + 1, run.clone()),
            Some(last) => {
                // Locked until the new journal exists, against another run on this machine.
                let _lock = require_ended(ports, &last, now)?;
                (last.number + 1, last.entry.first)
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
            actions: plan.actions(),
            plan: serde_json::to_value(plan).unwrap_or_default(),
            log: Vec::new(),
            run,
        };
        // Locked before the journal exists: another command on this machine then finds an active run.
        let note = ports.local_state.take(&note_of(&entry)).ok().flatten();
        let journal = Self {
            ports,
            consent,
            folder,
            number,
            at,
            entry,
            note,
            last_write: Instant::now(),
            has_unsaved: false,
            is_behind: false,
        };
        let content = journal.content();
        journal.write_copy(&content);
        match ports.objects.put(&journal.at, content, PutMode::Create, consent).await {
            Ok(()) => Ok(journal),
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
                let message = format!("another run started at the same moment: {}", journal.at);
                Err(CommandError::refused(message)
                    .hint("contact its operator, and repeat the command after that run")
                    .into())
            }
            Err(error) => Err(store_failed(error).into()),
        }
    }

    /// The ID of the wipe: that of its first run, also in runs that resume it.
    pub fn first(&self) -> &str {
        &self.entry.first
    }

    /// Its URL.
    pub fn at(&self) -> &StoreUrl {
        &self.at
    }

    /// The local copy.
    pub fn copy(&self) -> Option<&std::path::Path> {
        self.note.as_ref().map(|note| note.path())
    }

    /// Whether this run resumes an interrupted one.
    pub fn is_resumed(&self) -> bool {
        self.entry.first != self.entry.run
    }

    /// Adds a line.
    pub fn add(&mut self, what: &str) {
        self.entry.log.push(Line {
            at: self.ports.clock.now(),
            what: what.to_owned(),
        });
        self.has_unsaved = true;
    }

    /// Writes what was added, and at least every [`HEARTBEAT`].
    ///
    /// # Errors
    /// If another run has taken over: this one must stop.
    pub async fn save(&mut self) -> Result<(), String> {
        if !self.has_unsaved && self.last_write.elapsed() < HEARTBEAT {
            return Ok(());
        }
        let next = place(&self.folder, self.number + 1);
        match self.ports.objects.get(&next, LIMIT).await {
            Ok(_) => return Err(format!("another run has taken over: {next}")),
            // Not found, or not known: both runs would apply the same plan.
            Err(_) => self.write().await,
        }
        Ok(())
    }

    /// Writes the end.
    pub async fn finish(&mut self) {
        self.entry.finished = Some(self.ports.clock.now());
        self.write().await;
    }

    /// Whether the last write to the state store failed.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    async fn write(&mut self) {
        self.entry.updated = self.ports.clock.now();
        let content = self.content();
        self.write_copy(&content);
        self.has_unsaved = false;
        self.last_write = Instant::now();
        // A failed write does not stop the run; the next one tries again.
        self.is_behind = self
            .ports
            .objects
            .put(&self.at, content, PutMode::Replace, self.consent)
            .await
            .is_err();
    }

    fn content(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.entry).unwrap_or_default()
    }

    fn write_copy(&self, content: &[u8]) {
        if let Some(note) = &self.note {
            // The state store has the authoritative copy.
            let _ = note.write(content);
        }
    }
}

/// The local note of a run.
fn note_of(entry: &Entry) -> String {
    format!("wipe-{}-{}", entry.cluster, entry.run)
}

/// Fails if a run without an end is still active. Returns the lock on its local note, if it ran on this machine.
fn require_ended(
    ports: JournalPorts<'_>,
    last: &StoredJournal,
    now: Timestamp,
) -> Result<Option<Box<dyn Note>>, CommandError> {
    let entry = &last.entry;
    let active = |hint: String| {
        CommandError::refused(format!(
            "{} is already wiping these masters, since {}; last update at {} ({})",
            entry.by, entry.started, entry.updated, last.at
        ))
        .hint(hint)
    };
    let name = note_of(entry);
    if let Ok(Some(_)) = ports.local_state.read(&name)
        && let Ok(taken) = ports.local_state.take(&name)
    {
        let here = || active("wait for that run, or stop it and repeat the command to resume it".to_owned());
        return taken.map(Some).ok_or_else(here);
    }
    if now.duration_since(entry.updated) > EXPIRY {
        return Ok(None);
    }
    let free = entry.updated.checked_add(EXPIRY).unwrap_or(entry.updated);
    Err(active(format!(
        "contact its operator; if that run has ended, this command resumes it after {free}"
    )))
}

/// Fails if a wipe of this cluster is active.
pub async fn require_no_run(ports: JournalPorts<'_>, folder: &StoreUrl) -> Result<(), AnyFailure> {
    if let Some(last) = newest(ports.objects, folder).await?
        && !last.is_finished()
    {
        require_ended(ports, &last, ports.clock.now())?;
    }
    Ok(())
}
