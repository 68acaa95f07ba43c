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
    /// The command that is already queued for this restore.
    pub queued: Option<QueuedCommand>,
    /// The entry of an unfinished run whose command was already taken.
    pub submitted: Option<RecordEntry>,
    /// The content of `etcd-cluster-created`.
    pub created: Option<String>,
    /// What etcd showed.
    pub seen: EtcdSeen,
    /// The proof that it has no members.
    pub no_members: Option<String>,
}

impl Target<'_> {
    /// Whether the run of this record has queued it: the command is in the queue, or was taken.
    pub fn is_of(&self, record: &RunRecord) -> bool {
        let etcd = &self.catalog.store.etcd;
        let own = |queued: &QueuedCommand| record.has_command(etcd, &queued.name);
        self.submitted.is_some() || self.queued.as_ref().is_some_and(own)
    }
}
