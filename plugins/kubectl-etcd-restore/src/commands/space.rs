//! `space`: makes an etcd that is full take writes again.

use std::time::Duration;

use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Format, column};
use runbook_kit::cli::values;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::units;
use serde::Serialize;

use crate::context::Context;
use crate::rules::space::{self as rules, Facts, Plan};
use crate::rules::space_use::SpaceUse;
use crate::usecases::remarks;
use crate::usecases::space::{self as apply};
use crate::usecases::space_use;
use runbook_kit::usecases::etcd_members::{self as members, Members};

/// How many resources and namespaces are shown.
const LARGEST: usize = 10;

/// Make an etcd that is full take writes again: compact, defragment, disarm the alarm NOSPACE
///
/// Shows the database of each member, its quota and what fills it, and the steps. Members are defragmented one after the other, the leader last, each only
/// after the one before answers again. No key is deleted, only the history of keys. It refuses if a member is corrupt or far behind, or if etcd has no leader.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore space --etcd main --name k8s.example.com\n  \
    kubectl etcd-restore space --etcd events --host 10.0.0.7 --host 10.0.0.8 --host 10.0.0.9 --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: ConsentArgs,
    /// etcd's quota (ETCD_QUOTA_BACKEND_BYTES); etcd 3.6 and newer report it [default: 2GiB for older ones]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    quota: Option<u64>,
    /// Do not read a snapshot to show what fills the database
    #[arg(long)]
    no_snapshot: bool,
    /// Timeout for each step
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::duration)]
    timeout: Duration,
    #[command(flatten)]
    access: EtcdAccess,
}

/// JSON and YAML output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    etcd: String,
    revision: i64,
    quota_bytes: u64,
    members: Vec<MemberSize>,
    /// The largest resources and namespaces; `null` where no snapshot was read.
    largest: Option<Vec<SpaceUse>>,
    remarks: Vec<String>,
    blocked: bool,
    steps: Vec<String>,
    /// Whether the steps were carried out.
    done: bool,
}

/// One member.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberSize {
    name: String,
    db_size_bytes: Option<u64>,
    in_use_bytes: Option<u64>,
    alarms: Vec<&'static str>,
}

/// Runs `space`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let ui = &context.session.ui;
    let etcd = members::only_one(&context.session.etcds)?;
    let members = members::ask(context.each_member(&args.access, &etcd).await?).await?;
    let facts = apply::facts(&members, args.quota);
    let plan = rules::plan(&facts);
    let largest = match args.no_snapshot || args.consent.yes {
        true => None,
        false => what_fills(&members, context).await,
    };
    let consent = confirm::plain(args.consent.yes).filter(|_| !plan.steps.is_empty());
    let mut report = report(&etcd, &facts, &plan, largest);
    let Some(consent) = consent else {
        show(&report, context)?;
        return told(&plan, &report, context);
    };
    remarks::tell(&plan.remarks, ui);
    apply::apply(
        &plan.steps,
        &facts,
        &members,
        args.timeout,
        &|step| ui.note(step),
        &consent,
    )
    .await?;
    let members = members::ask(context.each_member(&args.access, &etcd).await?).await?;
    let after = apply::facts(&members, args.quota);
    report.members = sizes(&after);
    report.done = true;
    show(&report, context)?;
    if let Some(remark) = rules::judge(&after) {
        return Err(CommandError::failed(remark.text)
            .exit(Exit::FailedAfterChange)
            .hint_if(remark.hint)
            .into());
    }
    ui.note("etcd takes writes again; next: `kubectl etcd-restore status`");
    Ok(Exit::Done)
}

/// A snapshot of one member; that there is none is only told.
async fn what_fills(members: &Members, context: &Context) -> Option<Vec<SpaceUse>> {
    let best = members.best()?;
    let ui = &context.session.ui;
    let progress = ui.bytes_progress("reading a snapshot", best.status.db_size);
    let read = space_use::largest(best.etcd.as_ref(), &context.session, LARGEST, &|bytes| {
        progress.set(bytes)
    })
    .await;
    drop(progress);
    match read {
        Ok(largest) => Some(largest),
        Err(error) => {
            ui.warn(&format!("what fills it is not known: {}", chain(error.as_ref())));
            None
        }
    }
}

fn report(etcd: &str, facts: &Facts, plan: &Plan, largest: Option<Vec<SpaceUse>>) -> Report {
    Report {
        etcd: etcd.to_owned(),
        revision: facts.revision,
        quota_bytes: facts.quota(),
        members: sizes(facts),
        largest,
        remarks: plan.remarks.iter().map(|remark| remark.text.clone()).collect(),
        blocked: plan.is_blocked(),
        steps: plan.steps.iter().map(|step| step.text(facts)).collect(),
        done: false,
    }
}

fn sizes(facts: &Facts) -> Vec<MemberSize> {
    let size = |member: &rules::Member| MemberSize {
        name: member.name.clone(),
        db_size_bytes: member.status.map(|status| status.size),
        in_use_bytes: member.status.map(|status| status.in_use),
        alarms: facts
            .alarms
            .iter()
            .filter(|alarm| alarm.member == member.id)
            .map(|alarm| alarm.kind.word())
            .collect(),
    };
    facts.members.iter().map(size).collect()
}

fn show(report: &Report, context: &Context) -> Result<(), AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    match format {
        Format::Json | Format::Yaml => output::structured(ui, format, report),
        special @ (Format::Prometheus | Format::Svg) => Ok(output::ordinary(special)?),
        Format::Name => Ok(ui.result(
            &report
                .members
                .iter()
                .map(|one| format!("{}\n", one.name))
                .collect::<String>(),
        )?),
        Format::Table | Format::Wide => Ok(ui.result(&text(report))?),
    }
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "Etcd      {}\nRevision  {}\nQuota     {}\n\n",
        report.etcd,
        report.revision,
        units::bytes(report.quota_bytes)
    );
    let columns = [
        column("MEMBER"),
        column("DB SIZE"),
        column("IN USE"),
        column("OF QUOTA"),
        column("ALARMS"),
    ];
    let bytes = |bytes: Option<u64>| Cell::number_or_dash(bytes.map(units::bytes));
    let lines = report.members.iter().map(|member| {
        let share = member
            .db_size_bytes
            .map(|size| format!("{}%", size.saturating_mul(100) / report.quota_bytes.max(1)));
        let alarms = (!member.alarms.is_empty()).then(|| member.alarms.join(","));
        vec![
            Cell::text(&member.name),
            bytes(member.db_size_bytes),
            bytes(member.in_use_bytes),
            Cell::number_or_dash(share),
            Cell::text_or_dash(alarms),
        ]
    });
    text.push_str(&output::table(&columns, lines.collect(), true));
    if let Some(largest) = &report.largest {
        text.push_str("\nLargest, without history:\n");
        let columns = [
            column("RESOURCE"),
            column("NAMESPACE"),
            column("OBJECTS"),
            column("SIZE"),
        ];
        let lines = largest.iter().map(|one| {
            vec![
                Cell::text(&one.resource),
                Cell::text_or_dash(one.namespace.clone()),
                Cell::number(one.objects),
                Cell::number(units::bytes(one.bytes)),
            ]
        });
        text.push_str(&output::table(&columns, lines.collect(), true));
    }
    if !(report.done || report.steps.is_empty()) {
        text.push_str("\nSteps:\n");
        for (number, step) in report.steps.iter().enumerate() {
            text.push_str(&format!("{}. {step}\n", number + 1));
        }
    }
    text
}

/// The end of a plan.
fn told(plan: &Plan, report: &Report, context: &Context) -> Result<Exit, AnyFailure> {
    let ui = &context.session.ui;
    remarks::refuse(&plan.remarks, ui)?;
    match report.steps.is_empty() {
        true => ui.note("no alarm, and enough space: nothing to do"),
        false => ui.note("nothing was changed; pass --yes to do it"),
    }
    Ok(Exit::Done)
}
