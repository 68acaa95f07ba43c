//! What is known of a cluster in its recovery, and what comes next. Pure.
//!
//! A statement carries its evidence. What was not checked is said to be that, and may be alive. A next command that changes something is
//! named only where the evidence is enough for it; else the one that gets the evidence.

use crate::rules::follow::State;
use jiff::Timestamp;
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

/// Whether AWS was asked in the cluster's own account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was, by this evidence.
    Own(String),
    /// Nothing contradicts it, and the cluster's spec names nothing by which two accounts could be told apart.
    Unproven(String),
    /// It was not.
    Foreign {
        /// By which evidence.
        why: String,
        /// What comes next.
        next: Next,
    },
    /// Nobody can tell, for this reason.
    NotKnown(String),
}

/// The masters, by AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masters {
    /// Groups of masters.
    pub groups: usize,
    /// Masters that run.
    pub running: usize,
    /// Masters that start.
    pub pending: usize,
    /// Masters that are stopped, or of which AWS says something else.
    pub stopped: usize,
    /// Groups, masters and etcd volumes that AWS still removes.
    pub leaving: usize,
}

/// The newest wipe of the masters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wipe {
    /// When it ended; `None` where it did not come to its end.
    pub ended: Option<Timestamp>,
    /// In words.
    pub says: String,
}

/// Volumes in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// How many.
    pub count: usize,
    /// In words.
    pub says: String,
    /// The command that shows how they come back.
    pub way_back: Option<ShellCommand>,
}

/// The note of a run of restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// There is none.
    None,
    /// It is of the masters that run now.
    Holds(String),
    /// Whether it is cannot be told.
    Doubtful(String),
    /// It is of another day.
    Void(String),
    /// It is so old that no run goes on with it.
    Left(String),
    /// It could not be read.
    NotKnown(String),
}

/// Which backup a restore would bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Best {
    /// This one, in words with its age.
    Is(String),
    /// None can be restored, for these reasons.
    None(String),
    /// The backups were not looked into, for this reason.
    NotJudged(String),
}

/// One etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdStanding {
    pub etcd: String,
    /// What the store and the log show of a restore.
    pub state: State,
    /// Whether it lives.
    pub life: Liveness,
    /// Whether it was asked at all.
    pub asked: bool,
    /// What stands in the way.
    pub problem: Option<String>,
    /// The commands that are queued, each with its age.
    pub queued: Vec<String>,
    pub best: Best,
}

/// The API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Whether it is ready; `None` where it was not asked.
    pub ready: Option<bool>,
    /// Whether anybody answered.
    pub answers: bool,
    /// Whether it is proven to be this cluster's.
    pub proven: bool,
    /// What it answered, or why it was not asked.
    pub says: String,
}

/// All that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub members: usize,
    pub place: Place,
    pub masters: Observed<Masters>,
    /// What shows that Terraform manages the cluster, and what that means for its volumes; `None` where nothing does.
    pub terraform: Option<String>,
    pub wipe: Observed<Option<Wipe>>,
    pub quarantine: Observed<Quarantine>,
    pub run: Run,
    pub etcds: Vec<EtcdStanding>,
    pub api: Api,
    /// Masterleases without a lease, where etcd main was asked.
    pub leaseless: Option<usize>,
    /// Nodes whose instance AWS does not have, where both were asked.
    pub dead_nodes: Option<usize>,
}

/// A command to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// One that wants the flags which name the cluster.
    OfCluster(ShellCommand),
    /// One that is whole.
    Whole(ShellCommand),
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub stage: Stage,
    /// Why, in words.
    pub why: String,
    /// The command; `None` where there is nothing to do.
    pub next: Option<Next>,
}

impl Standing {
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

/// What is known of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    pub subject: String,
    /// A word or two.
    pub state: String,
    /// By whom and how that is known, or why it is not.
    pub evidence: String,
    /// Whether it was looked at.
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

const NOT_CHECKED: &str = "not checked";

fn not_checked(subject: impl Into<String>, evidence: impl Into<String>) -> Statement {
    Statement {
        checked: false,
        ..checked(subject, NOT_CHECKED, evidence)
    }
}

/// All that is known, in the order of the runbook.
pub fn statements(facts: &Facts) -> Vec<Statement> {
    let mut told = vec![
        match &facts.place {
            Place::Own(why) => checked("AWS", "the cluster's", why),
            Place::Unproven(why) => checked("AWS", "not contradicted", why),
            Place::Foreign { why, .. } => checked("AWS", "NOT THE CLUSTER'S", why),
            Place::NotKnown(why) => not_checked("AWS", why),
        },
        masters(facts),
    ];
    match &facts.wipe {
        Observed::Known(None) => {}
        Observed::Known(Some(wipe)) => {
            let state = if wipe.ended.is_some() { "ended" } else { "UNFINISHED" };
            told.push(checked("wipe", state, &wipe.says));
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
            let says = match back {
                Some(back) => format!("{}; back they come by {back}", quarantine.says),
                None => quarantine.says.clone(),
            };
            told.push(checked("quarantine", counted(quarantine.count, "volume"), says));
        }
        Observed::Unknown(why) => told.push(not_checked("quarantine", why)),
    }
    match &facts.run {
        Run::None => {}
        Run::Holds(says) => told.push(checked("run", "under way", says)),
        Run::Doubtful(why) => told.push(checked("run", "doubtful", why)),
        Run::Void(why) => told.push(checked("run", "of another day", why)),
        Run::Left(why) => told.push(checked("run", "LEFT BEHIND", why)),
        Run::NotKnown(why) => told.push(not_checked("run", why)),
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
    match (&facts.place, &facts.masters) {
        (Place::Foreign { .. }, _) => not_checked("masters", "what another place has says nothing of this cluster"),
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

fn removes(leaving: usize) -> String {
    format!("AWS still removes {leaving} of its groups, masters and etcd volumes")
}

fn of_etcd(etcd: &EtcdStanding) -> Vec<Statement> {
    let subject = format!("etcd {}", etcd.etcd);
    let mut told = vec![match (&etcd.life, etcd.state) {
        (Liveness::Unknown { why, .. }, _) if !etcd.asked => not_checked(&subject, format!("may be alive: {why}")),
        (life, state @ (State::Queued | State::Restoring | State::Looping | State::Gone | State::Restored)) => {
            checked(&subject, state.name(), life.describe())
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
        Best::Is(says) => checked(subject, "to restore", says),
        Best::None(why) => checked(subject, "NONE", why),
        Best::NotJudged(why) => not_checked(subject, why),
    });
    told
}

fn api(api: &Api) -> Statement {
    match api.ready {
        None => not_checked("API", format!("may be alive: {}", api.says)),
        Some(true) if api.proven => checked("API", "ready", &api.says),
        Some(true) => checked("API", "not proven ours", &api.says),
        Some(false) if api.answers => checked("API", "not ready", &api.says),
        Some(false) => checked("API", "no answer", format!("may be alive: {}", api.says)),
    }
}

fn counted(count: usize, word: &str) -> String {
    runbook_kit::model::units::counted(count as u64, word)
}

/// Shows whose credentials these are, if there are any.
pub fn who() -> Next {
    Next::Whole(ShellCommand::of("aws sts get-caller-identity"))
}

const LOOK: &str = "kubectl etcd-restore";
/// Without --yes it shows what it would do.
const ANEW: &str = "kubectl etcd-restore run --anew";
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
pub fn standing(facts: &Facts) -> Standing {
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
        return Standing::new(Stage::Stuck, why, "kubectl etcd-restore commands");
    }
    if let Place::Foreign { why, next } = &facts.place {
        return Standing::with(Stage::Elsewhere, why, next.clone());
    }
    if let Some(restoring) = restoring(facts) {
        return restoring;
    }
    if facts.api.ready == Some(true) && facts.api.proven {
        return waits_beside_main(facts).unwrap_or_else(|| serving(facts));
    }
    // Behind an etcd that is proven dead there is no API: it is another cluster's.
    if facts.api.ready == Some(true) && facts.etcds.iter().any(|etcd| etcd.life.may_live()) {
        return Standing::new(
            Stage::Unknown,
            format!(
                "an API answers, and nothing proves that it is this cluster's: {}",
                facts.api.says
            ),
            "kops export kubeconfig --admin",
        );
    }
    if let Observed::Known(Some(wipe)) = &facts.wipe
        && wipe.ended.is_none()
    {
        // Without --yes it only shows what is left of it.
        return Standing::new(Stage::Wiping, &wipe.says, "kops-wipe-masters");
    }
    let alive: Vec<&EtcdStanding> = facts.etcds.iter().filter(|etcd| etcd.life.is_alive()).collect();
    if alive.is_empty() {
        return down(facts);
    }
    let serves = |etcd: &&EtcdStanding| matches!(etcd.life, Liveness::Alive { serves: true, .. });
    if facts.etcds.iter().filter(serves).count() == facts.etcds.len() {
        return match facts.api.ready {
            Some(_) => Standing::new(
                Stage::ApiDown,
                format!("every etcd serves, and the API {}", says_of(&facts.api)),
                "kubectl etcd-restore restart-kubelet",
            ),
            None => Standing::new(
                Stage::Unknown,
                "every etcd serves; the API was not checked",
                "kubectl masterleases list",
            ),
        };
    }
    let told: Vec<String> = facts
        .etcds
        .iter()
        .map(|etcd| format!("etcd {} is {}", etcd.etcd, in_a_word(etcd)))
        .collect();
    Standing::new(Stage::Unknown, told.join("; "), PLAN)
}

fn says_of(api: &Api) -> &'static str {
    match (api.ready, api.answers) {
        (None, _) => "was not checked",
        (Some(_), true) => "is not ready",
        (Some(_), false) => "does not answer",
    }
}

fn in_a_word(etcd: &EtcdStanding) -> &'static str {
    match &etcd.life {
        Liveness::Alive { serves: true, .. } => "alive",
        Liveness::Alive { serves: false, .. } => "alive without a leader",
        Liveness::Dead(_) => "dead",
        Liveness::Unknown { .. } => "not known to be dead",
    }
}

fn restoring(facts: &Facts) -> Option<Standing> {
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
    let noted = matches!(facts.run, Run::Holds(_) | Run::Doubtful(_));
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
        Run::Holds(_) if has_its_place(facts) => RUN,
        _ => "kubectl etcd-restore status --watch",
    };
    Some(Standing::new(Stage::Restoring, why, next))
}

/// The API serves, so main does; another one may have no member all the same.
fn waits_beside_main(facts: &Facts) -> Option<Standing> {
    let waits = |etcd: &&EtcdStanding| matches!(etcd.life, Liveness::Dead(_)) && etcd.etcd != MAIN;
    let etcd = &facts.etcds.iter().find(waits)?.etcd;
    let why = format!("the API serves, and etcd {etcd} is dead");
    let next = ShellCommand::of(PLAN).option("--etcd", etcd);
    Some(Standing::with(Stage::Waiting, why, Next::OfCluster(next)))
}

fn serving(facts: &Facts) -> Standing {
    match (facts.leaseless, facts.dead_nodes) {
        (Some(leaseless), _) if leaseless > 0 => Standing::new(
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
        (_, Some(dead)) if dead > 0 => Standing::new(
            Stage::DeadNodes,
            format!("the API serves, and {} without an instance", counted(dead, "Node")),
            "kubectl etcd-restore cleanup nodes",
        ),
        _ => Standing {
            stage: Stage::Healthy,
            why: "the API serves".to_owned(),
            next: None,
        },
    }
}

/// Nothing was seen alive. That is not yet to say that it is dead.
fn down(facts: &Facts) -> Standing {
    let Observed::Known(masters) = &facts.masters else {
        return Standing::with(
            Stage::Unknown,
            "nothing was seen alive, and AWS could not be asked for the masters: whether they live is not known",
            // Without it nothing more can be known.
            who(),
        );
    };
    if masters.running + masters.pending == 0 {
        return without_masters(facts, masters);
    }
    if masters.running < facts.members {
        let why = format!("{} of {} masters run", masters.running, facts.members);
        return Standing::new(Stage::Rebuilding, why, LOOK);
    }
    let doubtful: Vec<&str> = facts
        .etcds
        .iter()
        .filter(|etcd| etcd.life.may_live())
        .map(|etcd| etcd.etcd.as_str())
        .collect();
    if doubtful.is_empty() {
        let why = format!(
            "{} masters run, and every etcd is dead: it waits for a restore",
            masters.running
        );
        return match best_of_main(facts) {
            Some(Best::Is(_)) if matches!(facts.run, Run::Left(_)) => {
                let why = format!("{why}; a run that was left behind is not gone on with");
                Standing::new(Stage::Waiting, why, ANEW)
            }
            Some(Best::Is(_)) if has_its_place(facts) && knows_wipes(facts) && knows_run(facts) => {
                Standing::new(Stage::Waiting, why, RUN)
            }
            Some(Best::Is(_)) => Standing::new(Stage::Waiting, why, PLAN),
            Some(Best::None(_)) => Standing::new(Stage::Waiting, format!("{why}; no backup of main is good"), VERIFY),
            Some(Best::NotJudged(_)) | None => Standing::new(Stage::Waiting, why, PLAN),
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
    Standing::new(stage, why, AUDIT)
}

/// None runs or starts. kops takes a group, an instance or a volume that is still being removed for one that exists: it must be gone first.
fn without_masters(facts: &Facts, masters: &Masters) -> Standing {
    if masters.stopped > 0 {
        let stopped = counted(masters.stopped, "master");
        let why = format!("no master runs, and AWS has {stopped} in another state");
        return Standing::new(Stage::Broken, why, AUDIT);
    }
    if masters.groups > 0 {
        let groups = counted(masters.groups, "group");
        let why = format!("AWS has {groups} of the control plane and no master");
        return Standing::new(Stage::Rebuilding, why, AUDIT);
    }
    if masters.leaving > 0 {
        let why = format!(
            "no master is left, and {}: kops would take that for what exists, so wait until it is gone",
            removes(masters.leaving)
        );
        return Standing::new(Stage::Wiping, why, LOOK);
    }
    wiped(facts)
}

/// There is no master and no group of masters. New ones lose nothing, where it is this cluster's place and there is something to come back from.
fn wiped(facts: &Facts) -> Standing {
    let why = match &facts.wipe {
        Observed::Known(Some(Wipe { ended: Some(_), says })) => {
            format!("there is no master and no group of masters: {says}")
        }
        _ => "there is no master and no group of masters".to_owned(),
    };
    match (best_of_main(facts), &facts.place, &facts.quarantine) {
        (Some(Best::Is(_)), Place::NotKnown(doubt), _) => Standing::new(
            Stage::Wiped,
            format!("{why}; whether this is the cluster's own account is not known: {doubt}"),
            PREVIEW,
        ),
        (Some(Best::Is(_)), ..) => rebuild(facts, why),
        (
            Some(Best::None(_)),
            _,
            Observed::Known(Quarantine {
                way_back: Some(back), ..
            }),
        ) => Standing::with(
            Stage::Wiped,
            format!("{why}; no backup of main is good, and its volumes are in quarantine"),
            Next::Whole(back.clone()),
        ),
        (Some(Best::None(_)), ..) => Standing::new(Stage::Wiped, format!("{why}; no backup of main is good"), VERIFY),
        _ => Standing::new(Stage::Wiped, why, VERIFY),
    }
}

/// Whoever does not know of wipes knows neither whether one is unfinished, nor whether it saw Terraform at work.
fn rebuild(facts: &Facts, why: String) -> Standing {
    match (&facts.terraform, &facts.wipe) {
        (Some(terraform), _) => Standing::new(
            Stage::Wiped,
            format!("{why}; {terraform}: in the folder of its configuration, and then `terraform apply`"),
            FOR_TERRAFORM,
        ),
        (None, Observed::Known(_)) => Standing::new(Stage::Wiped, why, REBUILD),
        (None, Observed::Unknown(doubt)) => Standing::new(
            Stage::Wiped,
            format!("{why}; whether a wipe is unfinished is not known: {doubt}"),
            PREVIEW,
        ),
    }
}

/// The volumes come back only where none of the control plane is there.
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

/// Whether the journals of wipes were read: none of them is unfinished then, or that is what is told.
const fn knows_wipes(facts: &Facts) -> bool {
    matches!(facts.wipe, Observed::Known(_))
}

/// Whether the note of a run was read, or there is none.
const fn knows_run(facts: &Facts) -> bool {
    !matches!(facts.run, Run::NotKnown(_))
}

/// Whether AWS was asked where the cluster is, as far as anything can tell.
const fn has_its_place(facts: &Facts) -> bool {
    matches!(facts.place, Place::Own(_) | Place::Unproven(_))
}

fn best_of_main(facts: &Facts) -> Option<&Best> {
    let main = facts.etcds.iter().find(|etcd| etcd.etcd == MAIN);
    main.map(|main| &main.best)
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
