//! Reads what the audit needs.

use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::model::check::Check;
use runbook_kit::model::fleet::wipe::location::{OtherResources, check_networks, check_place, named_networks};
use runbook_kit::model::fleet::wipe::select;
use runbook_kit::usecases::catalog::{self, Catalog};
use runbook_kit::usecases::past_wipes::{self, PastWipes};
use runbook_kit::usecases::{examine, wipe_journal};

use crate::context::Context;
use crate::rules::audit::facts::{Etcd, Facts, NewestBackup};
use crate::rules::report;
use crate::usecases::audit_look::{self, LookArgs, Place};
use crate::usecases::aws_failure;
use crate::usecases::interlock;
use runbook_kit::usecases::inventory;

/// From AWS, the state store and the backups. Refused in the wrong account or region.
pub async fn gather(context: &Context, look: &LookArgs) -> Result<Facts, AnyFailure> {
    let session = &context.session;
    let ui = &session.ui;
    let state = session.required_state()?;
    let cluster = session.explicit_name(false).await?;
    let found = session.found(&state, &cluster).await?;
    for note in &found.notes {
        ui.note(&format!("note: {note}"));
    }
    let fleet = context.fleet.as_ref();
    let region = found.spec.as_ref().and_then(|spec| spec.region.as_deref());
    let not_read = |error| aws_failure::not_read(error, region);
    let caller = fleet.caller().await.map_err(not_read)?;
    ui.note(&format!(
        "cluster {cluster}, account {}, region {}, state store {state}",
        caller.account, caller.region
    ));
    let inventory = inventory::inventory(fleet, &cluster).await.map_err(not_read)?;
    let selection = select(&cluster, &inventory);
    let quarantined = past_wipes::quarantined(fleet, &cluster).await.map_err(not_read)?;
    let mut others = OtherResources {
        quarantined: quarantined.len(),
        ..OtherResources::default()
    };
    if selection.is_empty() {
        others.networks = fleet.networks_of(&cluster).await?.len();
    }
    let mut checks = check_place(&caller, region, &inventory, &selection, others);
    if let Some(spec) = &found.spec {
        let named = named_networks(spec);
        let existing = match named.is_empty() {
            true => Vec::new(),
            false => fleet.networks(&named).await.map_err(not_read)?,
        };
        checks.extend(check_networks(
            spec,
            &caller,
            &selection,
            &existing.into_iter().collect(),
        ));
    }
    if let Some(wrong) = checks.into_iter().find(Check::blocks) {
        // In the wrong account everything would seem to be missing.
        report::require_no_blocker(&[wrong])?;
    }
    let journals = wipe_journal::all(session.objects(), &wipe_journal::folder(&state, &cluster)).await?;
    let past_wipes = PastWipes::of(&journals, &quarantined);
    for known in past_wipes.summary() {
        ui.note(&known);
    }
    let catalogs = match session.stores.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, session.now()).await?,
        false => session.catalogs().await?,
    };
    let config_base = found
        .config_base(&state, &cluster)
        .map_err(|error| CommandError::usage(format!("configBase: {error}")))?;
    let states = interlock::gather(session, &catalogs, &config_base).await?;
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
    let place = Place {
        state: &state,
        cluster: &cluster,
        found,
        selection: &selection,
        catalogs: &catalogs,
    };
    Ok(Facts {
        observed: audit_look::look(context, look, &place).await,
        region: caller.region,
        now: session.now(),
        profiles: context.profiles.clone(),
        state,
        past_wipes,
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
