//! `check`: whether new backups arrive and the newest one is good, for cron and alerting.

use futures::future::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::SignedDuration;
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::etcd_manager::layout::{ListedBackup, Listing};
use runbook_kit::model::kops::duration;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::catalog::Catalog;

use crate::context::{ClusterCatalogs, Context};
use crate::rules::check_row::{CheckRow, Copies, newest_in_store};
use crate::rules::copies::backups_of;
use crate::rules::judged::Judged;
use crate::rules::prometheus;
use crate::usecases::judge::CatalogJudge;

/// Check that new backups arrive and that the newest one is good, for cron and alerting
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The newest complete backup of each etcd cluster must be younger than --max-age, at least half as large as the one before, and good, as for `latest-good`. To judge this, it is read completely, and one or two others to compare it with; with --age-only only the listing is read. Exits with 5 if a check fails.\n\nExamples:\n  kubectl etcd-backups check --max-age 45m\n  kubectl etcd-backups check --max-age 45m --all-clusters --age-only\n  kubectl etcd-backups check -o prometheus > backups.prom\n  kubectl etcd-backups check --copy s3://other-bucket/kops --copy-max-age 2h"
)]
pub struct Args {
    /// Maximum age of the newest backup [default: 30m, or twice the interval of the cluster's spec if that is longer]
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    max_age: Option<SignedDuration>,
    /// Check every cluster of the state store
    #[arg(long)]
    all_clusters: bool,
    /// Check only ages and sizes, read no backup
    #[arg(long)]
    age_only: bool,
    /// Check also that copies arrive there, as `copy --to URL` makes them
    #[arg(long, value_name = "URL")]
    copy: Option<StoreUrl>,
    /// Maximum age of the newest copy
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = duration::parse, requires = "copy")]
    copy_max_age: SignedDuration,
}

/// Etcd clusters that are checked at the same time.
const AT_ONCE: usize = 4;

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
            let judged = match newest_in_store(catalog).next() {
                Some(newest) if !args.age_only => {
                    CatalogJudge::new(context.choose_context(), catalog).judge(newest).await
                }
                _ => Ok(Judged::default()),
            };
            let judged = match judged {
                // A backup that cannot be read does not hide the other rows.
                Err(error) if args.all_clusters => Judged::not_judged(&error),
                judged => judged?,
            };
            let row = CheckRow::new(catalog, args.max_age, now, judged);
            Ok::<_, AnyFailure>(match &args.copy {
                Some(to) => {
                    let at = backups_of(to, &catalog.store.cluster, &catalog.store.etcd);
                    row.with_copies(&copies(context, &at).await, &at, args.copy_max_age, now)
                }
                None => row,
            })
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

/// A store of copies that cannot be read is a finding like any other.
async fn copies(context: &Context, at: &StoreUrl) -> Copies {
    match context.objects().list(at).await {
        Ok(listed) => {
            let listing = Listing::of(listed.iter().map(|object| (object.path.as_str(), object.size)));
            let complete = listing.backups.into_iter().filter(ListedBackup::complete);
            Copies::Newest(complete.map(|backup| backup.name).max())
        }
        Err(error) => Copies::Unreadable(chain(&error)),
    }
}

/// Its etcd clusters; or one row with the error.
fn etcds_of(cluster: &ClusterCatalogs) -> Vec<Result<&Catalog, Box<CheckRow>>> {
    match &cluster.catalogs {
        Ok(catalogs) => catalogs.iter().map(Ok).collect(),
        Err(error) => vec![Err(Box::new(CheckRow::unreadable(&cluster.cluster, error.as_ref())))],
    }
}
