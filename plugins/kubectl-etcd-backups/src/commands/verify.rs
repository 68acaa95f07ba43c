//! `verify`: whether backups are intact, empty, and good, and of which cluster they are.

use futures::stream::{self, StreamExt, TryStreamExt};
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::goodness::Facts;
use runbook_kit::model::backup::reference::{BackupRef, Which};
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::examine::{ExamineError, Examined, examine};
use serde::Serialize;

use crate::context::Context;
use crate::rules::judged::good_cell;
use crate::usecases::judge::CatalogJudge;
use runbook_kit::cli::BackupArgs;

/// Verify backups: checksums, pages and records, whether they are empty, and whether they are good
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads each backup completely. `hash`, `revision` and `keys` are the numbers that `etcdutl snapshot status` prints. A backup is good if `latest-good` accepts it: those of main must also belong to the current cluster, and have more than what an API server creates by itself. Exits with 5 if a backup is bad or empty, or if the newest one of main is not good (unless it was selected by its name).\n\nExamples:\n  kubectl etcd-backups verify latest-good\n  kubectl etcd-backups verify --all --etcd main"
)]
pub struct Args {
    /// Names, prefixes of names, `latest` or `latest-good`; ETCD=BACKUP for one etcd cluster [default: latest]
    #[arg(value_name = "BACKUP", conflicts_with = "all")]
    backups: Vec<BackupRef>,
    /// Verify every backup
    #[arg(long)]
    all: bool,
    /// For latest and latest-good: the newest backup not after this time
    #[arg(long, value_name = "TIME", conflicts_with = "all")]
    at: Option<String>,
}

/// Backups read at the same time. Each needs two threads and a temporary file.
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
    good: Option<bool>,
    reason: Option<String>,
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
    /// Whether it was selected as the newest one, and so must be good.
    #[serde(skip)]
    newest: bool,
}

impl VerifyRow {
    /// Not judged yet.
    fn new(chosen: &ToVerify<'_>, examined: &Examined) -> Self {
        let ToVerify {
            catalog,
            backup,
            newest,
        } = chosen;
        let content = examined.content();
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: backup.name.to_string(),
            ok: examined.verifies(),
            problems: examined.facts.problems.clone(),
            empty: content.is_some() && examined.facts.empty(),
            good: None,
            reason: None,
            newest: *newest,
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
            (true, false) if self.good == Some(false) => Cell::verdict(Verdict::Doubtful, "intact"),
            (true, false) => Cell::verdict(Verdict::Good, "ok"),
        }
    }

    /// Intact and not empty, but not good.
    fn not_good(&self) -> bool {
        self.ok && !self.empty && self.good == Some(false)
    }
}

impl Row for VerifyRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("VERDICT"),
            column("GOOD"),
            column("REVISION"),
            column("KEYS"),
            column("NODES"),
            wide("HASH"),
            wide("DB SIZE"),
            wide("LINEAGE"),
            wide("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.name),
            self.verdict(),
            good_cell(self.good),
            Cell::number_or_dash(self.revision),
            Cell::number_or_dash(self.keys),
            Cell::number_or_dash(self.nodes),
            Cell::number_or_dash(self.hash),
            Cell::number_or_dash(self.db_size_bytes.map(units::bytes)),
            Cell::text_or_dash(self.lineage.as_deref()),
            Cell::text_or_dash(self.reason.as_deref()),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

struct ToVerify<'a> {
    catalog: &'a Catalog,
    backup: &'a Backup,
    /// Whether it was selected as the newest one.
    newest: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let chosen = if args.all {
        let all = catalogs.iter().flat_map(|catalog| {
            let newest = catalog.latest().map(|newest| &newest.name);
            catalog.backups.iter().rev().map(move |backup| ToVerify {
                catalog,
                backup,
                newest: Some(&backup.name) == newest,
            })
        });
        all.collect()
    } else {
        named(&args, context, &catalogs).await?
    };

    let progress = context.ui.count_progress("verifying", chosen.len() as u64);
    let mut verified: Vec<(VerifyRow, Facts)> = stream::iter(&chosen)
        .map(|one| {
            let progress = &progress;
            async move {
                let examined = examine(context.examine_context(), &one.catalog.store, one.backup, &|_| {}).await?;
                progress.step(one.backup.name.as_str());
                // Drops the snapshot: it is a large file, and there may be hundreds.
                Ok::<_, ExamineError>((VerifyRow::new(one, &examined), examined.facts))
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    drop(progress);

    for catalog in &catalogs {
        let mut judge = CatalogJudge::new(context.choose_context(), catalog);
        let of_catalog = |one: &ToVerify<'_>| std::ptr::eq(one.catalog, catalog);
        for (_, (_, facts)) in chosen.iter().zip(&verified).filter(|(one, _)| of_catalog(one)) {
            judge.learn(facts.clone());
        }
        for (one, (row, _)) in chosen.iter().zip(&mut verified).filter(|(one, _)| of_catalog(one)) {
            let judged = judge.judge(one.backup).await?;
            for warning in judged.warnings.iter().filter(|_| one.newest) {
                context.ui.warn(&format!("{} {}: {warning}", row.etcd, row.name));
            }
            (row.good, row.reason) = (judged.good, judged.reason);
        }
    }
    let rows: Vec<VerifyRow> = verified.into_iter().map(|(row, _)| row).collect();

    output::rows(&context.ui, context.format, &rows, "No backups found")?;
    for row in &rows {
        let (etcd, name) = (&row.etcd, &row.name);
        for problem in &row.problems {
            context.ui.warn(&format!("{etcd} {name}: {problem}"));
        }
        if row.ok && row.empty {
            context
                .ui
                .warn(&format!("{etcd} {name}: empty: nothing was ever written to this etcd"));
        }
        match &row.reason {
            Some(reason) if row.not_good() => {
                context
                    .ui
                    .warn(&format!("{etcd} {name}: intact, but fails sanity checks: {reason}"));
            }
            _ => {}
        }
    }
    let bad = |row: &VerifyRow| !row.ok || row.empty || (row.newest && row.not_good());
    Ok(if rows.iter().any(bad) { Exit::Found } else { Exit::Done })
}

async fn named<'a>(args: &Args, context: &Context, catalogs: &'a [Catalog]) -> Result<Vec<ToVerify<'a>>, AnyFailure> {
    let latest = [BackupRef {
        etcd: None,
        which: Which::Latest,
    }];
    let wanted = if args.backups.is_empty() {
        &latest[..]
    } else {
        &args.backups
    };
    let mut chosen = Vec::<ToVerify<'_>>::new();
    for one in wanted {
        let newest = !matches!(one.which, Which::Named(_));
        for found in context
            .choose(
                catalogs,
                &BackupArgs {
                    backup: one.clone(),
                    at: args.at.clone(),
                },
            )
            .await?
        {
            let known = chosen.iter_mut().find(|known| {
                known.catalog.store.base == found.catalog.store.base && known.backup.name == found.backup.name
            });
            context.tell_rejected(&found.rejected);
            match known {
                Some(known) => known.newest |= newest,
                None => chosen.push(ToVerify {
                    catalog: found.catalog,
                    backup: found.backup,
                    newest,
                }),
            }
        }
    }
    if chosen.is_empty() {
        return Err(CommandError::usage("nothing to verify").into());
    }
    Ok(chosen)
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
