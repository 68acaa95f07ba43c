//! `undo`: puts back what `prune` deleted.

use std::path::{Path, PathBuf};

use crate::rules::undo_file::{Deleted, Undo, UndoError};
use crate::usecases::etcd_objects;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Row, column};
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, Failure};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::{EtcdError, EtcdKv};
use serde::Serialize;

use crate::context::Context;
use crate::usecases::observe::KeyArgs;

/// Put back what `prune` deleted
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The same bytes, without a lease, and only where the key is still absent.\n\nExample:\n  \
    kubectl masterleases undo masterleases-undo-20261122T151801Z.json --yes --host 10.0.0.7"
)]
pub struct Args {
    /// The file that `prune` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    access: EtcdAccess,
}

/// What happens to one key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UndoRow {
    key: String,
    /// `restore`, `restored`, or `keep` for one that is there.
    action: &'static str,
}

impl Row for UndoRow {
    fn columns() -> Vec<Column> {
        vec![column("ACTION"), column("KEY")]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.action), Cell::text(&self.key)]
    }

    fn name(&self) -> String {
        self.key.clone()
    }
}

/// Runs `undo`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let undo = read(&args.file, &args.keys.etcd_prefix, context)?;
    let etcd = context.etcd(&args.access).await?;
    let etcd = etcd.as_ref();
    let here = etcd_objects::cluster_uid(etcd, &args.keys.etcd_prefix).await?;
    if let (Some(here), Some(there)) = (&here, &undo.cluster_uid)
        && here != there
    {
        return Err(OtherCluster {
            file: args.file,
            here: here.clone(),
            there: there.clone(),
        }
        .into());
    }
    let mut present = Vec::new();
    for deleted in &undo.keys {
        present.push(etcd.get(&deleted.key).await?.is_some());
    }
    let rows = match confirm::plain(args.consent.yes) {
        Some(consent) => apply(&undo.keys, etcd, &consent).await?,
        None => {
            let row = |(deleted, is_there): (&Deleted, bool)| row(deleted, if is_there { "keep" } else { "restore" });
            undo.keys.iter().zip(present).map(row).collect()
        }
    };
    output::rows(&context.ui, context.format, &rows, "The file holds no keys")?;
    if !args.consent.yes {
        context.ui.note("nothing was changed; pass --yes to do it");
    }
    Ok(Exit::Done)
}

fn row(deleted: &Deleted, action: &'static str) -> UndoRow {
    UndoRow {
        key: deleted.key.escape_ascii().to_string(),
        action,
    }
}

async fn apply(keys: &[Deleted], etcd: &dyn EtcdKv, _consent: &Consent) -> Result<Vec<UndoRow>, Stopped> {
    let mut rows: Vec<UndoRow> = Vec::new();
    for deleted in keys {
        match etcd.put_if_absent(&deleted.key, &deleted.value).await {
            Ok(written) => rows.push(row(deleted, if written { "restored" } else { "keep" })),
            Err(source) => {
                let restored = rows.iter().filter(|row| row.action == "restored");
                return Err(Stopped {
                    restored: restored.map(|row| row.key.as_str()).collect::<Vec<_>>().join(", "),
                    at: deleted.key.escape_ascii().to_string(),
                    source,
                });
            }
        }
    }
    Ok(rows)
}

fn read(file: &Path, prefix: &str, context: &Context) -> Result<Undo, AnyFailure> {
    let shown = || file.display().to_string();
    let content = context
        .read(file)
        .map_err(|source| FileError { file: shown(), source })?;
    Ok(Undo::parse(&content, prefix).map_err(|source| FormatError { file: shown(), source })?)
}

#[derive(Debug, thiserror::Error)]
#[error("reading {file}")]
struct FileError {
    file: String,
    source: std::io::Error,
}

impl Failure for FileError {}

#[derive(Debug, thiserror::Error)]
#[error("reading {file}")]
struct FormatError {
    file: String,
    source: UndoError,
}

impl Failure for FormatError {
    fn exit(&self) -> Exit {
        match self.source {
            UndoError::Foreign { .. } => Exit::Refused,
            UndoError::NotOurs(_) | UndoError::Format(_) | UndoError::Damaged { .. } => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let foreign = matches!(self.source, UndoError::Foreign { .. });
        foreign.then(|| {
            "take the file that `prune` itself wrote; where the API servers have another --etcd-prefix, pass it"
                .to_owned()
        })
    }
}

/// The keys were another cluster's.
#[derive(Debug, thiserror::Error)]
#[error("{} was written for another cluster: there kube-system has UID {there}, here {here}", file.display())]
struct OtherCluster {
    file: PathBuf,
    here: String,
    there: String,
}

impl Failure for OtherCluster {
    fn exit(&self) -> Exit {
        Exit::Refused
    }
}

/// It ended in the middle.
#[derive(Debug, thiserror::Error)]
#[error("stopped at {at}, which may be restored or not; restored before: {}", if restored.is_empty() { "none" } else { restored })]
struct Stopped {
    restored: String,
    at: String,
    source: EtcdError,
}

impl Failure for Stopped {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some("repeat the command: it goes on where it stopped".to_owned())
    }
}
