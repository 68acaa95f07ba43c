//! Without a subcommand: shows the plan, and with consent carries it out.

mod progress;

use clap::Args as ClapArgs;
use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::cli::output::steps::{self, Step};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure, chain, with_repeating};
use runbook_kit::model::fleet::wipe::{select, terraform};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::{pin, wipe_journal};

use crate::context::Context;
use crate::rules::plan::{self, EtcdVolumes, Plan};
use crate::rules::report::{self, Report};
use crate::usecases::apply::{self, WaitArgs};
use crate::usecases::journal::{self, Journal, JournalPorts};
use crate::usecases::prepare::{PlanArgs, Prepared, prepare};
use progress::{InterruptWarning, JournaledProgress};
use runbook_kit::usecases::inventory;

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    pub consent: StrongConsentArgs,
    /// Apply only the plan with this digest; a partly applied plan is accepted
    #[arg(long, value_name = "DIGEST")]
    pub plan: Option<String>,
    #[command(flatten)]
    pub planning: PlanArgs,
    #[command(flatten)]
    pub waiting: WaitArgs,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    args.planning
        .interlock
        .require_reversible(args.planning.is_reversible())?;
    let name = session.explicit_name(false).await?;
    let prepared = prepare(&args.planning, &name, context).await?;
    let plan = &prepared.plan;
    report::show(&session.ui, session.format, plan)?;

    if !args.consent.yes {
        journal::remember(context.local_state.as_ref(), plan);
    }
    if let Err(refused) = report::require_no_blocker(&plan.checks) {
        finish(&prepared, None, false, context)?;
        return Err(refused.into());
    }
    if !args.consent.yes {
        return plan_only(&prepared, context);
    }
    if let Some(digest) = &args.plan {
        require_shown(digest, &prepared, context).await?;
    }
    if plan.is_empty() {
        session.ui.note("nothing is left to wipe");
        if let Some(consent) = confirm::plain(args.consent.yes) {
            close(prepared, context, &consent).await?;
        }
        return Ok(Exit::Done);
    }
    session.require_own_place(true)?;
    let Some(consent) = confirm::strong(&args.consent, &name, &question(&prepared))? else {
        return plan_only(&prepared, context);
    };
    carry_out(prepared, args.waiting, context, &consent).await
}

fn question(prepared: &Prepared) -> String {
    let plan = &prepared.plan;
    let data_loss = prepared.data_loss.as_deref().unwrap_or("there is no good backup");
    let warnings: String = prepared.warnings.iter().map(|line| format!("\n{line}")).collect();
    format!(
        "\nThis deletes the control plane of {} in account {}: {} groups, {} instances, {} volumes ({}); {data_loss}.",
        plan.cluster,
        plan.account_label(),
        plan.auto_scaling_groups.len(),
        plan.instances.len(),
        plan.volumes.len(),
        plan.etcd_volumes.word()
    ) + &warnings
}

fn plan_only(prepared: &Prepared, context: &Context) -> Result<Exit, AnyFailure> {
    let (plan, ui) = (&prepared.plan, &context.session.ui);
    finish(prepared, None, false, context)?;
    if !plan.is_empty() {
        if let Some(data_loss) = &prepared.data_loss {
            ui.note(data_loss);
        }
        ui.note(&format!(
            "nothing was changed; to apply exactly this plan, pass --yes --plan {}",
            plan.digest
        ));
    }
    Ok(Exit::Done)
}

/// `--plan DIGEST`: the same plan, or what is left of it.
async fn require_shown(digest: &str, prepared: &Prepared, context: &Context) -> Result<(), AnyFailure> {
    let plan = &prepared.plan;
    if digest == plan.digest {
        return Ok(());
    }
    let shown = journal::shown(JournalPorts::of(context), &prepared.journal_folder, digest).await?;
    let added = match shown.map(|shown| plan::added_since(plan, &shown)) {
        Some(added) if added.is_empty() => return Ok(()),
        Some(added) => format!("; new: {}", added.join(", ")),
        None => String::new(),
    };
    let message = format!(
        "the plan changed: {digest} was passed, and it is now {}{added}",
        plan.digest
    );
    Err(CommandError::refused(message)
        .hint("run the command again without --yes, check the new plan, and pass its digest")
        .into())
}

async fn carry_out(
    prepared: Prepared,
    waiting: WaitArgs,
    context: &Context,
    consent: &Consent,
) -> Result<Exit, AnyFailure> {
    let Prepared {
        plan,
        pins,
        journal_folder,
        ..
    } = &prepared;
    let (session, ui) = (&context.session, &context.session.ui);
    let last_run = wipe_journal::newest(session.objects(), journal_folder).await?;
    let journal = Journal::begin(
        JournalPorts::of(context),
        journal_folder.clone(),
        plan,
        last_run,
        consent,
    )
    .await?;
    if journal.is_resumed() {
        ui.note("resuming an interrupted run");
    }
    ui.note(&format!("this run is recorded in {}", journal.at()));
    if let Some(copy) = journal.copy() {
        ui.detail(&format!("and in {}", copy.display()));
    }
    let mut recorded = vec![format!("this run was recorded in {}", journal.at())];
    let first = journal.first().to_owned();
    let mut progress = JournaledProgress {
        ui,
        names: plan.names(),
        journal,
    };
    for pin in pins {
        if let Err(error) = pin::pin(session.objects(), pin, consent).await {
            return Err(progress.failed(only_recorded(&recorded, &error)).await);
        }
        ui.note(&format!("pinned backup {} in {}", pin.name, pin.to));
        progress.journal.add(&format!("pinned {} in {}", pin.name, pin.to));
        recorded.push(format!("backup {} was pinned", pin.name));
    }
    let mut warning = InterruptWarning { ui, is_running: true };
    let ended = apply::apply(plan, context.fleet.as_ref(), &first, waiting, &mut progress, consent).await;
    warning.is_running = false;
    if let Err(stopped) = ended {
        return Err(match stopped.changed {
            true => progress.failed(*stopped).await,
            false => progress.failed(only_recorded(&recorded, &*stopped)).await,
        });
    }
    verify(plan, context).await?;
    for lost in &prepared.lost_volumes {
        progress.journal.add(&lost_volume(lost));
    }
    progress.journal.add("read from AWS again: nothing of the plan is left");
    progress.journal.finish().await;
    if progress.journal.is_behind() {
        ui.warn(&format!("the end of {} could not be written", progress.journal.at()));
    }
    let at = progress.journal.at().to_string();
    finish(&prepared, Some(at), true, context)?;
    warn_of_kops(&prepared, context).await;
    prepared.require_nothing_lost()?;
    Ok(Exit::Done)
}

fn lost_volume(id: &str) -> String {
    format!("volume {id} should have been kept and no longer exists")
}

/// The failure of a run that has only been recorded, and perhaps pinned backups.
fn only_recorded(recorded: &[String], failure: &dyn Failure) -> CommandError {
    CommandError::after_change(format!(
        "{}, then it failed: {}; nothing of the control plane was changed",
        recorded.join(", "),
        chain(failure)
    ))
    .hint(with_repeating(failure.hint(), "resumes where it stopped"))
}

/// Reads AWS again, as for a new plan.
async fn verify(plan: &Plan, context: &Context) -> Result<(), CommandError> {
    let inventory = inventory::inventory(context.fleet.as_ref(), &plan.cluster).await;
    let inventory = inventory.map_err(|error| {
        let why = chain(&error);
        CommandError::after_change(format!(
            "the plan was applied, but the result could not be verified: {why}"
        ))
        .hint("repeat the command: it verifies again")
    })?;
    let left = select(&plan.cluster, &inventory);
    let groups = left.groups.iter().map(|group| format!("group {}", group.thing.name));
    let instances = left
        .instances
        .iter()
        .map(|instance| format!("instance {}", instance.thing.id));
    let volumes = left.volumes.iter().map(|volume| format!("volume {}", volume.thing.id));
    let left: Vec<String> = groups.chain(instances).chain(volumes).collect();
    if left.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the plan was applied, but new resources appeared meanwhile: {}",
        left.join(", ")
    );
    Err(CommandError::after_change(message)
        .hint("find out what creates masters (a `kops update` elsewhere?), then check the plan again"))
}

/// Nothing is left; finishes the journal of an interrupted run.
async fn close(prepared: Prepared, context: &Context, consent: &Consent) -> Result<(), AnyFailure> {
    if prepared.last_run.as_ref().is_some_and(|run| !run.is_finished()) {
        let (folder, last_run) = (prepared.journal_folder.clone(), prepared.last_run.clone());
        let mut journal = Journal::begin(JournalPorts::of(context), folder, &prepared.plan, last_run, consent).await?;
        for lost in &prepared.lost_volumes {
            journal.add(&lost_volume(lost));
        }
        journal.add("nothing of the plan is left");
        journal.finish().await;
    }
    let report = Report {
        plan: &prepared.plan,
        applied: true,
        journal: None,
        next_steps: next_steps(&prepared),
    };
    report::structured(&context.session.ui, context.session.format, &report)?;
    show_next(&report, context)?;
    prepared.require_nothing_lost()
}

fn finish(prepared: &Prepared, journal: Option<String>, applied: bool, context: &Context) -> Result<(), AnyFailure> {
    // A refused plan has no next steps.
    let is_done = applied || (prepared.plan.is_empty() && !prepared.plan.is_blocked());
    let next_steps = match is_done {
        true => next_steps(prepared),
        false => Vec::new(),
    };
    let report = Report {
        plan: &prepared.plan,
        applied,
        journal,
        next_steps,
    };
    report::structured(&context.session.ui, context.session.format, &report)?;
    if applied && report::is_text(context.session.format) {
        let plan = &prepared.plan;
        let volumes = match plan.etcd_volumes {
            EtcdVolumes::Quarantine => "in quarantine",
            EtcdVolumes::SnapshotThenDelete => "deleted after a snapshot of each",
            EtcdVolumes::Delete => "deleted",
        };
        let done = Verdict::Good.paint("the control plane is wiped");
        context.session.ui.result(&format!(
            "\n{done}: {} groups deleted, {} instances terminated, {} volumes {volumes}\n",
            plan.auto_scaling_groups.len(),
            plan.instances.len(),
            plan.volumes.len()
        ))?;
    }
    show_next(&report, context)
}

fn show_next(report: &Report<'_>, context: &Context) -> Result<(), AnyFailure> {
    if report::is_text(context.session.format) {
        context.session.ui.result(&steps::next(&report.next_steps))?;
    }
    Ok(())
}

/// The next commands of the runbook.
fn next_steps(prepared: &Prepared) -> Vec<Step> {
    let plan = &prepared.plan;
    let (cluster, state) = (&plan.cluster, prepared.state.to_string());
    let by = ["--name", cluster, "--state", &state];
    let kops = |words: &[&str]| ShellCommand::new("kops").args(words.iter().chain(&by).copied());
    let edit = |group: &String| Step::new(kops(&["edit", "ig", group])).when("to change the machine type");
    let mut steps: Vec<Step> = prepared.instance_groups.iter().map(edit).collect();
    if plan.terraform.is_empty() {
        steps.push(Step::new(kops(&["update", "cluster"]).arg("--yes")));
    } else {
        let mut rebuild = terraform::rebuild(cluster, &state);
        let apply = rebuild.pop();
        steps.extend(
            rebuild
                .iter()
                .map(|step| Step::new(step).when("in the folder of the Terraform configuration")),
        );
        if plan.etcd_volumes == EtcdVolumes::Quarantine {
            let names = prepared.volume_names.iter().map(String::as_str);
            steps.extend(terraform::forget(names).into_iter().map(Step::new));
        }
        steps.extend(apply.map(Step::new));
    }
    let restore = ShellCommand::new("kubectl")
        .args(["etcd-restore", "run"])
        .args(by)
        .arg("--yes");
    steps.push(Step::new(restore));
    steps
}

/// A different kops version would change more than the control plane.
async fn warn_of_kops(prepared: &Prepared, context: &Context) {
    let Some(wanted) = &prepared.kops_version else {
        return;
    };
    if let Some(local) = context.local_kops().await
        && &local != wanted
    {
        context.session.ui.warn(&format!(
            "the cluster was last updated by kops {wanted}, this machine has kops {local}: a different version changes more than the control plane"
        ));
    }
}
