//! What is known about a cluster in its recovery.

use jiff::Timestamp;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::ShellCommand;

use crate::rules::follow::State;

/// Whether AWS was asked in the cluster's own account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountMatch {
    /// Yes, by this evidence.
    Own(String),
    /// Nothing contradicts it, but the cluster's spec has nothing to prove it.
    Unproven(String),
    /// No.
    Foreign {
        /// The evidence.
        why: String,
        /// The next command.
        next: Next,
    },
    /// Not known, for this reason.
    NotKnown(String),
}

/// The masters in AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masters {
    /// Groups of masters.
    pub groups: usize,
    /// Masters that run.
    pub running: usize,
    /// Masters that start.
    pub pending: usize,
    /// Masters that are stopped, or in another state.
    pub stopped: usize,
    /// Groups, masters and etcd volumes that AWS is deleting.
    pub leaving: usize,
}

/// The newest wipe of the masters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wipe {
    /// When it ended; `None` where it is not complete.
    pub ended: Option<Timestamp>,
    /// As text.
    pub detail: String,
}

/// Volumes in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// How many.
    pub count: usize,
    /// As text.
    pub detail: String,
    /// The command that shows how to restore them.
    pub way_back: Option<ShellCommand>,
}

/// The record of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// There is none.
    None,
    /// It is for the masters that run now.
    Holds(String),
    /// Not known whether it is valid.
    Doubtful(String),
    /// It is for an earlier recovery.
    Void(String),
    /// It is too old to be resumed.
    Left(String),
    /// It could not be read.
    NotKnown(String),
}

/// The backup that a restore will use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BestBackup {
    /// This one, as text with its age.
    Is(String),
    /// None, for these reasons.
    None(String),
    /// The backups were not read, for this reason.
    NotJudged(String),
}

/// One etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdFacts {
    pub etcd: String,
    /// The state of the restore.
    pub state: State,
    /// Whether it is alive.
    pub liveness: Liveness,
    /// Whether it was checked.
    pub asked: bool,
    /// What blocks the restore.
    pub problem: Option<String>,
    /// The commands that are queued, each with its age.
    pub queued: Vec<String>,
    pub best: BestBackup,
}

/// The API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Whether it is ready; `None` where it was not checked.
    pub ready: Option<bool>,
    /// Whether it responded.
    pub answers: bool,
    /// Whether it is proven to be this cluster's.
    pub proven: bool,
    /// Its answer, or why it was not checked.
    pub detail: String,
}

/// Everything that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub members: usize,
    pub account: AccountMatch,
    pub masters: Observed<Masters>,
    /// The evidence that Terraform manages the cluster, and what that means for its volumes.
    pub terraform: Option<String>,
    pub wipe: Observed<Option<Wipe>>,
    pub quarantine: Observed<Quarantine>,
    pub run: RunState,
    pub etcds: Vec<EtcdFacts>,
    pub api: Api,
    /// Masterleases without a lease, where etcd main was read.
    pub leaseless: Option<usize>,
    /// Nodes without an instance in AWS, where both were read.
    pub dead_nodes: Option<usize>,
}

/// The next command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// One that needs the flags of the cluster.
    OfCluster(ShellCommand),
    /// A complete one.
    Whole(ShellCommand),
}
