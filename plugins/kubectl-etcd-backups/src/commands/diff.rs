//! `diff`: compares two backups, or a backup with the living cluster.

use runbook_kit::cli::BackupArgs;
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::backup::contents::diff::{Changed, Diff, DiffOptions, ObjectName, Wanted};
use runbook_kit::model::backup::contents::live::{LiveDiff, Stored};
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::selection::{Request, Resource, ResourceError, Selection};
use runbook_kit::model::kubernetes::served::{Served, ServedResource};
use runbook_kit::model::units;
use runbook_kit::usecases::choose::Chosen;
use serde::Serialize;

use crate::context::{self, Context};
use crate::rules::diff_text::{self, Shown};
use crate::rules::live_text;
use crate::usecases::open::{self, Opened};
use crate::usecases::{live, selected};

/// Compare two backups, or a backup with the living cluster: gone, new and changed objects
#[derive(Debug, clap::Args)]
#[command(
    after_help = AFTER_HELP
)]
pub struct Args {
    /// The earlier backup: a name, a prefix of one, `latest` or `latest-good`; ETCD=BACKUP for one etcd cluster
    #[arg(value_name = "A")]
    from: BackupRef,
    /// The later backup; with --live there is none
    #[arg(value_name = "B", required_unless_present = "live")]
    to: Option<String>,
    /// Only these objects, as for `kubectl get` [default: all]
    #[arg(value_name = "RESOURCE[/NAME]")]
    resources: Vec<String>,
    /// Compare with the cluster of the kubeconfig: what is lost since the backup, and what a restore would lose
    #[arg(long)]
    live: bool,
    /// Only objects of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Objects of all namespaces; the default
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Show which fields of changed objects differ
    #[arg(long)]
    fields: bool,
    /// With --fields: also metadata.managedFields
    #[arg(long, requires = "fields")]
    show_managed_fields: bool,
    /// List events, leases, masterleases and the status of Nodes like other objects
    #[arg(long)]
    heartbeats: bool,
    /// Only count the objects
    #[arg(long)]
    summary: bool,
}

const AFTER_HELP: &str = "\
An object is changed if its stored value differs. Events, leases, masterleases and the status of Nodes change all the time: they are only counted, unless --heartbeats is given.

--fields: a field is named by its JSON pointer. Elements of a list are compared by name where each has one (in brackets: /spec/containers/[web]/image), \
else by type, mountPath, containerPort or port, else by index. Long values are cut. Of Secrets only the beginning of the SHA-256 of each value is shown.

--live: objects are compared with what the API serves in the version that they are stored in. What cannot be compared is listed; if the API refuses to list a resource, \
the exit code is 1.

Examples:
  # What changed between two backups
  kubectl etcd-backups diff latest-good latest

  # Which fields of the Deployments of one namespace
  kubectl etcd-backups diff main=2026-11-22T15:18 main=2026-11-22T15:19 deploy -n shop --fields

  # What is lost since the last good backup, and what a restore of it would lose
  kubectl etcd-backups diff latest-good --live";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    cluster: String,
    etcd: String,
    from_backup: String,
    to_backup: String,
    #[serde(flatten)]
    diff: Diff,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ComparedLive {
    cluster: String,
    etcd: String,
    from_backup: String,
    #[serde(skip)]
    age: String,
    #[serde(flatten)]
    diff: LiveDiff,
}

impl Args {
    fn options<'a>(&self, wanted: Option<Wanted<'a>>) -> DiffOptions<'a> {
        DiffOptions {
            heartbeats: self.heartbeats,
            fields: self.fields,
            managed_fields: self.show_managed_fields,
            wanted,
        }
    }

    const fn shown(&self) -> Shown {
        Shown {
            summary: self.summary,
            fields: self.fields,
        }
    }

    /// The words for resources: with --live the first of them stands where the second backup would.
    fn words(&self) -> Vec<String> {
        let first = self.to.iter().filter(|_| self.live);
        first.chain(&self.resources).cloned().collect()
    }
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let request = selected::request(&args.words(), args.namespace.as_deref())?;
    let catalogs = context.catalogs().await?;
    let from = context.choose(&catalogs, &BackupArgs::from(args.from.clone())).await?;
    match &args.to {
        Some(to) if !args.live => {
            let to = to
                .parse::<BackupRef>()
                .map_err(|error| CommandError::usage(format!("{error}")))?;
            let later = context.choose(&catalogs, &BackupArgs::from(to.clone())).await?;
            let pairs = pairs((&args.from, &to), context, &from, &later)?;
            of_backups(&args, context, request.as_ref(), &pairs).await
        }
        _ => of_live(&args, context, request.as_ref(), &from).await,
    }
}

/// What a selection could not be made of in any of the backups.
#[derive(Default)]
struct Unknown(Option<ResourceError>);

impl Unknown {
    /// A resource may be known in one etcd cluster only: an error counts where no etcd cluster knows it.
    fn end(self, compared: usize) -> Result<(), CommandError> {
        match self.0 {
            Some(error) if compared == 0 => Err(CommandError::usage(error.to_string())),
            _ => Ok(()),
        }
    }
}

/// `None` where these backups do not know a resource that was named.
fn select(
    request: Option<&Request>,
    backups: &[&Opened],
    served: Option<&Served>,
    unknown: &mut Unknown,
) -> Result<Option<Option<Selection>>, CommandError> {
    let Some(request) = request else {
        return Ok(Some(None));
    };
    let snapshots: Vec<Snapshot<'_>> = backups.iter().map(|opened| opened.snapshot()).collect();
    let resolved = selected::resolve(request, &snapshots, served).map_err(|problem| match backups.last() {
        Some(opened) => opened.unreadable(problem),
        None => CommandError::failed(problem.to_string()),
    })?;
    Ok(match resolved {
        Ok(selection) => Some(Some(selection)),
        Err(error) => {
            unknown.0.get_or_insert(error);
            None
        }
    })
}

async fn of_backups(
    args: &Args,
    context: &Context,
    request: Option<&Request>,
    pairs: &[(&Chosen<'_>, &Chosen<'_>)],
) -> Result<Exit, AnyFailure> {
    let (mut compared, mut unknown, mut found) = (Vec::new(), Unknown::default(), false);
    for (from, to) in pairs {
        context.tell_chosen(from);
        context.tell_chosen(to);
        let from = open::open(context, from).await?;
        let to = open::open(context, to).await?;
        let Some(selection) = select(request, &[&from, &to], None, &mut unknown)? else {
            continue;
        };
        let is_meant = |raw: &[u8], key: &ObjectKey<'_>| selection.as_ref().is_some_and(|all| all.takes(raw, key));
        let options = args.options(selection.as_ref().map(|_| &is_meant as Wanted<'_>));
        let diff = Diff::between(from.snapshot(), to.snapshot(), options).map_err(|problem| to.unreadable(problem))?;
        found |= selection
            .as_ref()
            .is_none_or(|all| selected::is_any(all, &[from.snapshot(), to.snapshot()]));
        compared.push(Compared {
            cluster: from.cluster,
            etcd: from.etcd,
            from_backup: from.name,
            to_backup: to.name,
            diff,
        });
    }
    unknown.end(compared.len())?;
    if !found {
        context.ui.note("neither backup holds an object that matches");
    }
    let name = |one: &Compared| names(&one.diff.gone, &one.diff.new, &one.diff.changed);
    show(context, &compared, |one| details(one, args.shown()), name)?;
    Ok(Exit::Done)
}

async fn of_live(
    args: &Args,
    context: &Context,
    request: Option<&Request>,
    backups: &[Chosen<'_>],
) -> Result<Exit, AnyFailure> {
    let api = context::objects(context).await?;
    let cluster = live::survey(api.as_ref()).await?;
    let (mut compared, mut unknown) = (Vec::new(), Unknown::default());
    for chosen in backups {
        context.tell_chosen(chosen);
        let opened = open::open(context, chosen).await?;
        let Some(selection) = select(request, &[&opened], Some(&cluster.served), &mut unknown)? else {
            continue;
        };
        let is_meant = |raw: &[u8], key: &ObjectKey<'_>| selection.as_ref().is_some_and(|all| all.takes(raw, key));
        let options = args.options(selection.as_ref().map(|_| &is_meant as Wanted<'_>));
        let stored = Stored::of(opened.snapshot(), options);
        let wanted = |resource: &ServedResource| match &selection {
            Some(selection) => selection.may_take(&of_served(&stored, resource), resource.namespaced),
            None => true,
        };
        let scope = live::Scope {
            namespace: selection.as_ref().and_then(Selection::namespace),
            wanted: &wanted,
        };
        let progress = context
            .ui
            .count_progress("comparing", cluster.served.resources.len() as u64);
        let step = |label: &str| progress.step(&format!("comparing {label}"));
        let diff = live::compare(api.as_ref(), &cluster, &stored, &scope, &step)
            .await
            .map_err(|error| error.of(&opened))?;
        drop(progress);
        compared.push(ComparedLive {
            age: units::age(context.now().duration_since(chosen.backup.name.created())),
            cluster: opened.cluster.clone(),
            etcd: opened.etcd.clone(),
            from_backup: opened.name.clone(),
            diff,
        });
    }
    unknown.end(compared.len())?;
    if compared.iter().any(|one| one.diff.same_lineage == Some(false)) {
        context.ui.warn(&format!(
            "{} is ANOTHER CLUSTER than the one of the backup: check --context and --name",
            cluster.side.server
        ));
    }
    let name = |one: &ComparedLive| names(&one.diff.gone, &one.diff.new, &one.diff.changed);
    show(context, &compared, |one| live_details(one, args.shown()), name)?;
    let missing: Vec<String> = compared.iter().flat_map(|one| live_text::missing(&one.diff)).collect();
    for line in &missing {
        context.ui.warn(line);
    }
    Ok(if missing.is_empty() { Exit::Done } else { Exit::Failed })
}

/// A resource of the API as the backup's keys name it.
fn of_served(stored: &Stored<'_>, resource: &ServedResource) -> Resource {
    let name = stored.name_of(&resource.group, &resource.plural);
    Resource {
        plural: name.plural,
        group: name.group,
    }
}

/// Prints all comparisons.
fn show<C: Serialize>(
    context: &Context,
    compared: &[C],
    details: impl Fn(&C) -> String,
    names: impl Fn(&C) -> String,
) -> Result<(), AnyFailure> {
    match context.format {
        Format::Table | Format::Wide => {
            let details: Vec<String> = compared.iter().map(details).collect();
            context.ui.result(&details.join("\n"))?;
        }
        Format::Name => context.ui.result(&compared.iter().map(names).collect::<String>())?,
        Format::Prometheus | Format::Svg => {}
        Format::Json | Format::Yaml => output::structured(&context.ui, context.format, &compared)?,
    }
    Ok(())
}

fn details(compared: &Compared, shown: Shown) -> String {
    let head = format!("{} of {}", compared.etcd, compared.cluster);
    diff_text::of_backups(
        &head,
        (&compared.from_backup, &compared.to_backup),
        &compared.diff,
        shown,
    )
}

fn live_details(compared: &ComparedLive, shown: Shown) -> String {
    let head = format!("{} of {}", compared.etcd, compared.cluster);
    live_text::of_live(&head, &compared.from_backup, &compared.age, &compared.diff, shown)
}

/// One object a line.
fn names(gone: &[ObjectName], new: &[ObjectName], changed: &[Changed]) -> String {
    let changed = changed.iter().map(|one| &one.name);
    gone.iter()
        .chain(new)
        .chain(changed)
        .map(|found| format!("{}\n", found.object))
        .collect()
}

/// The pairs of backups of the same etcd cluster.
fn pairs<'c, 'a>(
    names: (&BackupRef, &BackupRef),
    context: &Context,
    from: &'c [Chosen<'a>],
    to: &'c [Chosen<'a>],
) -> Result<Vec<(&'c Chosen<'a>, &'c Chosen<'a>)>, CommandError> {
    let same = |a: &Chosen<'_>, b: &Chosen<'_>| a.catalog.store.base == b.catalog.store.base;
    let pairs: Vec<_> = from
        .iter()
        .filter_map(|a| to.iter().find(|b| same(a, b)).map(|b| (a, b)))
        .collect();
    if pairs.is_empty() {
        let etcds = |side: &[Chosen<'_>]| {
            side.iter()
                .map(|chosen| chosen.catalog.store.etcd.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let message = format!(
            "{} is a backup of etcd {}, {} of etcd {}: they cannot be compared",
            names.0,
            etcds(from),
            names.1,
            etcds(to)
        );
        return Err(CommandError::usage(message).hint("name two backups of the same etcd cluster: `list` shows them"));
    }
    for alone in from
        .iter()
        .chain(to)
        .filter(|one| !pairs.iter().any(|(a, b)| same(a, one) || same(b, one)))
    {
        context.ui.note(&format!(
            "etcd {}: skipped, only one of the two backups exists",
            alone.catalog.store.etcd
        ));
    }
    Ok(pairs)
}
