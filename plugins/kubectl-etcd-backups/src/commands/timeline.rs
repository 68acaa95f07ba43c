//! `timeline`: sizes and gaps over time, as a chart.

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::goodness::Facts;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::examine::{ExamineError, examine};

use crate::context::Context;
use crate::rules::history::{fell_by_half, known_gap};
use crate::rules::timeline_row::{Mark, TimelineRow};
use crate::rules::timeline_svg;

/// Draw the sizes of backups over time, oldest first, and mark gaps and anomalies
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Marks: `cliff` (less than half the size of the backup before; with --keys also less than half the keys), `gap` (no backup for more than three intervals), `empty` (nothing was ever written to this etcd), `lineage` (with --keys: another cluster than before), `damaged`, `incomplete`.\n\nExamples:\n  kubectl etcd-backups timeline --since 2d\n  kubectl etcd-backups timeline --keys --etcd main\n  kubectl etcd-backups timeline --since 7d -o svg > timeline.svg"
)]
pub struct Args {
    /// Read every backup to count keys and Nodes, and to detect another cluster
    #[arg(long)]
    keys: bool,
    /// Only backups taken since this time, or at most this long ago (6h, 2d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only backups taken until this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Backups up to this size are read even without `--keys`: a snapshot of an empty etcd has less than 1 KiB.
const SMALL: u64 = 8 * 1024;
/// Backups read at the same time.
const AT_ONCE: usize = 2;
/// Width of the longest bar.
const BAR: usize = 20;

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let since = context.moment(args.since.as_deref(), "--since")?;
    let until = context.moment(args.until.as_deref(), "--until")?;
    let catalogs = context.catalogs().await?;
    let mut rows = Vec::new();
    for catalog in &catalogs {
        let shown: Vec<&Backup> = catalog
            .backups
            .iter()
            .filter(|backup| since.is_none_or(|since| backup.name.created() >= since))
            .filter(|backup| until.is_none_or(|until| backup.name.created() <= until))
            .collect();
        let facts = facts(catalog, &shown, args.keys, context).await?;
        rows.extend(timeline(catalog, &shown, &facts, context.now()));
    }
    if context.format == Format::Svg {
        context.ui.result(&timeline_svg::drawing(&rows))?;
    } else {
        output::rows(&context.ui, context.format, &rows, "No backups found")?;
    }
    for catalog in &catalogs {
        note_overdue(catalog, context);
    }
    Ok(Exit::Done)
}

/// The facts of the backups that are read; `None` for the others.
async fn facts(
    catalog: &Catalog,
    shown: &[&Backup],
    all: bool,
    context: &Context,
) -> Result<Vec<Option<Facts>>, AnyFailure> {
    let wanted = |backup: &Backup| backup.complete() && (all || backup.data_size.is_some_and(|size| size <= SMALL));
    let progress = context
        .ui
        .count_progress("reading", shown.iter().filter(|backup| wanted(backup)).count() as u64);
    let facts = stream::iter(shown)
        .map(|backup| {
            let progress = &progress;
            async move {
                if !wanted(backup) {
                    return Ok(None);
                }
                let looking = context.examine_context();
                let facts = match looking.known.remembered(backup) {
                    Some(facts) => facts,
                    None => {
                        let facts = examine(looking, &catalog.store, backup, &|_| {}).await?.facts;
                        looking.known.learn(backup, &facts);
                        facts
                    }
                };
                progress.step(backup.name.as_str());
                Ok::<_, ExamineError>(Some(facts))
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(facts)
}

fn timeline(catalog: &Catalog, shown: &[&Backup], facts: &[Option<Facts>], now: Timestamp) -> Vec<TimelineRow> {
    let largest = shown
        .iter()
        .filter_map(|backup| backup.data_size)
        .max()
        .unwrap_or_default();
    let mut before: Option<(&Backup, Option<&Facts>)> = None;
    let mut lineage: Option<&str> = None;
    let mut rows = Vec::new();
    for (backup, facts) in shown.iter().copied().zip(facts) {
        let facts = facts.as_ref();
        let gap =
            before.map(|(earlier, _)| known_gap(&earlier.name, &backup.name, catalog.store.retention(), now).as_secs());
        let mut marks = marks(backup, facts, before, lineage);
        if gap.is_some_and(|gap| gap > 3 * catalog.store.interval.as_secs()) {
            marks.push(Mark::Gap);
        }
        rows.push(TimelineRow {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: backup.name.to_string(),
            created: backup.name.created(),
            size_bytes: backup.data_size,
            complete: backup.complete(),
            gap_seconds: gap,
            keys: facts.map(Facts::keys),
            nodes: facts.map(Facts::nodes),
            lineage: facts.and_then(|facts| facts.lineage.uid().map(str::to_owned)),
            marks,
            now,
            bar: backup.data_size.map_or(0, |size| bar(size, largest)),
        });
        lineage = facts.and_then(|facts| facts.lineage.uid()).or(lineage);
        if backup.complete() {
            before = Some((backup, facts));
        }
    }
    rows
}

fn marks(
    backup: &Backup,
    facts: Option<&Facts>,
    before: Option<(&Backup, Option<&Facts>)>,
    lineage: Option<&str>,
) -> Vec<Mark> {
    if !backup.complete() {
        return vec![Mark::Incomplete];
    }
    let mut marks = Vec::new();
    let earlier_size = before.and_then(|(earlier, _)| earlier.data_size);
    let earlier_keys = before.and_then(|(_, facts)| facts).map(Facts::keys);
    if fell_by_half(earlier_size, backup.data_size).is_some()
        || fell_by_half(earlier_keys, facts.map(Facts::keys)).is_some()
    {
        marks.push(Mark::Cliff);
    }
    if let Some(facts) = facts {
        if !facts.problems.is_empty() {
            marks.push(Mark::Damaged);
        } else if facts.empty() {
            marks.push(Mark::Empty);
        }
        if lineage
            .zip(facts.lineage.uid())
            .is_some_and(|(known, now)| known != now)
        {
            marks.push(Mark::Lineage);
        }
    }
    marks
}

fn bar(size: u64, largest: u64) -> usize {
    let steps = (size.saturating_mul(BAR as u64)).div_ceil(largest.max(1));
    usize::try_from(steps).unwrap_or(BAR).min(BAR)
}

/// Prints a note if no backup has arrived for too long.
fn note_overdue(catalog: &Catalog, context: &Context) {
    let Some(newest) = catalog.latest() else { return };
    let since_newest = newest.age(context.now());
    if since_newest.as_secs() > 3 * catalog.store.interval.as_secs() {
        let (age, interval) = (units::age(since_newest), units::age(catalog.store.interval));
        let etcd = &catalog.store.etcd;
        context.ui.note(&format!(
            "etcd {etcd}: no backup for {age}, one is due every {interval}"
        ));
    }
}
