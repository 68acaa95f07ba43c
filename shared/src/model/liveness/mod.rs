//! Whether an etcd cluster or an API is alive. Pure: observations in, verdict out.
//!
//! Unknown is not dead: no response may as well be the network's fault. Dead is only what was proven so.

mod decide;
pub mod host;

pub use decide::{Liveness, decide};

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::model::backup::name::BackupName;
use crate::model::units;

/// So many intervals without a new backup, and none is expected any more.
const INTERVALS: i32 = 2;

/// The result of a request. Each text is a lowercase fragment that names the server and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It answers.
    Answers(String),
    /// A part of it answers, and it cannot serve: an etcd member without a leader.
    NoLeader(String),
    /// It answers on the port of an etcd that etcd-manager quarantines during a restore.
    Quarantined(String),
    /// No response: it is dead, or not reachable from here.
    NoResponse(String),
    /// No request could be made.
    NotChecked {
        /// Why.
        why: String,
        /// How to make it possible, in the imperative.
        cure: String,
    },
}

impl ProbeResult {
    /// The strongest of several answers about the same thing: one that answers outweighs all that do not. `None` of none.
    #[must_use]
    pub fn strongest(answers: impl IntoIterator<Item = Self>) -> Option<Self> {
        let strength = |answer: &Self| match answer {
            Self::Answers(_) => 4,
            Self::NoLeader(_) => 3,
            Self::Quarantined(_) => 2,
            Self::NoResponse(_) => 1,
            Self::NotChecked { .. } => 0,
        };
        answers
            .into_iter()
            .reduce(|best, next| if strength(&next) > strength(&best) { next } else { best })
    }
}

/// The result of connecting to one port of one address, without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// The connection was refused.
    Refused,
    /// The connection was accepted.
    Accepted,
    /// Neither: no answer in time, a reset, no route.
    Unknown(String),
}

/// One address of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressState {
    /// As AWS has it.
    pub address: IpAddr,
    /// The port in question.
    pub port: PortState,
    /// A service that responded on another port of this address: `ssh on port 22`.
    pub answers: Option<String>,
}

/// A master that runs, or may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Master {
    /// `i-…`.
    pub id: String,
    /// When it was started.
    pub launched: Option<Timestamp>,
    /// Its addresses, as AWS has them.
    pub addresses: Vec<IpAddr>,
    /// Those that were probed.
    pub probed: Vec<AddressState>,
}

/// What AWS has of the cluster's control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Masters {
    /// AWS could not be queried for this cluster.
    Unknown(String),
    /// From AWS.
    Known {
        /// Every one that is not known to be stopped or terminated.
        running: Vec<Master>,
        /// Whether it has any instance, in whatever state, or any group of the control plane.
        known_here: bool,
        /// The oldest etcd volume that is in place, not in quarantine; an error where that was not queried.
        oldest_volume: Result<Option<Timestamp>, String>,
    },
}

/// What a host reports over ssh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostState {
    /// As the user names it.
    pub host: String,
    /// Identifies the host: two names of one host have the same.
    pub identity: String,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it listens on the port in question; `None` where that is not known.
    pub listens: Option<bool>,
    /// The current log line of its etcd-manager, where that says that etcd has no members.
    pub no_members: Option<String>,
}

/// The newest backup that etcd-manager itself left in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestBackup {
    /// The etcd cluster.
    pub etcd: String,
    /// Its name.
    pub name: BackupName,
    /// The time between two backups, as the spec has it.
    pub interval: SignedDuration,
}

impl NewestBackup {
    /// When it was taken.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.name.created()
    }

    /// Whether the next one may still be on its way. A backup of the future is young: our clock is behind.
    #[must_use]
    pub fn is_young(&self, now: Timestamp) -> bool {
        let limit = self.interval.checked_mul(INTERVALS).unwrap_or(SignedDuration::MAX);
        now.duration_since(self.created()) < limit
    }

    /// `the newest backup of main is 4m old, and one is taken every 15m`.
    #[must_use]
    pub fn describe(&self, now: Timestamp) -> String {
        format!(
            "the newest backup of {} is {} old, and one is taken every {}",
            self.etcd,
            units::age(now.duration_since(self.created())),
            units::age(self.interval)
        )
    }
}

/// All that was observed of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signals {
    /// The result of the request to it.
    pub probe: ProbeResult,
    /// The masters, and the results of probing them.
    pub masters: Masters,
    /// The hosts that were asked over ssh.
    pub hosts: Vec<HostState>,
    /// The members that the spec has; 0 where it was not read.
    pub members: usize,
    /// When the newest wipe of this cluster's masters ended; `None` where there was none, or it did not end.
    pub wiped: Option<Timestamp>,
    /// The newest backup: of the etcd cluster, or for the API of any.
    pub newest: Option<NewestBackup>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_answers_outweighs_the_others_and_silence_outweighs_not_having_asked() {
        let (answers, silent) = (ProbeResult::Answers("a".into()), ProbeResult::NoResponse("s".into()));
        let quarantined = ProbeResult::Quarantined("q".into());
        let not_asked = ProbeResult::NotChecked {
            why: "w".into(),
            cure: "c".into(),
        };
        let all = [not_asked.clone(), quarantined.clone(), silent.clone(), answers.clone()];
        assert_eq!(ProbeResult::strongest(all), Some(answers));
        assert_eq!(
            ProbeResult::strongest([silent.clone(), quarantined.clone()]),
            Some(quarantined)
        );
        assert_eq!(ProbeResult::strongest([not_asked, silent.clone()]), Some(silent));
        assert_eq!(ProbeResult::strongest([]), None);
    }
}
