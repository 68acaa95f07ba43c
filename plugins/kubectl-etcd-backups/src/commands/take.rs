//! `take`: takes a backup of a running etcd, in the format of etcd-manager.

use crate::usecases::take::{self, Expected, TakePlan, TakePorts, Taken};
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::Catalog;
use serde::Serialize;

use crate::context::{self, Context};

/// Take a backup of a running etcd into its store, in the format of etcd-manager
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The snapshot is compressed, read back and verified before it is uploaded; the meta file, without \
    which it is no backup, is written last. An etcd that is empty, or of another cluster than the store's good backups, \
    is refused.\n\nExamples:\n  \
    # Before an upgrade, through the Kubernetes API\n  \
    kubectl etcd-backups take --state s3://kops-state --name k8s.example.com --yes\n\n  \
    # With the API down, over ssh\n  \
    kubectl etcd-backups take --etcd main --via ssh --host 10.0.1.7 --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: ConsentArgs,
    /// Take the backup even if the store's good backups are of another cluster
    #[arg(long)]
    other_lineage: bool,
    #[command(flatten)]
    access: EtcdAccess,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TakeRow {
    cluster: String,
    etcd: String,
    name: String,
    at: String,
    taken: bool,
    etcd_version: String,
    revision: i64,
    keys: Option<u64>,
    hash: Option<u32>,
    size_bytes: Option<u64>,
    db_size_bytes: u64,
    lineage: Option<String>,
    way: String,
}

impl TakeRow {
    fn new(catalog: &Catalog, plan: &TakePlan, taken: Option<&Taken>, way: &str) -> Self {
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: plan.name.to_string(),
            at: plan.folder.to_string(),
            taken: taken.is_some(),
            etcd_version: plan.meta.etcd_version.clone(),
            revision: taken.map_or(plan.revision, |taken| taken.revision),
            keys: taken.map(|taken| taken.keys),
            hash: taken.map(|taken| taken.hash),
            size_bytes: taken.map(|taken| taken.size),
            db_size_bytes: plan.db_size,
            lineage: taken.and_then(|taken| taken.lineage.uid().map(str::to_owned)),
            way: way.to_owned(),
        }
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
        let number = |value: Option<String>| Cell::number(value.unwrap_or_else(|| "-".to_owned()));
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.name),
            if self.taken {
                Cell::verdict(Verdict::Good, "taken")
            } else {
                Cell::text("planned")
            },
            Cell::number(self.revision),
            number(self.keys.map(|keys| keys.to_string())),
            number(self.size_bytes.map(units::bytes)),
            Cell::number(units::bytes(self.db_size_bytes)),
            number(self.hash.map(|hash| hash.to_string())),
            Cell::text(&self.at),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    one_etcd_per_endpoint(&args.access, &catalogs)?;
    context.require_own_place(args.consent.yes)?;
    let consent = confirm::plain(args.consent.yes);
    let mut rows = Vec::new();
    for catalog in &catalogs {
        let (etcd, way) = context::etcd(context, &args.access, &catalog.store.etcd).await?;
        let ports = TakePorts {
            objects: context.objects(),
            packer: context.packer(),
            reader: context.reader(),
            keys: &context.keys,
            store: &catalog.store,
            etcd: etcd.as_ref(),
        };
        let plan = take::plan(ports, catalog, context.now()).await?;
        for note in &plan.notes {
            context.ui.note(&format!("note: {note}"));
        }
        let taken = match &consent {
            None => None,
            Some(consent) => {
                let expected = if args.other_lineage {
                    None
                } else {
                    expected(ports, catalog, context).await
                };
                let label = format!("taking {}", catalog.store.etcd);
                let progress = context.ui.bytes_progress(&label, plan.db_size);
                let taken = take::take(ports, &plan, expected.as_ref(), &|at| progress.set(at), consent).await;
                // Show the backups that were taken before the failure.
                if taken.is_err() && !rows.is_empty() {
                    output::rows(&context.ui, context.format, &rows, "")?;
                }
                Some(taken?)
            }
        };
        rows.push(TakeRow::new(catalog, &plan, taken.as_ref(), &way));
    }
    output::rows(
        &context.ui,
        context.format,
        &rows,
        "No etcd cluster to take a backup of",
    )?;
    if consent.is_none() {
        context.ui.note("nothing was changed; pass --yes to do it");
    }
    Ok(Exit::Done)
}

/// An endpoint belongs to one etcd cluster: its snapshot must not be stored as the backup of two.
fn one_etcd_per_endpoint(access: &EtcdAccess, catalogs: &[Catalog]) -> Result<(), CommandError> {
    let by_endpoint = access.via == Via::Direct || (access.via == Via::Auto && !access.endpoints.is_empty());
    let several = catalogs.len() > 1;
    if several && (by_endpoint || access.etcd_port.is_some()) {
        let etcds: Vec<&str> = catalogs.iter().map(|catalog| catalog.store.etcd.as_str()).collect();
        return Err(CommandError::usage(format!(
            "the endpoint belongs to one etcd cluster, but {} are selected",
            etcds.join(" and ")
        ))
        .hint("select the etcd cluster of the endpoint, for example --etcd main"));
    }
    Ok(())
}

/// A store whose backups cannot be read does not prevent a new backup.
async fn expected(ports: TakePorts<'_>, catalog: &Catalog, context: &Context) -> Option<Expected> {
    match take::expected(ports, catalog).await {
        Ok(expected) => expected,
        Err(error) => {
            let chain = runbook_kit::failure::chain(&error);
            context
                .ui
                .warn(&format!("this etcd was not compared with the store's backups: {chain}"));
            None
        }
    }
}
