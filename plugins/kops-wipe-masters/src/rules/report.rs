//! Output of the plan and of its result.

use std::collections::BTreeMap;

use runbook_kit::cli::output::steps::Step;
use runbook_kit::cli::output::{self, Cell, Format, checks, column, wide};
use runbook_kit::cli::ui::{Ui, Verdict};
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::check::Check;
use runbook_kit::model::fleet::wipe::NearMiss;
use runbook_kit::model::units;
use serde::Serialize;

use crate::rules::plan::Plan;

/// The plan and its result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    #[serde(flatten)]
    pub plan: &'a Plan,
    /// Whether all of it was applied.
    pub applied: bool,
    /// The run's journal; `null` without a run.
    pub journal: Option<String>,
    /// The next steps of the runbook.
    pub next_steps: Vec<Step>,
}

/// Prints it for programs; people have seen the plan before it was applied.
pub fn structured(ui: &Ui, format: Format, report: &Report<'_>) -> Result<(), AnyFailure> {
    match format {
        Format::Json | Format::Yaml => output::structured(ui, format, report)?,
        Format::Name => {
            let actions: String = report
                .plan
                .actions()
                .iter()
                .map(|action| format!("{action}\n"))
                .collect();
            ui.result(&actions)?;
        }
        Format::Table | Format::Wide | Format::Prometheus | Format::Svg => {}
    }
    Ok(())
}

/// Fails if a check blocks.
pub fn require_no_blocker(checks: &[Check]) -> Result<(), CommandError> {
    let blockers: Vec<&Check> = checks.iter().filter(|check| check.blocks()).collect();
    let Some(first) = blockers.first() else {
        return Ok(());
    };
    let by = match blockers.len() {
        1 => "a check".to_owned(),
        several => format!("{several} checks, the first"),
    };
    Err(CommandError::refused(format!("refused by {by}: {}", first.message)).hint_if(first.cure.clone()))
}

/// Whether a person reads the result.
pub fn is_text(format: Format) -> bool {
    matches!(format, Format::Table | Format::Wide)
}

/// Prints the plan for people.
pub fn show(ui: &Ui, format: Format, plan: &Plan) -> Result<(), AnyFailure> {
    if !is_text(format) {
        return Ok(());
    }
    let is_wide = format == Format::Wide;
    let mut text = head(plan);
    if !plan.is_empty() {
        text.push_str(&format!("\nWill delete:\n{}", actions(plan, is_wide)));
    }
    if !plan.near_misses.is_empty() {
        text.push_str(&format!("\nWill keep:\n{}", kept(&plan.near_misses, is_wide)));
    }
    if !plan.backups.is_empty() {
        text.push_str(&format!("\nRestorable backups:\n{}", backups(plan)));
    }
    if !plan.checks.is_empty() {
        text.push_str(&format!("\nChecks:\n{}", checks::sheet(&plan.checks)));
    }
    ui.result(&text)?;
    Ok(())
}

fn head(plan: &Plan) -> String {
    let account = plan.account_label();
    let profile = plan.profile.as_deref().map(|profile| format!(", profile {profile}"));
    let caller = format!("{}{}", plan.caller, profile.unwrap_or_default());
    let lines = [
        ("Cluster", plan.cluster.as_str()),
        ("Account", &account),
        ("As", &caller),
        ("Region", &plan.region),
        ("State store", &plan.state_store),
        ("Plan", &plan.digest),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{name:<13}{value}\n"))
        .collect()
}

fn actions(plan: &Plan, is_wide: bool) -> String {
    let columns = [
        column("ACTION"),
        column("KIND"),
        column("ID"),
        column("NAME"),
        column("STATE"),
        wide("ZONE"),
        column("WHY"),
    ];
    let mut rows = Vec::new();
    for keep in &plan.keeps {
        let (id, state, why) = (&keep.volume, word(&keep.state), &keep.reason);
        let action = Cell::verdict(Verdict::Doubtful, keep.action);
        let mut cells = row(keep.action, "volume", id, None, state, "", why);
        cells.splice(..1, [action]);
        rows.push(cells);
    }
    for group in &plan.auto_scaling_groups {
        let state = group.status.clone().unwrap_or_else(|| match group.instances.len() {
            1 => "1 instance".to_owned(),
            several => format!("{several} instances"),
        });
        let (id, name) = (&group.name, None);
        rows.push(row(group.action, "group", id, name, state, "", &group.reason));
    }
    for instance in &plan.instances {
        let (id, name, zone) = (&instance.id, instance.name.as_deref(), &instance.zone);
        let state = word(&instance.state);
        rows.push(row(
            instance.action,
            "instance",
            id,
            name,
            state,
            zone,
            &instance.reason,
        ));
    }
    for volume in &plan.volumes {
        let (id, name, zone) = (&volume.id, volume.name.as_deref(), &volume.zone);
        let state = word(&volume.state);
        rows.push(row(volume.action, "volume", id, name, state, zone, &volume.reason));
    }
    output::table(&columns, rows, is_wide)
}

fn row(action: &str, kind: &str, id: &str, name: Option<&str>, state: String, zone: &str, why: &str) -> Vec<Cell> {
    vec![
        Cell::verdict(Verdict::Bad, action),
        Cell::text(kind),
        Cell::text(id),
        Cell::text_or_dash(name),
        Cell::text(state),
        Cell::text(zone),
        Cell::text(why),
    ]
}

/// As AWS and JSON spell it.
pub fn word(state: &impl Serialize) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Listed per kind and reason; `-o wide` lists all.
const LISTED: usize = 4;

fn kept(misses: &[NearMiss], is_wide: bool) -> String {
    let mut by_reason: BTreeMap<(&str, &str), Vec<&NearMiss>> = BTreeMap::new();
    for miss in misses {
        by_reason
            .entry((miss.kind.word(), &miss.reason))
            .or_default()
            .push(miss);
    }
    let mut rows = Vec::new();
    for ((kind, reason), misses) in by_reason {
        let shown = if is_wide { misses.len() } else { LISTED };
        for miss in misses.iter().take(shown) {
            rows.push(vec![
                Cell::text(kind),
                Cell::text(&miss.id),
                Cell::text_or_dash(miss.name.as_deref()),
                Cell::text(reason),
            ]);
        }
        if misses.len() > shown {
            rows.push(vec![
                Cell::text(kind),
                Cell::text(format!("and {} more", misses.len() - shown)),
                Cell::text("-"),
                Cell::text(reason),
            ]);
        }
    }
    output::table(
        &[column("KIND"), column("ID"), column("NAME"), column("WHY")],
        rows,
        true,
    )
}

fn backups(plan: &Plan) -> String {
    let columns = [
        column("ETCD"),
        column("BACKUP"),
        column("CREATED"),
        column("SIZE"),
        column("PINNED"),
    ];
    let rows = plan.backups.iter().map(|backup| {
        vec![
            Cell::text(&backup.etcd),
            Cell::text(&backup.name),
            Cell::text(backup.created.to_string()),
            Cell::number(units::bytes(backup.size_bytes)),
            Cell::text(if backup.pinned { "yes" } else { "before wipe" }),
        ]
    });
    output::table(&columns, rows.collect(), true)
}
