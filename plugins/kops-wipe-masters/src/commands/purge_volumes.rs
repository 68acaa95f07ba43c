//! `purge-volumes`: deletes volumes in quarantine.

use clap::Args as ClapArgs;
use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::{InstanceState, VolumeState};
use runbook_kit::ports::fleet::FleetErrorKind;
use tokio::time::Instant;

use crate::context::Context;
use crate::rules::quarantine::Quarantine;
use crate::rules::report;
use crate::usecases::apply::{WaitArgs, may_have_happened};
use crate::usecases::quarantine::{self, VolumeArgs};

/// Permanently delete the etcd volumes in quarantine
///
/// Run it only after the cluster is back and its data is checked: until then these volumes are the last copy of the data. Refused while no
/// master runs. If several wipes left volumes in quarantine, select one with --run.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  kops-wipe-masters purge-volumes --name k8s.example.com --state s3://kops-state --yes"
)]
pub struct Args {
    #[command(flatten)]
    volumes: VolumeArgs,
    #[command(flatten)]
    consent: StrongConsentArgs,
    #[command(flatten)]
    waiting: WaitArgs,
}

/// Runs `purge-volumes`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    let quarantine = quarantine::gather("delete", &args.volumes, context).await?;
    let mut plan = quarantine.plan(checks(&quarantine));
    if plan.volumes.is_empty() {
        ui.note(&plan.no_volumes());
        return plan.finish(ui, format);
    }
    plan.show(ui, format)?;
    if let Err(refused) = report::require_no_blocker(&plan.checks) {
        plan.finish(ui, format)?;
        return Err(refused.into());
    }
    let question = format!(
        "\nThis permanently deletes {} volumes of {} in account {}.",
        plan.volumes.len(),
        plan.cluster,
        plan.account_label()
    );
    let Some(consent) = confirm::strong(&args.consent, &plan.cluster, &question)? else {
        plan.finish(ui, format)?;
        ui.note("nothing was changed; to apply, pass --yes");
        return Ok(Exit::Done);
    };
    let mut requested: Vec<String> = Vec::new();
    for volume in &plan.volumes {
        match context.fleet.delete_volume(&volume.id, &consent).await {
            Ok(()) => {}
            Err(error) if error.kind == FleetErrorKind::NotFound => {}
            Err(error) => {
                let changed = !requested.is_empty() || may_have_happened(&error.kind);
                let (why, hint) = (chain(&error), error.hint());
                return Err(quarantine::stopped("purge-volumes", &volume.id, &requested, &why, hint, changed).into());
            }
        }
        requested.push(volume.id.clone());
    }
    wait(&requested, args.waiting, context).await?;
    plan.applied = true;
    plan.finish(ui, format)
}

/// Until AWS has deleted them: `kops update` would still use a volume that is being deleted.
async fn wait(ids: &[String], waiting: WaitArgs, context: &Context) -> Result<(), AnyFailure> {
    let ui = &context.session.ui;
    let started = Instant::now();
    let mut deleted: Vec<String> = Vec::new();
    loop {
        let stopped = |deleted: &[String], why: &str, hint| {
            quarantine::stopped("purge-volumes", "waiting for the deletion", deleted, why, hint, true)
        };
        let left = context.fleet.volumes(ids).await;
        let left = left.map_err(|error| stopped(&deleted, &chain(&error), error.hint()))?;
        let is_left = |id: &String| {
            left.iter()
                .any(|volume| &volume.id == id && volume.state != VolumeState::Deleted)
        };
        let gone: Vec<String> = ids
            .iter()
            .filter(|id| !is_left(id) && !deleted.contains(id))
            .cloned()
            .collect();
        let open = ids.iter().filter(|id| is_left(id)).count();
        if open > 0 && started.elapsed() >= waiting.timeout {
            return Err(stopped(&deleted, &format!("{open} volumes still exist"), None).into());
        }
        for id in gone {
            ui.note(&format!("volume {id}: deleted"));
            deleted.push(id);
        }
        if open == 0 {
            return Ok(());
        }
        tokio::time::sleep(waiting.poll).await;
    }
}

fn checks(quarantine: &Quarantine) -> Vec<Check> {
    let mut checks = quarantine.foreign();
    for volume in quarantine.volumes.iter().filter(|volume| !volume.is_proven()) {
        let message = format!(
            "volume {} has only the quarantine tag: no wipe journal names it, and it had no k8s.io/etcd/ tag",
            volume.id
        );
        let cure = "find out what it is; delete a volume of your own in the AWS console";
        checks.push(Check::found("evidence", Severity::Block, message).cure(cure));
    }
    checks.extend(quarantine.attached());
    checks.extend(quarantine.duplicates());
    let partly: Vec<&str> = quarantine
        .volumes
        .iter()
        .filter(|volume| !volume.is_hidden)
        .map(|volume| volume.id.as_str())
        .collect();
    if !partly.is_empty() {
        let message = format!(
            "only partly in quarantine, kops and etcd-manager still find them: {}",
            partly.join(", ")
        );
        checks.push(
            Check::found("quarantine", Severity::Block, message)
                .cure("repeat the interrupted command: the wipe or `kops-wipe-masters restore-volumes`"),
        );
    }
    let runs = quarantine
        .control_plane
        .instances
        .iter()
        .any(|one| one.thing.state == InstanceState::Running);
    if !runs {
        let message =
            "no master of this cluster runs: until the cluster is back, these volumes are the last copy of its data";
        checks.push(
            Check::found("control-plane", Severity::Block, message).cure("rebuild and restore the cluster first"),
        );
    }
    checks
}
