//! How a restore is followed: from what was seen before and what is seen now to where one etcd cluster stands. Pure.
//!
//! Nobody tells where a restore stands. It is put together from the store (the command is there, or gone), from etcd (who
//! answers, on which port, of which cluster) and from etcd-manager's log, each of which may be out of sight.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::log::{LogEvent, LoopCause};

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
    /// The command is gone; etcd does not serve yet, or that cannot be seen.
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
    served_before: Option<u64>,
    taken: bool,
    waits: bool,
    newest_before: Option<Option<String>>,
    /// The highest revision of each etcd cluster that came up in quarantine under this command.
    passes: BTreeMap<u64, i64>,
    failures: BTreeMap<LoopCause, (u32, String)>,
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
    pub fn of_command(name: &str, backup: Option<&str>) -> Self {
        Self {
            command: Some(name.to_owned()),
            backup: backup.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The next step: from what was seen before and what is seen now.
    #[must_use]
    pub fn step(&self, seen: &Seen, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.listen(seen.log.as_deref().unwrap_or_default());
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
            State::Restoring => "etcd-manager to carry the command out and delete it",
            State::Restored => "etcd to serve",
            State::Serving => "nothing: etcd serves",
            State::Looping => "somebody to break the loop",
        }
    }

    fn listen(&mut self, events: &[LogEvent]) {
        for event in events {
            match event {
                LogEvent::TookCommand => {
                    self.taken = true;
                    self.waits = false;
                }
                LogEvent::WaitsForCommand => self.waits = true,
                LogEvent::Serves => {
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
                command: name,
                ..Self::default()
            };
            if !first_look {
                self.failures.clear();
            }
        }
        self.backup = first.and_then(|command| command.backup.clone().ok());
        self.newest_before.get_or_insert_with(|| store.newest.clone());
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
                self.served_before = Some(answer.cluster);
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
        match &seen.etcd {
            EtcdSeen::Serving(answer) if !answer.leader => {
                self.problem = Some("etcd answers and has no leader: fewer than half of its members are up".to_owned());
                if followed { State::Restored } else { State::Idle }
            }
            EtcdSeen::Serving(answer) => {
                self.cancelled = followed && self.served_before == Some(answer.cluster);
                State::Serving
            }
            EtcdSeen::Quarantined(_) => State::Restored,
            EtcdSeen::Silent(_) if followed => State::Restored,
            EtcdSeen::Silent(_) => State::Waiting,
            EtcdSeen::NotAsked(_) if seen.api_ready == Some(true) => State::Serving,
            EtcdSeen::NotAsked(_) if followed => State::Restored,
            EtcdSeen::NotAsked(_) if self.waits => State::Waiting,
            EtcdSeen::NotAsked(_) => State::Idle,
        }
    }

    fn looping(&self) -> Option<Cause> {
        let said = self
            .failures
            .iter()
            .find(|(cause, (times, _))| *times >= cause.patience());
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
