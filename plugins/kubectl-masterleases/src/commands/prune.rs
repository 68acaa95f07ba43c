//! `prune`: deletes the stale masterleases and waits until the endpoint is correct.

use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::quoted;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::rules::peers::Peers;
use crate::rules::undo_file::{Deleted, Undo};
use crate::usecases::survey::Survey;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Format, Row, column};
use runbook_kit::cli::ui;
use runbook_kit::cli::values;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use serde::Serialize;

use crate::context::Context;
use crate::rules::endpoints::{EndpointState, Published};
use crate::rules::plan::{self, Plan};
use crate::rules::rows::{LeaseRow, verdict_cell};
use crate::usecases::apply::{self, Outcome};
use crate::usecases::observe::{self, SurveyArgs};
use crate::usecases::wait_for_endpoints::{EndpointsAfter, wait_for_endpoints};

/// Delete the stale masterleases and wait until the endpoint is correct
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A key is deleted only if it was not written since it was read, so a running API server never \
    loses its own. The values are saved first, for `undo`. A key with the verdict `unknown` is deleted only if it is \
    named; a live one never.\n\nExamples:\n  kubectl masterleases prune --host 10.0.0.7\n  \
    kubectl masterleases prune 10.0.0.21 10.0.0.22 --yes --host 10.0.0.7"
)]
pub struct Args {
    /// Only these addresses, also if their verdict is `unknown`
    #[arg(value_name = "IP")]
    ips: Vec<String>,
    #[command(flatten)]
    consent: ConsentArgs,
    /// File to save the deleted keys in [default: masterleases-undo-TIME.json in the current folder]
    #[arg(long, value_name = "FILE")]
    undo_file: Option<PathBuf>,
    /// How long to wait until the API servers have corrected the endpoint; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::wait)]
    wait: Duration,
    #[command(flatten)]
    survey: SurveyArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanRow {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(flatten)]
    lease: LeaseRow,
}

impl Row for PlanRow {
    fn columns() -> Vec<Column> {
        vec![column("ACTION"), column("IP"), column("VERDICT"), column("REASON")]
    }

    fn cells(&self) -> Vec<Cell> {
        let reason = self.why.map_or_else(
            || self.lease.reason.clone(),
            |why| format!("{why} ({})", self.lease.reason),
        );
        vec![
            Cell::text(self.action),
            Cell::text(&self.lease.ip),
            verdict_cell(self.lease.verdict),
            Cell::text(reason),
        ]
    }

    fn name(&self) -> String {
        self.lease.ip.clone()
    }
}

/// The output in JSON and YAML.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    plan: Vec<PlanRow>,
    /// Whether the plan was applied.
    applied: bool,
    deleted: Vec<String>,
    /// Rewritten or deleted by others meanwhile, and left as they are.
    #[serde(rename = "left")]
    skipped: Vec<String>,
    undo_file: Option<PathBuf>,
    before: Lists,
    after: Option<Lists>,
    /// Whether `after` lists announced addresses only; `null` without a wait, or if it could not be checked.
    #[serde(rename = "right")]
    correct: Option<bool>,
    peer_server_leases: Peers,
}

/// The addresses of `default/kubernetes`; `null` if an object does not exist or cannot be read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Lists {
    endpoints: Option<Vec<IpAddr>>,
    endpoint_slice: Option<Vec<IpAddr>>,
}

impl Lists {
    fn of(published: &Published) -> Self {
        Self {
            endpoints: published.endpoints.known().cloned(),
            endpoint_slice: published.slice.known().cloned(),
        }
    }
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let etcd = context.etcd(&args.survey.access).await?;
    let etcd = etcd.as_ref();
    let survey = observe::observe(&args.survey, etcd, context).await?;
    if let Some(why) = observe::no_leases(&survey) {
        return Err(why.into());
    }
    let plan = plan::plan(&survey.leases, &args.ips)?;
    for name in &plan.absent {
        context.ui.note(&format!("{name} has no masterlease"));
    }
    let mut report = Report {
        plan: plan_rows(&plan),
        applied: false,
        deleted: Vec::new(),
        skipped: Vec::new(),
        undo_file: None,
        before: Lists::of(&survey.published),
        after: None,
        correct: None,
        peer_server_leases: survey.peers,
    };
    if is_text(context) {
        output::rows(&context.ui, context.format, &report.plan, "No masterleases found")?;
    }
    if plan.delete.is_empty() {
        context.ui.note("nothing to delete");
        return finish(&report, context);
    }
    let Some(consent) = confirm::plain(args.consent.yes) else {
        context.ui.note("nothing was changed; pass --yes to do it");
        return finish(&report, context);
    };

    let prefix = &args.survey.keys.etcd_prefix;
    let undo_file = args.undo_file.clone().unwrap_or_else(|| default_undo_file(context));
    context.save_new(&undo_file, undo(&plan, &survey, context)?.as_bytes())?;
    context.ui.note(&format!("saved the keys in {}", undo_file.display()));
    let outcome = apply::apply(&plan, etcd, prefix, undo_file.clone(), &consent)
        .await
        .map_err(|stopped| *stopped)?;
    print_outcome(&outcome, context)?;
    let deleted = || format!("deleted {}", outcome.deleted.join(", "));
    let undo_command = format!(
        "`kubectl masterleases undo {}`",
        quoted(&undo_file.display().to_string())
    );
    let endpoints = if args.wait.is_zero() || !plan.requires_live || outcome.deleted.is_empty() {
        None
    } else {
        context.ui.note(&format!(
            "waiting up to {} s until default/kubernetes lists live API servers only",
            args.wait.as_secs()
        ));
        Some(wait_for_endpoints(etcd, prefix, args.wait).await.map_err(|source| {
            CommandError::after_change(format!(
                "{}; whether the endpoint was corrected is not known",
                deleted()
            ))
            .hint(format!(
                "run `kubectl masterleases list` again; {undo_command} restores the keys"
            ))
            .source(source)
        })?)
    };
    report.applied = true;
    report.deleted.clone_from(&outcome.deleted);
    report.skipped.clone_from(&outcome.skipped);
    report.undo_file = Some(undo_file.clone());
    report.after = endpoints.as_ref().map(|endpoints| Lists::of(&endpoints.published));
    report.correct = endpoints.as_ref().and_then(|endpoints| match endpoints.state {
        EndpointState::Correct => Some(true),
        EndpointState::Wrong => Some(false),
        EndpointState::Unknown => None,
    });
    if is_text(context) {
        print_endpoints(&survey.published, endpoints.as_ref(), context)?;
    }
    if !plan.requires_live {
        context
            .ui
            .note("no API server is live: the first one that starts will correct the endpoint");
    }
    let state = endpoints.as_ref().map(|endpoints| endpoints.state);
    if let (Some(endpoints), Some(EndpointState::Unknown)) = (&endpoints, state) {
        context.ui.warn(&not_checked(&endpoints.published));
    }
    let exit = finish(&report, context)?;
    match state {
        Some(EndpointState::Wrong) => Err(CommandError::after_change(format!(
            "{}; after {} s default/kubernetes still lists other addresses than those of live API servers",
            deleted(),
            args.wait.as_secs()
        ))
        .hint(format!(
            "an API server corrects it every 10 s: check that one runs and can write; {undo_command} restores the keys"
        ))
        .into()),
        _ => Ok(exit),
    }
}

fn is_text(context: &Context) -> bool {
    matches!(context.format, Format::Table | Format::Wide)
}

/// Prints the formats for programs.
fn finish(report: &Report, context: &Context) -> Result<Exit, AnyFailure> {
    match context.format {
        Format::Table | Format::Wide | Format::Prometheus | Format::Svg => {}
        Format::Name => {
            let planned = report.plan.iter().filter(|row| row.action == DELETE);
            let names: String = planned.map(|row| row.name() + "\n").collect();
            context.ui.result(&names)?;
        }
        Format::Json | Format::Yaml => output::structured(&context.ui, context.format, report)?,
    }
    Ok(Exit::Done)
}

const DELETE: &str = "delete";

fn plan_rows(plan: &Plan) -> Vec<PlanRow> {
    let deleted = plan.delete.iter().map(|lease| PlanRow {
        action: DELETE,
        why: None,
        lease: LeaseRow::of(lease),
    });
    let kept = plan.keep.iter().map(|(lease, why)| PlanRow {
        action: "keep",
        why: Some(why),
        lease: LeaseRow::of(lease),
    });
    deleted.chain(kept).collect()
}

fn default_undo_file(context: &Context) -> PathBuf {
    format!("masterleases-undo-{}.json", context.now().strftime("%Y%m%dT%H%M%SZ")).into()
}

fn undo(plan: &Plan, survey: &Survey, context: &Context) -> Result<String, AnyFailure> {
    let keys = plan.delete.iter().map(|lease| Deleted {
        key: lease.stored.key.clone(),
        value: lease.stored.value.clone(),
        mod_revision: lease.stored.mod_revision,
    });
    let undo = Undo {
        taken: context.now(),
        cluster_uid: survey.cluster_uid.clone(),
        keys: keys.collect(),
    };
    Ok(undo
        .to_json()
        .map_err(|error| CommandError::failed("writing the undo file").source(error))?)
}

fn print_outcome(outcome: &Outcome, context: &Context) -> Result<(), AnyFailure> {
    for name in &outcome.skipped {
        context.ui.note(&format!(
            "{name} was rewritten or deleted meanwhile, and is left as it is"
        ));
    }
    if is_text(context) && !outcome.deleted.is_empty() {
        context
            .ui
            .result(&format!("\ndeleted {}\n", outcome.deleted.join(", ")))?;
    }
    Ok(())
}

fn print_endpoints(before: &Published, after: Option<&EndpointsAfter>, context: &Context) -> Result<(), AnyFailure> {
    let Some(after) = after else { return Ok(()) };
    let lists = [
        ("Endpoints", &before.endpoints, &after.published.endpoints),
        ("EndpointSlice", &before.slice, &after.published.slice),
    ];
    for (name, before, now) in lists {
        let (before, now) = (shown(before), shown(now));
        context
            .ui
            .result(&format!("{name} before: {before}\n{name} after:  {now}\n"))?;
    }
    if after.state == EndpointState::Correct {
        context.ui.result(&format!(
            "{}\n",
            ui::Verdict::Good.paint("default/kubernetes lists live API servers only")
        ))?;
    }
    Ok(())
}

/// Why the endpoint could not be checked.
fn not_checked(after: &Published) -> String {
    let unknown = [("Endpoints", &after.endpoints), ("EndpointSlice", &after.slice)];
    let why = unknown.into_iter().filter_map(|(name, list)| match list {
        Observed::Unknown(why) => Some(format!("{name}: {why}")),
        Observed::Known(_) => None,
    });
    format!(
        "default/kubernetes could not be checked: {}",
        why.collect::<Vec<_>>().join("; ")
    )
}

fn shown(list: &Observed<Vec<IpAddr>>) -> String {
    match list {
        Observed::Known(list) if list.is_empty() => "none".to_owned(),
        Observed::Known(list) => list.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
        Observed::Unknown(why) => format!("unknown: {why}"),
    }
}
