//! What is known, one line for each subject.

use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::observed::Observed;
use serde::Serialize;

use super::facts::{AccountMatch, Api, BestBackup, EtcdFacts, Facts, Masters, RunState};
use super::{counted, removes};
use crate::rules::follow::State;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    pub subject: String,
    /// Its state in a few words.
    pub state: String,
    /// The evidence for it, or why it was not checked.
    pub evidence: String,
    /// Whether it was checked.
    pub checked: bool,
}

fn checked(subject: impl Into<String>, state: impl Into<String>, evidence: impl Into<String>) -> Statement {
    Statement {
        subject: subject.into(),
        state: state.into(),
        evidence: evidence.into(),
        checked: true,
    }
}

fn not_checked(subject: impl Into<String>, evidence: impl Into<String>) -> Statement {
    Statement {
        checked: false,
        ..checked(subject, "not checked", evidence)
    }
}

/// All lines, in the order of the runbook.
pub fn statements(facts: &Facts) -> Vec<Statement> {
    let mut told = vec![
        match &facts.account {
            AccountMatch::Own(why) => checked("AWS", "the cluster's", why),
            AccountMatch::Unproven(why) => checked("AWS", "not contradicted", why),
            AccountMatch::Foreign { why, .. } => checked("AWS", "NOT THE CLUSTER'S", why),
            AccountMatch::NotKnown(why) => not_checked("AWS", why),
        },
        masters(facts),
    ];
    match &facts.wipe {
        Observed::Known(None) => {}
        Observed::Known(Some(wipe)) => {
            let state = if wipe.ended.is_some() { "ended" } else { "UNFINISHED" };
            told.push(checked("wipe", state, &wipe.detail));
        }
        Observed::Unknown(why) => told.push(not_checked("wipe", why)),
    }
    if let Some(terraform) = &facts.terraform {
        told.push(checked("Terraform", "manages it", terraform));
    }
    match &facts.quarantine {
        Observed::Known(quarantine) if quarantine.count == 0 => {}
        Observed::Known(quarantine) => {
            let back = quarantine.way_back.as_ref().filter(|_| has_no_masters(facts));
            let detail = match back {
                Some(back) => format!("{}; to restore them: {back}", quarantine.detail),
                None => quarantine.detail.clone(),
            };
            told.push(checked("quarantine", counted(quarantine.count, "volume"), detail));
        }
        Observed::Unknown(why) => told.push(not_checked("quarantine", why)),
    }
    match &facts.run {
        RunState::None => {}
        RunState::Holds(detail) => told.push(checked("run", "unfinished", detail)),
        RunState::Doubtful(why) => told.push(checked("run", "doubtful", why)),
        RunState::Void(why) => told.push(checked("run", "outdated", why)),
        RunState::Left(why) => told.push(checked("run", "TOO OLD", why)),
        RunState::NotKnown(why) => told.push(not_checked("run", why)),
    }
    for etcd in &facts.etcds {
        told.extend(of_etcd(etcd));
    }
    told.push(api(&facts.api));
    if let Some(leaseless) = facts.leaseless {
        let state = format!("{leaseless} without a lease");
        told.push(checked("masterleases", state, "read from etcd main once"));
    }
    if let Some(dead) = facts.dead_nodes {
        let state = format!("{dead} without an instance");
        told.push(checked("Nodes", state, "by the API and AWS"));
    }
    told
}

fn masters(facts: &Facts) -> Statement {
    match (&facts.account, &facts.masters) {
        (AccountMatch::Foreign { .. }, _) => not_checked("masters", "not the cluster's account"),
        (_, Observed::Known(masters)) => {
            let starting = match masters.pending {
                0 => String::new(),
                pending => format!(", {pending} start"),
            };
            let mut evidence = format!("AWS has {} of the control plane", counted(masters.groups, "group"));
            if masters.stopped > 0 {
                evidence.push_str(&format!("; {} not running", counted(masters.stopped, "more master")));
            }
            if masters.leaving > 0 {
                evidence.push_str(&format!("; {}", removes(masters.leaving)));
            }
            checked("masters", format!("{} run{starting}", masters.running), evidence)
        }
        (_, Observed::Unknown(why)) => not_checked("masters", why),
    }
}

fn of_etcd(etcd: &EtcdFacts) -> Vec<Statement> {
    let subject = format!("etcd {}", etcd.etcd);
    let mut told = vec![match (&etcd.liveness, etcd.state) {
        (Liveness::Unknown { why, .. }, _) if !etcd.asked => not_checked(&subject, format!("may be alive: {why}")),
        (liveness, state @ (State::Queued | State::Restoring | State::Looping | State::Gone | State::Restored)) => {
            checked(&subject, state.name(), liveness.describe())
        }
        (Liveness::Alive { why, serves: true }, _) => checked(&subject, "serving", why),
        (Liveness::Alive { why, serves: false }, _) => checked(&subject, "no leader", why),
        (Liveness::Dead(why), _) => checked(&subject, "dead", why),
        (Liveness::Unknown { why, .. }, _) => checked(&subject, "no answer", format!("may be alive: {why}")),
    }];
    if let Some(problem) = &etcd.problem {
        told.push(checked(&subject, "BLOCKED", problem));
    }
    if !etcd.queued.is_empty() {
        let state = counted(etcd.queued.len(), "command");
        told.push(checked(format!("queue {}", etcd.etcd), state, etcd.queued.join(", ")));
    }
    let subject = format!("backup {}", etcd.etcd);
    told.push(match &etcd.best {
        BestBackup::Is(detail) => checked(subject, "to restore", detail),
        BestBackup::None(why) => checked(subject, "NONE", why),
        BestBackup::NotJudged(why) => not_checked(subject, why),
    });
    told
}

fn api(api: &Api) -> Statement {
    match api.ready {
        None => not_checked("API", format!("may be alive: {}", api.detail)),
        Some(true) if api.proven => checked("API", "ready", &api.detail),
        Some(true) => checked("API", "not proven", &api.detail),
        Some(false) if api.answers => checked("API", "not ready", &api.detail),
        Some(false) => checked("API", "no answer", format!("may be alive: {}", api.detail)),
    }
}

/// Quarantined volumes can be restored only where there is no control plane.
const fn has_no_masters(facts: &Facts) -> bool {
    matches!(
        facts.masters,
        Observed::Known(Masters {
            groups: 0,
            running: 0,
            pending: 0,
            stopped: 0,
            leaving: 0,
        })
    )
}
