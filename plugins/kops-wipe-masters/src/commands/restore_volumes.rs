//! `restore-volumes`: takes volumes out of quarantine.

use clap::Args as ClapArgs;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::steps::Step;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::Tags;
use runbook_kit::model::fleet::wipe::{etcds, terraform};
use runbook_kit::model::shell::ShellCommand;

use crate::context::Context;
use crate::rules::quarantine::Quarantine;
use crate::rules::report;
use crate::usecases::apply::may_have_happened;
use crate::usecases::quarantine::{self, VolumeArgs};

/// Restore the tags of etcd volumes in quarantine, so that kops and etcd-manager find them again
///
/// Refused while the cluster has a control plane, or etcd volumes of the same members: two volumes of one member damage etcd. If several
/// wipes left volumes in quarantine, select one with --run.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  kops-wipe-masters restore-volumes --name k8s.example.com --state s3://kops-state --yes"
)]
pub struct Args {
    #[command(flatten)]
    volumes: VolumeArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// Runs `restore-volumes`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    let quarantine = quarantine::gather("restore", &args.volumes, context).await?;
    let mut plan = quarantine.plan(checks(&quarantine));
    if plan.volumes.is_empty() {
        ui.note(&plan.no_volumes());
        return plan.finish(ui, format);
    }
    plan.read_steps = quarantine.read_steps();
    plan.show(ui, format)?;
    if let Err(refused) = report::require_no_blocker(&plan.checks) {
        plan.finish(ui, format)?;
        return Err(refused.into());
    }
    let Some(consent) = confirm::plain(args.consent.yes) else {
        plan.finish(ui, format)?;
        ui.note("nothing was changed; to apply, pass --yes");
        return Ok(Exit::Done);
    };
    let mut done: Vec<String> = Vec::new();
    for volume in &plan.volumes {
        let restored = async {
            // First the tags, then the shadow tags: interrupted in between, both exist and this is repeated.
            let tagged = context.fleet.tag(&volume.id, &volume.tags, &consent).await;
            tagged.map_err(|error| (error, false))?;
            let untagged = context.fleet.untag(&volume.id, &volume.shadow_keys, &consent).await;
            untagged.map_err(|error| (error, true))
        };
        restored.await.map_err(|(error, changed)| {
            let changed = changed || !done.is_empty() || may_have_happened(&error.kind);
            quarantine::stopped(
                "restore-volumes",
                &volume.id,
                &done,
                &chain(&error),
                error.hint(),
                changed,
            )
        })?;
        let name = volume.name.as_deref().unwrap_or_default();
        ui.note(&format!("volume {} ({name}): restored", volume.id));
        done.push(volume.id.clone());
    }
    plan.applied = true;
    plan.next_steps = next_steps(&quarantine);
    plan.finish(ui, format)
}

/// Terraform has to import the volumes before it makes new masters, else it makes new volumes.
fn next_steps(quarantine: &Quarantine) -> Vec<Step> {
    let last = quarantine.journals.last();
    let signs = last.and_then(|journal| journal.entry.plan.get("terraform")?.as_array());
    if signs.is_some_and(|signs| !signs.is_empty()) {
        let named = quarantine
            .volumes
            .iter()
            .filter_map(|volume| Some((volume.name.as_deref()?, &volume.id)));
        let import = named.map(|(name, id)| terraform::import(name, id));
        let rebuild = terraform::rebuild(&quarantine.cluster, &quarantine.state_store);
        return import.chain(rebuild).map(Step::new).collect();
    }
    let update = ShellCommand::new("kops").args(["update", "cluster", "--name", &quarantine.cluster]);
    let update = update.args(["--state", &quarantine.state_store, "--yes"]);
    vec![Step::new(update).when("its new masters mount these volumes")]
}

fn checks(quarantine: &Quarantine) -> Vec<Check> {
    const CURE: &str = "wipe the new control plane first, or leave the volumes in quarantine";
    let mut checks = quarantine.foreign();
    checks.extend(quarantine.attached());
    checks.extend(quarantine.duplicates());
    let control_plane = &quarantine.control_plane;
    let groups = control_plane
        .groups
        .iter()
        .map(|group| format!("group {}", group.thing.name));
    let instances = control_plane
        .instances
        .iter()
        .map(|instance| format!("instance {}", instance.thing.id));
    let machines: Vec<String> = groups.chain(instances).collect();
    if !machines.is_empty() {
        let message = format!("the cluster has a control plane: {}", machines.join(", "));
        checks.push(Check::found("control-plane", Severity::Block, message).cure(CURE));
    }
    let present = control_plane.volumes.iter().map(|volume| &volume.thing);
    let conflicting: Vec<&str> = present
        .filter(|present| {
            let mut volumes = quarantine.volumes.iter();
            volumes.any(|volume| conflict(&present.tags, &volume.tags))
        })
        .map(|volume| volume.id.as_str())
        .collect();
    if !conflicting.is_empty() {
        let message = format!(
            "the cluster has etcd volumes of the same members: {}",
            conflicting.join(", ")
        );
        checks.push(Check::found("volumes", Severity::Block, message).cure(CURE));
    }
    checks
}

/// Whether a present volume is of the same member as one in quarantine, or of an etcd cluster with other members. Another member of the
/// same etcd cluster is no conflict: an earlier run restored it.
fn conflict(present: &Tags, quarantined: &Tags) -> bool {
    let (present, quarantined) = (etcds(present), etcds(quarantined));
    present.iter().any(|(etcd, value)| {
        let of_same = quarantined.iter().filter(|(of, _)| of == etcd);
        of_same
            .map(|(_, quarantined)| (member(value), member(quarantined)))
            .any(|(present, quarantined)| {
                let same_cluster = present.1.is_some() && present.1 == quarantined.1;
                !same_cluster || present.0 == quarantined.0
            })
    })
}

/// The member's name and all members, from a tag's value: `a/a,b,c`.
fn member(value: &str) -> (&str, Option<&str>) {
    match value.split_once('/') {
        Some((member, all)) => (member, Some(all)),
        None => (value, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_member_of_the_same_etcd_is_no_conflict() {
        let tags = |etcd: &str, value: &str| -> Tags { [(format!("k8s.io/etcd/{etcd}"), value.to_owned())].into() };
        let quarantined = tags("main", "a/a,b,c");
        for (present, is) in [
            (tags("main", "a/a,b,c"), true),
            (tags("main", "b/a,b,c"), false),
            (tags("events", "a/a,b,c"), false),
            // An etcd cluster with other members.
            (tags("main", "b/b"), true),
            (tags("main", "b"), true),
            (Tags::new(), false),
        ] {
            assert_eq!(conflict(&present, &quarantined), is, "{present:?}");
        }
    }
}
