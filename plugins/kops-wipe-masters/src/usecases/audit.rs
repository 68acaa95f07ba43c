//! Gathers what an audit goes by.

use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::model::check::Check;
use runbook_kit::model::fleet::wipe::select;
use runbook_kit::model::fleet::wipe::whereabouts::{Rest, named_networks, place, whereabouts};
use runbook_kit::usecases::aftermath::{self, Aftermath};
use runbook_kit::usecases::catalog::{self, Catalog};
use runbook_kit::usecases::{examine, wipe_journal};

use crate::commands::wipe::explicit_name;
use crate::context::Context;
use crate::rules::audit::facts::{Etcd, Facts, NewestBackup};
use crate::rules::interlock;
use crate::usecases::observe;
use crate::usecases::refusals::{NotAsked, Refused};

/// AWS, the state store and the backups; refused where the account or the region is not the cluster's.
pub async fn gather(context: &Context) -> Result<Facts, AnyFailure> {
    let session = &context.session;
    let ui = &session.ui;
    let state = session.required_state()?;
    let cluster = explicit_name(context)?;
    let found = session.found(&state, &cluster).await?;
    for note in &found.notes {
        ui.note(&format!("note: {note}"));
    }
    let fleet = context.fleet.as_ref();
    let region = found.spec.as_ref().and_then(|spec| spec.region.clone());
    let not_asked = |error| NotAsked::of(error, region.clone());
    let caller = fleet.caller().await.map_err(not_asked)?;
    ui.note(&format!(
        "cluster {cluster}, account {}, region {}, state store {state}",
        caller.account, caller.region
    ));
    let inventory = observe::inventory(fleet, &cluster).await.map_err(not_asked)?;
    let selection = select(&cluster, &inventory);
    let quarantined = aftermath::quarantined(fleet, &cluster).await.map_err(not_asked)?;
    let mut rest = Rest {
        quarantined: quarantined.len(),
        ..Rest::default()
    };
    if selection.is_empty() {
        rest.networks = fleet.networks_of(&cluster).await?.len();
    }
    let mut checks = whereabouts(&caller, region.as_deref(), &inventory, &selection, rest);
    if let Some(spec) = &found.spec {
        let named = named_networks(spec);
        let existing = match named.is_empty() {
            true => Vec::new(),
            false => fleet.networks(&named).await.map_err(not_asked)?,
        };
        checks.extend(place(spec, &caller, &selection, &existing.into_iter().collect()));
    }
    if let Some(wrong) = checks.into_iter().find(Check::blocks) {
        // There everything would seem to be missing.
        return Err(Refused::of(1, &wrong).into());
    }
    let journals = wipe_journal::all(session.objects(), &wipe_journal::folder(&state, &cluster)).await?;
    let after = Aftermath::of(&journals, &quarantined);
    for known in after.words() {
        ui.note(&known);
    }
    let catalogs = match session.stores.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, session.now()).await?,
        false => session.catalogs().await?,
    };
    let config_base = found
        .config_base(&state, &cluster)
        .map_err(|error| CommandError::usage(format!("configBase: {error}")))?;
    let states = interlock::look(session, &catalogs, &config_base).await?;
    let mut etcds = Vec::new();
    for (catalog, facts) in catalogs.iter().zip(states) {
        let rules = session.objects().expiry_rules(&catalog.store.base).await;
        etcds.push(Etcd {
            state: facts,
            members: catalog.store.members.clone(),
            interval: catalog.store.interval,
            newest: newest(context, catalog).await?,
            rules: rules.map_err(|error| chain(&error)),
        });
    }
    Ok(Facts {
        region: caller.region,
        now: session.now(),
        profiles: context.profiles.clone(),
        state,
        after,
        cluster,
        selection,
        etcds,
    })
}

async fn newest(context: &Context, catalog: &Catalog) -> Result<Option<NewestBackup>, AnyFailure> {
    let Some(backup) = catalog.complete().rfind(|backup| backup.in_store) else {
        return Ok(None);
    };
    let meta = examine::meta(context.session.objects(), backup).await?;
    Ok(Some(NewestBackup {
        name: backup.name.to_string(),
        created: backup.name.created(),
        etcd_version: meta.ok().map(|meta| meta.etcd_version),
    }))
}
