//! `unpin`: deletes the pinned copy of a backup.

use runbook_kit::cli::BackupArgs;
use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::pin;

use super::pin::after_others;
use crate::context::Context;

/// Delete the pinned copy of a backup
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kubectl etcd-backups unpin main=2026-11-22T15:18 --yes")]
pub struct Args {
    /// A name or a prefix of one; ETCD=BACKUP for one etcd cluster
    #[arg(value_name = "BACKUP")]
    backup: BackupRef,
    #[command(flatten)]
    consent: StrongConsentArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let chosen = context
        .choose(&catalogs, &BackupArgs::from(args.backup.clone()))
        .await?;
    let pinned: Vec<(&Catalog, &Backup)> = chosen
        .iter()
        .filter(|one| one.backup.pinned.is_some() || one.backup.half_pinned.is_some())
        .map(|one| (one.catalog, one.backup))
        .collect();
    let Some((first, _)) = pinned.first() else {
        return Err(CommandError::usage(format!("backup {} is not pinned", args.backup)).into());
    };
    for (catalog, backup) in &pinned {
        let size = units::bytes(backup.data_size.unwrap_or_default());
        let consequence = if backup.pinned.is_none() {
            "an incomplete copy"
        } else if backup.in_store {
            "the backup in the store is kept"
        } else {
            "THE ONLY COPY of this backup"
        };
        let at = backup.pinned.as_ref().or(backup.half_pinned.as_ref());
        let at = at.map(ToString::to_string).unwrap_or_default();
        context.ui.result(&format!(
            "will delete {at} ({} {size}): {consequence}\n",
            catalog.store.etcd
        ))?;
    }
    let last_copies = pinned
        .iter()
        .any(|(_, backup)| backup.pinned.is_some() && !backup.in_store);
    context.require_own_place(args.consent.yes)?;
    let consent = if last_copies {
        confirm::strong(
            &args.consent,
            &first.store.cluster,
            "This deletes the only copy of a backup.",
        )?
    } else {
        confirm::plain(args.consent.yes)
    };
    let Some(consent) = consent else {
        context.ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    let mut done: Vec<String> = Vec::new();
    for (_, backup) in &pinned {
        let unpinned = pin::unpin(context.objects(), backup, &consent).await;
        unpinned.map_err(|error| after_others(error, "unpinned", &done))?;
        done.push(backup.name.to_string());
        context.ui.result(&format!("unpinned {}\n", backup.name))?;
    }
    Ok(Exit::Done)
}
