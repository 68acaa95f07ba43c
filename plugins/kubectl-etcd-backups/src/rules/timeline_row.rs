//! A row of `timeline`: one backup.

use jiff::Timestamp;
use runbook_kit::cli::output::{Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::units;
use serde::Serialize;

/// An anomaly of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    Cliff,
    Gap,
    Empty,
    Lineage,
    Damaged,
    Incomplete,
}

impl Mark {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cliff => "cliff",
            Self::Gap => "gap",
            Self::Empty => "empty",
            Self::Lineage => "lineage",
            Self::Damaged => "damaged",
            Self::Incomplete => "incomplete",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineRow {
    pub cluster: String,
    pub etcd: String,
    pub name: String,
    pub created: Timestamp,
    pub size_bytes: Option<u64>,
    pub complete: bool,
    pub gap_seconds: Option<i64>,
    pub keys: Option<u64>,
    pub nodes: Option<u64>,
    pub lineage: Option<String>,
    pub marks: Vec<Mark>,
    #[serde(skip)]
    pub now: Timestamp,
    #[serde(skip)]
    pub bar: usize,
}

impl Row for TimelineRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("AGE"),
            column("SIZE"),
            column(""),
            column("KEYS"),
            column("MARKS"),
            wide("NODES"),
            wide("LINEAGE"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let marks: Vec<&str> = self.marks.iter().map(|mark| mark.word()).collect();
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.name),
            Cell::number(units::age(self.now.duration_since(self.created))),
            Cell::number_or_dash(self.size_bytes.map(units::bytes)),
            Cell::text("▇".repeat(self.bar)),
            Cell::number_or_dash(self.keys),
            if marks.is_empty() {
                Cell::text("")
            } else {
                Cell::verdict(Verdict::Doubtful, marks.join(", "))
            },
            Cell::number_or_dash(self.nodes),
            Cell::text_or_dash(self.lineage.as_deref()),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
