//! From a backup that was chosen to its contents, for the commands that look inside.

use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, Failure};
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::snapshot::{Content, Problem};
use runbook_kit::ports::ReadSnapshot;
use runbook_kit::ports::SnapshotFile;
use runbook_kit::usecases::choose::Chosen;
use runbook_kit::usecases::examine::examine;

use crate::context::Context;

/// A backup that was read, decoded, and can be looked into.
pub struct Opened {
    /// The Kubernetes cluster.
    pub cluster: String,
    /// The etcd cluster.
    pub etcd: String,
    /// The backup.
    pub name: String,
    content: Content,
    db: Box<dyn SnapshotFile>,
}

impl Opened {
    /// What the reports read.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.content, self.db.as_ref())
    }

    /// The live keys and more.
    pub const fn content(&self) -> &Content {
        &self.content
    }
}

/// A backup that cannot be looked into.
#[derive(Debug, thiserror::Error)]
#[error("backup {name} of etcd {etcd} cannot be decoded: {}", problems.join("; "))]
struct Undecodable {
    etcd: String,
    name: String,
    problems: Vec<String>,
}

impl Failure for Undecodable {
    fn exit(&self) -> Exit {
        Exit::Found
    }

    fn hint(&self) -> Option<String> {
        Some("another backup may be whole: see `verify --all`".to_owned())
    }
}

/// The database failed to be read, after it had been decoded.
#[derive(Debug, thiserror::Error)]
#[error("reading backup {name}")]
pub struct ReadError {
    name: String,
    source: Problem,
}

impl Failure for ReadError {}

impl ReadError {
    /// Of this backup.
    pub fn new(opened: &Opened, source: Problem) -> Self {
        Self {
            name: opened.name.clone(),
            source,
        }
    }
}

/// Reads a backup whole. Damage that still lets it be decoded is told and is no failure.
pub async fn open(context: &Context, chosen: &Chosen<'_>) -> Result<Opened, AnyFailure> {
    let (store, backup) = (&chosen.catalog.store, chosen.backup);
    let name = backup.name.to_string();
    let progress = context
        .ui
        .bytes_progress(&format!("reading {name}"), backup.data_size.unwrap_or(0));
    let examined = examine(context.objects(), context.reader(), backup, &|read| progress.set(read)).await?;
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
            Ok(Opened {
                cluster: store.cluster.clone(),
                etcd: store.etcd.clone(),
                name,
                content,
                db,
            })
        }
        _ => Err(Undecodable {
            etcd: store.etcd.clone(),
            name,
            problems,
        }
        .into()),
    }
}
