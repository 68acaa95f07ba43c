//! `prune`: deletes the stale masterleases and waits until the endpoint is right.

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
use crate::rules::endpoints::{Listing, Published};
use crate::rules::plan::{self, Plan};
use crate::rules::rows::{LeaseRow, verdict_cell};
use crate::usecases::apply::{self, Outcome};
use crate::usecases::observe::{self, LookArgs};
use crate::usecases::wait_for_endpoints::{Settled, settle};

/// Delete the stale masterleases and wait until the endpoint is right
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each key is deleted only if nobody has written it since it was looked at, so a living API \
    server never loses its own. The values are saved first, for `undo`. What is unknown is deleted only if it is \
    named; what is live, never.\n\nExamples:\n  kubectl masterleases prune --host 10.0.0.7\n  \
    kubectl masterleases prune 10.0.0.21 10.0.0.22 --yes --host 10.0.0.7"
)]
pub struct Args {
    /// Only these addresses; of them also what is unknown
    #[arg(value_name = "IP")]
    ips: Vec<String>,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Where to save what is deleted [default: masterleases-undo-TIME.json in this folder]
    #[arg(long, value_name = "FILE")]
    undo_file: Option<PathBuf>,
    /// How long to wait for the API servers to publish what is left; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::wait)]
    wait: Duration,
    #[command(flatten)]
    look: LookArgs,
}

/// One line of the plan.
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

/// The whole, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    plan: Vec<PlanRow>,
    /// Whether the plan was carried out.
    applied: bool,
    deleted: Vec<String>,
    /// Written by somebody in between, and left.
    left: Vec<String>,
    undo_file: Option<PathBuf>,
    before: Lists,
    after: Option<Lists>,
    /// Whether `after` lists nobody but who is announced; `null` where it was not waited for, or could not be checked.
    right: Option<bool>,
    peer_server_leases: Peers,
}

/// The addresses of `default/kubernetes`; `null` where an object is not there or cannot be read.
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

/// Runs `prune`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    if context.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let etcd = context.etcd(&args.look.access).await?;
    let etcd = etcd.as_ref();
    let survey = observe::look(&args.look, etcd, context).await?;
    if let Some(none) = observe::no_leases(&survey) {
        return Err(none.into());
    }
    let plan = plan::plan(&survey.leases, &args.ips)?;
    for name in &plan.absent {
        context.ui.note(&format!("{name} has no masterlease"));
    }
    let mut report = Report {
        plan: plan_rows(&plan),
        applied: false,
        deleted: Vec::new(),
        left: Vec::new(),
        undo_file: None,
        before: Lists::of(&survey.published),
        after: None,
        right: None,
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

    let prefix = &args.look.keys.etcd_prefix;
    let undo_file = args.undo_file.clone().unwrap_or_else(|| default_undo_file(context));
    context.save_new(&undo_file, undo(&plan, &survey, context)?.as_bytes())?;
    context
        .ui
        .note(&format!("saved what is deleted in {}", undo_file.display()));
    let outcome = apply::apply(&plan, etcd, prefix, undo_file.clone(), &consent)
        .await
        .map_err(|stopped| *stopped)?;
    tell(&outcome, context)?;
    let deleted = || format!("deleted {}", outcome.deleted.join(", "));
    let undo_command = format!(
        "`kubectl masterleases undo {}`",
        quoted(&undo_file.display().to_string())
    );
    let settled = if args.wait.is_zero() || !plan.needs_a_live_one || outcome.deleted.is_empty() {
        None
    } else {
        context.ui.note(&format!(
            "waiting up to {} s until default/kubernetes lists live masters only",
            args.wait.as_secs()
        ));
        Some(settle(etcd, prefix, args.wait).await.map_err(|source| {
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
    report.left.clone_from(&outcome.left);
    report.undo_file = Some(undo_file.clone());
    report.after = settled.as_ref().map(|settled| Lists::of(&settled.after));
    report.right = settled.as_ref().and_then(|settled| match settled.listing {
        Listing::Right => Some(true),
        Listing::Wrong => Some(false),
        Listing::NotKnown => None,
    });
    if is_text(context) {
        show_lists(&survey.published, settled.as_ref(), context)?;
    }
    if !plan.needs_a_live_one {
        context
            .ui
            .note("no API server is live: the first one that starts corrects the endpoint");
    }
    if let Some(unknown) = settled.as_ref().filter(|settled| settled.listing == Listing::NotKnown) {
        context.ui.warn(&not_checked(&unknown.after));
    }
    let exit = finish(&report, context)?;
    match settled {
        Some(settled) if settled.listing == Listing::Wrong => Err(CommandError::after_change(format!(
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

/// For programs everything at once, at the end.
fn finish(report: &Report, context: &Context) -> Result<Exit, AnyFailure> {
    match context.format {
        Format::Table | Format::Wide | Format::Prometheus => {}
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

fn tell(outcome: &Outcome, context: &Context) -> Result<(), AnyFailure> {
    for name in &outcome.left {
        context.ui.note(&format!(
            "{name} was written or deleted by somebody else meanwhile, and is left to them"
        ));
    }
    if is_text(context) && !outcome.deleted.is_empty() {
        context
            .ui
            .result(&format!("\ndeleted {}\n", outcome.deleted.join(", ")))?;
    }
    Ok(())
}

fn show_lists(before: &Published, settled: Option<&Settled>, context: &Context) -> Result<(), AnyFailure> {
    let Some(settled) = settled else { return Ok(()) };
    let lists = [
        ("Endpoints", &before.endpoints, &settled.after.endpoints),
        ("EndpointSlice", &before.slice, &settled.after.slice),
    ];
    for (name, before, after) in lists {
        let (before, after) = (shown(before), shown(after));
        context
            .ui
            .result(&format!("{name} before: {before}\n{name} after:  {after}\n"))?;
    }
    if settled.listing == Listing::Right {
        context.ui.result(&format!(
            "{}\n",
            ui::Verdict::Good.paint("default/kubernetes lists live masters only")
        ))?;
    }
    Ok(())
}

/// What stands in the way of saying that all is right.
fn not_checked(after: &Published) -> String {
    let unknown = [("Endpoints", &after.endpoints), ("EndpointSlice", &after.slice)];
    let why = unknown.into_iter().filter_map(|(name, list)| match list {
        Observed::Unknown(why) => Some(format!("{name}: {why}")),
        Observed::Known(_) => None,
    });
    format!(
        "whether default/kubernetes lists live masters only could not be checked: {}",
        why.collect::<Vec<_>>().join("; ")
    )
}

fn shown(list: &Observed<Vec<IpAddr>>) -> String {
    match list {
        Observed::Known(list) if list.is_empty() => "nobody".to_owned(),
        Observed::Known(list) => list.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
        Observed::Unknown(why) => format!("not known: {why}"),
    }
}
