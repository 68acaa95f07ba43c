//! `cleanup events`: deletes events that never expire after a restore.

use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Format, Row, column};
use runbook_kit::cli::values;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::EtcdAccess;
use serde::Serialize;

use crate::context::Context;
use crate::usecases::delete_events::{self, Counted, Outcome};

/// Delete the events that have no lease after a restore and never expire
///
/// Events with a lease, or written after the count, are never deleted. Each transaction checks this again and deletes at most 1000 keys, so etcd
/// stays responsive.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore cleanup events --name k8s.example.com\n  \
    kubectl etcd-restore cleanup events --host 10.0.0.7 --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: ConsentArgs,
    /// Value of kube-apiserver's --etcd-prefix
    #[arg(long, value_name = "PREFIX", default_value = "/registry", value_parser = values::prefix)]
    etcd_prefix: String,
    #[command(flatten)]
    access: EtcdAccess,
}

/// One namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceRow {
    namespace: String,
    without_lease: u64,
    with_lease: u64,
}

impl Row for NamespaceRow {
    fn columns() -> Vec<Column> {
        vec![column("NAMESPACE"), column("WITHOUT LEASE"), column("WITH LEASE")]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.namespace),
            Cell::number(self.without_lease),
            Cell::number(self.with_lease),
        ]
    }

    fn name(&self) -> String {
        self.namespace.clone()
    }
}

/// JSON and YAML output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    etcd: String,
    prefix: String,
    revision: i64,
    without_lease: u64,
    with_lease: u64,
    namespaces: Vec<NamespaceRow>,
    deleted: u64,
    /// Written meanwhile, and not deleted.
    left: u64,
}

/// Runs `cleanup events`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let ui = &context.session.ui;
    let etcd_name = etcd_of(&context.session.etcds)?;
    let etcd = context.living_etcd(&args.access, &etcd_name).await?;
    let etcd = etcd.as_ref();
    let prefix = format!("{}/events/", args.etcd_prefix);
    let counting = ui.count_progress("counting", 0);
    let counted = delete_events::count(etcd, prefix.as_bytes(), &|seen| counting.set(seen)).await?;
    drop(counting);
    let total = counted.total();
    tell(&counted, &etcd_name, context);

    let consent = confirm::plain(args.consent.yes).filter(|_| total.without_lease > 0);
    let (outcome, stopped) = match consent {
        None => (Outcome::default(), None),
        Some(consent) => {
            let progress = ui.count_progress("deleting", total.without_lease);
            let done = |deleted| progress.set(deleted);
            match delete_events::delete(etcd, &counted, &done, &consent).await {
                Ok(outcome) => (outcome, None),
                Err(stopped) => (stopped.outcome, Some(stopped)),
            }
        }
    };
    // Includes events that got a lease after the count.
    let left = match &stopped {
        None if args.consent.yes => total.without_lease.saturating_sub(outcome.deleted),
        _ => outcome.left,
    };
    let outcome = Outcome { left, ..outcome };
    report(&counted, outcome, &etcd_name, &prefix, context)?;
    if let Some(stopped) = stopped {
        return Err((*stopped).into());
    }
    match (args.consent.yes, total.without_lease) {
        (_, 0) => ui.note("every event has a lease"),
        (false, count) => ui.note(&format!("{count} will be deleted; pass --yes to do it")),
        (true, _) if outcome.left > 0 => ui.note(&format!(
            "{} events were deleted; {} were written meanwhile and kept",
            outcome.deleted, outcome.left
        )),
        (true, _) => ui.note(&format!("{} events were deleted", outcome.deleted)),
    }
    ui.note("masterleases also lose their lease in a restore: check `kubectl masterleases list`");
    Ok(Exit::Done)
}

fn tell(counted: &Counted, etcd: &str, context: &Context) {
    let (ui, total) = (&context.session.ui, counted.total());
    if total.without_lease + total.with_lease == 0 && etcd == "events" {
        ui.note("this etcd holds no events; a cluster without an etcd cluster `events` stores them in main: pass --etcd main");
    }
    if total.without_lease > 0 && total.with_lease == 0 {
        ui.warn(
            "no event has a lease: either no API server has written one since the restore, or they run with --event-ttl=0 \
             and no event of this cluster ever expires",
        );
    }
}

fn report(counted: &Counted, outcome: Outcome, etcd: &str, prefix: &str, context: &Context) -> Result<(), AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    let namespaces: Vec<NamespaceRow> = counted
        .namespaces
        .iter()
        .map(|(namespace, count)| NamespaceRow {
            namespace: namespace.clone(),
            without_lease: count.without_lease,
            with_lease: count.with_lease,
        })
        .collect();
    if !matches!(format, Format::Json | Format::Yaml) {
        return output::rows(ui, format, &namespaces, "No events");
    }
    let total = counted.total();
    let report = Report {
        etcd: etcd.to_owned(),
        prefix: prefix.to_owned(),
        revision: counted.revision,
        without_lease: total.without_lease,
        with_lease: total.with_lease,
        namespaces,
        deleted: outcome.deleted,
        left: outcome.left,
    };
    output::structured(ui, format, &report)
}

/// kops stores events in their own etcd cluster.
fn etcd_of(asked: &[String]) -> Result<String, CommandError> {
    match asked {
        [] => Ok("events".to_owned()),
        [one] => Ok(one.clone()),
        several => Err(CommandError::usage(format!(
            "events are stored in one etcd cluster, not in {}",
            several.join(" and ")
        ))
        .hint("pass a single --etcd; the default is events")),
    }
}
