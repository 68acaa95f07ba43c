//! Reads and decodes a chosen backup, for the commands that show its contents.

use std::sync::Arc;

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::kubernetes::encryption::Keys;
use runbook_kit::model::snapshot::{Content, Problem};
use runbook_kit::ports::ReadSnapshot;
use runbook_kit::ports::SnapshotFile;
use runbook_kit::usecases::choose::Chosen;
use runbook_kit::usecases::examine::examine;

use crate::context::Context;

/// A backup, read and decoded.
pub struct Opened {
    pub cluster: String,
    pub etcd: String,
    pub name: String,
    content: Content,
    db: Box<dyn SnapshotFile>,
    /// Read only where a value is encrypted.
    keys: Arc<Keys>,
}

impl Opened {
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.content, self.db.as_ref()).with_keys(&self.keys)
    }

    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// The database failed to be read after it had been decoded.
    pub fn unreadable(&self, problem: Problem) -> CommandError {
        CommandError::failed(format!("reading backup {}", self.name)).source(problem)
    }
}

/// Reads a backup whole. Damage that still lets it be decoded is a warning.
pub async fn open(context: &Context, chosen: &Chosen<'_>) -> Result<Opened, AnyFailure> {
    let (store, backup) = (&chosen.catalog.store, chosen.backup);
    let name = backup.name.to_string();
    let progress = context
        .ui
        .bytes_progress(&format!("reading {name}"), backup.data_size.unwrap_or(0));
    let examined = examine(context.examine_context(), store, backup, &|read| progress.set(read)).await?;
    drop(progress);
    let problems = examined.facts.problems;
    match examined.snapshot {
        Some(ReadSnapshot {
            content: Some(content),
            db: Some(db),
            ..
        }) => {
            for problem in &problems {
                context.ui.warn(&format!("{} {name}: {problem}", store.etcd));
            }
            let keys = match Snapshot::new(&content, db.as_ref()).has_encrypted() {
                true => context.keys.of(context.objects(), store).await,
                false => Arc::default(),
            };
            Ok(Opened {
                cluster: store.cluster.clone(),
                etcd: store.etcd.clone(),
                name,
                content,
                db,
                keys,
            })
        }
        _ => Err(CommandError::found(format!(
            "backup {name} of etcd {} cannot be decoded: {}",
            store.etcd,
            problems.join("; ")
        ))
        .hint("another backup may be intact: run `verify --all`")
        .into()),
    }
}
