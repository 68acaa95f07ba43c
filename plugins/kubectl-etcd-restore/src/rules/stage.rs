//! Decides the stage of a recovery, and the next command.
//!
//! Every statement has its evidence. What was not checked may be alive. A command that changes something is suggested only where the evidence is
//! sufficient; otherwise the command that collects the evidence.

mod facts;
mod statements;

pub use facts::{AccountMatch, Api, BestBackup, EtcdFacts, Facts, Masters, Next, Quarantine, RunState, Wipe};
pub use statements::{Statement, statements};

use crate::rules::follow::State;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::ShellCommand;
use serde::Serialize;

/// A step of the runbook, or a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The API serves, and there is nothing left to do.
    Healthy,
    /// The API serves, but the endpoint lists masters that are gone.
    StaleLeases,
    /// The API serves, but some Nodes have no instance.
    DeadNodes,
    /// etcd serves, but the API does not.
    ApiDown,
    /// A restore is queued or running.
    Restoring,
    /// A restore keeps failing, or the queue is blocked.
    Stuck,
    /// etcd waits for a command.
    Waiting,
    /// A new control plane is being created.
    Rebuilding,
    /// A wipe is not complete, or AWS is still deleting resources.
    Wiping,
    /// The masters and their groups are gone.
    Wiped,
    /// Masters run, but nothing serves.
    Broken,
    /// AWS was asked in another account or region than the cluster's.
    Elsewhere,
    /// Too little is known.
    Unknown,
}

/// The stage of the recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryStage {
    pub stage: Stage,
    /// The reason.
    pub why: String,
    /// The command; `None` where there is nothing to do.
    pub next: Option<Next>,
}

impl RecoveryStage {
    fn new(stage: Stage, why: impl Into<String>, next: &str) -> Self {
        Self::with(stage, why, Next::OfCluster(ShellCommand::of(next)))
    }

    fn with(stage: Stage, why: impl Into<String>, next: Next) -> Self {
        Self {
            stage,
            why: why.into(),
            next: Some(next),
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    runbook_kit::model::units::counted(count as u64, word)
}

fn removes(leaving: usize) -> String {
    format!("AWS is still deleting {leaving} of its groups, masters and etcd volumes")
}

/// The command that shows the current AWS account.
pub fn caller_identity() -> Next {
    Next::Whole(ShellCommand::of("aws sts get-caller-identity"))
}

const OVERVIEW: &str = "kubectl etcd-restore";
/// Without --yes it only shows the plan.
const RUN_ANEW: &str = "kubectl etcd-restore run --anew";
const RUN: &str = "kubectl etcd-restore run --yes";
const PLAN: &str = "kubectl etcd-restore plan";
const AUDIT: &str = "kops-wipe-masters audit";
const REBUILD: &str = "kops update cluster --yes";
/// Without --yes it only shows the changes.
const PREVIEW: &str = "kops update cluster";
/// It writes files, and changes nothing in AWS.
const FOR_TERRAFORM: &str = "kops update cluster --target=terraform --out=.";
const VERIFY: &str = "kubectl etcd-backups verify --all";

/// Decides the stage.
pub fn recovery_stage(facts: &Facts) -> RecoveryStage {
    if let Some(stuck) = facts
        .etcds
        .iter()
        .find(|etcd| etcd.state == State::Looping || etcd.problem.is_some())
    {
        let why = stuck
            .problem
            .clone()
            .unwrap_or_else(|| "the restore keeps failing".to_owned());
        let why = format!("{}: {why}", stuck.etcd);
        return RecoveryStage::new(Stage::Stuck, why, "kubectl etcd-restore commands");
    }
    if let AccountMatch::Foreign { why, next } = &facts.account {
        return RecoveryStage::with(Stage::Elsewhere, why, next.clone());
    }
    if let Some(restoring) = restoring(facts) {
        return restoring;
    }
    if facts.api.ready == Some(true) && facts.api.proven {
        return waits_beside_main(facts).unwrap_or_else(|| serving(facts));
    }
    // If etcd is proven dead, the API belongs to another cluster.
    if facts.api.ready == Some(true) && facts.etcds.iter().any(|etcd| etcd.liveness.may_live()) {
        return RecoveryStage::new(
            Stage::Unknown,
            format!(
                "an API responds, but it is not proven to be this cluster's: {}",
                facts.api.detail
            ),
            "kops export kubeconfig --admin",
        );
    }
    if let Observed::Known(Some(wipe)) = &facts.wipe
        && wipe.ended.is_none()
    {
        // Without --yes it only shows what is left to do.
        return RecoveryStage::new(Stage::Wiping, &wipe.detail, "kops-wipe-masters");
    }
    let alive: Vec<&EtcdFacts> = facts.etcds.iter().filter(|etcd| etcd.liveness.is_alive()).collect();
    if alive.is_empty() {
        return down(facts);
    }
    let serves = |etcd: &&EtcdFacts| matches!(etcd.liveness, Liveness::Alive { serves: true, .. });
    if facts.etcds.iter().filter(serves).count() == facts.etcds.len() {
        return match facts.api.ready {
            Some(_) => RecoveryStage::new(
                Stage::ApiDown,
                format!("every etcd serves, but the API {}", says_of(&facts.api)),
                "kubectl etcd-restore restart-kubelet",
            ),
            None => RecoveryStage::new(
                Stage::Unknown,
                "every etcd serves; the API was not checked",
                "kubectl masterleases list",
            ),
        };
    }
    let told: Vec<String> = facts
        .etcds
        .iter()
        .map(|etcd| format!("etcd {} is {}", etcd.etcd, liveness_word(etcd)))
        .collect();
    RecoveryStage::new(Stage::Unknown, told.join("; "), PLAN)
}

fn says_of(api: &Api) -> &'static str {
    match (api.ready, api.answers) {
        (None, _) => "was not checked",
        (Some(_), true) => "is not ready",
        (Some(_), false) => "does not respond",
    }
}

fn liveness_word(etcd: &EtcdFacts) -> &'static str {
    match &etcd.liveness {
        Liveness::Alive { serves: true, .. } => "alive",
        Liveness::Alive { serves: false, .. } => "alive without a leader",
        Liveness::Dead(_) => "dead",
        Liveness::Unknown { .. } => "not proven dead",
    }
}

fn restoring(facts: &Facts) -> Option<RecoveryStage> {
    let under_way: Vec<&str> = facts
        .etcds
        .iter()
        .filter(|etcd| {
            matches!(
                etcd.state,
                State::Queued | State::Restoring | State::Gone | State::Restored
            )
        })
        .map(|etcd| etcd.etcd.as_str())
        .collect();
    let noted = matches!(facts.run, RunState::Holds(_) | RunState::Doubtful(_));
    if under_way.is_empty() && !noted {
        return None;
    }
    let why = if under_way.is_empty() {
        "a run was started and not completed".to_owned()
    } else {
        format!("a restore of {} is queued or running", under_way.join(" and "))
    };
    // Resuming a run may queue restores: only for the masters that it was started for.
    let next = match facts.run {
        RunState::Holds(_) if in_own_account(facts) => RUN,
        _ => "kubectl etcd-restore status --watch",
    };
    Some(RecoveryStage::new(Stage::Restoring, why, next))
}

/// The API serves, so main does, but another etcd cluster may have no members.
fn waits_beside_main(facts: &Facts) -> Option<RecoveryStage> {
    let waits = |etcd: &&EtcdFacts| matches!(etcd.liveness, Liveness::Dead(_)) && etcd.etcd != MAIN;
    let etcd = &facts.etcds.iter().find(waits)?.etcd;
    let why = format!("the API serves, but etcd {etcd} is dead");
    let next = ShellCommand::of(PLAN).option("--etcd", etcd);
    Some(RecoveryStage::with(Stage::Waiting, why, Next::OfCluster(next)))
}

fn serving(facts: &Facts) -> RecoveryStage {
    match (facts.leaseless, facts.dead_nodes) {
        (Some(leaseless), _) if leaseless > 0 => RecoveryStage::new(
            Stage::StaleLeases,
            format!(
                "the API serves, but {} no lease: the `kubernetes` endpoint may list masters that are gone",
                if leaseless == 1 {
                    "1 masterlease has".to_owned()
                } else {
                    format!("{leaseless} masterleases have")
                }
            ),
            "kubectl masterleases prune",
        ),
        (_, Some(dead)) if dead > 0 => RecoveryStage::new(
            Stage::DeadNodes,
            format!(
                "the API serves, but there are {} without an instance",
                counted(dead, "Node")
            ),
            "kubectl etcd-restore cleanup nodes",
        ),
        _ => RecoveryStage {
            stage: Stage::Healthy,
            why: "the API serves".to_owned(),
            next: None,
        },
    }
}

/// Nothing was found alive, which does not prove that it is dead.
fn down(facts: &Facts) -> RecoveryStage {
    let Observed::Known(masters) = &facts.masters else {
        return RecoveryStage::with(
            Stage::Unknown,
            "nothing was found alive, and the masters were not checked in AWS",
            // Nothing more can be checked without AWS.
            caller_identity(),
        );
    };
    if masters.running + masters.pending == 0 {
        return without_masters(facts, masters);
    }
    if masters.running < facts.members {
        let why = format!("{} of {} masters run", masters.running, facts.members);
        return RecoveryStage::new(Stage::Rebuilding, why, OVERVIEW);
    }
    let doubtful: Vec<&str> = facts
        .etcds
        .iter()
        .filter(|etcd| etcd.liveness.may_live())
        .map(|etcd| etcd.etcd.as_str())
        .collect();
    if doubtful.is_empty() {
        let why = format!(
            "{} masters run, and every etcd is dead: it waits for a restore",
            masters.running
        );
        return match best_of_main(facts) {
            Some(BestBackup::Is(_)) if matches!(facts.run, RunState::Left(_)) => {
                let why = format!("{why}; an old unfinished run cannot be resumed");
                RecoveryStage::new(Stage::Waiting, why, RUN_ANEW)
            }
            Some(BestBackup::Is(_)) if in_own_account(facts) && wipes_known(facts) && run_known(facts) => {
                RecoveryStage::new(Stage::Waiting, why, RUN)
            }
            Some(BestBackup::Is(_)) => RecoveryStage::new(Stage::Waiting, why, PLAN),
            Some(BestBackup::None(_)) => {
                RecoveryStage::new(Stage::Waiting, format!("{why}; no backup of main is good"), VERIFY)
            }
            Some(BestBackup::NotJudged(_)) | None => RecoveryStage::new(Stage::Waiting, why, PLAN),
        };
    }
    let looked = facts.api.ready.is_some() && facts.etcds.iter().all(|etcd| etcd.asked);
    let why = format!(
        "{} masters run; etcd {} not proven dead, and the API {}",
        masters.running,
        match doubtful.as_slice() {
            [one] => format!("{one} is"),
            several => format!("{} are", several.join(" and ")),
        },
        says_of(&facts.api)
    );
    let stage = if looked { Stage::Broken } else { Stage::Unknown };
    RecoveryStage::new(stage, why, AUDIT)
}

/// No master runs or starts. What AWS is still deleting must be gone before kops runs: kops would treat it as existing.
fn without_masters(facts: &Facts, masters: &Masters) -> RecoveryStage {
    if masters.stopped > 0 {
        let stopped = counted(masters.stopped, "master");
        let why = format!("no master runs; AWS has {stopped} in another state");
        return RecoveryStage::new(Stage::Broken, why, AUDIT);
    }
    if masters.groups > 0 {
        let groups = counted(masters.groups, "group");
        let why = format!("AWS has {groups} of the control plane, but no master");
        return RecoveryStage::new(Stage::Rebuilding, why, AUDIT);
    }
    if masters.leaving > 0 {
        let why = format!(
            "no master is left, but {}: wait until they are gone, as kops would treat them as existing",
            removes(masters.leaving)
        );
        return RecoveryStage::new(Stage::Wiping, why, OVERVIEW);
    }
    wiped(facts)
}

/// There is no control plane. A new one loses nothing, if this is the cluster's account and there is a backup.
fn wiped(facts: &Facts) -> RecoveryStage {
    let why = match &facts.wipe {
        Observed::Known(Some(Wipe { ended: Some(_), detail })) => {
            format!("there are no masters and no groups of masters: {detail}")
        }
        _ => "there are no masters and no groups of masters".to_owned(),
    };
    match (best_of_main(facts), &facts.account, &facts.quarantine) {
        (Some(BestBackup::Is(_)), AccountMatch::NotKnown(doubt), _) => RecoveryStage::new(
            Stage::Wiped,
            format!("{why}; not checked whether this is the cluster's account: {doubt}"),
            PREVIEW,
        ),
        (Some(BestBackup::Is(_)), ..) => rebuild(facts, why),
        (
            Some(BestBackup::None(_)),
            _,
            Observed::Known(Quarantine {
                way_back: Some(back), ..
            }),
        ) => RecoveryStage::with(
            Stage::Wiped,
            format!("{why}; no backup of main is good, but its volumes are in quarantine"),
            Next::Whole(back.clone()),
        ),
        (Some(BestBackup::None(_)), ..) => {
            RecoveryStage::new(Stage::Wiped, format!("{why}; no backup of main is good"), VERIFY)
        }
        _ => RecoveryStage::new(Stage::Wiped, why, VERIFY),
    }
}

/// Without the journals of wipes it is not known whether a wipe is unfinished, or whether Terraform manages the cluster.
fn rebuild(facts: &Facts, why: String) -> RecoveryStage {
    match (&facts.terraform, &facts.wipe) {
        (Some(terraform), _) => RecoveryStage::new(
            Stage::Wiped,
            format!("{why}; {terraform}: run this in the folder of its configuration, and then `terraform apply`"),
            FOR_TERRAFORM,
        ),
        (None, Observed::Known(_)) => RecoveryStage::new(Stage::Wiped, why, REBUILD),
        (None, Observed::Unknown(doubt)) => RecoveryStage::new(
            Stage::Wiped,
            format!("{why}; not checked whether a wipe is unfinished: {doubt}"),
            PREVIEW,
        ),
    }
}

/// Whether the journals of wipes were read.
const fn wipes_known(facts: &Facts) -> bool {
    matches!(facts.wipe, Observed::Known(_))
}

/// Whether the record of a run was read.
const fn run_known(facts: &Facts) -> bool {
    !matches!(facts.run, RunState::NotKnown(_))
}

/// Whether AWS was asked in the cluster's account, as far as that is known.
const fn in_own_account(facts: &Facts) -> bool {
    matches!(facts.account, AccountMatch::Own(_) | AccountMatch::Unproven(_))
}

fn best_of_main(facts: &Facts) -> Option<&BestBackup> {
    let main = facts.etcds.iter().find(|etcd| etcd.etcd == MAIN);
    main.map(|main| &main.best)
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
