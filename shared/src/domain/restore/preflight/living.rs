//! The etcd that is there: whether it lives, and what it would lose.

use super::{ClusterFacts, EtcdFacts, Told, Wanted};
use crate::domain::check::{Check, Severity};
use crate::domain::goodness::MAIN;
use crate::domain::restore::follow::EtcdSeen;

pub(super) fn alive(etcd: &EtcdFacts, facts: &ClusterFacts) -> Check {
    const NAME: &str = "etcd";
    let by_api = etcd.etcd == MAIN && facts.api_ready == Told::Is(true);
    let lost = lost(etcd);
    match &etcd.alive {
        EtcdSeen::Serving(_) if etcd.wanted == Wanted::Fresh => {
            Check::found(NAME, Severity::Block, "it serves: there is nothing to seed anew")
                .cure("leave out --fresh for it")
        }
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

/// What a restore takes away, as far as it is known. The same in the plan and in the question that wants the cluster's name.
#[must_use]
pub fn lost(etcd: &EtcdFacts) -> String {
    let Wanted::Restore(backup) = &etcd.wanted else {
        return "everything in it is lost".to_owned();
    };
    let since = format!("everything after {} is lost", backup.name.created());
    match &etcd.losses {
        None => since,
        Some(Told::Is(losses)) => format!("{since} ({})", losses.says()),
        Some(Told::NotKnown(why)) => format!("{since} (how much could not be asked: {why})"),
    }
}
