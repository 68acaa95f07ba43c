//! `member replace`: takes a dead member out of its etcd cluster, so that a new one can join.

use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::cli::output::steps::{self, Step as NextStep};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::{etcd_members, quarantine};
use serde::Serialize;

use crate::context::Context;
use crate::rules::replace_member::{self as rules, Facts, Plan, Step, Target};
use crate::usecases::remarks;
use crate::usecases::replace_member::{self as apply, Asked};

/// Remove a dead member from its etcd cluster and quarantine its volume, so that a new one can join
///
/// For one lost member while the others keep quorum: no restore is needed. It refuses if the member answers, or if the others have no quorum
/// before and after. A volume that is attached to an instance stays as it is. `kops-wipe-masters restore-volumes` undoes the quarantine.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore member replace c --name k8s.example.com --state s3://kops-state\n  \
    kubectl etcd-restore member replace 8211f1d0f64f3269 --etcd events --host 10.0.0.7 --host 10.0.0.8 --yes"
)]
pub struct Args {
    /// Name or ID as shown by `member list`, or the name in its volume's tag
    #[arg(value_name = "MEMBER")]
    member: String,
    #[command(flatten)]
    consent: StrongConsentArgs,
    /// Only remove the member from etcd; ask nothing of AWS
    #[arg(long)]
    keep_volume: bool,
    #[command(flatten)]
    access: EtcdAccess,
}

/// JSON and YAML output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    cluster: String,
    etcd: String,
    member: String,
    /// In hexadecimal digits; `null` where it is no longer registered.
    member_id: Option<String>,
    remarks: Vec<String>,
    blocked: bool,
    steps: Vec<String>,
    /// Whether the steps were carried out.
    done: bool,
    next_steps: Vec<NextStep>,
}

/// Runs `member replace`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let cluster = context.explicit_name().await?;
    let etcd = etcd_members::only_one(&session.etcds)?;
    let run = quarantine::fresh_run();
    let asked = Asked {
        cluster: &cluster,
        etcd: &etcd,
        keep_volume: args.keep_volume,
        run: &run,
    };
    let members = etcd_members::ask(context.each_member(&args.access, &etcd).await?).await?;
    let observed = apply::observe(&asked, members, context).await?;
    let target = found(&observed.facts, &args.member)?;
    let plan = rules::plan(&observed.facts, &target);
    let mut report = report(&asked, &target, &plan, context);
    if plan.steps.is_empty() {
        show(&report, context)?;
        remarks::refuse(&plan.remarks, ui)?;
        ui.note("nothing to do");
        return Ok(Exit::Done);
    }
    remarks::tell(&plan.remarks, ui);
    let Some(consent) = confirm::strong(&args.consent, &cluster, &question(&plan, &etcd))? else {
        show(&report, context)?;
        ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    // The question may have been open for long.
    let members = context.members_of(&args.access, &etcd).await?;
    let observed = apply::observe(&asked, members, context).await?;
    let now = found(&observed.facts, &args.member)?;
    let again = rules::plan(&observed.facts, &now);
    if again.steps != plan.steps {
        return Err(
            CommandError::refused("etcd or AWS changed meanwhile: nothing was changed")
                .hint("repeat the command and check its plan again")
                .into(),
        );
    }
    apply::apply(&plan.steps, &asked, &observed, context, &|step| ui.note(step), &consent).await?;
    report.done = true;
    show(&report, context)?;
    Ok(Exit::Done)
}

fn found(facts: &Facts, given: &str) -> Result<Target, CommandError> {
    rules::find(facts, given).map_err(|error| {
        let hint = match &error {
            rules::NotFound::None { .. } => "`kubectl etcd-restore member list` shows them",
            rules::NotFound::Several { .. } => "name it by its ID",
        };
        CommandError::usage(error.to_string()).hint(hint)
    })
}

fn question(plan: &Plan, etcd: &str) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        text.push_str(&format!("{}\n", step.text(etcd)));
    }
    text.push_str("A removed member cannot come back with its data; the others keep all keys.");
    text
}

fn report(asked: &Asked<'_>, target: &Target, plan: &Plan, context: &Context) -> Report {
    let (member, member_id) = match target {
        Target::Registered(member) => (member.shown(), Some(format!("{:x}", member.id))),
        Target::Removed(short) => (short.clone(), None),
    };
    Report {
        cluster: asked.cluster.to_owned(),
        etcd: asked.etcd.to_owned(),
        member,
        member_id,
        remarks: plan.remarks.iter().map(|remark| remark.text.clone()).collect(),
        blocked: plan.is_blocked(),
        steps: plan.steps.iter().map(|step| step.text(asked.etcd)).collect(),
        done: false,
        next_steps: next(asked, plan, context),
    }
}

/// What brings the new member.
fn next(asked: &Asked<'_>, plan: &Plan, context: &Context) -> Vec<NextStep> {
    if plan.steps.is_empty() {
        return Vec::new();
    }
    let own = |words: &[&str]| context.command(&[words, &["--etcd", asked.etcd]].concat(), asked.cluster);
    let mut steps = Vec::new();
    if plan.steps.iter().any(|step| matches!(step, Step::Quarantine(_))) {
        let state = context.store_flags();
        let update = ShellCommand::of("kops update cluster")
            .option("--name", asked.cluster)
            .options(state.iter().filter(|(flag, _)| *flag == "--state"))
            .arg("--yes");
        steps.push(NextStep::new(update).when("creates the new, empty volume"));
    }
    steps.push(NextStep::new(own(&["member", "list"])).when("shows the new member once etcd-manager has added it"));
    steps.push(NextStep::new(own(&["restart-etcd"])).when("if it has not joined after two minutes"));
    steps
}

fn show(report: &Report, context: &Context) -> Result<(), AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    match format {
        Format::Json | Format::Yaml => output::structured(ui, format, report),
        special @ (Format::Prometheus | Format::Svg) => Ok(output::ordinary(special)?),
        Format::Name => Ok(ui.result(&format!("{}\n", report.member))?),
        Format::Table | Format::Wide => Ok(ui.result(&text(report))?),
    }
}

fn text(report: &Report) -> String {
    let id = report.member_id.as_deref().unwrap_or("no longer registered");
    let mut text = format!(
        "Cluster  {}\nEtcd     {}\nMember   {} ({id})\n",
        report.cluster, report.etcd, report.member
    );
    if !(report.done || report.steps.is_empty()) {
        text.push_str("\nSteps:\n");
        for (number, step) in report.steps.iter().enumerate() {
            text.push_str(&format!("{}. {step}\n", number + 1));
        }
    }
    if report.done {
        text.push_str(&steps::next(&report.next_steps));
    }
    text
}
