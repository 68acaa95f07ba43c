//! The checks before a restore is queued.
//!
//! etcd-manager does none of them: it stops etcd and moves its data aside before it reads the backup, and retries a failed restore forever.

mod backup;
mod cluster;
mod control_files;
mod left_out;
mod liveness;

pub use left_out::LeftOut;
pub use liveness::lost;

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::observed::Observed;

use crate::rules::data_loss::DataLoss;
use crate::rules::follow::EtcdSeen;
use runbook_kit::model::backup::goodness::Rejection;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::etcd_manager::control::ClusterSpec;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::{salvage, units};

/// Tolerated difference between the clocks.
const SKEW: SignedDuration = SignedDuration::from_mins(2);
/// A command of another user, or a run, is resumed only until this age.
pub const ADOPTED_FOR: SignedDuration = SignedDuration::from_hours(12);

/// A file under `control/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlFact<T> {
    /// It does not exist.
    Missing,
    /// etcd-manager cannot use it.
    Broken(String),
    /// Its content.
    Valid(T),
}

/// The backup that is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its name.
    pub name: BackupName,
    /// Why it is not good; empty where it is good.
    pub rejections: Vec<Rejection>,
    /// Warnings about a good one, such as fewer Nodes than in the backup before.
    pub warnings: Vec<String>,
    /// The newer ones that were skipped, with reasons.
    pub passed_over: Vec<String>,
    /// Number of its live keys.
    pub keys: u64,
    /// Whether it is where etcd-manager finds it; a pinned one has to be copied back first.
    pub in_store: bool,
    /// The encryption keys of its values (`aescbc:key1`).
    pub encrypted_by: Vec<String>,
}

/// A queued command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedFact {
    /// The name of its folder.
    pub name: String,
    /// The backup that it restores, or why it cannot be read.
    pub backup: Result<String, String>,
    /// Whether that backup is complete, in the store or pinned.
    pub there: bool,
    /// How long ago it was queued, where that is known.
    pub age: Option<SignedDuration>,
    /// Whether it is in the record of a valid run.
    pub own: bool,
}

impl QueuedFact {
    /// Whether it may be resumed: it is from this run, or recent.
    #[must_use]
    pub fn may_be_resumed(&self) -> bool {
        self.own || self.age.is_some_and(|age| age <= ADOPTED_FOR)
    }
}

/// What is to be done to an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Restore this backup.
    Restore(Box<BackupFacts>),
    /// Seed it anew, empty.
    Fresh,
    /// There is no backup that can be restored, for these reasons.
    Nothing(Vec<String>),
    /// Leave it as it is: it serves, and there is no backup of it.
    Leave,
}

/// All that is known of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdFacts {
    /// `main`, `events`, …
    pub etcd: String,
    /// The URL of its `control/` folder.
    pub control: String,
    /// What is to be done.
    pub wanted: Wanted,
    /// Why no good backup is restored where none was named.
    pub why: Vec<String>,
    /// `etcd-cluster-spec`.
    pub spec: ControlFact<ClusterSpec>,
    /// `etcd-cluster-created`.
    pub created: ControlFact<()>,
    /// The members of the kops spec; 0 where none was found.
    pub spec_members: usize,
    /// The queue.
    pub commands: Vec<QueuedFact>,
    /// What etcd showed.
    pub observed: EtcdSeen,
    /// Whether it is alive, dead or unknown.
    pub liveness: Liveness,
    /// What it will lose; `None` where it is not alive, or nothing is restored.
    pub data_loss: Option<Observed<DataLoss>>,
    /// The newest complete backup's time.
    pub newest: Option<Timestamp>,
    /// The checks of etcd-manager.
    pub manager: Vec<Check>,
    /// What may hold newer data than the backup.
    pub salvage: salvage::Facts,
}

/// All that is known of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its name.
    pub cluster: String,
    /// Each etcd cluster that is to be restored.
    pub etcds: Vec<EtcdFacts>,
    /// The masters that run.
    pub masters: Observed<Vec<String>>,
    /// Whether the API is ready.
    pub api_ready: Observed<bool>,
    /// The keys of the cluster's encryption config.
    pub encryption_keys: Observed<Vec<String>>,
    /// Accept a backup of `main` that is intact, but fails sanity checks.
    pub even_if_poor: bool,
    /// The etcd clusters of the spec that are not to be restored.
    pub left_out: Vec<LeftOut>,
    /// Whether commands are only queued: then an etcd cluster that is left out does not block.
    pub one_by_one: bool,
}

impl EtcdFacts {
    /// The queued command that is adopted: the only one, for the same backup.
    #[must_use]
    pub fn adopted(&self) -> Option<&QueuedFact> {
        match (&self.wanted, self.commands.as_slice()) {
            (Wanted::Restore(backup), [only])
                if only.backup.as_deref() == Ok(backup.name.as_str()) && only.may_be_resumed() =>
            {
                Some(only)
            }
            _ => None,
        }
    }

    /// Whether its data will be replaced, and it is not proven dead.
    #[must_use]
    pub fn at_risk(&self) -> bool {
        self.liveness.may_live() && !matches!(self.wanted, Wanted::Nothing(_) | Wanted::Leave)
    }
}

impl ClusterFacts {
    /// The etcd clusters that are proven alive.
    #[must_use]
    pub fn alive(&self) -> Vec<&str> {
        let lives = |etcd: &&EtcdFacts| etcd.wanted != Wanted::Leave && etcd.liveness.is_alive();
        self.etcds.iter().filter(lives).map(|etcd| etcd.etcd.as_str()).collect()
    }
}

/// Runs all checks.
#[must_use]
pub fn checks(facts: &ClusterFacts, now: Timestamp) -> Vec<Check> {
    let mut found = Vec::new();
    for etcd in &facts.etcds {
        found.extend(
            of_etcd(etcd, facts, now)
                .into_iter()
                .map(|check| check.of(etcd.etcd.clone())),
        );
    }
    let left_out = facts.left_out.iter();
    found.extend(left_out.map(|one| left_out::check(one, facts.one_by_one).of(one.etcd.clone())));
    found.push(cluster::masters(facts));
    found.extend(cluster::times(facts));
    found.extend(cluster::encryption(facts));
    if let Observed::Unknown(why) = &facts.api_ready {
        found.push(Check::found(
            "api",
            Severity::Info,
            format!("the API was not checked: {why}"),
        ));
    }
    found
}

fn of_etcd(etcd: &EtcdFacts, facts: &ClusterFacts, now: Timestamp) -> Vec<Check> {
    let mut found = vec![backup::backup(etcd, facts.even_if_poor)];
    found.extend(etcd.manager.iter().cloned());
    found.push(control_files::spec(etcd, &facts.cluster));
    found.extend(control_files::created(etcd));
    found.push(control_files::queue(etcd));
    found.push(liveness::etcd(etcd));
    found.extend(liveness::data_loss(etcd));
    if matches!(etcd.wanted, Wanted::Restore(_) | Wanted::Nothing(_)) {
        found.extend(salvage::check(&etcd.salvage, now));
    }
    if let Some(ahead) = etcd
        .newest
        .map(|newest| newest.duration_since(now))
        .filter(|ahead| *ahead > SKEW)
    {
        let message = format!("the name of the newest backup is {} in the future", units::age(ahead));
        found.push(
            Check::found("clock", Severity::Warn, message).cure("check the clocks of the masters and of this machine"),
        );
    }
    found
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
