//! The bare command: shows the plan, and with consent carries it out.

mod screen;

use std::time::Duration;

use clap::Args as ClapArgs;
use jiff::SignedDuration;
use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::cli::output::steps::{self, Step};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::check::Check;
use runbook_kit::model::fleet::wipe::{select, terraform};
use runbook_kit::model::kops::duration;
use runbook_kit::model::kops::identity::Origin;
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::{pin, wipe_journal};

use crate::context::Context;
use crate::rules::interlock::InterlockArgs;
use crate::rules::plan::{self, EtcdVolumes, Plan};
use crate::rules::report::{self, Report};
use crate::usecases::alive::AliveArgs;
use crate::usecases::apply::{self, Pace};
use crate::usecases::journal::{self, Desk, Journal};
use crate::usecases::observe;

use crate::usecases::prepare::{Prepared, prepare};
use crate::usecases::refusals::{AnotherPlan, Appeared, NotVerified, OnlyNoted};
pub use crate::usecases::refusals::{NotAsked, Refused};
use screen::{Interrupted, Screen};

/// How to wipe.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    pub consent: StrongConsentArgs,
    /// Only what is in the plan with this digest; what remains of it is accepted, too
    #[arg(long, value_name = "DIGEST")]
    pub plan: Option<String>,
    /// What becomes of the etcd volumes
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub etcd_volumes: EtcdVolumes,
    /// Wipe the masters that were launched since the last wipe, too
    #[arg(long)]
    pub again: bool,
    #[command(flatten)]
    pub interlock: InterlockArgs,
    #[command(flatten)]
    pub alive: AliveArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// How fast.
#[derive(Clone, Copy, Debug, ClapArgs)]
#[command(next_help_heading = "Waiting")]
pub struct PaceArgs {
    /// How long to wait for AWS until all is done
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = wait)]
    pub timeout: Duration,
    /// From one look at AWS to the next
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = wait)]
    pub poll: Duration,
}

fn wait(text: &str) -> Result<Duration, String> {
    let time: SignedDuration = duration::parse(text).map_err(|error| error.to_string())?;
    Duration::try_from(time).map_err(|error| error.to_string())
}

/// It must be named by somebody who means it.
pub fn explicit_name(context: &Context) -> Result<String, AnyFailure> {
    const HINT: &str = "pass --name or set KOPS_CLUSTER_NAME";
    // `--name` and its variable need no kubeconfig; whatever else would name it does not count here.
    match context.session.name() {
        Ok(Some(chosen)) => match chosen.origin {
            Origin::Flag | Origin::Environment(_) => Ok(chosen.value),
            Origin::KubectlContext(_) | Origin::KopsSettings(_) => {
                let message = format!("{} is never taken as the cluster to wipe", chosen.origin);
                Err(CommandError::usage(message).hint(HINT).into())
            }
        },
        Ok(None) | Err(_) => Err(CommandError::usage("no cluster is named").hint(HINT).into()),
    }
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    if session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let reversible = args.etcd_volumes == EtcdVolumes::Quarantine;
    args.interlock.require_reversible(reversible)?;
    let name = explicit_name(context)?;
    let prepared = prepare(&args, &name, context).await?;
    let plan = &prepared.plan;
    report::show(&session.ui, session.format, plan)?;

    if !args.consent.yes {
        journal::remember(context.local_state.as_ref(), plan);
    }
    let blockers: Vec<&Check> = plan.blockers().collect();
    if let Some(first) = blockers.first() {
        let refused = Refused::of(blockers.len(), first);
        finish(&prepared, None, false, context)?;
        return Err(refused.into());
    }
    if !args.consent.yes {
        return plan_only(&prepared, context);
    }
    if let Some(digest) = &args.plan {
        only_what_was_shown(digest, &prepared, context).await?;
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
    carry_out(prepared, &args, context, &consent).await
}

fn question(prepared: &Prepared) -> String {
    let plan = &prepared.plan;
    let lost = match &prepared.lost {
        Some(lost) => format!("; {lost}"),
        None => "; there is no good backup".to_owned(),
    };
    let warned: String = prepared.warned.iter().map(|line| format!("\n{line}")).collect();
    format!(
        "\nThe control plane of {} in account {} goes: {} groups, {} instances, {} volumes ({}){lost}.",
        plan.cluster,
        plan.account_in_words(),
        plan.auto_scaling_groups.len(),
        plan.instances.len(),
        plan.volumes.len(),
        plan.etcd_volumes.word()
    ) + &warned
}

fn plan_only(prepared: &Prepared, context: &Context) -> Result<Exit, AnyFailure> {
    let (plan, ui) = (&prepared.plan, &context.session.ui);
    finish(prepared, None, false, context)?;
    if !plan.is_empty() {
        if let Some(lost) = &prepared.lost {
            ui.note(lost);
        }
        ui.note(&format!(
            "nothing was changed; to do exactly this: --yes --plan {}",
            plan.digest
        ));
    }
    Ok(Exit::Done)
}

/// `--plan DIGEST`: the very same plan, or what remains of it.
async fn only_what_was_shown(digest: &str, prepared: &Prepared, context: &Context) -> Result<(), AnyFailure> {
    if digest == prepared.plan.digest {
        return Ok(());
    }
    let Some(shown) = journal::shown(desk(context), &prepared.journals, digest).await? else {
        return Err(AnotherPlan {
            wanted: digest.to_owned(),
            now: prepared.plan.digest.clone(),
            new: Vec::new(),
        }
        .into());
    };
    let new = plan::not_shown(&prepared.plan, &shown);
    match new.is_empty() {
        true => Ok(()),
        false => Err(AnotherPlan {
            wanted: digest.to_owned(),
            now: prepared.plan.digest.clone(),
            new,
        }
        .into()),
    }
}

fn desk(context: &Context) -> Desk<'_> {
    Desk {
        objects: context.session.objects(),
        local_state: context.local_state.as_ref(),
        clock: context.session.clock.as_ref(),
    }
}

async fn carry_out(prepared: Prepared, args: &Args, context: &Context, consent: &Consent) -> Result<Exit, AnyFailure> {
    let Prepared {
        plan, pins, journals, ..
    } = &prepared;
    let (session, ui) = (&context.session, &context.session.ui);
    let before = wipe_journal::newest(session.objects(), journals).await?;
    let journal = Journal::begin(desk(context), journals.clone(), plan, before, consent).await?;
    if journal.goes_on() {
        ui.note("going on with a run that did not come to its end");
    }
    ui.note(&format!("this run is recorded in {}", journal.at()));
    if let Some(copy) = journal.copy() {
        ui.detail(&format!("and in {}", copy.display()));
    }
    let mut noted = vec![format!("this run was recorded in {}", journal.at())];
    let first = journal.first().to_owned();
    let mut screen = Screen {
        ui,
        names: plan.names(),
        journal,
    };
    for pin in pins {
        if let Err(error) = pin::pin(session.objects(), pin, consent).await {
            return Err(stop(&mut screen, OnlyNoted::then(&noted, &error)).await);
        }
        ui.note(&format!("pinned backup {} in {}", pin.name, pin.to));
        screen.journal.add(&format!("pinned {} in {}", pin.name, pin.to));
        noted.push(format!("backup {} was pinned", pin.name));
    }
    let pace = Pace {
        poll: args.pace.poll,
        timeout: args.pace.timeout,
    };
    let mut interrupted = Interrupted { ui, armed: true };
    let ended = apply::apply(plan, context.fleet.as_ref(), &first, pace, &mut screen, consent).await;
    interrupted.armed = false;
    if let Err(stopped) = ended {
        return Err(match stopped.changed {
            true => stop(&mut screen, *stopped).await,
            false => stop(&mut screen, OnlyNoted::then(&noted, &*stopped)).await,
        });
    }
    verify(plan, context).await?;
    for lost in &prepared.lost_volumes {
        screen
            .journal
            .add(&format!("volume {lost} was to be kept, and is gone"));
    }
    screen.journal.add("AWS was asked again: nothing of the plan is left");
    screen.journal.finish().await;
    if screen.journal.is_silent() {
        ui.warn(&format!("{} could not be written to the end", screen.journal.at()));
    }
    let at = screen.journal.at().to_string();
    finish(&prepared, Some(at), true, context)?;
    warn_of_kops(&prepared, context).await;
    prepared.require_nothing_lost()?;
    Ok(Exit::Done)
}

/// The journal tells why, too.
async fn stop(screen: &mut Screen<'_>, failure: impl Failure) -> AnyFailure {
    screen.journal.add(&runbook_kit::failure::chain(&failure));
    // Whether it is written is no concern of the failure's.
    let _ = screen.journal.keep().await;
    failure.into()
}

/// AWS is asked again, as if for a new plan.
async fn verify(plan: &Plan, context: &Context) -> Result<(), AnyFailure> {
    let asked = observe::inventory(context.fleet.as_ref(), &plan.cluster).await;
    let inventory = asked.map_err(|error| NotVerified(runbook_kit::failure::chain(&error)))?;
    let left = select(&plan.cluster, &inventory);
    let groups = left.groups.iter().map(|group| format!("group {}", group.thing.name));
    let instances = left
        .instances
        .iter()
        .map(|instance| format!("instance {}", instance.thing.id));
    let volumes = left.volumes.iter().map(|volume| format!("volume {}", volume.thing.id));
    let left: Vec<String> = groups.chain(instances).chain(volumes).collect();
    match left.is_empty() {
        true => Ok(()),
        false => Err(Appeared(left.join(", ")).into()),
    }
}

/// Nothing is left, but an earlier run never said so.
async fn close(prepared: Prepared, context: &Context, consent: &Consent) -> Result<(), AnyFailure> {
    if prepared.before.as_ref().is_some_and(|before| !before.is_finished()) {
        let begun = Journal::begin(
            desk(context),
            prepared.journals.clone(),
            &prepared.plan,
            prepared.before.clone(),
            consent,
        );
        let mut journal = begun.await?;
        for lost in &prepared.lost_volumes {
            journal.add(&format!("volume {lost} was to be kept, and is gone"));
        }
        journal.add("nothing of it is left");
        journal.finish().await;
    }
    let at = None;
    let report = Report {
        plan: &prepared.plan,
        applied: true,
        journal: at,
        next_steps: next_steps(&prepared),
    };
    report::structured(&context.session.ui, context.session.format, &report)?;
    tell_next(&report, context)?;
    prepared.require_nothing_lost()
}

fn finish(prepared: &Prepared, journal: Option<String>, applied: bool, context: &Context) -> Result<(), AnyFailure> {
    // Where something refuses there is nothing that comes next.
    let is_done = applied || (prepared.plan.is_empty() && prepared.plan.blockers().next().is_none());
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
            EtcdVolumes::SnapshotThenDelete => "deleted, a snapshot of each was taken",
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
    tell_next(&report, context)
}

fn tell_next(report: &Report<'_>, context: &Context) -> Result<(), AnyFailure> {
    if report::is_text(context.session.format) {
        context.session.ui.result(&steps::next(&report.next_steps))?;
    }
    Ok(())
}

/// The commands of the runbook that come after this one.
fn next_steps(prepared: &Prepared) -> Vec<Step> {
    let plan = &prepared.plan;
    let (cluster, state) = (&plan.cluster, prepared.state.to_string());
    let by = ["--name", cluster, "--state", &state];
    let kops = |words: &[&str]| ShellCommand::new("kops").args(words.iter().chain(&by).copied());
    let edit = |group: &String| Step::new(kops(&["edit", "ig", group])).when("if another machine type is wanted");
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

/// Another kops than the cluster's own would change more than was lost.
async fn warn_of_kops(prepared: &Prepared, context: &Context) {
    let Some(wanted) = &prepared.kops_version else {
        return;
    };
    if let Some(local) = context.local_kops().await
        && &local != wanted
    {
        context.session.ui.warn(&format!(
            "the cluster was last updated by kops {wanted}, and here is kops {local}: another version changes more than the masters"
        ));
    }
}
