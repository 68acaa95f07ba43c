//! Makes an etcd that is full take writes again, one step after the other.

use std::time::Duration;

use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::ports::{EtcdError, EtcdErrorKind, EtcdKv};
use tokio::time::{Instant, sleep, timeout};

use crate::rules::space::{Facts, Member, MemberSpace, Step};
use runbook_kit::usecases::etcd_members::Members;

/// Between two looks at a member that was defragmented.
const TICK: Duration = Duration::from_millis(500);

/// What the rules need to know.
#[must_use]
pub fn facts(members: &Members, quota: Option<u64>) -> Facts {
    let known = members.registered.iter().map(|member| Member {
        id: member.id,
        name: match member.name.is_empty() {
            true => format!("{:x}", member.id),
            false => member.name.clone(),
        },
        learner: member.learner,
        status: members.answering.get(&member.id).map(|one| MemberSpace {
            leader: one.status.leader,
            applied: one.status.raft_applied,
            size: one.status.db_size,
            in_use: one.status.in_use,
            quota: one.status.quota,
        }),
    });
    Facts {
        members: known.collect(),
        alarms: members.alarms.clone().unwrap_or_default(),
        revision: members.best().map_or(0, |one| one.status.revision),
        quota,
    }
}

/// It stopped before all was done.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {done} of {all} steps: {what}")]
pub struct Stopped {
    pub done: usize,
    pub all: usize,
    /// The step that failed.
    pub what: String,
    #[source]
    pub source: EtcdError,
}

impl Failure for Stopped {
    fn exit(&self) -> Exit {
        // A step that failed may still have been carried out.
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(
            "repeat the command: each step may be repeated; `kubectl etcd-restore member list` shows the members"
                .to_owned(),
        )
    }
}

/// Carries out the steps. `tell` gets each one before it begins.
///
/// # Errors
/// [`Stopped`] at the first one that fails, or after which a member does not come back within `limit`.
pub async fn apply(
    steps: &[Step],
    facts: &Facts,
    members: &Members,
    limit: Duration,
    tell: &(dyn Fn(&str) + Sync),
    consent: &Consent,
) -> Result<(), Stopped> {
    for (done, step) in steps.iter().enumerate() {
        let what = step.text(facts);
        tell(&what);
        let ended = match timeout(limit, carry_out(step, members, limit, consent)).await {
            Ok(ended) => ended,
            Err(_) => Err(too_late(limit)),
        };
        ended.map_err(|source| Stopped {
            done,
            all: steps.len(),
            what,
            source,
        })?;
    }
    Ok(())
}

async fn carry_out(step: &Step, members: &Members, limit: Duration, consent: &Consent) -> Result<(), EtcdError> {
    let one_of = |id: Option<u64>| -> Result<&dyn EtcdKv, EtcdError> {
        let found = match id {
            Some(id) => members.answering.get(&id),
            None => members.best(),
        };
        found.map(|one| one.etcd.as_ref()).ok_or_else(|| EtcdError {
            action: "connect to",
            at: id.map_or_else(|| "its members".to_owned(), |id| format!("{id:x}")),
            kind: EtcdErrorKind::Unreachable,
            source: None,
        })
    };
    match step {
        Step::Compact(revision) => one_of(None)?.compact(*revision, consent).await,
        Step::Defragment(id) => {
            let etcd = one_of(Some(*id))?;
            etcd.defragment(consent).await?;
            until_healthy(etcd, limit).await
        }
        Step::Disarm(alarm) => one_of(None)?.disarm(alarm, consent).await,
    }
}

/// Until it answers and follows a leader again: only then the next member may be blocked.
async fn until_healthy(etcd: &dyn EtcdKv, limit: Duration) -> Result<(), EtcdError> {
    let until = Instant::now() + limit;
    loop {
        match etcd.status().await {
            Ok(status) if status.leader.is_some() => return Ok(()),
            Err(error) if Instant::now() >= until => return Err(error),
            Ok(_) if Instant::now() >= until => return Err(too_late(limit)),
            _ => sleep(TICK).await,
        }
    }
}

fn too_late(limit: Duration) -> EtcdError {
    EtcdError {
        action: "wait for",
        at: "this member".to_owned(),
        kind: EtcdErrorKind::Timeout {
            seconds: limit.as_secs(),
        },
        source: None,
    }
}
