//! The table of preflight checks, and how to fix what they found.

use serde::Serialize;

use super::table::set_in;
use super::{Cell, Column, Row, column, table};
use crate::cli::ui::Verdict;
use crate::model::check::{Check, Severity};

/// One line of the table; in JSON the check itself.
pub struct CheckRow<'a>(pub &'a Check);

impl Serialize for CheckRow<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Row for CheckRow<'_> {
    fn columns() -> Vec<Column> {
        vec![column("RESULT"), column("ETCD"), column("CHECK"), column("FINDING")]
    }

    fn cells(&self) -> Vec<Cell> {
        let check = self.0;
        let (verdict, word) = match (check.ok, check.severity) {
            (true, _) => (Verdict::Good, "ok"),
            (false, Severity::Info) => (Verdict::Plain, "info"),
            (false, Severity::Warn) => (Verdict::Doubtful, "WARN"),
            (false, Severity::Block) => (Verdict::Bad, "BLOCK"),
        };
        vec![
            Cell::verdict(verdict, word),
            Cell::text_or_dash(check.etcd.clone()),
            Cell::text(check.name),
            Cell::text(&check.message),
        ]
    }

    fn name(&self) -> String {
        self.0.subject()
    }
}

/// What can be done, of each check that found something: `main backup: choose another: …`.
#[must_use]
pub fn cures(checks: &[Check]) -> Vec<String> {
    let found = checks.iter().filter(|check| !check.ok);
    found
        .filter_map(|check| Some(format!("{}: {}", check.subject(), check.cure.as_ref()?)))
        .collect()
}

/// The table and the cures, as a part of a larger text.
#[must_use]
pub fn sheet(checks: &[Check]) -> String {
    let lines = checks.iter().map(|check| CheckRow(check).cells()).collect();
    let mut text = table(&CheckRow::columns(), lines, true);
    let cures = cures(checks);
    if !cures.is_empty() {
        text.push_str("\nCures:\n");
    }
    for cure in cures {
        text.push_str(&set_in(&cure, 2));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_stands_out_and_its_cure_is_named() {
        let checks = [
            Check::passed("backup", "verified, good").of("main"),
            Check::found("masters", Severity::Block, "1 of 3 run").cure("wait until they run"),
            Check::found("api", Severity::Info, "it was not asked"),
        ];
        let sheet = sheet(&checks);
        assert!(sheet.contains("BLOCK") && sheet.contains("1 of 3 run"), "{sheet}");
        assert!(sheet.ends_with("\nCures:\n  masters: wait until they run\n"), "{sheet}");
        assert_eq!(CheckRow(&checks[0]).name(), "main backup");
        assert_eq!(serde_json::to_value(CheckRow(&checks[1])).unwrap()["severity"], "block");
    }
}
