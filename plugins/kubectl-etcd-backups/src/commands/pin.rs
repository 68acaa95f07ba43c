//! `pin` and `unpin`: a copy of a backup where etcd-manager's clean-up never comes.

use runbook_kit::cli::confirm::{self, ConsentArgs, StrongConsentArgs};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::pin::{self, PinError};

use crate::context::Context;
use runbook_kit::cli::BackupArgs;

/// Copy a backup to where etcd-manager's clean-up never comes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A pinned backup is listed and can be used like any other. It goes to <cluster>/backups/recovery/<etcd>/ in the state store, copied by the store itself.\n\nExample:\n  kubectl etcd-backups pin latest-good --yes"
)]
pub struct PinArgs {
    #[command(flatten)]
    wanted: BackupArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// Delete the pinned copy of a backup
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kubectl etcd-backups unpin main=2026-11-22T15:18 --yes")]
pub struct UnpinArgs {
    /// A name or the beginning of one, with `ETCD=` before it for one etcd cluster
    #[arg(value_name = "BACKUP")]
    backup: BackupRef,
    #[command(flatten)]
    consent: StrongConsentArgs,
}

/// Runs `pin`.
pub async fn pin(args: PinArgs, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let chosen = context.choose(&catalogs, &args.wanted).await?;
    let mut plans = Vec::new();
    for one in &chosen {
        context.tell_chosen(one);
        plans.extend(pin::plan_pin(one.catalog, one.backup)?);
    }
    for one in chosen.iter().filter(|one| one.backup.pinned.is_some()) {
        context.ui.note(&format!(
            "{} {} is pinned already",
            one.catalog.store.etcd, one.backup.name
        ));
    }
    context.require_own_place(args.consent.yes)?;
    let Some(consent) = confirm::plain(args.consent.yes) else {
        for plan in &plans {
            context
                .ui
                .result(&format!("would copy {}\n        to {}\n", plan.from, plan.to))?;
        }
        context.ui.note(if plans.is_empty() {
            "nothing to do"
        } else {
            "nothing was changed; pass --yes to do it"
        });
        return Ok(Exit::Done);
    };
    let mut done: Vec<String> = Vec::new();
    for plan in &plans {
        let pinned = pin::pin(context.objects(), plan, &consent).await;
        pinned.map_err(|error| so_far(error, "pinned", &done))?;
        done.push(plan.name.to_string());
        context.ui.result(&format!("pinned {} at {}\n", plan.name, plan.to))?;
    }
    Ok(Exit::Done)
}

/// The error of one, after others that went well.
fn so_far(error: PinError, what: &str, done: &[String]) -> PinError {
    match done.is_empty() {
        true => error,
        false => error.after(format!("{what} {}", done.join(" and "))),
    }
}

/// Runs `unpin`.
pub async fn unpin(args: UnpinArgs, context: &Context) -> Result<Exit, AnyFailure> {
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
        let fate = if backup.pinned.is_none() {
            "what is left of a copy that was broken off"
        } else if backup.in_store {
            "the store's own copy stays"
        } else {
            "THE ONLY COPY: nothing is left of it"
        };
        let at = backup.pinned.as_ref().or(backup.half_pinned.as_ref());
        let at = at.map(ToString::to_string).unwrap_or_default();
        context
            .ui
            .result(&format!("would delete {at} ({} {size}): {fate}\n", catalog.store.etcd))?;
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
        unpinned.map_err(|error| so_far(error, "unpinned", &done))?;
        done.push(backup.name.to_string());
        context.ui.result(&format!("unpinned {}\n", backup.name))?;
    }
    Ok(Exit::Done)
}
