//! `list`: every masterlease, and whether an API server is behind it.

use crate::rules::verdict::Verdict;
use runbook_kit::cli::output;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, Failure};

use crate::context::Context;
use crate::rules::rows;
use crate::usecases::observe::{self, LookArgs};

/// List the masterleases and tell the living from the stale
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A living API server rewrites its key every 10 s, with a lease. A key that has no lease and is \
    not rewritten is stale: a restore of etcd brought it, and it never expires. Nodes, Endpoints and the addresses \
    themselves are asked, too; where they contradict, the verdict is `unknown`.\n\nExample:\n  kubectl masterleases \
    list -o wide --host 10.0.0.7"
)]
pub struct Args {
    #[command(flatten)]
    look: LookArgs,
}

/// Runs `list`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let etcd = context.etcd(&args.look.access).await?;
    let survey = observe::look(&args.look, etcd.as_ref(), context).await?;
    output::rows(
        &context.ui,
        context.format,
        &rows::rows(&survey.leases),
        "No masterleases found",
    )?;
    if let Some(none) = observe::no_leases(&survey) {
        context.ui.warn(&none.to_string());
        context.ui.note(&Failure::hint(&none).unwrap_or_default());
    }
    let stale = survey
        .leases
        .iter()
        .filter(|lease| lease.judgement.verdict == Verdict::Stale);
    match stale.count() {
        0 => {}
        count => context.ui.note(&format!(
            "{count} stale: `kubectl masterleases prune` shows what it would delete"
        )),
    }
    Ok(Exit::Done)
}
