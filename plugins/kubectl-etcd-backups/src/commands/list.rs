//! `list`: the backups, and how long etcd-manager will keep them.

use std::collections::HashMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use runbook_kit::cli::output::{self, Cell, Column, Format, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::meta::BackupMeta;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::backup::retention::{Keep, KeepClass};
use runbook_kit::model::units;
use runbook_kit::ports::{ObjectStore, StoreError};
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::examine;
use serde::Serialize;

use crate::context::Context;
use crate::rules::judged::{Judged, good_cell};
use crate::usecases::judge::CatalogJudge;

/// List the backups, newest first, and how long they will be kept
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`keep` is computed from the cluster's retention as etcd-manager does it: `recent` (less than an hour old), `hourly` and `daily` (the earliest of its hour or day), `expiring` (will be deleted by the next clean-up).\n\nWith -o wide, and in json and yaml with --good, `good` shows whether a backup is good: backups are read and judged from the newest down to the first good one, the others show `-` (null).\n\nExample:\n  kubectl etcd-backups list --etcd main --since 6h"
)]
pub struct Args {
    /// Only backups taken since this time, or at most this long ago (6h, 2d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only backups taken until this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most N backups of each etcd cluster, the newest
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List every cluster of the state store
    #[arg(long)]
    all_clusters: bool,
    /// Read and judge the backups, from the newest down to the first good one; the default with -o wide
    #[arg(long, conflicts_with = "all_clusters")]
    good: bool,
}

/// Metas read at the same time.
const AT_ONCE: usize = 64;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListRow {
    cluster: String,
    etcd: String,
    name: String,
    created: Timestamp,
    size_bytes: Option<u64>,
    complete: bool,
    etcd_version: Option<String>,
    member_count: Option<i64>,
    keep: Option<Keep>,
    pinned: bool,
    /// Whether it is good; `null` if it was not judged.
    good: Option<bool>,
    reason: Option<String>,
    #[serde(skip)]
    now: Timestamp,
    #[serde(skip)]
    many_clusters: bool,
}

impl Row for ListRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("AGE"),
            column("SIZE"),
            column("KEPT FOR"),
            column("STATE"),
            wide("ETCD VERSION"),
            wide("MEMBERS"),
            wide("KEPT UNTIL"),
            wide("GOOD"),
            wide("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let etcd = if self.many_clusters {
            format!("{}/{}", self.cluster, self.etcd)
        } else {
            self.etcd.clone()
        };
        vec![
            Cell::text(etcd),
            Cell::text(&self.name),
            Cell::number(units::age(self.now.duration_since(self.created))),
            Cell::number_or_dash(self.size_bytes.map(units::bytes)),
            keep_cell(self.keep, self.now),
            state_cell(self.complete, self.pinned),
            Cell::text_or_dash(self.etcd_version.clone()),
            Cell::number_or_dash(self.member_count),
            Cell::text_or_dash(self.keep.map(|keep| keep.until.to_string())),
            good_cell(self.good),
            Cell::text_or_dash(self.reason.as_deref()),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

fn keep_cell(keep: Option<Keep>, now: Timestamp) -> Cell {
    match keep {
        None => Cell::text("-"),
        Some(keep) if keep.class == KeepClass::Expiring => Cell::verdict(Verdict::Doubtful, keep.class.word()),
        Some(keep) => {
            let left = units::age(keep.until.duration_since(now));
            Cell::text(format!("{left} ({})", keep.class.word()))
        }
    }
}

fn state_cell(complete: bool, pinned: bool) -> Cell {
    match (complete, pinned) {
        (false, _) => Cell::verdict(Verdict::Bad, "incomplete"),
        (true, true) => Cell::verdict(Verdict::Good, "pinned"),
        (true, false) => Cell::text("complete"),
    }
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let now = context.now();
    let since = context.moment(args.since.as_deref(), "--since")?;
    let until = context.moment(args.until.as_deref(), "--until")?;
    let (catalogs, exit) = if args.all_clusters {
        all_clusters(context).await?
    } else {
        (context.catalogs().await?, Exit::Done)
    };

    let wanted = |backup: &&Backup| {
        since.is_none_or(|since| backup.name.created() >= since)
            && until.is_none_or(|until| backup.name.created() <= until)
    };
    let chosen: Vec<(&Catalog, &Backup)> = catalogs
        .iter()
        .flat_map(|catalog| {
            let newest_first = catalog.backups.iter().rev().filter(wanted);
            newest_first
                .take(args.limit.unwrap_or(usize::MAX))
                .map(move |backup| (catalog, backup))
        })
        .collect();

    // Only these formats show fields of the meta.
    let with_metas = matches!(context.format, Format::Wide | Format::Json | Format::Yaml);
    let metas: Vec<Option<BackupMeta>> = stream::iter(&chosen)
        .map(|(_, backup)| async move {
            if with_metas {
                read_meta(context.objects(), backup).await
            } else {
                Ok(None)
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;

    let mut judgements = HashMap::new();
    if args.good || (context.format == Format::Wide && !args.all_clusters) {
        for catalog in &catalogs {
            let found = CatalogJudge::new(context.choose_context(), catalog).newest().await?;
            judgements.insert(catalog.store.etcd.clone(), found);
        }
    }
    let judged = |catalog: &Catalog, name: &BackupName| -> Judged {
        let found = judgements.get(&catalog.store.etcd).and_then(|found| found.get(name));
        found.cloned().unwrap_or_default()
    };

    let rows: Vec<ListRow> = chosen
        .into_iter()
        .zip(metas)
        .map(|((catalog, backup), meta)| (catalog, backup, meta, judged(catalog, &backup.name)))
        .map(|(catalog, backup, meta, judged)| ListRow {
            good: judged.good,
            reason: judged.reason,
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: backup.name.to_string(),
            created: backup.name.created(),
            size_bytes: backup.data_size,
            complete: backup.complete(),
            member_count: meta.as_ref().and_then(BackupMeta::member_count),
            etcd_version: meta.map(|meta| meta.etcd_version),
            keep: backup.keep,
            pinned: backup.pinned.is_some(),
            now,
            many_clusters: args.all_clusters,
        })
        .collect();
    output::rows(&context.ui, context.format, &rows, "No backups found")?;
    if context.format == Format::Wide && rows.iter().any(|row| row.good.is_none()) {
        context.ui.note(if args.all_clusters {
            "note: GOOD is not judged with --all-clusters: name one cluster, or run `check --all-clusters`"
        } else {
            "note: GOOD is judged from the newest backup down to the first good one; `-` is not judged: `verify --all` judges all"
        });
    }
    Ok(exit)
}

/// All clusters that can be listed. Others are reported, and the command fails.
async fn all_clusters(context: &Context) -> Result<(Vec<Catalog>, Exit), AnyFailure> {
    let (mut catalogs, mut exit) = (Vec::new(), Exit::Done);
    for cluster in context.every_cluster().await? {
        match cluster.catalogs {
            Ok(found) => catalogs.extend(found),
            Err(failure) => {
                context.ui.failure_of(&cluster.cluster, failure.as_ref());
                exit = Exit::Failed;
            }
        }
    }
    Ok((catalogs, exit))
}

/// The columns stay empty if the meta is damaged; `verify` reports that.
async fn read_meta(objects: &dyn ObjectStore, backup: &Backup) -> Result<Option<BackupMeta>, StoreError> {
    if backup.has_meta {
        Ok(examine::meta(objects, backup).await?.ok())
    } else {
        Ok(None)
    }
}
