//! The etcd that is there: whether it lives, and what it would lose.

use super::{EtcdFacts, Wanted};
use crate::rules::follow::EtcdSeen;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::observed::Observed;

pub(super) fn alive(etcd: &EtcdFacts) -> Check {
    const NAME: &str = "etcd";
    const SURE: &str = "make sure that you mean this cluster; `kubectl etcd-backups take` keeps what it holds now";
    let lost = since(etcd);
    match (&etcd.life, &etcd.alive) {
        (Liveness::Alive { .. }, EtcdSeen::Serving(_)) if etcd.wanted == Wanted::Fresh => {
            Check::found(NAME, Severity::Block, "it serves: there is nothing to seed anew")
                .cure("leave out --fresh for it")
        }
        (_, EtcdSeen::Serving(_)) if etcd.wanted == Wanted::Leave => {
            Check::passed(NAME, "it serves, and is left as it is")
        }
        (Liveness::Alive { .. }, EtcdSeen::Serving(answer)) => Check::found(
            NAME,
            Severity::Warn,
            format!(
                "IT IS ALIVE at revision {}: {lost} is lost; its data stays in data-trashcan/ on the volumes",
                answer.revision
            ),
        )
        .cure(SURE),
        (Liveness::Alive { why, .. }, _) => {
            Check::found(NAME, Severity::Warn, format!("IT IS ALIVE: {why}: {lost} is lost")).cure(SURE)
        }
        (Liveness::Dead(why), EtcdSeen::Quarantined(_)) => Check::found(NAME, Severity::Warn, why.clone()).cure(
            "follow it: `kubectl etcd-restore status --watch`; a leader goes on with a command that was cancelled, until it is restarted",
        ),
        (Liveness::Dead(why), _) => Check::passed(NAME, format!("dead: {why}")),
        (Liveness::Unknown { why, cure }, _) => Check::found(
            NAME,
            Severity::Warn,
            format!("not known to be dead, may be alive: {why}; {lost} would be lost"),
        )
        .cure(cure.clone()),
    }
}

/// What a restore over it takes away: `everything after 2026-11-22T15:18:01Z`.
#[must_use]
pub fn since(etcd: &EtcdFacts) -> String {
    match &etcd.wanted {
        Wanted::Restore(backup) => format!("everything after {}", backup.name.created()),
        Wanted::Fresh | Wanted::Nothing(_) | Wanted::Leave => "everything in it".to_owned(),
    }
}

/// The same counted, where it could be.
pub(super) fn losses(etcd: &EtcdFacts) -> Option<Check> {
    const NAME: &str = "losses";
    Some(match etcd.losses.as_ref()? {
        Observed::Known(losses) if losses.is_empty() && losses.same_history && losses.complete => {
            Check::passed(NAME, losses.says())
        }
        Observed::Known(losses) => Check::found(NAME, Severity::Warn, losses.says())
            .cure("`kubectl etcd-backups take`, then `kubectl etcd-backups diff` names each of them"),
        Observed::Unknown(why) => Check::found(
            NAME,
            Severity::Info,
            format!("how much it would lose could not be asked: {why}"),
        ),
    })
}

/// What a restore takes away, as far as it is known: for the question that wants the cluster's name.
#[must_use]
pub fn lost(etcd: &EtcdFacts) -> String {
    let verb = if etcd.life.is_alive() { "is" } else { "would be" };
    match &etcd.losses {
        Some(Observed::Known(losses)) => format!("{} {verb} lost: {}", since(etcd), losses.says()),
        _ => format!("{} {verb} lost", since(etcd)),
    }
}
