//! What the stores say of a cluster beside its backups, and how much of the record of a run counts.

use runbook_kit::failure::AnyFailure;
use runbook_kit::model::observed::Observed;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::wipe_journal::Entry;

use crate::context::Context;
use crate::rules::follow::EtcdSeen;
use crate::usecases::choose::Choice;
use crate::usecases::observe::{control_file, wiped};
use crate::usecases::queue::{self, QueuedCommand};
use crate::usecases::run_record::{self, RecordEntry, RunRecord};

/// Whether an unfinished run has already queued this choice.
pub fn is_the_same(submitted: &RecordEntry, choice: &Choice<'_>) -> bool {
    submitted.submitted
        && match choice {
            Choice::Backup { backup, .. } => submitted.backup.as_deref() == Some(backup.name.as_str()),
            Choice::Deleted(name) => submitted.backup.as_ref() == Some(name),
            Choice::Fresh(_) | Choice::Leave(_) => submitted.backup.is_none(),
            Choice::Nothing(_) => false,
        }
}

/// Whether the entry of an etcd cluster is used. Of a doubtful record only what can be verified is used: a command that is still queued, or an etcd
/// that has changed since.
pub fn counts(
    record: &RunRecord,
    doubtful: bool,
    etcd: &str,
    queue: &[QueuedCommand],
    seen: &EtcdSeen,
    created: Option<&str>,
) -> bool {
    let Some(submitted) = record.of(etcd) else {
        return true;
    };
    if !doubtful || queue.iter().any(|found| record.has_command(etcd, &found.name)) {
        return true;
    }
    match seen {
        EtcdSeen::Serving(answer) if submitted.backup.is_some() => submitted.served() != Some(answer.cluster),
        EtcdSeen::Serving(_) => created.is_some() && created != submitted.created.as_deref(),
        EtcdSeen::Quarantined(_) => submitted.backup.is_some(),
        EtcdSeen::Silent(_) | EtcdSeen::NotAsked(_) | EtcdSeen::Unanswered => false,
    }
}

/// What is read before a backup is chosen.
pub struct Known {
    pub queues: Vec<Vec<QueuedCommand>>,
    pub created: Vec<Option<String>>,
    pub wipe: Observed<Option<Entry>>,
    pub record_at: Option<StoreUrl>,
    pub record: Option<RunRecord>,
}

impl Known {
    pub async fn read(resume: bool, catalogs: &[Catalog], context: &Context) -> Result<Self, AnyFailure> {
        let objects = context.session.objects();
        let record_at = catalogs
            .iter()
            .find_map(|catalog| run_record::place(catalog.store.recovery.as_ref()?));
        let record = match (&record_at, resume) {
            (Some(at), true) => match run_record::read(objects, at).await? {
                Ok(record) => record,
                Err(why) => {
                    context
                        .session
                        .ui
                        .warn(&format!("{at} cannot be read and is ignored: {why}"));
                    None
                }
            },
            _ => None,
        };
        let (mut queues, mut created) = (Vec::new(), Vec::new());
        for catalog in catalogs {
            queues.push(queue::commands(objects, catalog).await?);
            created.push(control_file::created_marker(catalog, context).await?);
        }
        Ok(Self {
            queues,
            created,
            wipe: wiped::newest(catalogs, context).await,
            record_at,
            record,
        })
    }
}
