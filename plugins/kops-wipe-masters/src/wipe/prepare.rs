//! All that is read before a wipe: AWS, the state store, and whether something lives.

use jiff::Timestamp;
use runbook_kit::backups::discover::Discovered;
use runbook_kit::backups::wipe_journal::{self, Newest};
use runbook_kit::backups::{catalog, pinning};
use runbook_kit::domain::check::{Check, Severity};
use runbook_kit::domain::kops::instance_group::Role;
use runbook_kit::domain::store_url::StoreUrl;
use runbook_kit::domain::wipe::expected::{self, Expected};
use runbook_kit::domain::wipe::select;
use runbook_kit::domain::wipe::whereabouts::{Rest, whereabouts};
use runbook_kit::error::{AnyFailure, UsageError};
use runbook_kit::kops_state::instance_groups::instance_groups;
use runbook_kit::liveness::Machines;

use super::{Args, NotAsked};
use crate::context::Context;
use crate::plan::{self, EtcdVolumes, Facts, Plan};
use crate::{alive, interlock, look};

/// What belongs to the run beside the plan.
pub struct Prepared {
    pub plan: Plan,
    pub pins: Vec<pinning::Pin>,
    pub lost: Option<String>,
    /// What is not proven dead, and what is old: for the question.
    pub warned: Vec<String>,
    pub state: StoreUrl,
    pub journals: StoreUrl,
    pub before: Option<Newest>,
    pub instance_groups: Vec<String>,
    pub kops_version: Option<String>,
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
    let inventory = look::inventory(fleet, name)
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
    let mut rest = Rest::default();
    if selection.is_empty() {
        rest.quarantined = look::quarantined(fleet, name).await?.len();
        if inventory.groups.is_empty() && inventory.instances.is_empty() && inventory.volumes.is_empty() {
            rest.networks = fleet.networks_of(name).await?.len();
        }
    }
    checks.extend(whereabouts(&caller, region.as_deref(), &inventory, &selection, rest));
    let journals = wipe_journal::folder(&state, name);
    let before = wipe_journal::newest(session.objects(), &journals).await?;
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
        }),
        pins,
        lost,
        warned,
        journals,
        before,
        instance_groups,
        kops_version: kops_version(context, &state, name).await,
        state,
    })
}

fn unreadable<T>(stored: &[runbook_kit::kops_state::Stored<T>]) -> Vec<Check> {
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
    let catalogs = match session.cluster.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, now).await?,
        false => session.catalogs().await?,
    };
    let config_base = found
        .config_base(state, name)
        .map_err(|error| UsageError::new(format!("configBase: {error}")))?;
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
