//! What `prune` would delete, and what it leaves, with the reason for each. Pure.

use std::net::IpAddr;

use crate::rules::masterlease::{Masterlease, is_directly_below};
use crate::rules::verdict::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::kubernetes::masterlease::FOLDER;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// These are deleted, each only if nobody writes it before.
    pub delete: Vec<Masterlease>,
    /// These are left.
    pub keep: Vec<(Masterlease, &'static str)>,
    /// These were named and are not there.
    pub absent: Vec<String>,
    /// Whether a living one has to be there all the time. Only who names each address may do without.
    pub needs_a_live_one: bool,
}

/// Why nothing may be deleted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// The key of a living server was named.
    #[error("{name} is live: {reason}")]
    Live {
        /// Which one.
        name: String,
        /// How we know.
        reason: String,
    },
    /// Nothing would be left that is known to live.
    #[error("none of {total} masterleases is live: without them the `kubernetes` endpoint would be nobody's")]
    NoneLive {
        /// How many there are.
        total: usize,
    },
}

impl Failure for PlanRefused {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Live { .. } => {
                "its API server would write it again; stop that server, and it expires within 15 s".to_owned()
            }
            Self::NoneLive { .. } => {
                "start an API server first; or name the addresses to prune: `kubectl masterleases prune IP… --yes`"
                    .to_owned()
            }
        })
    }
}

/// Plans to delete the stale ones; where addresses are named, only those, and of them also what is unknown.
///
/// # Errors
/// [`PlanRefused`].
pub fn plan(leases: &[Masterlease], named: &[String]) -> Result<Plan, PlanRefused> {
    let (mut delete, mut keep) = (Vec::new(), Vec::new());
    for lease in leases {
        let is_named = named.iter().any(|name| names(name, lease));
        let verdict = lease.judgement.verdict;
        // Not even by name: `undo` could not put it back.
        if !can_be_put_back(&lease.name) {
            keep.push((lease.clone(), "no API server writes such a key"));
            continue;
        }
        match (verdict, is_named) {
            (Verdict::Live, true) => {
                return Err(PlanRefused::Live {
                    name: lease.name.clone(),
                    reason: lease.judgement.reason.clone(),
                });
            }
            (Verdict::Live, false) => keep.push((lease.clone(), "not stale")),
            (Verdict::Unknown, false) => keep.push((lease.clone(), "name it to delete it")),
            (Verdict::Stale, false) if !named.is_empty() => keep.push((lease.clone(), "not named")),
            (Verdict::Stale, _) | (Verdict::Unknown, true) => delete.push(lease.clone()),
        }
    }
    let any_live = leases.iter().any(|lease| lease.judgement.verdict == Verdict::Live);
    if named.is_empty() && !delete.is_empty() && !any_live {
        return Err(PlanRefused::NoneLive { total: leases.len() });
    }
    let absent = named
        .iter()
        .filter(|name| !leases.iter().any(|lease| names(name, lease)));
    Ok(Plan {
        absent: absent.cloned().collect(),
        needs_a_live_one: any_live,
        delete,
        keep,
    })
}

/// Whether it is the name of a key directly below the folder.
fn can_be_put_back(name: &str) -> bool {
    is_directly_below(format!("{FOLDER}{name}").as_bytes(), "")
}

/// `2001:DB8::1` names `2001:db8::1`; what is no address is named as it is spelt.
fn names(name: &str, lease: &Masterlease) -> bool {
    match (name.parse::<IpAddr>(), lease.evidence.ip) {
        (Ok(name), Some(ip)) => name == ip,
        _ => name == lease.name,
    }
}
