//! Follows the restore of one etcd cluster: computes its state from the previous state and a new observation.
//!
//! etcd-manager does not report the state of a restore. It is derived from the store (is the command still there?), from etcd (on which port does it
//! respond, with which cluster id?) and from etcd-manager's log. Each of them may be unavailable.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::rules::log_messages::{LogEvent, LoopCause};

/// After this many new etcd clusters under one command it is a loop: each attempt creates one.
const PASSES: usize = 3;
/// The revision of an etcd without any writes.
const NEVER_WRITTEN: i64 = 1;

/// The state of the restore of one etcd cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing is queued, and nothing else is known.
    #[default]
    Idle,
    /// No members: etcd-manager waits for a command.
    Waiting,
    /// A command is queued and was not taken yet.
    Queued,
    /// etcd-manager restores.
    Restoring,
    /// The command is gone without proof of a restore: it was completed, or the command was removed.
    Gone,
    /// The restore is complete; etcd does not serve yet, or was not checked.
    Restored,
    /// etcd serves.
    Serving,
    /// The restore keeps failing.
    Looping,
}

impl State {
    /// Its name in JSON.
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

/// A queued command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedSeen {
    /// The name of its folder.
    pub name: String,
    /// The backup that it restores, or why it cannot be read.
    pub backup: Result<String, String>,
    /// When it was queued, where the command says so.
    pub queued: Option<Timestamp>,
}

/// The observation of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSeen {
    /// The queue, in the order in which it is run.
    pub commands: Vec<QueuedSeen>,
    /// The newest backup's name.
    pub newest: Option<String>,
    /// Whether `etcd-cluster-created` exists.
    pub created: bool,
}

/// The observation of an etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdSeen {
    /// It was not asked, for this reason.
    NotAsked(String),
    /// It was asked, and has not answered yet.
    Unanswered,
    /// It responds neither on the client port nor on the quarantine port.
    Silent(String),
    /// It responds only on the quarantine port.
    Quarantined(Answer),
    /// It responds on the client port.
    Serving(Answer),
}

/// The status of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of its cluster: each restore creates a new one.
    pub cluster: u64,
    /// Its revision.
    pub revision: i64,
    /// Whether it has a leader, and so a quorum.
    pub leader: bool,
}

/// One observation of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The store, or why it could not be read.
    pub store: Result<StoreSeen, String>,
    /// etcd.
    pub etcd: EtcdSeen,
    /// The events in the logs since the last observation; `None` where the logs cannot be read.
    pub log: Option<Vec<LogEvent>>,
    /// Whether the API server that stores its objects in this etcd is ready; `None` where that is not known.
    pub api_ready: Option<bool>,
}

/// Why it loops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kind of failure.
    pub cause: LoopCause,
    /// The log line that shows it.
    pub line: Option<String>,
}

/// The proof of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreProof {
    /// It responds on its quarantine port, and the command is gone: its keys were copied.
    Quarantine,
    /// It serves with another cluster id than before.
    AnotherEtcd,
    /// The etcd that was in quarantine serves.
    QuarantineLifted,
    /// It had no members when the command was queued, and serves.
    ServesAnew,
    /// etcd-manager's log shows that it lifts the quarantine of the restored etcd.
    Log,
    /// A backup was taken after the command, while no etcd was seen to run.
    NewBackup,
}

impl RestoreProof {
    /// As text.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Quarantine => "it responds on its quarantine port, and the command is gone",
            Self::AnotherEtcd => "it serves under another cluster id than before",
            Self::QuarantineLifted => "it left its quarantine",
            Self::ServesAnew => "it had no members, and serves",
            Self::Log => "etcd-manager's log shows it",
            Self::NewBackup => "a first backup was taken after the command",
        }
    }
}

/// What is known of a queued restore before it is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submitted<'a> {
    /// The name of its command.
    pub command: &'a str,
    /// The backup that it restores.
    pub backup: Option<&'a str>,
    /// The id of the etcd cluster that served when it was queued.
    pub served: Option<u64>,
    /// The newest backup in the store when it was queued; `None` where that is not known.
    pub newest: Option<Option<&'a str>>,
    /// Whether etcd was proven to have no members.
    pub no_members: bool,
    /// Whether the backup is known to be empty: then an empty etcd is correct.
    pub empty: bool,
}

/// The state of one etcd cluster, and its history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follow {
    pub state: State,
    pub since: Option<Timestamp>,
    pub cause: Option<Cause>,
    /// The last command that was queued.
    pub command: Option<String>,
    pub backup: Option<String>,
    /// A problem that blocks the restore: a broken command, an unavailable store.
    pub problem: Option<String>,
    /// The command was removed, and etcd still has the cluster id of before.
    pub cancelled: bool,
    /// The first backup after the command.
    pub new_backup: Option<String>,
    /// The proof of the restore.
    pub restored: Option<RestoreProof>,
    served_before: Option<u64>,
    /// The id of the etcd cluster that served at the last observation. The command may have been taken before etcd responded: the next observation
    /// with the command proves that it was not.
    served_last: Option<u64>,
    /// etcd-manager has taken the command.
    taken: bool,
    waits: bool,
    /// etcd was proven to have no members.
    no_members: bool,
    /// The backup is empty.
    empty: bool,
    newest_before: Option<Option<String>>,
    /// The highest revision of each etcd cluster that came up in quarantine under this command.
    passes: BTreeMap<u64, i64>,
    failures: BTreeMap<LoopCause, (u32, String)>,
    /// The log showed that the quarantine was lifted, after the command was taken.
    lifted: bool,
}

/// What has to be restarted so that a queued command is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Nothing: the queue is empty, or the leader reads it by itself.
    NotNeeded,
    /// The leader: etcd has members, so only a new leader reads the queue.
    Leader,
    /// Not known, as it is not known whether etcd has members.
    Unknown,
}

impl Follow {
    /// Follows a command that was queued before, and may be gone.
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

    /// Whether etcd-manager has taken the command.
    #[must_use]
    pub const fn taken(&self) -> bool {
        self.taken
    }

    /// Whether etcd-manager's log shows that there are no members.
    #[must_use]
    pub const fn has_no_members(&self) -> bool {
        self.waits
    }

    /// The state after one more observation.
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

    /// What has to be restarted so that the queued command is taken.
    #[must_use]
    pub fn restart(&self, seen: &Seen) -> Restart {
        if self.state != State::Queued {
            return Restart::NotNeeded;
        }
        match (&seen.etcd, seen.api_ready) {
            (EtcdSeen::Serving(_), _) | (EtcdSeen::NotAsked(_), Some(true)) => Restart::Leader,
            (EtcdSeen::Silent(_) | EtcdSeen::Quarantined(_), _) => Restart::NotNeeded,
            (EtcdSeen::NotAsked(_) | EtcdSeen::Unanswered, _) if self.waits => Restart::NotNeeded,
            (EtcdSeen::NotAsked(_) | EtcdSeen::Unanswered, _) => Restart::Unknown,
        }
    }

    /// What it waits for.
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
            // Another command: the history does not count for it.
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
            // It served and no longer responds: etcd-manager has stopped it.
            EtcdSeen::Silent(_) if self.served_before.is_some() => self.taken = true,
            _ => {}
        }
        // A running etcd takes backups, too, until the command is taken.
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
                self.problem = Some("etcd has no leader: fewer than half of its members are up".to_owned());
                if followed { submitted() } else { State::Idle }
            }
            EtcdSeen::Serving(_) => State::Serving,
            EtcdSeen::Quarantined(_) | EtcdSeen::Silent(_) | EtcdSeen::Unanswered if followed => submitted(),
            EtcdSeen::Quarantined(_) => State::Restored,
            EtcdSeen::Silent(_) => State::Waiting,
            EtcdSeen::NotAsked(_) if seen.api_ready == Some(true) => State::Serving,
            EtcdSeen::NotAsked(_) if followed => submitted(),
            EtcdSeen::NotAsked(_) | EtcdSeen::Unanswered if self.waits => State::Waiting,
            EtcdSeen::NotAsked(_) | EtcdSeen::Unanswered => State::Idle,
        }
    }

    /// The command is gone. That is no proof of a restore: a user may have removed it.
    fn find_proof(&mut self, seen: &Seen) {
        let filled = |answer: &Answer| answer.revision > NEVER_WRITTEN || self.empty;
        let proof = match &seen.etcd {
            EtcdSeen::Serving(answer) => {
                let quarantined = self.passes.contains_key(&answer.cluster);
                let before = self.served_before == Some(answer.cluster) && !quarantined;
                self.cancelled = before && answer.leader;
                if before {
                    self.restored = None;
                    return;
                }
                if !filled(answer) {
                    // The quarantine is also lifted for an empty etcd once no command is left.
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
            EtcdSeen::NotAsked(_) | EtcdSeen::Silent(_) | EtcdSeen::Unanswered => None,
        };
        let proof = proof.or_else(|| self.lifted.then_some(RestoreProof::Log));
        let proof = proof.or_else(|| self.new_backup.is_some().then_some(RestoreProof::NewBackup));
        if proof.is_some() {
            self.restored = proof;
        }
    }

    fn looping(&self) -> Option<Cause> {
        let with_line = |(cause, (_, line)): (&LoopCause, &(u32, String))| Cause {
            cause: *cause,
            line: Some(line.clone()),
        };
        let repeated = |(cause, (times, _)): &(&LoopCause, &(u32, String))| *times >= cause.max_repeats();
        if let Some(failure) = self.failures.iter().find(repeated) {
            return Some(with_line(failure));
        }
        if self.passes.len() < PASSES {
            return None;
        }
        let cause = |cause| Some(Cause { cause, line: None });
        // Every attempt but the last one failed. If one had data, its restore was complete.
        if self.passes.values().any(|revision| *revision > NEVER_WRITTEN) {
            return cause(LoopCause::CommandStays);
        }
        // Now a line that was logged once is enough, except for the one that is normal after a wipe.
        let mut once = self
            .failures
            .iter()
            .filter(|(cause, _)| **cause != LoopCause::TooFewPeers);
        once.next().map(with_line).or_else(|| cause(LoopCause::Unknown))
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
