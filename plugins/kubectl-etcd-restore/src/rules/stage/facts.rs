//! What was found out about a cluster in its recovery.

use jiff::Timestamp;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::ShellCommand;

use crate::rules::follow::State;

/// Whether AWS was asked in the cluster's own account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountMatch {
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
    pub detail: String,
}

/// Volumes in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// How many.
    pub count: usize,
    /// In words.
    pub detail: String,
    /// The command that shows how they come back.
    pub way_back: Option<ShellCommand>,
}

/// The note of a run of restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
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
pub enum BestBackup {
    /// This one, in words with its age.
    Is(String),
    /// None can be restored, for these reasons.
    None(String),
    /// The backups were not looked into, for this reason.
    NotJudged(String),
}

/// One etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdFacts {
    pub etcd: String,
    /// What the store and the log show of a restore.
    pub state: State,
    /// Whether it lives.
    pub liveness: Liveness,
    /// Whether it was asked at all.
    pub asked: bool,
    /// What stands in the way.
    pub problem: Option<String>,
    /// The commands that are queued, each with its age.
    pub queued: Vec<String>,
    pub best: BestBackup,
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
    pub detail: String,
}

/// All that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub members: usize,
    pub account: AccountMatch,
    pub masters: Observed<Masters>,
    /// What shows that Terraform manages the cluster, and what that means for its volumes; `None` where nothing does.
    pub terraform: Option<String>,
    pub wipe: Observed<Option<Wipe>>,
    pub quarantine: Observed<Quarantine>,
    pub run: RunState,
    pub etcds: Vec<EtcdFacts>,
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
