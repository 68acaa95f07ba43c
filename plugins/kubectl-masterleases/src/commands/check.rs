//! `check`: whether any masterlease is stale, for scripts and alerting.

use crate::rules::verdict::Verdict;
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::context::Context;
use crate::rules::rows::{self, LeaseRow};
use crate::usecases::observe::{self, SurveyArgs};

/// Check whether any masterlease is stale, for scripts and alerting
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 5 if one is stale. `-o name` prints the stale ones only.\n\nExample:\n  kubectl \
    masterleases check -o prometheus --host 10.0.0.7 > masterleases.prom"
)]
pub struct Args {
    #[command(flatten)]
    survey: SurveyArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let etcd = context.etcd(&args.survey.access).await?;
    let survey = observe::observe(&args.survey, etcd.as_ref(), context).await?;
    if let Some(why) = observe::no_leases(&survey) {
        return Err(why.into());
    }
    let rows = rows::rows(&survey.leases);
    if context.format == Format::Prometheus {
        context.ui.result(&metrics(&rows))?;
    } else if context.format == Format::Name {
        let stale: Vec<LeaseRow> = rows
            .iter()
            .filter(|row| row.verdict == Verdict::Stale)
            .cloned()
            .collect();
        output::rows(&context.ui, context.format, &stale, "")?;
    } else {
        output::rows(&context.ui, context.format, &rows, "No masterleases found")?;
    }
    Ok(if count(&rows, Verdict::Stale) > 0 {
        Exit::Found
    } else {
        Exit::Done
    })
}

fn count(rows: &[LeaseRow], verdict: Verdict) -> usize {
    rows.iter().filter(|row| row.verdict == verdict).count()
}

fn metrics(rows: &[LeaseRow]) -> String {
    let mut text =
        "# HELP kops_masterleases Masterleases in etcd, by verdict.\n# TYPE kops_masterleases gauge\n".to_owned();
    for verdict in [Verdict::Live, Verdict::Stale, Verdict::Unknown] {
        text.push_str(&format!(
            "kops_masterleases{{verdict=\"{verdict}\"}} {}\n",
            count(rows, verdict)
        ));
    }
    text
}
