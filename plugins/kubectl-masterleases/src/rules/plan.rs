//! What `prune` will delete and keep, with the reasons.

use std::net::IpAddr;

use crate::rules::masterlease::{Masterlease, is_directly_below};
use crate::rules::verdict::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::kubernetes::masterlease::FOLDER;

#[derive(Clone, Debug)]
pub struct Plan {
    /// To be deleted, each only if it is not rewritten before.
    pub delete: Vec<Masterlease>,
    /// To be kept, and why.
    pub keep: Vec<(Masterlease, &'static str)>,
    /// Named, but they do not exist.
    pub absent: Vec<String>,
    /// Whether a live masterlease must exist all the time: always, unless each address is named.
    pub requires_live: bool,
}

/// Why nothing may be deleted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// A live masterlease was named.
    #[error("{name} is live: {reason}")]
    Live { name: String, reason: String },
    /// No live masterlease would be left.
    #[error("none of {total} masterleases is live: without them the `kubernetes` endpoint would have no addresses")]
    NoneLive { total: usize },
}

impl Failure for PlanRefused {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Live { .. } => {
                "its API server would write it again; stop that API server, and the key expires within 15 s".to_owned()
            }
            Self::NoneLive { .. } => {
                "start an API server first, or name the addresses to delete: `kubectl masterleases prune IP… --yes`"
                    .to_owned()
            }
        })
    }
}

/// Plans to delete the stale ones. With names: only those, also if they are `unknown`.
pub fn plan(leases: &[Masterlease], named: &[String]) -> Result<Plan, PlanRefused> {
    let (mut delete, mut keep) = (Vec::new(), Vec::new());
    for lease in leases {
        let is_named = named.iter().any(|name| names(name, lease));
        let verdict = lease.judgement.verdict;
        // Not even by name: `undo` could not restore it.
        if !can_be_restored(&lease.name) {
            keep.push((lease.clone(), "not the key of an API server"));
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
        requires_live: any_live,
        delete,
        keep,
    })
}

/// Whether the key lies directly below the folder.
fn can_be_restored(name: &str) -> bool {
    is_directly_below(format!("{FOLDER}{name}").as_bytes(), "")
}

/// Addresses are compared as addresses (`2001:DB8::1`, `2001:db8::1`), other names as text.
fn names(name: &str, lease: &Masterlease) -> bool {
    match (name.parse::<IpAddr>(), lease.evidence.ip) {
        (Ok(name), Some(ip)) => name == ip,
        _ => name == lease.name,
    }
}
