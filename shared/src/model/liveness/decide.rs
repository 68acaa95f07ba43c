//! The verdict. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::{Door, Heard, HostSaid, Knock, Master, Masters, Signals};

/// What is known of it, with the evidence: lowercase fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It answers, or a part of it does.
    Alive {
        /// Who answered what.
        why: String,
        /// Whether it serves: an etcd without a leader lives and does not.
        serves: bool,
    },
    /// It was proven so.
    Dead(String),
    /// Neither was proven.
    Unknown {
        /// What there is for either.
        why: String,
        /// What would tell more, in the imperative.
        cure: String,
    },
}

impl Life {
    /// Whether something may be lost by throwing it away: all but what is proven dead.
    #[must_use]
    pub const fn may_live(&self) -> bool {
        !matches!(self, Self::Dead(_))
    }

    /// Whether it is proven alive.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        matches!(self, Self::Alive { .. })
    }

    /// Its name, as JSON has it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Alive { .. } => "alive",
            Self::Dead(_) => "dead",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The evidence.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Alive { why, .. } | Self::Dead(why) | Self::Unknown { why, .. } => why,
        }
    }

    /// Nothing was looked at, for this reason.
    #[must_use]
    pub fn not_checked(why: impl Into<String>) -> Self {
        Self::Unknown {
            why: why.into(),
            cure: CURE.to_owned(),
        }
    }

    /// In words, for a question or a line of a table.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Alive { why, .. } => format!("alive: {why}"),
            Self::Dead(why) => format!("dead: {why}"),
            Self::Unknown { why, .. } => format!("not known to be dead, may be alive: {why}"),
        }
    }
}

const CURE: &str =
    "let it be proven: --host with every master's name (over ssh), --region and --profile of the account that has them";

/// Whether it is alive, dead, or nobody knows.
///
/// An answer outweighs all. Dead is only: what etcd-manager itself keeps in quarantine or calls empty; what our own wipe took away; what
/// AWS shows to have no machine; and what the machines themselves refuse. The last two are outweighed by a young backup, which somebody
/// alive has made.
#[must_use]
pub fn decide(observed: &Signals, now: Timestamp) -> Life {
    let (asked, cure) = match &observed.heard {
        Heard::Answers(why) => {
            return Life::Alive {
                why: why.clone(),
                serves: true,
            };
        }
        Heard::NoLeader(why) => {
            return Life::Alive {
                why: why.clone(),
                serves: false,
            };
        }
        Heard::Quarantined(why) | Heard::Silent(why) => (format!("no answer ({why})"), CURE.to_owned()),
        Heard::NotAsked { why, cure } => (format!("not checked ({why})"), cure.clone()),
    };
    if let Some(host) = observed.hosts.iter().find(|host| host.listens == Some(true)) {
        let why = format!("{asked}; on {} its port is listened on", host.host);
        return Life::Unknown { why, cure };
    }
    if let Heard::Quarantined(why) = &observed.heard {
        return Life::Dead(why.clone());
    }
    if let Some((host, line)) = observed
        .hosts
        .iter()
        .find_map(|host| Some((host, host.no_members.as_ref()?)))
    {
        return Life::Dead(format!("etcd-manager on {} says: {line}", host.host));
    }
    if let Some(proof) = by_wipe(observed) {
        return Life::Dead(proof);
    }
    let proof = by_aws(&observed.masters).or_else(|| by_refusal(observed));
    let young = observed.newest.as_ref().filter(|newest| newest.is_young(now));
    match (proof, young) {
        (Some(proof), None) => Life::Dead(proof),
        (Some(proof), Some(young)) => Life::Unknown {
            why: format!("{proof}; but {}", young.says(now)),
            cure: "wait for two intervals: if another backup arrives, it is alive".to_owned(),
        },
        (None, Some(young)) => Life::Unknown {
            why: format!("{asked}; {}", young.says(now)),
            cure,
        },
        (None, None) => Life::Unknown { why: asked, cure },
    }
}

/// Our own wipe ended, every master that runs is younger, and nobody has written a backup since. Volumes that are older were brought back:
/// then the old etcd may have come with them.
fn by_wipe(observed: &Signals) -> Option<String> {
    let ended = observed.wiped?;
    let Masters::Are {
        running,
        oldest_volume: Ok(oldest),
        ..
    } = &observed.masters
    else {
        return None;
    };
    // AWS tells of no more than seconds.
    let since = |time: &Timestamp| time.as_second() >= ended.as_second();
    let newer = !running.is_empty() && running.iter().all(|master| master.launched.as_ref().is_some_and(since));
    let none_since = observed.newest.as_ref().is_none_or(|newest| newest.created() <= ended);
    (newer && none_since && oldest.as_ref().is_none_or(since)).then(|| {
        format!(
            "the masters were wiped at {ended:.0}, all {} that run were launched after that, and no backup has arrived since",
            running.len()
        )
    })
}

/// There is no machine that it could run on.
fn by_aws(masters: &Masters) -> Option<String> {
    match masters {
        Masters::Are {
            running,
            known_here: true,
            ..
        } if running.is_empty() => {
            Some("AWS has this cluster's control plane, and none of its masters runs".to_owned())
        }
        _ => None,
    }
}

/// The machines themselves say that nobody listens: all that AWS has, else as many as the spec has members.
fn by_refusal(observed: &Signals) -> Option<String> {
    let silent: Vec<&HostSaid> = observed
        .hosts
        .iter()
        .filter(|host| host.listens == Some(false))
        .collect();
    let running = match &observed.masters {
        Masters::Are { running, .. } => running,
        Masters::NotKnown(_) => {
            let different: BTreeSet<&str> = silent.iter().map(|host| host.identity.as_str()).collect();
            let enough = observed.members > 0 && different.len() >= observed.members;
            return enough.then(|| {
                format!(
                    "over ssh, nobody listens on its port on any of {} hosts",
                    different.len()
                )
            });
        }
    };
    let proofs: Option<Vec<String>> = running.iter().map(|master| refuses(master, &silent)).collect();
    let proofs = proofs.filter(|proofs| !proofs.is_empty())?;
    Some(format!("every master that runs refuses: {}", proofs.join(", ")))
}

fn refuses(master: &Master, silent: &[&HostSaid]) -> Option<String> {
    let is_it = |host: &&&HostSaid| {
        let named: Option<IpAddr> = host.host.parse().ok();
        let mut own = master.addresses.iter();
        own.any(|address| host.addresses.contains(address) || named == Some(*address))
    };
    if let Some(host) = silent.iter().find(is_it) {
        return Some(format!("{} ({}, over ssh)", master.id, host.host));
    }
    // One that accepts somewhere has somebody behind it.
    if master.doors.iter().any(|door| door.knock == Knock::Accepted) {
        return None;
    }
    let door = master.doors.iter().find(|door| is_proof(door))?;
    let answers = door.answers.as_deref().unwrap_or_default();
    Some(format!("{} ({}, where {answers} answers)", master.id, door.address))
}

/// A refusal that comes from the machine itself.
fn is_proof(door: &Door) -> bool {
    door.knock == Knock::Refused
        && door.answers.is_some()
        && !door.address.is_loopback()
        && !door.address.is_unspecified()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
