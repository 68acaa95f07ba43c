//! What is known of a cluster in its recovery, and what comes next. Pure.
//!
//! A statement carries its evidence. What was not checked is said to be that, and may be alive. A next command that changes something is
//! named only where the evidence is enough for it; else the one that gets the evidence.

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

/// A step of the runbook, or trouble in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The API serves, and nothing was found that is left to do.
    Healthy,
    /// It serves, and the endpoint lists masters that are gone.
    StaleLeases,
    /// It serves, and Nodes are left whose instance is gone.
    DeadNodes,
    /// etcd serves, and the API does not.
    ApiDown,
    /// A restore is ordered or under way.
    Restoring,
    /// A restore is tried over and over again, or the queue is blocked.
    Stuck,
    /// The masters are new, or about to be, and etcd waits for a command.
    Waiting,
    /// New masters are being made.
    Rebuilding,
    /// A wipe did not come to its end, or AWS still removes what there was.
    Wiping,
    /// The masters and their groups are gone.
    Wiped,
    /// Masters run, and nothing serves.
    Broken,
    /// The account or the region that was asked is not the cluster's.
    Elsewhere,
    /// Too little was seen.
    Unknown,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryStage {
    pub stage: Stage,
    /// Why, in words.
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
    format!("AWS still removes {leaving} of its groups, masters and etcd volumes")
}

/// Shows whose credentials these are, if there are any.
pub fn caller_identity() -> Next {
    Next::Whole(ShellCommand::of("aws sts get-caller-identity"))
}

const OVERVIEW: &str = "kubectl etcd-restore";
/// Without --yes it shows what it would do.
const RUN_ANEW: &str = "kubectl etcd-restore run --anew";
const RUN: &str = "kubectl etcd-restore run --yes";
const PLAN: &str = "kubectl etcd-restore plan";
const AUDIT: &str = "kops-wipe-masters audit";
const REBUILD: &str = "kops update cluster --yes";
/// Without --yes it shows what it would make.
const PREVIEW: &str = "kops update cluster";
/// It writes files and changes nothing in AWS.
const FOR_TERRAFORM: &str = "kops update cluster --target=terraform --out=.";
const VERIFY: &str = "kubectl etcd-backups verify --all";

/// Decides.
pub fn recovery_stage(facts: &Facts) -> RecoveryStage {
    if let Some(stuck) = facts
        .etcds
        .iter()
        .find(|etcd| etcd.state == State::Looping || etcd.problem.is_some())
    {
        let why = stuck
            .problem
            .clone()
            .unwrap_or_else(|| "the restore is tried over and over again".to_owned());
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
    // Behind an etcd that is proven dead there is no API: it is another cluster's.
    if facts.api.ready == Some(true) && facts.etcds.iter().any(|etcd| etcd.liveness.may_live()) {
        return RecoveryStage::new(
            Stage::Unknown,
            format!(
                "an API answers, and nothing proves that it is this cluster's: {}",
                facts.api.detail
            ),
            "kops export kubeconfig --admin",
        );
    }
    if let Observed::Known(Some(wipe)) = &facts.wipe
        && wipe.ended.is_none()
    {
        // Without --yes it only shows what is left of it.
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
                format!("every etcd serves, and the API {}", says_of(&facts.api)),
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
        (Some(_), false) => "does not answer",
    }
}

fn liveness_word(etcd: &EtcdFacts) -> &'static str {
    match &etcd.liveness {
        Liveness::Alive { serves: true, .. } => "alive",
        Liveness::Alive { serves: false, .. } => "alive without a leader",
        Liveness::Dead(_) => "dead",
        Liveness::Unknown { .. } => "not known to be dead",
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
        "a run of restores was begun and not seen to end".to_owned()
    } else {
        format!("a restore of {} is ordered or under way", under_way.join(" and "))
    };
    // Going on with a run orders what it has not ordered yet: only with the masters that it was made for.
    let next = match facts.run {
        RunState::Holds(_) if in_own_account(facts) => RUN,
        _ => "kubectl etcd-restore status --watch",
    };
    Some(RecoveryStage::new(Stage::Restoring, why, next))
}

/// The API serves, so main does; another one may have no member all the same.
fn waits_beside_main(facts: &Facts) -> Option<RecoveryStage> {
    let waits = |etcd: &&EtcdFacts| matches!(etcd.liveness, Liveness::Dead(_)) && etcd.etcd != MAIN;
    let etcd = &facts.etcds.iter().find(waits)?.etcd;
    let why = format!("the API serves, and etcd {etcd} is dead");
    let next = ShellCommand::of(PLAN).option("--etcd", etcd);
    Some(RecoveryStage::with(Stage::Waiting, why, Next::OfCluster(next)))
}

fn serving(facts: &Facts) -> RecoveryStage {
    match (facts.leaseless, facts.dead_nodes) {
        (Some(leaseless), _) if leaseless > 0 => RecoveryStage::new(
            Stage::StaleLeases,
            format!(
                "the API serves, and {} no lease: the `kubernetes` endpoint may list masters that are gone",
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
            format!("the API serves, and {} without an instance", counted(dead, "Node")),
            "kubectl etcd-restore cleanup nodes",
        ),
        _ => RecoveryStage {
            stage: Stage::Healthy,
            why: "the API serves".to_owned(),
            next: None,
        },
    }
}

/// Nothing was seen alive. That is not yet to say that it is dead.
fn down(facts: &Facts) -> RecoveryStage {
    let Observed::Known(masters) = &facts.masters else {
        return RecoveryStage::with(
            Stage::Unknown,
            "nothing was seen alive, and AWS could not be asked for the masters: whether they live is not known",
            // Without it nothing more can be known.
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
                let why = format!("{why}; a run that was left behind is not gone on with");
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
        "{} masters run; etcd {} not known to be dead, and the API {}",
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

/// None runs or starts. kops takes a group, an instance or a volume that is still being removed for one that exists: it must be gone first.
fn without_masters(facts: &Facts, masters: &Masters) -> RecoveryStage {
    if masters.stopped > 0 {
        let stopped = counted(masters.stopped, "master");
        let why = format!("no master runs, and AWS has {stopped} in another state");
        return RecoveryStage::new(Stage::Broken, why, AUDIT);
    }
    if masters.groups > 0 {
        let groups = counted(masters.groups, "group");
        let why = format!("AWS has {groups} of the control plane and no master");
        return RecoveryStage::new(Stage::Rebuilding, why, AUDIT);
    }
    if masters.leaving > 0 {
        let why = format!(
            "no master is left, and {}: kops would take that for what exists, so wait until it is gone",
            removes(masters.leaving)
        );
        return RecoveryStage::new(Stage::Wiping, why, OVERVIEW);
    }
    wiped(facts)
}

/// There is no master and no group of masters. New ones lose nothing, where it is this cluster's place and there is something to come back from.
fn wiped(facts: &Facts) -> RecoveryStage {
    let why = match &facts.wipe {
        Observed::Known(Some(Wipe { ended: Some(_), detail })) => {
            format!("there is no master and no group of masters: {detail}")
        }
        _ => "there is no master and no group of masters".to_owned(),
    };
    match (best_of_main(facts), &facts.account, &facts.quarantine) {
        (Some(BestBackup::Is(_)), AccountMatch::NotKnown(doubt), _) => RecoveryStage::new(
            Stage::Wiped,
            format!("{why}; whether this is the cluster's own account is not known: {doubt}"),
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
            format!("{why}; no backup of main is good, and its volumes are in quarantine"),
            Next::Whole(back.clone()),
        ),
        (Some(BestBackup::None(_)), ..) => {
            RecoveryStage::new(Stage::Wiped, format!("{why}; no backup of main is good"), VERIFY)
        }
        _ => RecoveryStage::new(Stage::Wiped, why, VERIFY),
    }
}

/// Whoever does not know of wipes knows neither whether one is unfinished, nor whether it saw Terraform at work.
fn rebuild(facts: &Facts, why: String) -> RecoveryStage {
    match (&facts.terraform, &facts.wipe) {
        (Some(terraform), _) => RecoveryStage::new(
            Stage::Wiped,
            format!("{why}; {terraform}: in the folder of its configuration, and then `terraform apply`"),
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

/// Whether the journals of wipes were read: none of them is unfinished then, or that is what is told.
const fn wipes_known(facts: &Facts) -> bool {
    matches!(facts.wipe, Observed::Known(_))
}

/// Whether the note of a run was read, or there is none.
const fn run_known(facts: &Facts) -> bool {
    !matches!(facts.run, RunState::NotKnown(_))
}

/// Whether AWS was asked where the cluster is, as far as anything can tell.
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
