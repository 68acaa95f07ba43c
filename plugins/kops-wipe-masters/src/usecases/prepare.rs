//! Reads everything that a wipe needs to know: AWS, the state store, and whether the cluster is alive.

use std::collections::BTreeSet;

use jiff::Timestamp;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::expected::{self, Expected};
use runbook_kit::model::fleet::wipe::location::{OtherResources, check_networks, check_place, named_networks};
use runbook_kit::model::fleet::wipe::{Chosen, Selection, name_of, quarantine, select, terraform};
use runbook_kit::model::fleet::{Caller, Inventory, Volume, VolumeState};
use runbook_kit::model::kops::instance_group::Role;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::discover::Discovered;
use runbook_kit::usecases::kops_state::Stored;
use runbook_kit::usecases::kops_state::instance_groups::instance_groups;
use runbook_kit::usecases::liveness::Machines;
use runbook_kit::usecases::wipe_journal::{self, StoredJournal};
use runbook_kit::usecases::{catalog, past_wipes, pin};

use crate::context::Context;
use crate::rules::interlock::{self, Interlock, InterlockArgs};
use crate::rules::plan::{self, EtcdVolumes, Facts, Plan};
use crate::usecases::alive::{self, AliveArgs};
use crate::usecases::interlock::gather;
use crate::usecases::{aws_failure, salvage};
use runbook_kit::usecases::inventory;

/// What the plan depends on.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// What to do with the etcd volumes
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub etcd_volumes: EtcdVolumes,
    /// Also wipe instances launched since the last wipe
    #[arg(long)]
    pub again: bool,
    #[command(flatten)]
    pub interlock: InterlockArgs,
    #[command(flatten)]
    pub alive: AliveArgs,
}

impl PlanArgs {
    /// Whether the etcd volumes keep their data.
    pub fn is_reversible(&self) -> bool {
        self.etcd_volumes == EtcdVolumes::Quarantine
    }
}

/// The plan, and what the run needs beside it.
pub struct Prepared {
    pub plan: Plan,
    pub pins: Vec<pin::Pin>,
    pub data_loss: Option<String>,
    /// For the question: what may be alive, and which backups are old.
    pub warnings: Vec<String>,
    pub state: StoreUrl,
    pub journal_folder: StoreUrl,
    pub last_run: Option<StoredJournal>,
    /// Volumes that an interrupted run should have kept and that no longer exist.
    pub lost_volumes: Vec<String>,
    /// `Name` tags of the volumes that are, or will be, in quarantine.
    pub volume_names: Vec<String>,
    pub instance_groups: Vec<String>,
    pub kops_version: Option<String>,
}

impl Prepared {
    /// Fails if a volume is gone that should have been kept.
    pub fn require_nothing_lost(&self) -> Result<(), AnyFailure> {
        if self.lost_volumes.is_empty() {
            return Ok(());
        }
        let message = format!(
            "nothing is left to wipe, but these volumes should have been kept and no longer exist: {}",
            self.lost_volumes.join(", ")
        );
        Err(CommandError::after_change(message)
            .hint("continue with the restore from the backup; `restore-volumes` cannot recover these volumes")
            .into())
    }
}

/// Reads everything, changes nothing.
pub async fn prepare(args: &PlanArgs, name: &str, context: &Context) -> Result<Prepared, AnyFailure> {
    let session = &context.session;
    let state = session.required_state()?;
    let found = session.found(&state, name).await?;
    for note in &found.notes {
        session.ui.note(&format!("note: {note}"));
    }
    let region = found.spec.as_ref().and_then(|spec| spec.region.as_deref());
    let fleet = context.fleet.as_ref();
    session.ui.note("reading the cluster's resources from AWS");
    let not_read = |error| aws_failure::not_read(error, region);
    let caller = fleet.caller().await.map_err(not_read)?;
    let inventory = inventory::inventory(fleet, name).await.map_err(not_read)?;
    let selection = select(name, &inventory);
    let stored = instance_groups(session.objects(), &state, name).await?;
    let mut checks = unreadable(&stored);
    if found.spec.is_none() {
        let message =
            "the cluster spec could not be read: region, members and instance groups are not compared with it";
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
    let journal_folder = wipe_journal::folder(&state, name);
    let journals = wipe_journal::all(session.objects(), &journal_folder).await?;
    let last_run = journals.last().cloned();
    let mut volume_names: Vec<String> = selection
        .volumes
        .iter()
        .filter_map(|chosen| name_of(&chosen.thing.tags))
        .map(str::to_owned)
        .collect();
    let mut others = OtherResources::default();
    if selection.is_empty() {
        let quarantined = past_wipes::quarantined(fleet, name).await?;
        others.quarantined = quarantined.len();
        let originals = quarantined.iter().map(|volume| quarantine::originals(&volume.tags));
        volume_names = originals.filter_map(|tags| name_of(&tags).map(str::to_owned)).collect();
        if inventory.groups.is_empty() && inventory.instances.is_empty() && inventory.volumes.is_empty() {
            others.networks = fleet.networks_of(name).await?.len();
        }
    }
    checks.extend(check_place(&caller, region, &inventory, &selection, others));
    if let Some(spec) = found.spec.as_ref().filter(|_| !checks.iter().any(Check::blocks)) {
        let named = named_networks(spec);
        let existing = match named.is_empty() {
            true => Vec::new(),
            false => fleet.networks(&named).await?,
        };
        checks.extend(check_networks(
            spec,
            &caller,
            &selection,
            &existing.into_iter().collect(),
        ));
    }
    checks.extend(wiped_already(&journals, args.again, &caller, &selection));
    let lost_volumes = lost_volumes(context, &journals, &caller).await?;
    if !lost_volumes.is_empty() {
        let message = format!(
            "the interrupted wipe should have kept {}, which no longer exist",
            lost_volumes.join(", ")
        );
        checks.push(Check::found("lost-volumes", Severity::Warn, message));
    }
    let mut interlock = Interlock::default();
    if !selection.is_empty() {
        checks.extend(expected::compare(name, &selection, &expected));
        let of_cluster = last_run.as_ref().filter(|newest| newest.entry.cluster == name);
        let wiped = of_cluster.and_then(|newest| newest.entry.finished);
        interlock = guard(args, name, &state, found, &inventory, wiped, context).await?;
        checks.append(&mut interlock.checks);
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
            backups: interlock.backups,
            checks,
            terraform,
        }),
        pins: interlock.pins,
        data_loss: interlock.data_loss,
        warnings: interlock.warnings,
        journal_folder,
        last_run,
        lost_volumes,
        volume_names,
        instance_groups,
        kops_version: kops_version(context, &state, name).await,
        state,
    })
}

/// A finished wipe left nothing of the control plane: what exists now was created later, and the same command was not meant for it.
fn wiped_already(journals: &[StoredJournal], again: bool, caller: &Caller, selection: &Selection) -> Option<Check> {
    const NAME: &str = "wiped-already";
    let entry = &journals.last()?.entry;
    let finished = entry.finished?;
    if selection.is_empty() || !entry.is_of(&caller.account, &caller.region) {
        return None;
    }
    // Volumes restored from quarantine are older than the wipe.
    let is_new = |volume: &&Chosen<Volume>| {
        !journals
            .iter()
            .any(|journal| journal.entry.quarantines(&volume.thing.id))
    };
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
        true => format!("created since: {}", others.join(", ")),
        false => format!("masters launched since: {}", instances.join(", ")),
    };
    let message = format!("already wiped at {finished}; {new}");
    Some(match again {
        true => Check::found(NAME, Severity::Warn, message),
        false => Check::found(NAME, Severity::Block, message)
            .cure("continue with the restore; to wipe these masters too, pass --again and confirm the cluster name"),
    })
}

/// Volumes that an interrupted run should have put into quarantine and that no longer exist.
async fn lost_volumes(
    context: &Context,
    journals: &[StoredJournal],
    caller: &Caller,
) -> Result<Vec<String>, AnyFailure> {
    let is_open = |run: &&StoredJournal| !run.is_finished() && run.entry.is_of(&caller.account, &caller.region);
    let Some(last) = journals.last().filter(is_open) else {
        return Ok(Vec::new());
    };
    let same_wipe = journals
        .iter()
        .filter(|journal| journal.entry.first == last.entry.first);
    let ids: BTreeSet<&str> = same_wipe
        .flat_map(|journal| journal.entry.quarantined_volumes())
        .collect();
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let existing = context.fleet.volumes(&ids).await?;
    let exists = |id: &String| {
        let mut found = existing.iter().filter(|volume| &volume.id == id);
        found.any(|volume| !matches!(volume.state, VolumeState::Deleted | VolumeState::Deleting))
    };
    Ok(ids.into_iter().filter(|id| !exists(id)).collect())
}

fn unreadable<T>(stored: &[Stored<T>]) -> Vec<Check> {
    let broken = stored
        .iter()
        .filter_map(|stored| Some((&stored.at, stored.read.as_ref().err()?)));
    broken
        .map(|(at, why)| Check::found("instance-groups", Severity::Warn, format!("{at} cannot be read: {why}")))
        .collect()
}

/// Whether the cluster is dead, whether it can be restored, and whether anything holds newer data.
async fn guard(
    args: &PlanArgs,
    name: &str,
    state: &StoreUrl,
    found: &Discovered,
    inventory: &Inventory,
    wiped: Option<Timestamp>,
    context: &Context,
) -> Result<Interlock, AnyFailure> {
    let session = &context.session;
    let now = session.now();
    let catalogs = match session.stores.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, now).await?,
        false => session.catalogs().await?,
    };
    let config_base = found
        .config_base(state, name)
        .map_err(|error| CommandError::usage(format!("configBase: {error}")))?;
    let access = &args.alive.access;
    let machines = Machines::of(name, &inventory.instances, &inventory.groups, Ok(&inventory.volumes));
    let (alive, members) = tokio::join!(
        alive::observe(context, name, access, &catalogs, machines, wiped),
        salvage::members(access, &catalogs, context)
    );
    let facts = gather(session, &catalogs, &config_base).await?;
    let mut interlock = interlock::judge(&facts, &args.interlock, args.is_reversible(), now);
    interlock
        .checks
        .splice(..0, alive::judge(&alive, args.alive.even_if_alive, now));
    interlock.warnings.splice(..0, alive::at_risk(&alive));
    for (catalog, members) in catalogs.iter().zip(members) {
        let Some(etcd) = facts.iter().find(|etcd| etcd.etcd == catalog.store.etcd) else {
            continue;
        };
        let salvage = salvage::facts(etcd, catalog, members, inventory, access, context);
        let check = runbook_kit::model::salvage::check(&salvage, now);
        interlock.checks.extend(check.map(|check| check.of(etcd.etcd.clone())));
    }
    Ok(interlock)
}

/// The version of kops that last updated the cluster.
pub async fn kops_version(context: &Context, state: &StoreUrl, name: &str) -> Option<String> {
    let file = state.join(name).join("kops-version.txt");
    let content = context.session.objects().get(&file, 1024).await.ok()?;
    let text = String::from_utf8(content).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
