//! The verdict. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::{AddressState, HostState, Master, Masters, PortState, ProbeResult, Signals};

/// What is known of it, with the evidence: lowercase fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It answers, or a part of it does.
    Alive {
        /// The response.
        why: String,
        /// Whether it serves: an etcd without a leader is alive and does not.
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

impl Liveness {
    /// Whether deleting it may lose data: all but what is proven dead.
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

    /// Nothing was checked, for this reason.
    #[must_use]
    pub fn not_checked(why: impl Into<String>) -> Self {
        Self::Unknown {
            why: why.into(),
            cure: CURE.to_owned(),
        }
    }

    /// In words, for a question or a line of a table.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Alive { why, .. } => format!("alive: {why}"),
            Self::Dead(why) => format!("dead: {why}"),
            Self::Unknown { why, .. } => format!("not known to be dead, may be alive: {why}"),
        }
    }
}

const CURE: &str = "to verify it, pass --host for every control-plane host (over ssh), and --region and --profile of the cluster's AWS account";

/// Whether it is alive, dead, or unknown.
///
/// A response outweighs all else. Dead is only what etcd-manager itself quarantines or reports as empty, what our own wipe deleted, what
/// has no instance in AWS, and what the machines themselves refuse. The last two are outweighed by a young backup, which something
/// alive has made.
#[must_use]
pub fn decide(observed: &Signals, now: Timestamp) -> Liveness {
    let (asked, cure) = match &observed.probe {
        ProbeResult::Answers(why) => {
            return Liveness::Alive {
                why: why.clone(),
                serves: true,
            };
        }
        ProbeResult::NoLeader(why) => {
            return Liveness::Alive {
                why: why.clone(),
                serves: false,
            };
        }
        ProbeResult::Quarantined(why) | ProbeResult::NoResponse(why) => (format!("no answer ({why})"), CURE.to_owned()),
        ProbeResult::NotChecked { why, cure } => (format!("not checked ({why})"), cure.clone()),
    };
    if let Some(host) = observed.hosts.iter().find(|host| host.listens == Some(true)) {
        let why = format!("{asked}; {} listens on its port", host.host);
        return Liveness::Unknown { why, cure };
    }
    if let ProbeResult::Quarantined(why) = &observed.probe {
        return Liveness::Dead(why.clone());
    }
    if let Some((host, line)) = observed
        .hosts
        .iter()
        .find_map(|host| Some((host, host.no_members.as_ref()?)))
    {
        return Liveness::Dead(format!("etcd-manager on {} says: {line}", host.host));
    }
    if let Some(proof) = by_wipe(observed) {
        return Liveness::Dead(proof);
    }
    let proof = by_aws(&observed.masters).or_else(|| by_refusal(observed));
    let young = observed.newest.as_ref().filter(|newest| newest.is_young(now));
    match (proof, young) {
        (Some(proof), None) => Liveness::Dead(proof),
        (Some(proof), Some(young)) => Liveness::Unknown {
            why: format!("{proof}; but {}", young.describe(now)),
            cure: "wait for two intervals: if another backup arrives, it is alive".to_owned(),
        },
        (None, Some(young)) => Liveness::Unknown {
            why: format!("{asked}; {}", young.describe(now)),
            cure,
        },
        (None, None) => Liveness::Unknown { why: asked, cure },
    }
}

/// Our own wipe ended, every running master is younger, and no backup was written since. Older volumes were restored:
/// then the old etcd may have come with them.
fn by_wipe(observed: &Signals) -> Option<String> {
    let ended = observed.wiped?;
    let Masters::Known {
        running,
        oldest_volume: Ok(oldest),
        ..
    } = &observed.masters
    else {
        return None;
    };
    // AWS has whole seconds only.
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

/// It has no instance to run on.
fn by_aws(masters: &Masters) -> Option<String> {
    match masters {
        Masters::Known {
            running,
            known_here: true,
            ..
        } if running.is_empty() => Some("none of the cluster's masters in AWS is running".to_owned()),
        _ => None,
    }
}

/// The machines themselves refuse connections: all that AWS has, else as many as the spec has members.
fn by_refusal(observed: &Signals) -> Option<String> {
    let silent: Vec<&HostState> = observed
        .hosts
        .iter()
        .filter(|host| host.listens == Some(false))
        .collect();
    let running = match &observed.masters {
        Masters::Known { running, .. } => running,
        Masters::Unknown(_) => {
            let different: BTreeSet<&str> = silent.iter().map(|host| host.identity.as_str()).collect();
            let enough = observed.members > 0 && different.len() >= observed.members;
            return enough.then(|| {
                format!(
                    "over ssh, nothing listens on its port on any of {} hosts",
                    different.len()
                )
            });
        }
    };
    let proofs: Option<Vec<String>> = running.iter().map(|master| refuses(master, &silent)).collect();
    let proofs = proofs.filter(|proofs| !proofs.is_empty())?;
    Some(format!("all running masters refuse connections: {}", proofs.join(", ")))
}

fn refuses(master: &Master, silent: &[&HostState]) -> Option<String> {
    let is_it = |host: &&&HostState| {
        let named: Option<IpAddr> = host.host.parse().ok();
        let mut own = master.addresses.iter();
        own.any(|address| host.addresses.contains(address) || named == Some(*address))
    };
    if let Some(host) = silent.iter().find(is_it) {
        return Some(format!("{} ({}, over ssh)", master.id, host.host));
    }
    // One accepted connection means that something listens.
    if master.probed.iter().any(|address| address.port == PortState::Accepted) {
        return None;
    }
    let address = master.probed.iter().find(|address| is_proof(address))?;
    let answers = address.answers.as_deref().unwrap_or_default();
    Some(format!("{} ({}, where {answers} answers)", master.id, address.address))
}

/// A refusal that comes from the machine itself.
fn is_proof(address: &AddressState) -> bool {
    address.port == PortState::Refused
        && address.answers.is_some()
        && !address.address.is_loopback()
        && !address.address.is_unspecified()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
