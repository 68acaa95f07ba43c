//! `list`: all masterleases, and which of them are stale.

use crate::rules::verdict::Verdict;
use runbook_kit::cli::output;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, Failure};

use crate::context::Context;
use crate::rules::rows;
use crate::usecases::observe::{self, SurveyArgs};

/// List the masterleases and show which are stale
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A running API server rewrites its key every 10 s, with a lease. A key without a lease that is not \
    rewritten is stale: it comes from a restore of etcd and never expires. Nodes, Endpoints and the API servers' \
    addresses are checked as well; if they contradict this, the verdict is `unknown`.\n\nExample:\n  kubectl masterleases \
    list -o wide --host 10.0.0.7"
)]
pub struct Args {
    #[command(flatten)]
    survey: SurveyArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let etcd = context.etcd(&args.survey.access).await?;
    let survey = observe::observe(&args.survey, etcd.as_ref(), context).await?;
    output::rows(
        &context.ui,
        context.format,
        &rows::rows(&survey.leases),
        "No masterleases found",
    )?;
    if let Some(why) = observe::no_leases(&survey) {
        context.ui.warn(&why.to_string());
        context.ui.note(&Failure::hint(&why).unwrap_or_default());
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
