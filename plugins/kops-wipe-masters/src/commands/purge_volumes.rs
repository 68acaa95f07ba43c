//! `purge-volumes`: deletes what a wipe put into quarantine.

use clap::Args as ClapArgs;
use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::{InstanceState, VolumeState};
use runbook_kit::ports::fleet::FleetErrorKind;
use tokio::time::Instant;

use crate::commands::wipe::PaceArgs;
use crate::context::Context;
use crate::usecases::apply::may_have_happened;
use crate::usecases::quarantined::{self, Midway, Seen, Which};

/// Delete the etcd volumes in quarantine for good
///
/// For when the cluster is back and its data was looked at: until then they are the last resort, and while no master runs it is refused.
/// Where more than one wipe put volumes away, --run says which is meant.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  kops-wipe-masters purge-volumes --name k8s.example.com --state s3://kops-state --yes"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    consent: StrongConsentArgs,
    #[command(flatten)]
    pace: PaceArgs,
}

/// Runs `purge-volumes`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    let seen = quarantined::look("delete", &args.which, context).await?;
    let mut plan = seen.plan(checks(&seen));
    if plan.volumes.is_empty() {
        ui.note(&plan.none_held());
        return plan.finish(ui, format);
    }
    plan.show(ui, format)?;
    if plan.is_blocked() {
        plan.finish(ui, format)?;
        plan.require_no_blocker()?;
    }
    let question = format!(
        "\n{} volumes of {} in account {} are deleted for good.",
        plan.volumes.len(),
        plan.cluster,
        plan.account_in_words()
    );
    let Some(consent) = confirm::strong(&args.consent, &plan.cluster, &question)? else {
        plan.finish(ui, format)?;
        ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    let mut asked: Vec<String> = Vec::new();
    for held in &plan.volumes {
        match context.fleet.delete_volume(&held.id, &consent).await {
            Ok(()) => {}
            Err(error) if error.kind == FleetErrorKind::NotFound => {}
            Err(error) => {
                return Err(Midway {
                    action: "purge-volumes",
                    at: held.id.clone(),
                    why: runbook_kit::failure::chain(&error),
                    changed: !asked.is_empty() || may_have_happened(&error.kind),
                    cure: error.hint(),
                    done: asked,
                }
                .into());
            }
        }
        asked.push(held.id.clone());
    }
    wait(&asked, &args.pace, context).await?;
    plan.applied = true;
    plan.finish(ui, format)
}

/// Until AWS does not have them any more: `kops update` takes one that is being deleted for one that is there.
async fn wait(ids: &[String], pace: &PaceArgs, context: &Context) -> Result<(), AnyFailure> {
    let ui = &context.session.ui;
    let begun = Instant::now();
    let mut told: Vec<String> = Vec::new();
    loop {
        let midway = |why: String, cure| Midway {
            action: "purge-volumes",
            at: "waiting until they are gone".to_owned(),
            why,
            done: told.clone(),
            changed: true,
            cure,
        };
        let left = match context.fleet.volumes(ids).await {
            Ok(found) => found,
            Err(error) => return Err(midway(runbook_kit::failure::chain(&error), error.hint()).into()),
        };
        let is_left = |id: &String| {
            left.iter()
                .any(|volume| &volume.id == id && volume.state != VolumeState::Deleted)
        };
        let gone: Vec<String> = ids
            .iter()
            .filter(|id| !is_left(id) && !told.contains(id))
            .cloned()
            .collect();
        let open = ids.iter().filter(|id| is_left(id)).count();
        if open > 0 && begun.elapsed() >= pace.timeout {
            return Err(midway(format!("{open} of them are still there"), None).into());
        }
        for id in gone {
            ui.note(&format!("volume {id}: deleted"));
            told.push(id);
        }
        if open == 0 {
            return Ok(());
        }
        tokio::time::sleep(pace.poll).await;
    }
}

fn checks(seen: &Seen) -> Vec<Check> {
    let mut checks = seen.strangers();
    for held in seen.held.iter().filter(|held| !held.is_proven()) {
        let message = format!(
            "volume {} has the mark of a quarantine and nothing else: no wipe's journal names it, and it had no k8s.io/etcd/ tag",
            held.id
        );
        let cure = "find out what it is; a volume of your own is deleted in the console";
        checks.push(Check::found("evidence", Severity::Block, message).cure(cure));
    }
    checks.extend(seen.attached());
    checks.extend(seen.duplicates());
    let halfway: Vec<&str> = seen
        .held
        .iter()
        .filter(|held| !held.is_hidden)
        .map(|held| held.id.as_str())
        .collect();
    if !halfway.is_empty() {
        let message = format!(
            "not wholly in quarantine, kops and etcd-manager still find them: {}",
            halfway.join(", ")
        );
        checks.push(
            Check::found("quarantine", Severity::Block, message)
                .cure("run the wipe again, or `kops-wipe-masters restore-volumes`: whichever was interrupted"),
        );
    }
    let runs = seen
        .now
        .instances
        .iter()
        .any(|one| one.thing.state == InstanceState::Running);
    if !runs {
        let message = "no master of this cluster runs: until it is back, these volumes are its last resort";
        checks.push(
            Check::found("control-plane", Severity::Block, message).cure("rebuild and restore the cluster first"),
        );
    }
    checks
}
