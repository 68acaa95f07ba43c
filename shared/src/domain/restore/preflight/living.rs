//! The etcd that is there: whether it lives, and what it would lose.

use super::{ClusterFacts, EtcdFacts, Told, Wanted};
use crate::domain::check::{Check, Severity};
use crate::domain::goodness::MAIN;
use crate::domain::restore::follow::EtcdSeen;

pub(super) fn alive(etcd: &EtcdFacts, facts: &ClusterFacts) -> Check {
    const NAME: &str = "etcd";
    let by_api = etcd.etcd == MAIN && facts.api_ready == Told::Is(true);
    let lost = since(etcd);
    match &etcd.alive {
        EtcdSeen::Serving(_) if etcd.wanted == Wanted::Fresh => {
            Check::found(NAME, Severity::Block, "it serves: there is nothing to seed anew")
                .cure("leave out --fresh for it")
        }
        EtcdSeen::Serving(_) if etcd.wanted == Wanted::Leave => Check::passed(NAME, "it serves, and is left as it is"),
        EtcdSeen::Serving(answer) => Check::found(
            NAME,
            Severity::Warn,
            format!(
                "IT IS ALIVE at revision {}: {lost}; its data stays in data-trashcan/ on the volumes",
                answer.revision
            ),
        )
        .cure("make sure that you mean this cluster; `kubectl etcd-backups take` keeps what it holds now"),
        EtcdSeen::Quarantined(_) => Check::found(
            NAME,
            Severity::Warn,
            "it answers on its quarantine port: a restore is under way",
        )
        .cure(
            "follow it: `kubectl etcd-restore status --watch`; a leader goes on with a command that was cancelled, until it is restarted",
        ),
        EtcdSeen::Silent(_) if by_api => Check::found(
            NAME,
            Severity::Warn,
            format!("it does not answer, and THE API SERVES, so it is alive: {lost}"),
        ),
        EtcdSeen::Silent(_) => Check::passed(NAME, "nobody answers: nothing living is lost"),
        EtcdSeen::NotAsked(_) if by_api => Check::found(
            NAME,
            Severity::Warn,
            format!("THE API SERVES, so it is alive: {lost}"),
        )
        .cure("make sure that you mean this cluster; `kubectl etcd-backups take` keeps what it holds now"),
        EtcdSeen::NotAsked(why) => Check::found(
            NAME,
            Severity::Info,
            format!("whether it is alive was not asked: {why}"),
        )
        .cure("pass --endpoints or --host, so that it is asked"),
    }
}

/// What is lost by a restore over it, in one line.
fn since(etcd: &EtcdFacts) -> String {
    match &etcd.wanted {
        Wanted::Restore(backup) => format!("everything after {} is lost", backup.name.created()),
        Wanted::Fresh | Wanted::Nothing(_) | Wanted::Leave => "everything in it is lost".to_owned(),
    }
}

/// The same counted, where it could be.
pub(super) fn losses(etcd: &EtcdFacts) -> Option<Check> {
    const NAME: &str = "losses";
    Some(match etcd.losses.as_ref()? {
        Told::Is(losses) if losses.is_empty() && losses.same_history && losses.complete => {
            Check::passed(NAME, losses.says())
        }
        Told::Is(losses) => Check::found(NAME, Severity::Warn, losses.says())
            .cure("`kubectl etcd-backups take`, then `kubectl etcd-backups diff` names each of them"),
        Told::NotKnown(why) => Check::found(
            NAME,
            Severity::Info,
            format!("how much it would lose could not be asked: {why}"),
        ),
    })
}

/// What a restore takes away, as far as it is known: for the question that wants the cluster's name.
#[must_use]
pub fn lost(etcd: &EtcdFacts) -> String {
    match &etcd.losses {
        Some(Told::Is(losses)) => format!("{}: {}", since(etcd), losses.says()),
        _ => since(etcd),
    }
}
