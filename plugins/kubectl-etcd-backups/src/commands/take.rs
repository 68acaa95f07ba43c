//! `take`: takes a backup of a running etcd, or of the disk of a stopped one, in the format of etcd-manager.

use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::{EtcdAccess, Via};
use runbook_kit::model::etcd_manager::data_dir::HostPath;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::Catalog;

use crate::context::{self, Context};
use crate::usecases::data_dir::{self, DiskHosts, OnDisk, Wanted};
use crate::usecases::members;
use crate::usecases::take::{self, Expected, Origin, TakePlan, TakePorts, Taken};
use crate::usecases::take_row::TakeRow;

/// Take a backup of an etcd into its store, in the format of etcd-manager
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The snapshot is compressed, read back and verified before it is uploaded; the meta file, without \
    which it is no backup, is written last. An etcd that is empty, or of another cluster than the store's good backups, \
    is refused.\n\n\
    A member needs neither quorum nor leader. Where several answer (every endpoint, host or pod), the one with the highest revision \
    and raft index is taken.\n\n\
    With --data-dir the etcd must be stopped: no process has the database open, and its lock is free. The write-ahead log is not \
    replayed; what it holds beyond the database is counted. For a volume that is detached or in quarantine, kops-wipe-masters audit and \
    restore-volumes print the commands that attach a copy of it to a running instance, mount it read-only, and take the backup.\n\nExamples:\n  \
    # Before an upgrade, through the Kubernetes API\n  \
    kubectl etcd-backups take --state s3://kops-state --name k8s.example.com --yes\n\n  \
    # With the API down, over ssh: the newest of the members that are left\n  \
    kubectl etcd-backups take --etcd main --via ssh --host 10.0.1.7 --host 10.0.2.7 --yes\n\n  \
    # From the volume of a stopped etcd\n  \
    kubectl etcd-backups take --etcd main --via ssh --host 10.0.1.7 --data-dir --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: ConsentArgs,
    /// Take the backup even if the store's good backups are of another cluster
    #[arg(long)]
    other_lineage: bool,
    /// Read the database of a stopped etcd from the host's disk: its data dir or volume [default: the volumes of etcd-manager below /mnt]
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    data_dir: Option<Option<HostPath>>,
    #[command(flatten)]
    access: EtcdAccess,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    one_etcd_per_endpoint(&args, &catalogs)?;
    context.require_own_place(args.consent.yes)?;
    let consent = confirm::plain(args.consent.yes);
    let mut rows: Vec<TakeRow> = Vec::new();
    for catalog in &catalogs {
        let row = match &args.data_dir {
            None => of_member(&args, catalog, context, consent.as_ref()).await,
            Some(path) => of_disk(&args, path.as_ref(), catalog, context, consent.as_ref()).await,
        };
        // Show the backups that were taken before the failure.
        if row.is_err() && consent.is_some() && !rows.is_empty() {
            output::rows(&context.ui, context.format, &rows, "")?;
        }
        rows.push(row?);
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

async fn of_member(
    args: &Args,
    catalog: &Catalog,
    context: &Context,
    consent: Option<&Consent>,
) -> Result<TakeRow, AnyFailure> {
    let etcd = &catalog.store.etcd;
    let connected = context::members(context, &args.access, etcd).await?;
    let (member, all) = members::choose(&context.ui, etcd, connected).await?;
    let origin = Origin::Member(&member);
    let (plan, taken) = plan_and_take(args, origin, catalog, context, consent).await?;
    Ok(TakeRow::new(catalog, &plan, taken.as_ref(), &member.way).with_members(&member.status, &all))
}

async fn of_disk(
    args: &Args,
    path: Option<&HostPath>,
    catalog: &Catalog,
    context: &Context,
    consent: Option<&Consent>,
) -> Result<TakeRow, AnyFailure> {
    let hosts = context::hosts(&args.access)?;
    let etcds: Vec<String> = context
        .discover()
        .await?
        .stores
        .into_iter()
        .map(|store| store.etcd)
        .collect();
    let wanted = Wanted {
        hosts: &args.access.host,
        path,
        cluster: &catalog.store.cluster,
        etcd: &catalog.store.etcd,
        etcds: &etcds,
        other_cluster: args.other_lineage,
    };
    let disk = data_dir::find(&hosts, &wanted).await?;
    tell_disk(context, &disk);
    let (plan, taken) = plan_and_take(args, Origin::Disk(&disk, &hosts), catalog, context, consent).await?;
    let way = format!("the disk of {}, {}", disk.host, disk.dir.path);
    let mut row = TakeRow::new(catalog, &plan, taken.as_ref(), &way);
    if let Some(taken) = &taken {
        row = row.with_log(tell_log(context, &hosts, &disk, taken).await);
    }
    Ok(row)
}

async fn plan_and_take(
    args: &Args,
    origin: Origin<'_>,
    catalog: &Catalog,
    context: &Context,
    consent: Option<&Consent>,
) -> Result<(TakePlan, Option<Taken>), AnyFailure> {
    let ports = TakePorts {
        objects: context.objects(),
        packer: context.packer(),
        reader: context.reader(),
        keys: &context.keys,
        store: &catalog.store,
    };
    let plan = take::plan(ports, origin, catalog, context.now()).await?;
    for note in &plan.notes {
        context.ui.note(&format!("note: {note}"));
    }
    let Some(consent) = consent else {
        return Ok((plan, None));
    };
    let expected = match args.other_lineage {
        true => None,
        false => expected(ports, catalog, context).await,
    };
    let label = format!("taking {}", catalog.store.etcd);
    let progress = context.ui.bytes_progress(&label, plan.db_size);
    let taken = take::take(ports, origin, &plan, expected.as_ref(), &|at| progress.set(at), consent).await?;
    Ok((plan, Some(taken)))
}

fn tell_disk(context: &Context, disk: &OnDisk) {
    let (ui, dir) = (&context.ui, &disk.dir);
    ui.note(&format!(
        "{}:{}, {}: {}",
        disk.host,
        dir.database(),
        units::bytes(dir.db_size),
        disk.proof()
    ));
    if let [received, ..] = dir.received.as_slice() {
        ui.warn(&format!(
            "{received} beside the database is what a leader sent and etcd had not taken over: the backup lacks it; another member has \
             newer data"
        ));
    }
}

/// Tells what the write-ahead log has beyond the backup. Where it cannot be told, the backup is still there.
async fn tell_log(
    context: &Context,
    hosts: &dyn DiskHosts,
    disk: &OnDisk,
    taken: &Taken,
) -> Option<runbook_kit::model::wal::WalTail> {
    let revision = taken.revision;
    let Some(applied) = taken.applied_index else {
        context.ui.warn(&format!(
            "the database does not tell its raft index: writes after revision {revision} may be missing"
        ));
        return None;
    };
    let tail = match disk.log_after(hosts, applied).await {
        Ok(tail) => tail,
        Err(error) => {
            let why = runbook_kit::failure::chain(error.as_ref());
            context.ui.warn(&format!(
                "the write-ahead log was not read ({why}): writes after revision {revision} may be missing"
            ));
            return None;
        }
    };
    let end = if tail.torn {
        "; the log ends in the middle of a record"
    } else {
        ""
    };
    match tail.entries {
        0 => context.ui.note(&format!(
            "the write-ahead log holds nothing beyond the database (revision {revision}, raft index {applied}){end}"
        )),
        entries => context.ui.warn(&format!(
            "the write-ahead log was not replayed: {entries} raft entries after index {applied} are not in the backup, {} of them change \
             keys: writes after revision {revision} are missing{end}; an etcd that starts on this data would apply what was committed",
            tail.changes
        )),
    }
    Some(tail)
}

/// An endpoint or a data folder belongs to one etcd cluster: its snapshot must not be stored as the backup of two.
fn one_etcd_per_endpoint(args: &Args, catalogs: &[Catalog]) -> Result<(), CommandError> {
    let access = &args.access;
    if args.data_dir.is_some() {
        if !matches!(access.via, Via::Ssh | Via::Auto) {
            return Err(CommandError::usage("--data-dir is read over ssh").hint("pass --via ssh and --host"));
        }
        if access.host.is_empty() {
            return Err(CommandError::usage("--data-dir needs --host").hint("name the host that has the disk"));
        }
    }
    let by_endpoint = access.via == Via::Direct || (access.via == Via::Auto && !access.endpoints.is_empty());
    let by_path = matches!(args.data_dir, Some(Some(_)));
    let is_one = (args.data_dir.is_none() && (by_endpoint || access.etcd_port.is_some())) || by_path;
    if catalogs.len() > 1 && is_one {
        let etcds: Vec<&str> = catalogs.iter().map(|catalog| catalog.store.etcd.as_str()).collect();
        let what = if by_path { "data folder" } else { "endpoint" };
        return Err(CommandError::usage(format!(
            "the {what} belongs to one etcd cluster, but {} are selected",
            etcds.join(" and ")
        ))
        .hint(format!(
            "select the etcd cluster of the {what}, for example --etcd main"
        )));
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
