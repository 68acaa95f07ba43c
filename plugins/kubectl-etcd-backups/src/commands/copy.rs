//! `copy`: copies backups, and what else a state store needs, to another store.

use jiff::SignedDuration;
use runbook_kit::cli::BackupArgs;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, chain, with_repeating};
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::kops::duration;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::catalog::{Backup, Catalog};

use crate::context::{self, Context};
use crate::usecases::copy::{self, CopyPlan, CopyPorts, Keep};
use crate::usecases::copy_row::{CopyRow, State};
use crate::usecases::copy_state::{self, Places, StatePlan};
use crate::usecases::destination;

/// Copy backups to another store, so that the loss of a bucket is not the end
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Copies lie in <URL>/<cluster>/backups/etcd/<etcd>/, so that `--state URL --name CLUSTER` lists and restores them. S3 copies by \
    itself where one set of credentials may; else the data is streamed through this machine. Every new copy is compared with its source: by \
    S3's checksum (ETag) where both have one, else by the SHA-256 of what is read back; the meta file, without which it is no backup, \
    is written last. What is there already is skipped if size, meta and checksum, where there is one, are the same; what is different \
    is left alone, and the command ends with 5.\n\n\
    --keep deletes copies from the destination only, never the newest good one, and none unless one is known to be good.\n\n\
    --state-store copies spec, instance groups, keys, secrets and manifests to <URL>/<cluster>/backups/state/<TIME>/, when they have \
    changed. It has private keys: the destination must be encrypted and not public (S3), or a folder of mode 0700.\n\nExamples:\n  \
    kubectl etcd-backups copy --since 2d --to s3://other-bucket/kops --keep 90d --yes\n  \
    kubectl etcd-backups copy latest-good --state-store --to file:///mnt/safe --yes"
)]
pub struct Args {
    /// Names or prefixes of backups, `latest` or `latest-good`; `ETCD=` before one selects one etcd cluster
    #[arg(value_name = "BACKUP")]
    backups: Vec<BackupRef>,
    /// Copy all complete backups
    #[arg(long, conflicts_with_all = ["backups", "since"])]
    all: bool,
    /// Copy those taken since then: a time, or an age such as 2d
    #[arg(long, value_name = "TIME", conflicts_with = "backups")]
    since: Option<String>,
    /// Destination: s3://bucket[/prefix] or file:///folder
    #[arg(long, value_name = "URL")]
    to: StoreUrl,
    /// AWS profile for the destination [default: that of the source]
    #[arg(long, value_name = "PROFILE")]
    to_profile: Option<String>,
    /// Delete copies that are older from the destination
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    keep: Option<SignedDuration>,
    /// Copy also what else the state store has of the cluster
    #[arg(long)]
    state_store: bool,
    #[command(flatten)]
    consent: ConsentArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let with_backups = args.all || args.since.is_some() || !args.backups.is_empty();
    if !with_backups && !args.state_store {
        return Err(CommandError::usage("nothing is named to be copied")
            .hint("name backups, or pass --all, --since TIME or --state-store")
            .into());
    }
    let other = args
        .to_profile
        .clone()
        .map(|profile| context::other_stores(context, profile));
    let ports = CopyPorts {
        source: context.objects(),
        target: other.as_deref().unwrap_or(context.objects()),
        same_credentials: other.is_none(),
        spooler: context.spooler.as_ref(),
        reader: context.reader(),
        keys: &context.keys,
    };
    let keep = Keep {
        keep: args.keep,
        now: context.now(),
    };
    let catalogs = if with_backups {
        context.catalogs().await?
    } else {
        Vec::new()
    };
    let places = if args.state_store {
        Some(places(context).await?)
    } else {
        None
    };
    may_hold(&args, context, ports, &catalogs, places.as_ref()).await?;

    let mut plans = Vec::new();
    for (catalog, wanted) in selected(&args, context, &catalogs).await? {
        plans.push(copy::plan(ports, catalog, &wanted, &args.to, keep).await?);
    }
    let state = match places {
        Some(places) => Some(copy_state::plan(ports, places, &args.to, keep).await?),
        None => None,
    };
    for note in plans.iter().flat_map(|plan| &plan.notes) {
        context.ui.note(note);
    }
    let Some(consent) = confirm::plain(args.consent.yes) else {
        let rows: Vec<CopyRow> = plans.iter().flat_map(CopyPlan::rows).collect();
        let rows: Vec<CopyRow> = rows.into_iter().chain(state.iter().flat_map(StatePlan::rows)).collect();
        output::rows(&context.ui, context.format, &rows, "Nothing to copy")?;
        context.ui.note("nothing was changed; pass --yes to do it");
        return Ok(found(&rows));
    };
    let mut rows = Vec::new();
    let mut changed = false;
    let ended = apply(
        ports,
        context,
        &plans,
        state.as_ref(),
        &mut rows,
        &mut changed,
        &consent,
    )
    .await;
    // Also what was copied before a failure.
    if ended.is_ok() || !rows.is_empty() {
        output::rows(&context.ui, context.format, &rows, "Nothing to copy")?;
    }
    match ended {
        Ok(()) => Ok(found(&rows)),
        Err(error) if changed && error.exit() != Exit::FailedAfterChange => {
            let message = chain(error.as_ref());
            Err(
                CommandError::after_change(format!("copies were made, and then: {message}"))
                    .hint(with_repeating(error.hint(), "goes on where it stopped"))
                    .into(),
            )
        }
        Err(error) => Err(error),
    }
}

/// What is different there was left alone: somebody should look.
fn found(rows: &[CopyRow]) -> Exit {
    match rows.iter().any(|row| row.state == State::Different) {
        true => Exit::Found,
        false => Exit::Done,
    }
}

async fn apply(
    ports: CopyPorts<'_>,
    context: &Context,
    plans: &[CopyPlan],
    state: Option<&StatePlan>,
    rows: &mut Vec<CopyRow>,
    changed: &mut bool,
    consent: &Consent,
) -> Result<(), AnyFailure> {
    for plan in plans {
        for item in &plan.items {
            let size = item.source.data.as_ref().map_or(0, |data| data.size);
            let label = format!("copying {} {}", plan.etcd, item.name);
            let (ended, how) = match item.state {
                State::Planned => {
                    let progress = context.ui.bytes_progress(&label, size);
                    copy::copy(ports, item, changed, &|at| progress.set(at), consent).await?
                }
                other => (other, None),
            };
            rows.push(plan.row(item, ended, how));
        }
    }
    if let Some(plan) = state {
        if plan.is_needed() {
            let progress = context.ui.bytes_progress("copying the state store", plan.size());
            copy_state::copy(ports, plan, changed, &|at| progress.set(at), consent).await?;
        }
        rows.push(plan.copied(State::Copied));
    }
    // Only once every copy is there.
    for plan in plans {
        for name in &plan.deletes {
            copy::delete(ports, &plan.base, name, changed, consent).await?;
            rows.push(plan.deleted(name, State::Deleted));
        }
    }
    if let Some(plan) = state {
        rows.extend(copy_state::delete(ports, plan, changed, consent).await?);
    }
    Ok(())
}

/// The backups that are meant, by etcd cluster.
async fn selected<'a>(
    args: &Args,
    context: &Context,
    catalogs: &'a [Catalog],
) -> Result<Vec<(&'a Catalog, Vec<&'a Backup>)>, AnyFailure> {
    let since = context.moment(args.since.as_deref(), "--since")?;
    let mut selected: Vec<(&Catalog, Vec<&Backup>)> = Vec::new();
    if args.backups.is_empty() {
        for catalog in catalogs {
            let young = |backup: &&Backup| since.is_none_or(|since| backup.name.created() >= since);
            selected.push((catalog, catalog.complete().filter(young).collect()));
        }
        return Ok(selected);
    }
    for wanted in &args.backups {
        for chosen in context.choose(catalogs, &BackupArgs::from(wanted.clone())).await? {
            context.tell_chosen(&chosen);
            if !chosen.backup.complete() {
                let name = &chosen.backup.name;
                return Err(
                    CommandError::failed(format!("backup {name} is incomplete: data or meta is missing")).into(),
                );
            }
            match selected
                .iter_mut()
                .find(|(catalog, _)| std::ptr::eq(*catalog, chosen.catalog))
            {
                Some((_, backups)) if backups.iter().any(|backup| backup.name == chosen.backup.name) => {}
                Some((_, backups)) => backups.push(chosen.backup),
                None => selected.push((chosen.catalog, vec![chosen.backup])),
            }
        }
    }
    Ok(selected)
}

/// Where the state of the cluster lies.
async fn places(context: &Context) -> Result<Places, AnyFailure> {
    let state = context.required_state()?;
    let name = context.explicit_name(true).await?;
    let found = context.found(&state, &name).await?;
    let invalid = |what: &str, error: &dyn std::fmt::Display| CommandError::usage(format!("{what}: {error}"));
    let config_base = found
        .config_base(&state, &name)
        .map_err(|error| invalid("configBase", &error))?;
    let key_store = match &found.spec {
        Some(spec) => spec.key_store_in(&state).map_err(|error| invalid("keyStore", &error))?,
        None => config_base.join("pki"),
    };
    Ok(Places {
        folder: state.join(&name),
        cluster: name,
        config_base,
        key_store,
    })
}

/// Whether the destination may hold what is to be copied.
async fn may_hold(
    args: &Args,
    context: &Context,
    ports: CopyPorts<'_>,
    catalogs: &[Catalog],
    places: Option<&Places>,
) -> Result<(), AnyFailure> {
    if catalogs.iter().any(|catalog| catalog.store.cluster.is_empty()) {
        return Err(
            CommandError::usage("the store does not tell which cluster its backups are of")
                .hint("pass --name: copies lie in the folder of their cluster")
                .into(),
        );
    }
    let mut from: Vec<StoreUrl> = Vec::new();
    for catalog in catalogs {
        from.push(catalog.store.base.clone());
        from.extend(catalog.store.recovery.clone());
    }
    if let Some(places) = places {
        from.extend([&places.folder, &places.config_base, &places.key_store].map(Clone::clone));
    }
    // The folder of a cluster, and a whole state store, are no place for copies of theirs.
    if args.store_is_state(context) {
        from.extend(context.state()?);
    }
    destination::apart(ports.source, ports.target, &from, &args.to).await?;
    if let Some(bucket) = destination::same_bucket(&from, &args.to) {
        context.ui.warn(&format!(
            "source and destination are in bucket {bucket}: its loss would take both"
        ));
    }
    destination::closed(ports.target, &args.to, places.is_some()).await
}

impl Args {
    /// Whether the backups are those of the state store, and not of stores that were named one by one.
    fn store_is_state(&self, context: &Context) -> bool {
        context.stores.store.is_empty()
    }
}
