//! One etcd cluster, and what is to be done to it.

use runbook_kit::model::etcd_manager::control::ClusterSpec;
use runbook_kit::usecases::catalog::Catalog;

use crate::rules::follow::EtcdSeen;
use crate::usecases::choose::Choice;
use crate::usecases::queue::QueuedCommand;
use crate::usecases::run_record::{RecordEntry, RunRecord};

/// One etcd cluster, and what is to be done to it.
pub struct Target<'a> {
    pub catalog: &'a Catalog,
    pub choice: Choice<'a>,
    pub spec: Option<ClusterSpec>,
    /// The command that orders this very restore already.
    pub queued: Option<QueuedCommand>,
    /// What a run under way has ordered, where nothing is to be ordered any more: its command is gone.
    pub submitted: Option<RecordEntry>,
    /// The content of `etcd-cluster-created`.
    pub created: Option<String>,
    /// What was seen of its etcd.
    pub seen: EtcdSeen,
    /// What proves that it has no members, in words.
    pub no_members: Option<String>,
}

impl Target<'_> {
    /// Whether a run under way has ordered it, as far as can be seen: its command is queued, or was taken.
    pub fn is_of(&self, record: &RunRecord) -> bool {
        let etcd = &self.catalog.store.etcd;
        let own = |queued: &QueuedCommand| record.has_command(etcd, &queued.name);
        self.submitted.is_some() || self.queued.as_ref().is_some_and(own)
    }
}
