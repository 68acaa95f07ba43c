//! A masterlease as a row of the output.

use crate::rules::masterlease::Masterlease;
use crate::rules::verdict::{Source, Verdict};
use runbook_kit::cli::output::{Cell, Column, Row, column, wide};
use runbook_kit::cli::ui;
use runbook_kit::model::kubernetes::masterlease::Probe;
use serde::Serialize;

/// One row. `null` is not checked, or unknown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseRow {
    pub ip: String,
    /// The lease's id, decimal; "0" for none. A string, because jq and JavaScript would round the number.
    pub lease: String,
    pub ttl_seconds: Option<u64>,
    pub mod_revision: i64,
    /// Whether an API server of this cluster responds at the address.
    pub alive: Option<bool>,
    pub in_endpoints: Option<bool>,
    pub in_endpoint_slice: Option<bool>,
    /// The Node with the address.
    pub node: Option<String>,
    pub verdict: Verdict,
    pub reason: String,
    pub sources: Vec<Source>,
}

impl LeaseRow {
    pub fn of(lease: &Masterlease) -> Self {
        let evidence = &lease.evidence;
        let node = evidence.node.known().and_then(Option::as_ref);
        Self {
            ip: lease.name.clone(),
            lease: evidence.last.lease.to_string(),
            ttl_seconds: evidence.ttl_seconds,
            mod_revision: evidence.last.mod_revision,
            alive: match evidence.probe {
                Probe::Answers { .. } => Some(true),
                Probe::NoApiServer(_) => Some(false),
                Probe::Silent | Probe::NotAsked(_) => None,
            },
            in_endpoints: evidence.in_endpoints.known().copied(),
            in_endpoint_slice: evidence.in_slice.known().copied(),
            node: node.map(|node| node.name.clone()),
            verdict: lease.judgement.verdict,
            reason: lease.judgement.reason.clone(),
            sources: lease.judgement.sources.clone(),
        }
    }
}

pub fn rows(leases: &[Masterlease]) -> Vec<LeaseRow> {
    leases.iter().map(LeaseRow::of).collect()
}

pub fn verdict_cell(verdict: Verdict) -> Cell {
    let colour = match verdict {
        Verdict::Live => ui::Verdict::Good,
        Verdict::Stale => ui::Verdict::Bad,
        Verdict::Unknown => ui::Verdict::Doubtful,
    };
    Cell::verdict(colour, verdict.word())
}

fn yes_no(value: Option<bool>) -> Cell {
    Cell::text(value.map_or("?", |yes| if yes { "yes" } else { "no" }))
}

impl Row for LeaseRow {
    fn columns() -> Vec<Column> {
        vec![
            column("IP"),
            column("VERDICT"),
            column("LEASE"),
            column("TTL"),
            wide("MOD REVISION"),
            wide("ALIVE"),
            column("IN ENDPOINTS"),
            wide("IN SLICE"),
            wide("NODE"),
            column("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        // Hexadecimal, as in etcdctl.
        let lease = match self.lease.parse() {
            Ok(0_i64) => "none".to_owned(),
            Ok(id) => format!("{id:x}"),
            Err(_) => self.lease.clone(),
        };
        vec![
            Cell::text(&self.ip),
            verdict_cell(self.verdict),
            Cell::text(lease),
            Cell::number(
                self.ttl_seconds
                    .map_or_else(|| "-".to_owned(), |left| format!("{left}s")),
            ),
            Cell::number(self.mod_revision),
            yes_no(self.alive),
            yes_no(self.in_endpoints),
            yes_no(self.in_endpoint_slice),
            Cell::text(self.node.as_deref().unwrap_or("-")),
            Cell::text(&self.reason),
        ]
    }

    fn name(&self) -> String {
        self.ip.clone()
    }
}
