//! How a restore is followed: from what was seen before and what is seen now to where one etcd cluster stands. Pure.
//!
//! Nobody tells where a restore stands. It is put together from the store (the command is there, or gone), from etcd (who
//! answers, on which port, of which cluster) and from etcd-manager's log, each of which may be out of sight.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::rules::log_messages::{LogEvent, LoopCause};

/// So many new etcd clusters under one command, and it is a loop: each pass makes one.
const PASSES: usize = 3;
/// At this revision nothing was ever written.
const NEVER_WRITTEN: i64 = 1;

/// Where one etcd cluster stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing is queued, and nothing more can be seen.
    #[default]
    Idle,
    /// There is no member: etcd-manager waits for a command.
    Waiting,
    /// A command is queued and not taken yet.
    Queued,
    /// etcd-manager carries it out.
    Restoring,
    /// The command is gone, and nothing was seen of a restore: it was carried out, or somebody removed it.
    Gone,
    /// The command is gone and etcd was seen to be restored; it does not serve yet, or that cannot be seen.
    Restored,
    /// etcd serves.
    Serving,
    /// It is tried over and over again.
    Looping,
}

impl State {
    /// Its name, as JSON has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Restoring => "restoring",
            Self::Gone => "gone",
            Self::Restored => "restored",
            Self::Serving => "serving",
            Self::Looping => "looping",
        }
    }
}

/// A queued command, as far as following goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedSeen {
    /// The name of its folder.
    pub name: String,
    /// The backup that it restores, or why it cannot be read.
    pub backup: Result<String, String>,
    /// When it was queued, where the command says so.
    pub queued: Option<Timestamp>,
}

/// What the store showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSeen {
    /// The queue, in the order in which it runs.
    pub commands: Vec<QueuedSeen>,
    /// The newest backup's name.
    pub newest: Option<String>,
    /// Whether `etcd-cluster-created` is there.
    pub created: bool,
}

/// What etcd showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdSeen {
    /// It was not asked, for this reason.
    NotAsked(String),
    /// Nobody answers, neither for clients nor on the quarantine port.
    Silent(String),
    /// It answers on the quarantine port only.
    Quarantined(Answer),
    /// It answers for clients.
    Serving(Answer),
}

/// What a member said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of its cluster: each restore makes another one.
    pub cluster: u64,
    /// Its revision.
    pub revision: i64,
    /// Whether it has a leader, and so a quorum.
    pub leader: bool,
}

/// All that was seen in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The store, or why it could not be read.
    pub store: Result<StoreSeen, String>,
    /// etcd.
    pub etcd: EtcdSeen,
    /// What the masters' logs said since the last look; `None` where they are out of sight.
    pub log: Option<Vec<LogEvent>>,
    /// Whether the API server that keeps its objects in this etcd is ready; `None` where it was not asked or is another's.
    pub api_ready: Option<bool>,
}

/// Why it loops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Which of the known ones.
    pub cause: LoopCause,
    /// The log line that says so, where one does.
    pub line: Option<String>,
}

/// By what a restore was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreProof {
    /// It answers on its quarantine port, and the command is gone: its keys were copied.
    Quarantine,
    /// It serves as another etcd cluster than the one that served under the command.
    AnotherEtcd,
    /// The etcd that was in quarantine serves.
    QuarantineLifted,
    /// It had no members when the command was queued, and serves.
    ServesAnew,
    /// etcd-manager's log says that it lifts the quarantine of what it has restored.
    Log,
    /// A backup was taken after the command, and no etcd was seen to live beside it.
    NewBackup,
}

impl RestoreProof {
    /// In words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Quarantine => "it answers on its quarantine port, and the command is gone",
            Self::AnotherEtcd => "it serves under another cluster id than before",
            Self::QuarantineLifted => "it left its quarantine",
            Self::ServesAnew => "it had no members, and serves",
            Self::Log => "etcd-manager's log shows it",
            Self::NewBackup => "a first backup was taken after the command",
        }
    }
}

/// What is known of an order before it is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submitted<'a> {
    /// The name of its command.
    pub command: &'a str,
    /// The backup that it restores.
    pub backup: Option<&'a str>,
    /// The id of the etcd cluster that served when it was ordered.
    pub served: Option<u64>,
    /// The newest backup of the store when it was ordered; `None` where that was not noted.
    pub newest: Option<Option<&'a str>>,
    /// Whether it was proven then that etcd has no members.
    pub no_members: bool,
    /// Whether the backup is known to hold nothing: then an empty etcd is what was wanted.
    pub empty: bool,
}

/// Where one etcd cluster stands, and what is remembered of how it came there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follow {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why it loops.
    pub cause: Option<Cause>,
    /// The command that is queued, or was when we last saw one.
    pub command: Option<String>,
    /// The backup that it restores.
    pub backup: Option<String>,
    /// What stands in the way and is no state: a broken command, a store that does not answer.
    pub problem: Option<String>,
    /// The command went, and etcd is still the one that served before: somebody cancelled it.
    pub cancelled: bool,
    /// The first backup after the command was seen; it confirms a restore where etcd is out of sight.
    pub new_backup: Option<String>,
    /// By what it was seen to be restored; nothing else makes it so.
    pub restored: Option<RestoreProof>,
    served_before: Option<u64>,
    /// The id of the etcd cluster that served at the last look, which listed the command. The command may have gone before etcd
    /// answered: that it had not is proven by the next look that lists it.
    served_last: Option<u64>,
    /// etcd-manager was seen to carry the command out.
    taken: bool,
    waits: bool,
    /// It was proven before, or the log says, that there is no member.
    no_members: bool,
    /// The backup holds nothing.
    empty: bool,
    newest_before: Option<Option<String>>,
    /// The highest revision of each etcd cluster that came up in quarantine under this command.
    passes: BTreeMap<u64, i64>,
    failures: BTreeMap<LoopCause, (u32, String)>,
    /// The log said that quarantine is lifted, after it said that the command was taken.
    lifted: bool,
}

/// Who has to be restarted so that a queued command is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Nobody: nothing is queued, or the leader reads the queue by itself.
    NotNeeded,
    /// etcd has members: only a new leader reads the queue.
    Leader,
    /// Whether etcd has members cannot be seen.
    Unknown,
}

impl Follow {
    /// Follows a command that was queued some time ago, and may be gone by now.
    #[must_use]
    pub fn of_command(submitted: &Submitted<'_>) -> Self {
        Self {
            command: Some(submitted.command.to_owned()),
            backup: submitted.backup.map(str::to_owned),
            served_before: submitted.served,
            newest_before: submitted.newest.map(|newest| newest.map(str::to_owned)),
            no_members: submitted.no_members,
            empty: submitted.empty,
            ..Self::default()
        }
    }

    /// Whether etcd-manager was seen to carry the command out.
    #[must_use]
    pub const fn taken(&self) -> bool {
        self.taken
    }

    /// Whether etcd-manager said that there is no member.
    #[must_use]
    pub const fn says_no_members(&self) -> bool {
        self.waits
    }

    /// The next step: from what was seen before and what is seen now.
    #[must_use]
    pub fn step(&self, seen: &Seen, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.read_log(seen.log.as_deref().unwrap_or_default());
        next.problem = None;
        let store = match &seen.store {
            Ok(store) => store,
            Err(why) => {
                next.problem = Some(format!("the store cannot be read: {why}"));
                return next;
            }
        };
        let state = match store.commands.as_slice() {
            [] => next.without_command(seen, store),
            commands => next.with_command(seen, store, commands),
        };
        if state != next.state || next.since.is_none() {
            next.since = Some(now);
        }
        next.state = state;
        next
    }

    /// Whether a restart is needed so that the queued command is taken, and of whom.
    #[must_use]
    pub fn restart(&self, seen: &Seen) -> Restart {
        if self.state != State::Queued {
            return Restart::NotNeeded;
        }
        match (&seen.etcd, seen.api_ready) {
            (EtcdSeen::Serving(_), _) | (EtcdSeen::NotAsked(_), Some(true)) => Restart::Leader,
            (EtcdSeen::Silent(_) | EtcdSeen::Quarantined(_), _) => Restart::NotNeeded,
            (EtcdSeen::NotAsked(_), _) if self.waits => Restart::NotNeeded,
            (EtcdSeen::NotAsked(_), _) => Restart::Unknown,
        }
    }

    /// What it waits for, in words.
    #[must_use]
    pub fn waits_for(&self) -> &'static str {
        match self.state {
            State::Idle => "nothing: no command is queued",
            State::Waiting => "a command",
            State::Queued => "etcd-manager to take the command",
            State::Restoring => "etcd-manager to complete the restore and delete the command",
            State::Gone => "proof of the restore: the command is gone",
            State::Restored => "etcd to serve",
            State::Serving => "nothing: etcd serves",
            State::Looping => "manual action",
        }
    }

    fn read_log(&mut self, events: &[LogEvent]) {
        for event in events {
            match event {
                LogEvent::TookCommand => {
                    self.taken = true;
                    self.waits = false;
                }
                LogEvent::WaitsForCommand => self.waits = true,
                LogEvent::Serves => {
                    if self.taken && self.command.is_some() {
                        self.lifted = true;
                    }
                    self.waits = false;
                    self.failures.clear();
                }
                LogEvent::Failed(cause, line) => {
                    let entry = self.failures.entry(*cause).or_default();
                    entry.0 = entry.0.saturating_add(1);
                    entry.1.clone_from(line);
                }
                LogEvent::Leads
                | LogEvent::Follows
                | LogEvent::TookBackup
                | LogEvent::Seeds
                | LogEvent::NoClusterSpec => {}
            }
        }
    }

    fn with_command(&mut self, seen: &Seen, store: &StoreSeen, commands: &[QueuedSeen]) -> State {
        let first = commands.first();
        let name = first.map(|command| command.name.clone());
        if self.command != name {
            // Another command: what was seen under the one before tells nothing of this one.
            let first_look = self.command.is_none();
            *self = Self {
                state: self.state,
                since: self.since,
                waits: self.waits,
                failures: std::mem::take(&mut self.failures),
                taken: self.taken && first_look,
                no_members: self.no_members,
                command: name,
                ..Self::default()
            };
            if !first_look {
                self.failures.clear();
            }
        }
        if let Some(confirmed) = self.served_last.take() {
            self.served_before = Some(confirmed);
        }
        self.backup = first.and_then(|command| command.backup.clone().ok());
        self.restored = None;
        self.new_backup = None;
        if let Some((broken, why)) = commands
            .iter()
            .find_map(|command| Some((command, command.backup.as_ref().err()?)))
        {
            self.problem = Some(format!(
                "command {} cannot be read ({why}): it blocks the leader, and with it the whole queue and all backups",
                broken.name
            ));
        }
        match &seen.etcd {
            EtcdSeen::Serving(answer) if !self.taken && self.passes.is_empty() => {
                self.served_last = Some(answer.cluster);
            }
            EtcdSeen::Quarantined(answer) => {
                self.taken = true;
                let highest = self.passes.entry(answer.cluster).or_default();
                *highest = answer.revision.max(*highest);
            }
            // It served, and nobody answers any more: etcd-manager has stopped it.
            EtcdSeen::Silent(_) if self.served_before.is_some() => self.taken = true,
            _ => {}
        }
        // A living etcd takes backups as well, until the command is taken.
        if !self.taken || self.newest_before.is_none() {
            self.newest_before = Some(store.newest.clone());
        }
        if let Some(cause) = self.looping() {
            self.cause = Some(cause);
            return State::Looping;
        }
        self.cause = None;
        if self.taken { State::Restoring } else { State::Queued }
    }

    fn without_command(&mut self, seen: &Seen, store: &StoreSeen) -> State {
        let followed = self.command.is_some();
        if followed
            && self
                .newest_before
                .as_ref()
                .is_some_and(|before| *before != store.newest)
        {
            self.new_backup.clone_from(&store.newest);
        }
        self.cause = None;
        if followed {
            self.find_proof(seen);
        }
        let submitted = || match self.restored {
            Some(_) => State::Restored,
            None => State::Gone,
        };
        match &seen.etcd {
            EtcdSeen::Serving(answer) if !answer.leader => {
                self.problem = Some("etcd answers and has no leader: fewer than half of its members are up".to_owned());
                if followed { submitted() } else { State::Idle }
            }
            EtcdSeen::Serving(_) => State::Serving,
            EtcdSeen::Quarantined(_) | EtcdSeen::Silent(_) if followed => submitted(),
            EtcdSeen::Quarantined(_) => State::Restored,
            EtcdSeen::Silent(_) => State::Waiting,
            EtcdSeen::NotAsked(_) if seen.api_ready == Some(true) => State::Serving,
            EtcdSeen::NotAsked(_) if followed => submitted(),
            EtcdSeen::NotAsked(_) if self.waits => State::Waiting,
            EtcdSeen::NotAsked(_) => State::Idle,
        }
    }

    /// The command is gone. That tells nothing by itself: whoever may write to the store can have removed it.
    fn find_proof(&mut self, seen: &Seen) {
        let filled = |answer: &Answer| answer.revision > NEVER_WRITTEN || self.empty;
        let sign = match &seen.etcd {
            EtcdSeen::Serving(answer) => {
                let quarantined = self.passes.contains_key(&answer.cluster);
                let before = self.served_before == Some(answer.cluster) && !quarantined;
                self.cancelled = before && answer.leader;
                if before {
                    self.restored = None;
                    return;
                }
                if !filled(answer) {
                    // Also one that nothing was restored into is let out of quarantine once no command is left.
                    self.restored = None;
                    self.problem = Some("it serves but is empty: nothing was restored".to_owned());
                    return;
                }
                if quarantined {
                    Some(RestoreProof::QuarantineLifted)
                } else if self.served_before.is_some() {
                    Some(RestoreProof::AnotherEtcd)
                } else {
                    self.no_members.then_some(RestoreProof::ServesAnew)
                }
            }
            EtcdSeen::Quarantined(answer) => {
                self.taken = true;
                let full = filled(answer);
                let highest = self.passes.entry(answer.cluster).or_default();
                *highest = answer.revision.max(*highest);
                full.then_some(RestoreProof::Quarantine)
            }
            EtcdSeen::NotAsked(_) if seen.api_ready == Some(true) && self.no_members => Some(RestoreProof::ServesAnew),
            EtcdSeen::NotAsked(_) | EtcdSeen::Silent(_) => None,
        };
        let sign = sign.or_else(|| self.lifted.then_some(RestoreProof::Log));
        let sign = sign.or_else(|| self.new_backup.is_some().then_some(RestoreProof::NewBackup));
        if sign.is_some() {
            self.restored = sign;
        }
    }

    fn looping(&self) -> Option<Cause> {
        let said = self
            .failures
            .iter()
            .find(|(cause, (times, _))| *times >= cause.max_repeats());
        if let Some((cause, (_, line))) = said {
            return Some(Cause {
                cause: *cause,
                line: Some(line.clone()),
            });
        }
        if self.passes.len() < PASSES {
            return None;
        }
        // Every pass but the running one was given up. Where it had data, the restore itself was carried out.
        let written: BTreeSet<bool> = self.passes.values().map(|revision| *revision > NEVER_WRITTEN).collect();
        Some(Cause {
            cause: if written.contains(&true) {
                LoopCause::CommandStays
            } else {
                LoopCause::Unknown
            },
            line: None,
        })
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
