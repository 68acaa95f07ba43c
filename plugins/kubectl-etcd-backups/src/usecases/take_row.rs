//! A row of `take`.

use runbook_kit::cli::output::{Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::units;
use runbook_kit::model::wal::WalTail;
use runbook_kit::ports::EtcdStatus;
use runbook_kit::usecases::catalog::Catalog;
use serde::Serialize;

use crate::usecases::take::{TakePlan, Taken};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TakeRow {
    cluster: String,
    etcd: String,
    name: String,
    at: String,
    taken: bool,
    etcd_version: String,
    revision: Option<i64>,
    keys: Option<u64>,
    hash: Option<u32>,
    size_bytes: Option<u64>,
    db_size_bytes: u64,
    lineage: Option<String>,
    way: String,
    /// The member that it is of; `null` for a disk.
    member: Option<MemberRow>,
    /// All members that answered.
    members: Vec<MemberRow>,
    /// What the write-ahead log of a disk has beyond the backup; `null` where it was not read.
    log: Option<LogRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberRow {
    id: String,
    cluster_id: String,
    has_leader: bool,
    learner: bool,
    revision: i64,
    raft_index: u64,
    raft_applied_index: u64,
    raft_term: u64,
    db_size_bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogRow {
    cluster_id: Option<String>,
    last_index: Option<u64>,
    committed_index: Option<u64>,
    missing_entries: u64,
    missing_changes: u64,
    torn: bool,
}

impl MemberRow {
    fn of(status: &EtcdStatus) -> Self {
        Self {
            id: format!("{:x}", status.member),
            cluster_id: format!("{:x}", status.cluster),
            has_leader: status.leader.is_some(),
            learner: status.learner,
            revision: status.revision,
            raft_index: status.raft_index,
            raft_applied_index: status.raft_applied,
            raft_term: status.raft_term,
            db_size_bytes: status.db_size,
        }
    }
}

impl TakeRow {
    pub fn new(catalog: &Catalog, plan: &TakePlan, taken: Option<&Taken>, way: &str) -> Self {
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: plan.name.to_string(),
            at: plan.folder.to_string(),
            taken: taken.is_some(),
            etcd_version: plan.meta.etcd_version.clone(),
            revision: taken.map(|taken| taken.revision).or(plan.revision),
            keys: taken.map(|taken| taken.keys),
            hash: taken.map(|taken| taken.hash),
            size_bytes: taken.map(|taken| taken.size),
            db_size_bytes: plan.db_size,
            lineage: taken.and_then(|taken| taken.lineage.uid().map(str::to_owned)),
            way: way.to_owned(),
            member: None,
            members: Vec::new(),
            log: None,
        }
    }

    pub fn with_members(mut self, chosen: &EtcdStatus, all: &[EtcdStatus]) -> Self {
        self.member = Some(MemberRow::of(chosen));
        self.members = all.iter().map(MemberRow::of).collect();
        self
    }

    pub fn with_log(mut self, tail: Option<WalTail>) -> Self {
        self.log = tail.map(|tail| LogRow {
            cluster_id: tail.cluster.map(|id| format!("{id:x}")),
            last_index: tail.last_index,
            committed_index: tail.committed,
            missing_entries: tail.entries,
            missing_changes: tail.changes,
            torn: tail.torn,
        });
        self
    }
}

impl Row for TakeRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("STATE"),
            column("REVISION"),
            column("KEYS"),
            column("SIZE"),
            wide("DB SIZE"),
            wide("HASH"),
            wide("AT"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.name),
            if self.taken {
                Cell::verdict(Verdict::Good, "taken")
            } else {
                Cell::text("planned")
            },
            Cell::number_or_dash(self.revision),
            Cell::number_or_dash(self.keys),
            Cell::number_or_dash(self.size_bytes.map(units::bytes)),
            Cell::number(units::bytes(self.db_size_bytes)),
            Cell::number_or_dash(self.hash),
            Cell::text(&self.at),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
