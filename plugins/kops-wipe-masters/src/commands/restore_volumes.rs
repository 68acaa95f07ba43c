//! `restore-volumes`: takes the quarantine of a wipe back.

use clap::Args as ClapArgs;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::steps::Step;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::{Chosen, etcds, terraform};
use runbook_kit::model::fleet::{Tags, Volume};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::wipe_journal::Newest;

use crate::context::Context;
use crate::usecases::apply::may_have_happened;
use crate::usecases::quarantined::{self, Midway, Seen, Which};

/// Give the etcd volumes in quarantine their tags back, so that kops and etcd-manager find them again
///
/// Refused while the cluster has a control plane or etcd volumes of the same members: two volumes of one member are what no cluster
/// survives. Where more than one wipe put volumes away, --run says which is meant.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  kops-wipe-masters restore-volumes --name k8s.example.com --state s3://kops-state --yes"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// Runs `restore-volumes`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    let seen = quarantined::look("restore", &args.which, context).await?;
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
    let Some(consent) = confirm::plain(args.consent.yes) else {
        plan.finish(ui, format)?;
        ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    let mut done: Vec<String> = Vec::new();
    for held in &plan.volumes {
        let restored = async {
            // The tags before the shadows go: interrupted between the two, both are there, and this is done again.
            context
                .fleet
                .tag(&held.id, &held.tags, &consent)
                .await
                .map_err(|error| (error, false))?;
            let untagged = context.fleet.untag(&held.id, &held.shadow_keys, &consent).await;
            untagged.map_err(|error| (error, true))
        };
        restored.await.map_err(|(error, changed)| Midway {
            action: "restore-volumes",
            at: held.id.clone(),
            why: runbook_kit::failure::chain(&error),
            changed: changed || !done.is_empty() || may_have_happened(&error.kind),
            cure: error.hint(),
            done: done.clone(),
        })?;
        let name = held.name.as_deref().unwrap_or_default();
        ui.note(&format!("volume {} ({name}): restored", held.id));
        done.push(held.id.clone());
    }
    plan.applied = true;
    plan.next_steps = next_steps(&seen);
    plan.finish(ui, format)
}

/// New masters mount these volumes; where Terraform manages the cluster it has to know them first, else it makes others.
fn next_steps(seen: &Seen) -> Vec<Step> {
    let runs_of_terraform = |journal: &&Newest| {
        let signs = journal
            .entry
            .plan
            .get("terraform")
            .and_then(serde_json::Value::as_array);
        signs.is_some_and(|signs| !signs.is_empty())
    };
    if seen.journals.last().filter(runs_of_terraform).is_some() {
        let named = seen
            .held
            .iter()
            .filter_map(|held| Some((held.name.as_deref()?, &held.id)));
        let import = named.map(|(name, id)| terraform::know_again(name, id));
        let rebuild = terraform::rebuild(&seen.cluster, &seen.state_store);
        return import.chain(rebuild).map(Step::new).collect();
    }
    let update = ShellCommand::new("kops").args(["update", "cluster", "--name", &seen.cluster]);
    let update = update.args(["--state", &seen.state_store, "--yes"]);
    vec![Step::new(update).when("its new masters mount these volumes")]
}

fn checks(seen: &Seen) -> Vec<Check> {
    const CURE: &str = "wipe the new control plane first, or leave the volumes in quarantine";
    let mut checks = seen.strangers();
    checks.extend(seen.attached());
    checks.extend(seen.duplicates());
    let groups = seen
        .now
        .groups
        .iter()
        .map(|group| format!("group {}", group.thing.name));
    let instances = seen
        .now
        .instances
        .iter()
        .map(|instance| format!("instance {}", instance.thing.id));
    let control_plane: Vec<String> = groups.chain(instances).collect();
    if !control_plane.is_empty() {
        let message = format!("the cluster has a control plane: {}", control_plane.join(", "));
        checks.push(Check::found("control-plane", Severity::Block, message).cure(CURE));
    }
    let in_the_way = |volume: &&Chosen<Volume>| {
        seen.held
            .iter()
            .any(|held| is_in_the_way(&volume.thing.tags, &held.tags))
    };
    let volumes: Vec<&str> = seen
        .now
        .volumes
        .iter()
        .filter(in_the_way)
        .map(|volume| volume.thing.id.as_str())
        .collect();
    if !volumes.is_empty() {
        let message = format!(
            "the cluster has etcd volumes of the same members: {}",
            volumes.join(", ")
        );
        checks.push(Check::found("volumes", Severity::Block, message).cure(CURE));
    }
    checks
}

/// Whether a volume that is there is of the same etcd as one that is held, and not another member beside it: that one came back
/// in a run before this.
fn is_in_the_way(there: &Tags, held: &Tags) -> bool {
    let (there, held) = (etcds(there), etcds(held));
    there.iter().any(|(etcd, value)| {
        let of_same = held.iter().filter(|(of, _)| of == etcd);
        of_same
            .map(|(_, held)| (member(value), member(held)))
            .any(|(there, held)| {
                let same_cluster = there.1.is_some() && there.1 == held.1;
                !same_cluster || there.0 == held.0
            })
    })
}

/// The member's name, and all members', of a tag's value: `a/a,b,c`.
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
    fn another_member_of_the_same_etcd_is_in_nobodys_way() {
        let tags = |etcd: &str, value: &str| -> Tags { [(format!("k8s.io/etcd/{etcd}"), value.to_owned())].into() };
        let held = tags("main", "a/a,b,c");
        for (there, is) in [
            (tags("main", "a/a,b,c"), true),
            (tags("main", "b/a,b,c"), false),
            (tags("events", "a/a,b,c"), false),
            // Another cluster than the one that was put away.
            (tags("main", "b/b"), true),
            (tags("main", "b"), true),
            (Tags::new(), false),
        ] {
            assert_eq!(is_in_the_way(&there, &held), is, "{there:?}");
        }
    }
}
