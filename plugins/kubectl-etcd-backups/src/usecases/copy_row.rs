//! A row of `copy`.

use runbook_kit::cli::output::{Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::units;
use serde::Serialize;

/// What becomes of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It will be copied, or the missing half of it.
    Planned,
    /// It is there, and the same.
    There,
    /// Something else has its name there; it is left alone.
    Different,
    /// It was copied and compared.
    Copied,
    /// It will be deleted: older than is kept.
    ToDelete,
    /// It was deleted.
    Deleted,
}

/// How the data went there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// S3 copied it by itself.
    Server,
    /// By way of this machine.
    Streamed,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyRow {
    pub cluster: String,
    /// Empty for a state store.
    pub etcd: String,
    pub name: String,
    pub state: State,
    pub size_bytes: Option<u64>,
    pub how: Option<How>,
    pub from: Option<String>,
    pub to: String,
}

impl Row for CopyRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("STATE"),
            column("SIZE"),
            column("TO"),
            wide("HOW"),
            wide("FROM"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let etcd = if self.etcd.is_empty() { "(state)" } else { &self.etcd };
        vec![
            Cell::text(etcd),
            Cell::text(&self.name),
            match self.state {
                State::Planned => Cell::text("will be copied"),
                State::There => Cell::text("there"),
                State::Different => Cell::verdict(Verdict::Bad, "DIFFERENT"),
                State::Copied => Cell::verdict(Verdict::Good, "copied"),
                State::ToDelete => Cell::verdict(Verdict::Doubtful, "will be deleted"),
                State::Deleted => Cell::text("deleted"),
            },
            Cell::number_or_dash(self.size_bytes.map(units::bytes)),
            Cell::text(&self.to),
            Cell::text_or_dash(self.how.map(|how| match how {
                How::Server => "by the server",
                How::Streamed => "streamed",
            })),
            Cell::text_or_dash(self.from.clone()),
        ]
    }

    fn name(&self) -> String {
        match self.etcd.is_empty() {
            true => self.name.clone(),
            false => format!("{}={}", self.etcd, self.name),
        }
    }
}
