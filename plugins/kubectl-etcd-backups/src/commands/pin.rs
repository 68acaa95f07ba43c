//! `pin`: copies a backup to where etcd-manager does not delete it.

use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::usecases::pin::{self, PinError};

use crate::context::Context;
use runbook_kit::cli::BackupArgs;

/// Copy a backup to where etcd-manager does not delete it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A pinned backup is listed and can be used like any other. The copy is made inside of the store, to <cluster>/backups/recovery/<etcd>/ of the state store.\n\nExample:\n  kubectl etcd-backups pin latest-good --yes"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let chosen = context.choose(&catalogs, &args.wanted).await?;
    let mut plans = Vec::new();
    for one in &chosen {
        context.tell_chosen(one);
        plans.extend(pin::plan_pin(one.catalog, one.backup)?);
    }
    for one in chosen.iter().filter(|one| one.backup.pinned.is_some()) {
        context.ui.note(&format!(
            "{} {} is already pinned",
            one.catalog.store.etcd, one.backup.name
        ));
    }
    context.require_own_place(args.consent.yes)?;
    let Some(consent) = confirm::plain(args.consent.yes) else {
        for plan in &plans {
            context
                .ui
                .result(&format!("will copy {}\n       to {}\n", plan.from, plan.to))?;
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
        pinned.map_err(|error| after_others(error, "pinned", &done))?;
        done.push(plan.name.to_string());
        context.ui.result(&format!("pinned {} at {}\n", plan.name, plan.to))?;
    }
    Ok(Exit::Done)
}

/// The error of one backup, with those that were done before.
pub(super) fn after_others(error: PinError, what: &str, done: &[String]) -> PinError {
    match done.is_empty() {
        true => error,
        false => error.after(format!("{what} {}", done.join(" and "))),
    }
}
