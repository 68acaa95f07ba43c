//! `undo`: restores the keys that `prune` deleted.

use std::path::{Path, PathBuf};

use crate::rules::undo_file::{Deleted, Undo, UndoError};
use crate::usecases::etcd_objects;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Row, column};
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::EtcdKv;
use serde::Serialize;

use crate::context::Context;
use crate::usecases::observe::KeyArgs;

/// Restore the keys that `prune` deleted
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes the same values, without a lease, and only keys that do not exist.\n\nExample:\n  \
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UndoRow {
    key: String,
    /// `restore`, `restored`, or `keep` for a key that exists.
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

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let undo = read(&args.file, &args.keys.etcd_prefix, context)?;
    let etcd = context.etcd(&args.access).await?;
    let etcd = etcd.as_ref();
    let here = etcd_objects::cluster_uid(etcd, &args.keys.etcd_prefix).await?;
    if let (Some(here), Some(there)) = (&here, &undo.cluster_uid)
        && here != there
    {
        let file = args.file.display();
        return Err(CommandError::refused(format!(
            "{file} was written for another cluster: there kube-system has UID {there}, here {here}"
        ))
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
    output::rows(&context.ui, context.format, &rows, "The file has no keys")?;
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

async fn apply(keys: &[Deleted], etcd: &dyn EtcdKv, consent: &Consent) -> Result<Vec<UndoRow>, CommandError> {
    let mut rows: Vec<UndoRow> = Vec::new();
    for deleted in keys {
        match etcd.put_if_absent(&deleted.key, &deleted.value, consent).await {
            Ok(written) => rows.push(row(deleted, if written { "restored" } else { "keep" })),
            Err(source) => {
                let restored = rows.iter().filter(|row| row.action == "restored");
                let restored: Vec<&str> = restored.map(|row| row.key.as_str()).collect();
                let restored = if restored.is_empty() {
                    "none".to_owned()
                } else {
                    restored.join(", ")
                };
                return Err(CommandError::after_change(format!(
                    "stopped at {}, which may or may not have been restored; restored before: {restored}",
                    deleted.key.escape_ascii()
                ))
                .hint("repeat the command: it resumes where it stopped")
                .source(source));
            }
        }
    }
    Ok(rows)
}

fn read(file: &Path, prefix: &str, context: &Context) -> Result<Undo, CommandError> {
    let failed = || CommandError::failed(format!("reading {}", file.display()));
    let content = context.read(file).map_err(|error| failed().source(error))?;
    Undo::parse(&content, prefix).map_err(|error| match error {
        UndoError::Foreign { .. } => failed()
            .exit(Exit::Refused)
            .hint("use the file that `prune` wrote; if the API servers have another --etcd-prefix, pass it")
            .source(error),
        error => failed().source(error),
    })
}
