//! All that is read before a wipe: AWS, the state store, and whether something lives.

use std::collections::BTreeSet;

use jiff::Timestamp;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::expected::{self, Expected};
use runbook_kit::model::fleet::wipe::whereabouts::{Rest, named_networks, place, whereabouts};
use runbook_kit::model::fleet::wipe::{Chosen, Selection, name_of, quarantine, select, terraform};
use runbook_kit::model::fleet::{Caller, Volume, VolumeState};
use runbook_kit::model::kops::instance_group::Role;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::discover::Discovered;
use runbook_kit::usecases::kops_state::instance_groups::instance_groups;
use runbook_kit::usecases::liveness::Machines;
use runbook_kit::usecases::wipe_journal::{self, Newest};
use runbook_kit::usecases::{aftermath, catalog, pin};

use crate::commands::wipe::{Args, NotAsked};
use crate::context::Context;
use crate::rules::interlock;
use crate::rules::plan::{self, EtcdVolumes, Facts, Plan};
use crate::usecases::refusals::VolumesLost;
use crate::usecases::{alive, observe};

/// What belongs to the run beside the plan.
pub struct Prepared {
    pub plan: Plan,
    pub pins: Vec<pin::Pin>,
    pub lost: Option<String>,
    /// What is not proven dead, and what is old: for the question.
    pub warned: Vec<String>,
    pub state: StoreUrl,
    pub journals: StoreUrl,
    pub before: Option<Newest>,
    /// Volumes that a run before this one was to keep, and that are no more.
    pub lost_volumes: Vec<String>,
    /// The tags `Name` of the volumes that are put away, or were.
    pub volume_names: Vec<String>,
    pub instance_groups: Vec<String>,
    pub kops_version: Option<String>,
}

impl Prepared {
    /// Fails where a volume is gone that was to be kept: it must not look as if all were well.
    pub fn require_nothing_lost(&self) -> Result<(), AnyFailure> {
        match self.lost_volumes.is_empty() {
            true => Ok(()),
            false => Err(VolumesLost(self.lost_volumes.join(", ")).into()),
        }
    }
}

/// Reads everything, changes nothing.
pub async fn prepare(args: &Args, name: &str, context: &Context) -> Result<Prepared, AnyFailure> {
    let session = &context.session;
    let state = session.required_state()?;
    let found = session.found(&state, name).await?;
    for note in &found.notes {
        session.ui.note(&format!("note: {note}"));
    }
    let region = found.spec.as_ref().and_then(|spec| spec.region.clone());
    let fleet = context.fleet.as_ref();
    session.ui.note("asking AWS for what it has of the cluster");
    let caller = fleet
        .caller()
        .await
        .map_err(|error| NotAsked::of(error, region.clone()))?;
    let inventory = observe::inventory(fleet, name)
        .await
        .map_err(|error| NotAsked::of(error, region.clone()))?;
    let selection = select(name, &inventory);
    let stored = instance_groups(session.objects(), &state, name).await?;
    let mut checks = Vec::new();
    checks.extend(unreadable(&stored));
    if found.spec.is_none() {
        let message =
            "no spec of the cluster could be read: region, members and instance groups are not compared with it";
        checks.push(Check::found("spec", Severity::Warn, message));
    }
    let expected = Expected {
        groups: stored.into_iter().filter_map(|group| group.read.ok()).collect(),
        etcds: found
            .spec
            .as_ref()
            .map(|spec| spec.etcd_clusters.clone())
            .unwrap_or_default(),
    };
    let journals = wipe_journal::folder(&state, name);
    let all = wipe_journal::all(session.objects(), &journals).await?;
    let before = all.last().cloned();
    let mut volume_names: Vec<String> = selection
        .volumes
        .iter()
        .filter_map(|chosen| name_of(&chosen.thing.tags))
        .map(str::to_owned)
        .collect();
    let mut rest = Rest::default();
    if selection.is_empty() {
        let quarantined = aftermath::quarantined(fleet, name).await?;
        rest.quarantined = quarantined.len();
        let originals = quarantined.iter().map(|volume| quarantine::originals(&volume.tags));
        volume_names = originals.filter_map(|tags| name_of(&tags).map(str::to_owned)).collect();
        if inventory.groups.is_empty() && inventory.instances.is_empty() && inventory.volumes.is_empty() {
            rest.networks = fleet.networks_of(name).await?.len();
        }
    }
    checks.extend(whereabouts(&caller, region.as_deref(), &inventory, &selection, rest));
    if let Some(spec) = found.spec.as_ref().filter(|_| !checks.iter().any(Check::blocks)) {
        let named = named_networks(spec);
        let existing = match named.is_empty() {
            true => Vec::new(),
            false => fleet.networks(&named).await?,
        };
        checks.extend(place(spec, &caller, &selection, &existing.into_iter().collect()));
    }
    checks.extend(wiped_already(&all, args.again, &caller, &selection));
    let lost_volumes = lost_volumes(context, &all, &caller).await?;
    if !lost_volumes.is_empty() {
        let message = format!(
            "the wipe that did not come to its end was to keep {}, and they are gone",
            lost_volumes.join(", ")
        );
        checks.push(Check::found("lost-volumes", Severity::Warn, message));
    }
    let (mut pins, mut lost, mut backups, mut warned) = (Vec::new(), None, Vec::new(), Vec::new());
    if !selection.is_empty() {
        checks.extend(expected::compare(name, &selection, &expected));
        let machines = Machines::of(name, &inventory.instances, &inventory.groups, Ok(&inventory.volumes));
        let ended = before.as_ref().filter(|newest| newest.entry.cluster == name);
        let wiped = ended.and_then(|newest| newest.entry.finished);
        let looked = guard(args, name, &state, found, machines, wiped, context).await?;
        warned = looked.warned;
        checks.extend(looked.checks);
        (pins, lost, backups) = (looked.pins, looked.lost, looked.backups);
    }
    let terraform = terraform::signs(found.spec.as_ref(), &selection);
    let masters = expected.groups.iter().filter(|group| group.role == Role::ControlPlane);
    let instance_groups = masters.map(|group| group.name.clone()).collect();
    Ok(Prepared {
        plan: plan::plan(Facts {
            cluster: name,
            state_store: &state.to_string(),
            caller,
            selection,
            etcd_volumes: args.etcd_volumes,
            backups,
            checks,
            terraform,
        }),
        pins,
        lost,
        warned,
        journals,
        before,
        lost_volumes,
        volume_names,
        instance_groups,
        kops_version: kops_version(context, &state, name).await,
        state,
    })
}

/// After a wipe that came to its end nothing of the control plane was left: whatever is there now was made since, and is not what the same
/// command was typed for.
fn wiped_already(journals: &[Newest], again: bool, caller: &Caller, selection: &Selection) -> Option<Check> {
    const NAME: &str = "wiped-already";
    let entry = &journals.last()?.entry;
    let finished = entry.finished?;
    if selection.is_empty() || !entry.is_of(&caller.account, &caller.region) {
        return None;
    }
    // Volumes that came back from a quarantine were not made since.
    let is_new = |volume: &&Chosen<Volume>| !journals.iter().any(|journal| journal.entry.puts_away(&volume.thing.id));
    let instances = selection.instances.iter().map(|chosen| match chosen.thing.launched {
        Some(launched) => format!("{} ({launched})", chosen.thing.id),
        None => chosen.thing.id.clone(),
    });
    let groups = selection
        .groups
        .iter()
        .map(|chosen| format!("group {}", chosen.thing.name));
    let volumes = selection
        .volumes
        .iter()
        .filter(is_new)
        .map(|chosen| chosen.thing.id.clone());
    let instances: Vec<String> = instances.collect();
    let others: Vec<String> = groups.chain(volumes).collect();
    if instances.is_empty() && others.is_empty() {
        return None;
    }
    let new = match instances.is_empty() {
        true => format!("these were made since: {}", others.join(", ")),
        false => format!("these masters were launched since: {}", instances.join(", ")),
    };
    let message = format!("already wiped at {finished}; {new}");
    Some(match again {
        true => Check::found(NAME, Severity::Warn, message),
        false => Check::found(NAME, Severity::Block, message)
            .cure("go on with the restore; --again wipes these masters, too, and asks for the cluster's name"),
    })
}

/// What a run that did not come to its end was to put into quarantine, and what is no more.
async fn lost_volumes(context: &Context, journals: &[Newest], caller: &Caller) -> Result<Vec<String>, AnyFailure> {
    let is_open = |before: &&Newest| !before.is_finished() && before.entry.is_of(&caller.account, &caller.region);
    let Some(before) = journals.last().filter(is_open) else {
        return Ok(Vec::new());
    };
    let of_it = journals
        .iter()
        .filter(|journal| journal.entry.first == before.entry.first);
    let kept: BTreeSet<String> = of_it
        .flat_map(|journal| journal.entry.put_away())
        .map(str::to_owned)
        .collect();
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = kept.into_iter().collect();
    let there = context.fleet.volumes(&ids).await?;
    let is_there = |id: &String| {
        let mut found = there.iter().filter(|volume| &volume.id == id);
        found.any(|volume| !matches!(volume.state, VolumeState::Deleted | VolumeState::Deleting))
    };
    Ok(ids.into_iter().filter(|id| !is_there(id)).collect())
}

fn unreadable<T>(stored: &[runbook_kit::usecases::kops_state::Stored<T>]) -> Vec<Check> {
    let broken = stored
        .iter()
        .filter_map(|stored| Some((&stored.at, stored.read.as_ref().err()?)));
    broken
        .map(|(at, why)| Check::found("instance-groups", Severity::Warn, format!("{at} cannot be read: {why}")))
        .collect()
}

/// Whether it is dead, and whether there is something to come back from.
async fn guard(
    args: &Args,
    name: &str,
    state: &StoreUrl,
    found: &Discovered,
    machines: Machines,
    wiped: Option<Timestamp>,
    context: &Context,
) -> Result<interlock::Interlock, AnyFailure> {
    let session = &context.session;
    let now = session.now();
    let catalogs = match session.stores.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, now).await?,
        false => session.catalogs().await?,
    };
    let config_base = found
        .config_base(state, name)
        .map_err(|error| CommandError::usage(format!("configBase: {error}")))?;
    let alive = alive::look(context, name, &args.alive.access, &catalogs, machines, wiped).await;
    let facts = interlock::look(session, &catalogs, &config_base).await?;
    let reversible = args.etcd_volumes == EtcdVolumes::Quarantine;
    let mut interlock = interlock::judge(&facts, &args.interlock, reversible, now);
    let mut checks = alive::judge(&alive, args.alive.even_if_alive, now);
    checks.append(&mut interlock.checks);
    interlock.checks = checks;
    let mut warned = alive::at_risk(&alive);
    warned.append(&mut interlock.warned);
    interlock.warned = warned;
    Ok(interlock)
}

/// What kops wrote of itself when it last updated the cluster.
async fn kops_version(context: &Context, state: &StoreUrl, name: &str) -> Option<String> {
    let file = state.join(name).join("kops-version.txt");
    let content = context.session.objects().get(&file, 1024).await.ok()?;
    let text = String::from_utf8(content).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
