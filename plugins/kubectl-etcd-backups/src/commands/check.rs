//! `check`: for cron and alerting: do backups still arrive, and is the newest one good?

use futures::future::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use runbook_kit::cli::output::{self, Cell, Column, Format, Row, column};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::failure::chain;
use runbook_kit::model::kops::duration;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use serde::Serialize;

use crate::commands::timeline::fell_by_half;
use crate::context::{ClusterCatalogs, Context};
use crate::rules::prometheus;
use crate::usecases::quality::{Goods, Judged, good_cell};

/// Check that backups still arrive and that the newest one is good, for cron and alerting
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Is the newest complete backup of each etcd cluster younger than --max-age, is it at least half as large as the one before, and would `latest-good` take it? For the last it is read whole, and one or two to compare it with; --age-only looks at listings only. Exits with 5 where one is not.\n\nExamples:\n  kubectl etcd-backups check --max-age 45m\n  kubectl etcd-backups check --max-age 45m --all-clusters --age-only\n  kubectl etcd-backups check -o prometheus > backups.prom"
)]
pub struct Args {
    /// How old the newest backup may be [default: 30m, or twice the interval of the cluster's spec if that is longer]
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    max_age: Option<SignedDuration>,
    /// Every cluster of the state store
    #[arg(long)]
    all_clusters: bool,
    /// Read no backup: only ages and sizes
    #[arg(long)]
    age_only: bool,
}

/// Etcd clusters whose newest backup is judged at once.
const AT_ONCE: usize = 4;

/// What one etcd cluster's backups are like.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRow {
    pub cluster: String,
    pub etcd: Option<String>,
    pub ok: bool,
    pub reasons: Vec<String>,
    /// Whether `latest-good` would take the newest one; `null` where it was not judged.
    pub good: Option<bool>,
    /// Why it would not, or why it was not judged.
    pub reason: Option<String>,
    pub newest: Option<String>,
    pub created: Option<Timestamp>,
    pub age_seconds: Option<i64>,
    pub max_age_seconds: Option<i64>,
    pub size_bytes: Option<u64>,
    pub backups: usize,
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

/// Runs `check`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let now = context.now();
    let clusters = if args.all_clusters {
        context.every_cluster().await?
    } else {
        let one = |catalogs| ClusterCatalogs {
            cluster: String::new(),
            catalogs: Ok(catalogs),
        };
        context
            .catalogs()
            .map(|found| found.map(|catalogs| vec![one(catalogs)]))
            .await?
    };
    let rows = stream::iter(clusters.iter().flat_map(etcds_of))
        .map(|one| async {
            let catalog = match one {
                Ok(catalog) => catalog,
                Err(unreadable) => return Ok(*unreadable),
            };
            let judged = match arrived(catalog).next() {
                Some(newest) if !args.age_only => Goods::new(context.choose_context(), catalog).judge(newest).await,
                _ => Ok(Judged::default()),
            };
            let judged = match judged {
                // One that cannot be read does not hide the others.
                Err(error) if args.all_clusters => Judged::not_judged(&error),
                judged => judged?,
            };
            Ok::<_, AnyFailure>(row_of(catalog, args.max_age, now, judged))
        })
        .buffered(AT_ONCE)
        .try_collect::<Vec<CheckRow>>()
        .await?;
    if context.format == Format::Prometheus {
        context.ui.result(&prometheus::metrics(&rows))?;
    } else {
        output::rows(&context.ui, context.format, &rows, "No etcd clusters found")?;
    }
    Ok(if rows.iter().all(|row| row.ok) {
        Exit::Done
    } else {
        Exit::Found
    })
}

/// Its etcd clusters; or one row that says why they are not known.
fn etcds_of(cluster: &ClusterCatalogs) -> Vec<Result<&Catalog, Box<CheckRow>>> {
    match &cluster.catalogs {
        Ok(catalogs) => catalogs.iter().map(Ok).collect(),
        Err(error) => vec![Err(Box::new(CheckRow {
            cluster: cluster.cluster.clone(),
            etcd: None,
            ok: false,
            reasons: vec![chain(error.as_ref())],
            good: None,
            reason: None,
            newest: None,
            created: None,
            age_seconds: None,
            max_age_seconds: None,
            size_bytes: None,
            backups: 0,
        }))],
    }
}

/// The complete ones of the store itself, newest first: a pinned copy says nothing about whether backups still arrive.
fn arrived(catalog: &Catalog) -> impl Iterator<Item = &Backup> {
    catalog.complete().filter(|backup| backup.in_store).rev()
}

/// Twice the interval, as an etcd-manager that is just busy may be late once.
fn allowed_age(catalog: &Catalog) -> SignedDuration {
    SignedDuration::from_mins(30).max(catalog.store.interval.saturating_add(catalog.store.interval))
}

fn row_of(catalog: &Catalog, max_age: Option<SignedDuration>, now: Timestamp, judged: Judged) -> CheckRow {
    let max_age = max_age.unwrap_or_else(|| allowed_age(catalog));
    let mut arrived = arrived(catalog);
    let (newest, before) = (arrived.next(), arrived.next());
    let mut reasons = reasons(newest, before, max_age, now);
    match (judged.good, &judged.reason) {
        (Some(false), Some(reason)) => reasons.push(format!("the newest backup is not good: {reason}")),
        (None, Some(reason)) => reasons.push(format!("the newest backup was {reason}")),
        _ => {}
    }
    CheckRow {
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
    }
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
            "the newest backup has {}, the one before {}",
            units::bytes(now),
            units::bytes(before)
        ));
    }
    reasons
}
