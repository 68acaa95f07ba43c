//! `audit`: why are the masters ill, and what is the least that helps?

use clap::Args as ClapArgs;
use runbook_kit::cli::output::{self, Cell, Column, Format, Row, column, wide};
use runbook_kit::cli::ui::{Verdict, chain};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, UsageError};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::select;
use runbook_kit::model::fleet::wipe::whereabouts::{Rest, named_networks, place, whereabouts};
use runbook_kit::model::shell::ShellScript;
use runbook_kit::usecases::aftermath::{self, Aftermath};
use runbook_kit::usecases::catalog::{self, Catalog};
use runbook_kit::usecases::{examine, wipe_journal};
use serde::Serialize;

use crate::commands::wipe::{NotAsked, Refused, explicit_name};
use crate::context::Context;
use crate::rules::audit::cure::{Cure, SmallestCure};
use crate::rules::audit::facts::{Etcd, Facts, NewestBackup};
use crate::rules::audit::findings::Finding;
use crate::rules::audit::{cure, findings};
use crate::rules::audit::{cure, findings};
use crate::rules::audit::{cure, findings};
use crate::rules::interlock;
use crate::rules::report::word;
use crate::usecases::observe;

/// Find out why the masters are ill, and what is the least that helps
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  kops-wipe-masters audit --name k8s.example.com\n\nExits with 5 when something was found. Nothing is changed."
)]
pub struct Args {}

/// A finding, or at the end the cure, in the shape of one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Told {
    Finding(Finding),
    Cure(CureRow),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CureRow {
    finding: &'static str,
    severity: Severity,
    cure: Cure,
    what: String,
    command: Option<ShellScript>,
}

impl Row for Told {
    fn columns() -> Vec<Column> {
        vec![
            column("FINDING"),
            column("ETCD"),
            column("WHAT"),
            wide("CAUSES"),
            wide("COMMAND"),
            wide("NOTE"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let (verdict, etcd, what, causes, command, note) = match self {
            Self::Finding(found) => (
                verdict(found.severity),
                found.etcd.as_deref(),
                &found.what,
                Some(&found.causes),
                found.command.as_ref(),
                found.note.as_ref(),
            ),
            Self::Cure(cure) => (Verdict::Plain, None, &cure.what, None, cure.command.as_ref(), None),
        };
        vec![
            Cell::verdict(verdict, self.name()),
            Cell::text_or_dash(etcd),
            Cell::text(what),
            Cell::text_or_dash(causes),
            Cell::text_or_dash(command.map(ShellScript::to_string)),
            Cell::text_or_dash(note),
        ]
    }

    fn name(&self) -> String {
        match self {
            Self::Finding(found) => word(&found.finding),
            Self::Cure(cure) => cure.finding.to_owned(),
        }
    }
}

fn verdict(severity: Severity) -> Verdict {
    match severity {
        Severity::Block => Verdict::Bad,
        Severity::Warn => Verdict::Doubtful,
        Severity::Info => Verdict::Plain,
    }
}

/// Runs `audit`.
pub async fn run(_args: &Args, context: &Context) -> Result<Exit, AnyFailure> {
    if context.session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let facts = gather(context).await?;
    let findings = findings::findings(&facts);
    let cure = cure::smallest(&facts, &findings);
    let ui = &context.session.ui;
    for etcd in &facts.etcds {
        if let Err(why) = &etcd.rules {
            ui.note(&format!(
                "the lifecycle rules of etcd {}'s bucket are not known: {why}",
                etcd.name()
            ));
        }
    }
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Found };
    match context.session.format {
        Format::Table => ui.result(&text(&findings, &cure))?,
        format => {
            let rows: Vec<Told> = told(findings, cure);
            output::rows(ui, format, &rows, "")?;
        }
    }
    Ok(exit)
}

/// For programs: nothing found is an empty list.
fn told(findings: Vec<Finding>, cure: SmallestCure) -> Vec<Told> {
    if findings.is_empty() {
        return Vec::new();
    }
    let last = Told::Cure(CureRow {
        finding: "smallest-cure",
        severity: Severity::Info,
        cure: cure.cure,
        what: cure.why,
        command: cure.command,
    });
    findings.into_iter().map(Told::Finding).chain([last]).collect()
}

/// For people: a table on a screen has no room for what it causes and what mends it.
fn text(findings: &[Finding], cure: &SmallestCure) -> String {
    let mut text = String::new();
    for (at, found) in findings.iter().enumerate() {
        let etcd = found
            .etcd
            .as_ref()
            .map(|etcd| format!("etcd {etcd}: "))
            .unwrap_or_default();
        let head = verdict(found.severity).paint(&word(&found.finding));
        text.push_str(&format!(
            "{}. {head}  {etcd}{}\n   causes  {}\n",
            at + 1,
            found.what,
            found.causes
        ));
        if let Some(command) = &found.command {
            text.push_str(&format!("   mend    {}\n", command.lines().join("\n           ")));
        }
        if let Some(note) = &found.note {
            text.push_str(&format!("   note    {note}\n"));
        }
        text.push('\n');
    }
    text.push_str(&format!("smallest cure  {}\n", cure.why));
    if let Some(command) = &cure.command {
        text.push_str(&format!(
            "next           {}\n",
            command.lines().join("\n               ")
        ));
    }
    text
}

async fn gather(context: &Context) -> Result<Facts, AnyFailure> {
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
    let catalogs = match session.cluster.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, session.now()).await?,
        false => session.catalogs().await?,
    };
    let config_base = found
        .config_base(&state, &cluster)
        .map_err(|error| UsageError::new(format!("configBase: {error}")))?;
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
