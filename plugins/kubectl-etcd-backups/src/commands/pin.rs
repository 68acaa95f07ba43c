//! `pin`: a copy of a backup where etcd-manager's clean-up never comes.

use runbook_kit::cli::confirm;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::usecases::pin::{self, PinError};

use crate::context::Context;
use runbook_kit::cli::Wanted;

/// Copy a backup to where etcd-manager's clean-up never comes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A pinned backup is listed and can be used like any other. It goes to <cluster>/backups/recovery/<etcd>/ in the state store, copied by the store itself.\n\nExample:\n  kubectl etcd-backups pin latest-good --yes"
)]
pub struct Args {
    #[command(flatten)]
    wanted: Wanted,
    /// Do it; without it the plan is only shown
    #[arg(long)]
    yes: bool,
}

/// Runs `pin`.
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
            "{} {} is pinned already",
            one.catalog.store.etcd, one.backup.name
        ));
    }
    context.require_own_place(args.yes)?;
    let Some(consent) = confirm::plain(args.yes) else {
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
pub(super) fn so_far(error: PinError, what: &str, done: &[String]) -> PinError {
    match done.is_empty() {
        true => error,
        false => error.after(format!("{what} {}", done.join(" and "))),
    }
}
