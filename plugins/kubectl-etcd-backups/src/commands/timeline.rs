//! `timeline`: sizes and gaps over time, drawn in the terminal.

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::goodness::Facts;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::examine::{ExamineError, examine};
use serde::Serialize;

use crate::context::Context;
use crate::rules::history::{fell_by_half, known_gap};

/// Draw sizes and gaps over time, oldest first, and mark what is odd
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Marks: `cliff` (less than half the size, or with --keys less than half the keys, of the backup before), `gap` (over three backup intervals in which none was kept or taken), `empty` (nothing was ever written to this etcd), `lineage` (with --keys: another cluster than before), `incomplete`.\n\nExamples:\n  kubectl etcd-backups timeline --since 2d\n  kubectl etcd-backups timeline --keys --etcd main"
)]
pub struct Args {
    /// Read every backup whole, to count keys and Nodes and to see whether it is the same cluster
    #[arg(long)]
    keys: bool,
    /// Only those taken since then: a time, or an age like 6h or 2d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those taken until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A snapshot of an empty etcd has under 1 KiB; what is this small is looked into also without `--keys`.
const SMALL: u64 = 8 * 1024;
/// Backups read at once.
const AT_ONCE: usize = 2;
/// Width of the longest bar.
const BAR: usize = 20;

/// What is odd about a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Cliff,
    Gap,
    Empty,
    Lineage,
    Damaged,
    Incomplete,
}

impl Mark {
    const fn word(self) -> &'static str {
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
struct TimelineRow {
    cluster: String,
    etcd: String,
    name: String,
    created: Timestamp,
    size_bytes: Option<u64>,
    complete: bool,
    gap_seconds: Option<i64>,
    keys: Option<u64>,
    nodes: Option<u64>,
    lineage: Option<String>,
    marks: Vec<Mark>,
    #[serde(skip)]
    now: Timestamp,
    #[serde(skip)]
    bar: usize,
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

/// Runs `timeline`.
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
        let facts = facts(&shown, args.keys, context).await?;
        rows.extend(draw(catalog, &shown, &facts, context.now()));
    }
    output::rows(&context.ui, context.format, &rows, "No backups found")?;
    for catalog in &catalogs {
        tell_silence(catalog, context);
    }
    Ok(Exit::Done)
}

/// What is in the backups that are looked into; `None` for the others.
async fn facts(shown: &[&Backup], all: bool, context: &Context) -> Result<Vec<Option<Facts>>, AnyFailure> {
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
                let examined = examine(context.objects(), context.reader(), backup, &|_| {}).await?;
                progress.step(backup.name.as_str());
                Ok::<_, ExamineError>(Some(examined.facts))
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(facts)
}

fn draw(catalog: &Catalog, shown: &[&Backup], facts: &[Option<Facts>], now: Timestamp) -> Vec<TimelineRow> {
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

/// Says how long none has come, where that is too long.
fn tell_silence(catalog: &Catalog, context: &Context) {
    let Some(newest) = catalog.latest() else { return };
    let silence = newest.age(context.now());
    if silence.as_secs() > 3 * catalog.store.interval.as_secs() {
        let (age, interval) = (units::age(silence), units::age(catalog.store.interval));
        let etcd = &catalog.store.etcd;
        context.ui.note(&format!(
            "etcd {etcd}: no backup for {age}, one is due every {interval}"
        ));
    }
}
