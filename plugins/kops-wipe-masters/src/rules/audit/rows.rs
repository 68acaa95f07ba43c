//! The rows of an audit: the findings, and last the smallest fix.

use runbook_kit::cli::output::steps::Step as NextStep;
use runbook_kit::cli::output::{Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::check::Severity;
use runbook_kit::model::shell::ShellScript;
use serde::Serialize;

use super::cure::{Cure, SmallestCure};
use super::findings::Finding;
use super::ladder::Step;
use crate::rules::report::word;

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum AuditRow {
    Finding(Finding),
    Cure(CureRow),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CureRow {
    finding: &'static str,
    severity: Severity,
    cure: Cure,
    what: String,
    command: Option<ShellScript>,
    /// All rungs, the lowest first.
    ladder: Vec<Step>,
    /// How a volume of main that no master uses is read without changing it.
    read_steps: Vec<NextStep>,
    /// What is not wrong, and would help on a bad day.
    advice: Vec<Finding>,
    /// What could not be seen, and why.
    not_seen: Vec<String>,
}

impl Row for AuditRow {
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

pub fn verdict(severity: Severity) -> Verdict {
    match severity {
        Severity::Block => Verdict::Bad,
        Severity::Warn => Verdict::Doubtful,
        Severity::Info => Verdict::Plain,
    }
}

/// Without findings there are no rows.
pub fn rows(findings: Vec<Finding>, cure: SmallestCure, advice: Vec<Finding>, not_seen: Vec<String>) -> Vec<AuditRow> {
    if findings.is_empty() {
        return Vec::new();
    }
    let last = AuditRow::Cure(CureRow {
        finding: "smallest-cure",
        severity: Severity::Info,
        cure: cure.cure,
        what: cure.why,
        command: cure.command,
        ladder: cure.ladder,
        read_steps: cure.read_steps,
        advice,
        not_seen,
    });
    findings.into_iter().map(AuditRow::Finding).chain([last]).collect()
}
