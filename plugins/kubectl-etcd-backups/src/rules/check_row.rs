//! A row of `check`: the state of one etcd cluster's backups.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::cli::output::{Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::failure::{Failure, chain};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use serde::Serialize;

use crate::rules::history::fell_by_half;
use crate::rules::judged::{Judged, good_cell};

/// The state of one etcd cluster's backups.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRow {
    pub cluster: String,
    pub etcd: Option<String>,
    pub ok: bool,
    pub reasons: Vec<String>,
    /// Whether the newest one is good; `null` if it was not judged.
    pub good: Option<bool>,
    /// Why it is not good, or was not judged.
    pub reason: Option<String>,
    pub newest: Option<String>,
    pub created: Option<Timestamp>,
    pub age_seconds: Option<i64>,
    pub max_age_seconds: Option<i64>,
    pub size_bytes: Option<u64>,
    pub backups: usize,
    /// The newest copy in the store of --copy; `null` where there is none, or none was asked for.
    pub copy_newest: Option<String>,
    pub copy_created: Option<Timestamp>,
    pub copy_age_seconds: Option<i64>,
}

/// What the store of the copies has.
pub enum Copies {
    /// Its newest complete one.
    Newest(Option<BackupName>),
    /// It could not be listed.
    Unreadable(String),
}

impl CheckRow {
    /// From the listing, and the judgement of the newest backup.
    pub fn new(catalog: &Catalog, max_age: Option<SignedDuration>, now: Timestamp, judged: Judged) -> Self {
        let max_age = max_age.unwrap_or_else(|| allowed_age(catalog));
        let mut newest_first = newest_in_store(catalog);
        let (newest, before) = (newest_first.next(), newest_first.next());
        let mut reasons = reasons(newest, before, max_age, now);
        match (judged.good, &judged.reason) {
            (Some(false), Some(reason)) => reasons.push(format!("the newest backup is not good: {reason}")),
            (None, Some(reason)) => reasons.push(format!("the newest backup was {reason}")),
            _ => {}
        }
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: Some(catalog.store.etcd.clone()),
            ok: reasons.is_empty(),
            reasons,
            good: judged.good,
            reason: judged.reason,
            newest: newest.map(|backup| backup.name.to_string()),
            created: newest.map(|backup| backup.name.created()),
            age_seconds: newest.map(|backup| backup.age(now).as_secs()),
            max_age_seconds: Some(max_age.as_secs()),
            size_bytes: newest.and_then(|backup| backup.data_size),
            backups: catalog.complete().count(),
            copy_newest: None,
            copy_created: None,
            copy_age_seconds: None,
        }
    }

    /// The same, with what became of the copies.
    pub fn with_copies(mut self, copies: &Copies, at: &StoreUrl, max_age: SignedDuration, now: Timestamp) -> Self {
        match copies {
            Copies::Unreadable(why) => self.reasons.push(format!("the copies were not checked: {why}")),
            Copies::Newest(None) => self.reasons.push(format!("no complete copy in {at}")),
            Copies::Newest(Some(newest)) => {
                let age = now.duration_since(newest.created());
                if age > max_age {
                    let (age, most) = (units::age(age), units::age(max_age));
                    self.reasons.push(format!("the newest copy is {age} old, over {most}"));
                }
                self.copy_newest = Some(newest.to_string());
                self.copy_created = Some(newest.created());
                self.copy_age_seconds = Some(age.as_secs());
            }
        }
        self.ok = self.reasons.is_empty();
        self
    }

    /// For a cluster whose backups cannot be listed.
    pub fn unreadable(cluster: &str, error: &dyn Failure) -> Self {
        Self {
            cluster: cluster.to_owned(),
            etcd: None,
            ok: false,
            reasons: vec![chain(error)],
            good: None,
            reason: None,
            newest: None,
            created: None,
            age_seconds: None,
            max_age_seconds: None,
            size_bytes: None,
            backups: 0,
            copy_newest: None,
            copy_created: None,
            copy_age_seconds: None,
        }
    }
}

impl Row for CheckRow {
    fn columns() -> Vec<Column> {
        vec![
            column("CLUSTER"),
            column("ETCD"),
            column("VERDICT"),
            column("GOOD"),
            column("NEWEST"),
            column("AGE"),
            column("SIZE"),
            column("BACKUPS"),
            wide("COPY AGE"),
            column("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let verdict = if self.ok {
            Cell::verdict(Verdict::Good, "ok")
        } else {
            Cell::verdict(Verdict::Bad, "BAD")
        };
        vec![
            Cell::text(&self.cluster),
            Cell::text_or_dash(self.etcd.clone()),
            verdict,
            good_cell(self.good),
            Cell::text_or_dash(self.newest.clone()),
            Cell::number_or_dash(self.age_seconds.map(|age| units::age(SignedDuration::from_secs(age)))),
            Cell::number_or_dash(self.size_bytes.map(units::bytes)),
            Cell::number(self.backups),
            Cell::number_or_dash(
                self.copy_age_seconds
                    .map(|age| units::age(SignedDuration::from_secs(age))),
            ),
            Cell::text(self.reasons.join("; ")),
        ]
    }

    fn name(&self) -> String {
        match &self.etcd {
            Some(etcd) => format!("{}/{etcd}", self.cluster),
            None => self.cluster.clone(),
        }
    }
}

/// The complete backups in the store, newest first. Pinned copies do not count: they do not show that new backups arrive.
pub fn newest_in_store(catalog: &Catalog) -> impl Iterator<Item = &Backup> {
    catalog.complete().filter(|backup| backup.in_store).rev()
}

/// Twice the interval, as a busy etcd-manager may be late once.
fn allowed_age(catalog: &Catalog) -> SignedDuration {
    SignedDuration::from_mins(30).max(catalog.store.interval.saturating_add(catalog.store.interval))
}

fn reasons(newest: Option<&Backup>, before: Option<&Backup>, max_age: SignedDuration, now: Timestamp) -> Vec<String> {
    let Some(newest) = newest else {
        return vec!["no complete backup".to_owned()];
    };
    let mut reasons = Vec::new();
    if newest.age(now) > max_age {
        let age = units::age(newest.age(now));
        reasons.push(format!("the newest backup is {age} old, over {}", units::age(max_age)));
    }
    if let Some((now, before)) = fell_by_half(before.and_then(|backup| backup.data_size), newest.data_size) {
        reasons.push(format!(
            "the newest backup has {}, the one before has {}",
            units::bytes(now),
            units::bytes(before)
        ));
    }
    reasons
}
