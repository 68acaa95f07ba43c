//! Gathers the evidence whether each etcd cluster is alive, dead or unknown.

use std::time::Duration;

use crate::rules::follow::EtcdSeen;
use jiff::Timestamp;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::liveness::{Liveness, ProbeResult, decide};
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::liveness::{Evidence, Machines};
use runbook_kit::usecases::wipe_journal::Entry;

use crate::context::Context;
use crate::rules::observation::{ApiSeen, NO_ANSWER};

/// Timeout of one API request.
const API_TIMEOUT: Duration = Duration::from_secs(5);

/// The evidence.
pub struct LivenessEvidence {
    evidence: Evidence,
    /// The answer of the API, where it is proven to be this cluster's.
    api: ProbeResult,
}

/// When a wipe of this cluster ended.
pub fn wipe_ended(entry: &Entry, cluster: &str) -> Option<Timestamp> {
    entry.finished.filter(|_| entry.cluster == cluster)
}

/// Gathers it from the control plane instances, the hosts that the user named, and the API.
pub async fn gather(
    context: &Context,
    cluster: &str,
    catalogs: &[Catalog],
    access: &EtcdAccess,
    machines: Machines,
    wiped: Option<Timestamp>,
) -> LivenessEvidence {
    let etcds: Vec<String> = catalogs.iter().map(|catalog| catalog.store.etcd.clone()).collect();
    let (evidence, api) = tokio::join!(
        context.evidence(machines, wiped, &etcds, access),
        context.probe_api(cluster, API_TIMEOUT)
    );
    LivenessEvidence { evidence, api }
}

impl LivenessEvidence {
    /// The answer of the API, where it is proven to be this cluster's.
    pub const fn api(&self) -> &ProbeResult {
        &self.api
    }

    /// The verdict on one etcd cluster.
    pub fn of(&self, catalog: &Catalog, seen: &EtcdSeen, api: &ApiSeen, now: Timestamp) -> Liveness {
        let heard = heard(&catalog.store.etcd, seen, api, &self.api);
        decide(&self.evidence.of_etcd(catalog, heard), now)
    }
}

/// The evidence from etcd itself; for main also from the API, which stores its objects there.
fn heard(etcd: &str, seen: &EtcdSeen, api: &ApiSeen, proven: &ProbeResult) -> ProbeResult {
    let own = match seen {
        EtcdSeen::Serving(answer) if answer.leader => {
            ProbeResult::Answers(format!("it serves at revision {}", answer.revision))
        }
        EtcdSeen::Serving(answer) => ProbeResult::NoLeader(format!(
            "a member responds at revision {}, but has no leader",
            answer.revision
        )),
        EtcdSeen::Quarantined(_) => {
            ProbeResult::Quarantined("it responds on its quarantine port: a restore is in progress".to_owned())
        }
        EtcdSeen::Silent(why) => ProbeResult::NoResponse(why.clone()),
        EtcdSeen::Unanswered => ProbeResult::NoResponse(NO_ANSWER.to_owned()),
        EtcdSeen::NotAsked(why) => ProbeResult::NotChecked {
            why: why.clone(),
            cure: "pass --endpoints or --host to have it checked".to_owned(),
        },
    };
    if etcd != MAIN || api.serves() != Some(true) {
        return own;
    }
    let by_api = match (proven, api) {
        (ProbeResult::Answers(what), _) => ProbeResult::Answers(format!("THE API SERVES ({what})")),
        // By the addresses that AWS has for this cluster's masters.
        (_, ApiSeen::Elsewhere(what)) => ProbeResult::Answers(format!("THE API SERVES ({what})")),
        (ProbeResult::NotChecked { why, .. } | ProbeResult::NoResponse(why), _) => return and(own, why),
        (ProbeResult::NoLeader(_) | ProbeResult::Quarantined(_), _) => return own,
    };
    ProbeResult::strongest([own.clone(), by_api]).unwrap_or(own)
}

/// Adds why the answer of the API does not count.
fn and(own: ProbeResult, api: &str) -> ProbeResult {
    match own {
        ProbeResult::NoResponse(why) => ProbeResult::NoResponse(format!("{why}; {api}")),
        ProbeResult::NotChecked { why, cure } => ProbeResult::NotChecked {
            why: format!("{why}; {api}"),
            cure,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::follow::Answer;

    use super::*;

    fn word(heard: &ProbeResult) -> &'static str {
        match heard {
            ProbeResult::Answers(_) => "answers",
            ProbeResult::NoLeader(_) => "no-leader",
            ProbeResult::Quarantined(_) => "quarantined",
            ProbeResult::NoResponse(_) => "silent",
            ProbeResult::NotChecked { .. } => "not-asked",
        }
    }

    #[test]
    fn an_api_of_this_cluster_is_evidence_for_main() {
        let answer = |leader| Answer {
            cluster: 1,
            revision: 9,
            leader,
        };
        let not_proven = ProbeResult::NotChecked {
            why: "that kubeconfig leads to another cluster".to_owned(),
            cure: "c".to_owned(),
        };
        let ours = ProbeResult::Answers("https://api answers: ready".to_owned());
        let silent = EtcdSeen::Silent("refused".to_owned());
        let not_asked = EtcdSeen::NotAsked("no way".to_owned());
        let elsewhere = ApiSeen::Elsewhere("master i-1 serves".to_owned());
        let down = ApiSeen::Silent("refused".to_owned());
        for (etcd, seen, api, proven, expected) in [
            ("main", &silent, &down, &ours, "silent"),
            ("main", &silent, &ApiSeen::Ready, &ours, "answers"),
            ("main", &not_asked, &ApiSeen::Ready, &ours, "answers"),
            ("main", &silent, &ApiSeen::Ready, &not_proven, "silent"),
            ("main", &not_asked, &ApiSeen::Ready, &not_proven, "not-asked"),
            ("main", &silent, &elsewhere, &not_proven, "answers"),
            ("events", &silent, &ApiSeen::Ready, &ours, "silent"),
            (
                "main",
                &EtcdSeen::Quarantined(answer(true)),
                &ApiSeen::Ready,
                &ours,
                "answers",
            ),
            (
                "main",
                &EtcdSeen::Quarantined(answer(true)),
                &down,
                &ours,
                "quarantined",
            ),
            (
                "events",
                &EtcdSeen::Serving(answer(true)),
                &down,
                &not_proven,
                "answers",
            ),
            (
                "main",
                &EtcdSeen::Serving(answer(false)),
                &down,
                &not_proven,
                "no-leader",
            ),
        ] {
            assert_eq!(
                word(&heard(etcd, seen, api, proven)),
                expected,
                "{etcd} {seen:?} {api:?} {proven:?}"
            );
        }
        let ProbeResult::NoResponse(why) = heard("main", &silent, &ApiSeen::Ready, &not_proven) else {
            panic!("not silent")
        };
        assert_eq!(why, "refused; that kubeconfig leads to another cluster");
    }
}
