//! `verify`: is a backup whole, is anything in it, and of which cluster is it?

use futures::stream::{self, StreamExt, TryStreamExt};
use runbook_kit::backups::catalog::{Backup, Catalog};
use runbook_kit::backups::choose::Rejected;
use runbook_kit::backups::examine::{ExamineError, Examined, examine};
use runbook_kit::domain::backup_ref::{BackupRef, Which};
use runbook_kit::domain::units;
use runbook_kit::error::{AnyFailure, UsageError};
use runbook_kit::exit::Exit;
use runbook_kit::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::ui::Verdict;
use serde::Serialize;

use crate::context::Context;
use runbook_kit::cli::Wanted;

/// Verify backups down to the last key: checksums, pages, records, and whether anything was ever in it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads each backup whole. `hash`, `revision` and `keys` are the numbers that `etcdutl snapshot status` prints. Exits with 5 where a backup is bad or empty.\n\nExamples:\n  kubectl etcd-backups verify latest-good\n  kubectl etcd-backups verify --all --etcd main"
)]
pub struct Args {
    /// Names, beginnings of names, `latest` or `latest-good`, each with `ETCD=` before it for one etcd cluster
    /// [default: latest]
    #[arg(value_name = "BACKUP", conflicts_with = "all")]
    backups: Vec<BackupRef>,
    /// Every backup
    #[arg(long)]
    all: bool,
    /// With latest and latest-good: not after this time
    #[arg(long, value_name = "TIME", conflicts_with = "all")]
    at: Option<String>,
}

/// Backups read at once. Each takes two threads and a temporary file.
const AT_ONCE: usize = 2;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyRow {
    cluster: String,
    etcd: String,
    name: String,
    ok: bool,
    problems: Vec<String>,
    empty: bool,
    revision: Option<i64>,
    keys: Option<u64>,
    nodes: Option<u64>,
    hash: Option<u32>,
    lineage: Option<String>,
    size_bytes: Option<u64>,
    db_size_bytes: Option<u64>,
    snapshot_bytes: Option<u64>,
    sha256: Option<String>,
    storage_version: Option<String>,
}

impl VerifyRow {
    fn new(catalog: &Catalog, backup: &Backup, examined: &Examined) -> Self {
        let content = examined.content();
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: backup.name.to_string(),
            ok: examined.verifies(),
            problems: examined.facts.problems.clone(),
            empty: content.is_some() && examined.facts.empty(),
            revision: content.map(|content| content.revision),
            keys: content.map(|content| content.keys.len() as u64),
            nodes: content.map(|_| examined.facts.nodes()),
            hash: content.map(|content| content.hash),
            lineage: examined.facts.lineage.uid().map(str::to_owned),
            size_bytes: backup.data_size,
            db_size_bytes: content.map(|content| content.db_size),
            snapshot_bytes: examined.snapshot.as_ref().map(|snapshot| snapshot.snapshot_bytes),
            sha256: examined
                .snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.trailer)
                .map(hex),
            storage_version: content.and_then(|content| content.storage_version.clone()),
        }
    }

    fn verdict(&self) -> Cell {
        match (self.ok, self.empty) {
            (false, _) => Cell::verdict(Verdict::Bad, "BAD"),
            (true, true) => Cell::verdict(Verdict::Bad, "EMPTY"),
            (true, false) => Cell::verdict(Verdict::Good, "ok"),
        }
    }
}

impl Row for VerifyRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("VERDICT"),
            column("REVISION"),
            column("KEYS"),
            column("NODES"),
            column("HASH"),
            wide("DB SIZE"),
            wide("LINEAGE"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.name),
            self.verdict(),
            Cell::number_or_dash(self.revision),
            Cell::number_or_dash(self.keys),
            Cell::number_or_dash(self.nodes),
            Cell::number_or_dash(self.hash),
            Cell::number_or_dash(self.db_size_bytes.map(units::bytes)),
            Cell::text_or_dash(self.lineage.as_deref()),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// Runs `verify`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let (chosen, rejected) = if args.all {
        let all = catalogs
            .iter()
            .flat_map(|catalog| catalog.backups.iter().rev().map(move |backup| (catalog, backup)));
        (all.collect::<Vec<_>>(), Vec::new())
    } else {
        named(&args, context, &catalogs).await?
    };
    context.tell_rejected(&rejected);

    let progress = context.ui.count_progress("verifying", chosen.len() as u64);
    let rows: Vec<VerifyRow> = stream::iter(&chosen)
        .map(|(catalog, backup)| {
            let progress = &progress;
            async move {
                let examined = examine(context.objects(), context.reader(), backup, &|_| {}).await?;
                progress.step(backup.name.as_str());
                Ok::<_, ExamineError>(VerifyRow::new(catalog, backup, &examined))
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    drop(progress);

    output::rows(&context.ui, context.format, &rows, "No backups found")?;
    let bad: Vec<&VerifyRow> = rows.iter().filter(|row| !row.ok || row.empty).collect();
    for row in &bad {
        for problem in &row.problems {
            context.ui.warn(&format!("{} {}: {problem}", row.etcd, row.name));
        }
        if row.ok {
            context.ui.warn(&format!(
                "{} {}: empty, nothing was ever written to this etcd",
                row.etcd, row.name
            ));
        }
    }
    Ok(if bad.is_empty() { Exit::Done } else { Exit::Found })
}

type Named<'a> = (Vec<(&'a Catalog, &'a Backup)>, Vec<Rejected>);

async fn named<'a>(args: &Args, context: &Context, catalogs: &'a [Catalog]) -> Result<Named<'a>, AnyFailure> {
    let latest = [BackupRef {
        etcd: None,
        which: Which::Latest,
    }];
    let wanted = if args.backups.is_empty() {
        &latest[..]
    } else {
        &args.backups
    };
    let (mut chosen, mut rejected) = (Vec::<(&Catalog, &Backup)>::new(), Vec::new());
    for one in wanted {
        for found in context
            .choose(
                catalogs,
                &Wanted {
                    backup: one.clone(),
                    at: args.at.clone(),
                },
            )
            .await?
        {
            let known = chosen.iter().any(|(catalog, backup)| {
                catalog.store.base == found.catalog.store.base && backup.name == found.backup.name
            });
            if !known {
                chosen.push((found.catalog, found.backup));
            }
            rejected.extend(found.rejected);
        }
    }
    if chosen.is_empty() {
        return Err(UsageError::new("nothing to verify").into());
    }
    Ok((chosen, rejected))
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
