//! The etcd clusters that are left out, and that kube-apiserver waits for.

use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::observed::Observed;

use crate::rules::follow::{EtcdSeen, Seen};
use crate::rules::preflight::LeftOut;

/// Why the API server waits for etcd clusters that are left out.
pub fn blocking(left_out: &[LeftOut], seen: &[Option<Seen>]) -> Vec<String> {
    let mut found = Vec::new();
    for (one, seen) in left_out.iter().zip(seen) {
        let Some(seen) = seen else { continue };
        if ![MAIN, "events"].contains(&one.etcd.as_str()) {
            continue;
        }
        let now = LeftOut {
            commands: match &seen.store {
                Ok(store) => Observed::Known(store.commands.iter().map(|command| command.name.clone()).collect()),
                Err(why) => Observed::Unknown(why.clone()),
            },
            created: seen.store.as_ref().map_or(true, |store| store.created),
            seen: seen.etcd.clone(),
            ..one.clone()
        };
        let (etcd, needed) = (&one.etcd, one.needed_by());
        found.extend(match (now.waits(), &now.commands, &now.seen) {
            (Some(true), ..) => Some(format!("etcd {etcd} has no members and no command: {needed}")),
            (_, _, EtcdSeen::Serving(answer)) if !answer.leader => Some(format!("etcd {etcd} has no leader: {needed}")),
            (_, _, EtcdSeen::Serving(_)) => None,
            (_, Observed::Known(commands), _) if !commands.is_empty() => {
                Some(format!("etcd {etcd} is not restored yet: {needed}"))
            }
            (_, Observed::Known(_), EtcdSeen::Silent(_) | EtcdSeen::Unanswered) => Some(format!(
                "etcd {etcd} does not respond, and no command is queued for it: {needed}"
            )),
            (_, Observed::Known(_), EtcdSeen::NotAsked(_)) => Some(format!(
                "not checked whether etcd {etcd} has members, and no command is queued for it: {needed}"
            )),
            _ => None,
        });
    }
    found
}
