//! What is looked at before a restore is ordered. Pure: observed facts in, checks out.
//!
//! etcd-manager looks at none of this: it stops etcd and moves its data aside before it reads the backup, and what it cannot
//! restore it tries for ever.

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
use runbook_kit::model::units;

/// A name this far ahead of our clock is no matter of seconds.
const SKEW: SignedDuration = SignedDuration::from_mins(2);
/// Somebody else's command of the same restore is gone on with only for so long; a run that nobody has looked at for longer is another
/// day's, too.
pub const ADOPTED_FOR: SignedDuration = SignedDuration::from_hours(12);

/// A file under `control/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlFact<T> {
    /// It is not there.
    Missing,
    /// etcd-manager cannot use it.
    Broken(String),
    /// What it says.
    Valid(T),
}

/// The backup that is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its name.
    pub name: BackupName,
    /// Why it is not good; empty where it is.
    pub rejections: Vec<Rejection>,
    /// What should be known of it where it is good, in words: that it holds fewer Nodes than the one before.
    pub warnings: Vec<String>,
    /// Younger ones that were passed over, in words.
    pub passed_over: Vec<String>,
    /// Its live keys.
    pub keys: u64,
    /// Whether it lies where etcd-manager finds it; a pinned one has to be copied back first.
    pub in_store: bool,
    /// The encryption keys that its values need, as they name them (`aescbc:key1`).
    pub encrypted_by: Vec<String>,
}

/// A queued command, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedFact {
    /// The name of its folder.
    pub name: String,
    /// The backup that it restores, or why it cannot be read.
    pub backup: Result<String, String>,
    /// Whether that backup is whole, in the store or where it is pinned.
    pub there: bool,
    /// How long ago it was queued, where it says so.
    pub age: Option<SignedDuration>,
    /// Whether the record of a run that still holds names it.
    pub own: bool,
}

impl QueuedFact {
    /// Whether it may be gone on with where it orders what is wanted: it is our own, or young.
    #[must_use]
    pub fn is_of_now(&self) -> bool {
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
    /// It serves and there is no backup of it: it is left as it is.
    Leave,
}

/// All that is known of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdFacts {
    /// `main`, `events`, …
    pub etcd: String,
    /// The URL of its `control/` folder, for cures.
    pub control: String,
    /// What is to be done.
    pub wanted: Wanted,
    /// Why nothing better is done where nobody has named what: no good backup, or no sound one; empty elsewhere.
    pub why: Vec<String>,
    /// `etcd-cluster-spec`.
    pub spec: ControlFact<ClusterSpec>,
    /// `etcd-cluster-created`.
    pub created: ControlFact<()>,
    /// The members of the kops spec; 0 where none was found.
    pub spec_members: usize,
    /// The queue.
    pub commands: Vec<QueuedFact>,
    /// What it showed when it was asked.
    pub observed: EtcdSeen,
    /// Whether it is alive, dead, or nobody knows.
    pub liveness: Liveness,
    /// What it would lose; `None` where none was seen to live, or nothing is restored.
    pub data_loss: Option<Observed<DataLoss>>,
    /// The newest complete backup's time.
    pub newest: Option<Timestamp>,
    /// What etcd-manager itself can restore; judged elsewhere.
    pub manager: Vec<Check>,
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
    /// The keys that the cluster's encryption config knows; empty where it has none.
    pub encryption_keys: Observed<Vec<String>>,
    /// Accept a backup of `main` that is sound and not good.
    pub even_if_poor: bool,
    /// The etcd clusters of the spec that are not to be restored.
    pub left_out: Vec<LeftOut>,
    /// Whether one etcd cluster after the other is ordered: then one left out is told and no more.
    pub one_by_one: bool,
}

impl EtcdFacts {
    /// Our own command, where it is queued already: the same backup and alone.
    #[must_use]
    pub fn adopted(&self) -> Option<&QueuedFact> {
        match (&self.wanted, self.commands.as_slice()) {
            (Wanted::Restore(backup), [only])
                if only.backup.as_deref() == Ok(backup.name.as_str()) && only.is_of_now() =>
            {
                Some(only)
            }
            _ => None,
        }
    }

    /// Whether something is done to it that would throw away what it holds, and it is not proven to hold nothing.
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

/// Looks at everything.
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
