//! Checks of the running etcd: whether it is alive, and what it will lose.

use super::{EtcdFacts, Wanted};
use crate::rules::follow::EtcdSeen;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::observed::Observed;

pub(super) fn etcd(etcd: &EtcdFacts) -> Check {
    const NAME: &str = "etcd";
    const SURE: &str = "check that this is the right cluster; `kubectl etcd-backups take` saves its current data";
    let lost = since(etcd);
    match (&etcd.liveness, &etcd.observed) {
        (Liveness::Alive { .. }, EtcdSeen::Serving(_)) if etcd.wanted == Wanted::Fresh => {
            Check::found(NAME, Severity::Block, "it serves: there is nothing to seed anew")
                .cure("omit --fresh for it")
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
            "follow it: `kubectl etcd-restore status --watch`; a leader still carries out a cancelled command until it is restarted",
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

/// What a restore deletes: `everything after 2026-11-22T15:18:01Z`.
#[must_use]
pub fn since(etcd: &EtcdFacts) -> String {
    match &etcd.wanted {
        Wanted::Restore(backup) => format!("everything after {}", backup.name.created()),
        Wanted::Fresh | Wanted::Nothing(_) | Wanted::Leave => "everything in it".to_owned(),
    }
}

/// The data loss in numbers, where it was checked.
pub(super) fn data_loss(etcd: &EtcdFacts) -> Option<Check> {
    const NAME: &str = "losses";
    Some(match etcd.data_loss.as_ref()? {
        Observed::Known(loss) if loss.is_empty() && loss.same_history && loss.complete => {
            Check::passed(NAME, loss.describe())
        }
        Observed::Known(loss) => Check::found(NAME, Severity::Warn, loss.describe())
            .cure("`kubectl etcd-backups take`, then `kubectl etcd-backups diff` lists each object"),
        Observed::Unknown(why) => Check::found(NAME, Severity::Info, format!("data loss not checked: {why}")),
    })
}

/// The data loss, for the confirmation by cluster name.
#[must_use]
pub fn lost(etcd: &EtcdFacts) -> String {
    let verb = if etcd.liveness.is_alive() { "is" } else { "would be" };
    match &etcd.data_loss {
        Some(Observed::Known(loss)) => format!("{} {verb} lost: {}", since(etcd), loss.describe()),
        _ => format!("{} {verb} lost", since(etcd)),
    }
}
