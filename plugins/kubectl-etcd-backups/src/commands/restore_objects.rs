//! `restore-objects`: creates objects of a backup in a living cluster, and takes that back.

mod undo;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::cli::values;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, with_repeating};
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::kubernetes::for_apply::Along;
use runbook_kit::model::kubernetes::selection::{LabelSelector, LabelSelectorError, Namespaces, Request};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::model::units;
use runbook_kit::ports::cluster_objects::ClusterObjects;

use crate::context::{self, Context};
use crate::rules::restore_objects::journal::Head;
use crate::rules::restore_objects::object::ObjectId;
use crate::rules::restore_objects::plan::{self, Action, Item};
use crate::rules::restore_objects::prepare::prepare;
use crate::rules::restore_objects::report::{self, CANNOT, ObjectRow, Report};
use crate::usecases::export::find::{Found, find};
use crate::usecases::restore_objects::apply::{Applied, Outcome, Reason, Run, Stopped};
use crate::usecases::restore_objects::{backup, check, observe};
use runbook_kit::cli::BackupArgs;

/// Restore objects of a backup into a running cluster: a namespace, or some of it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What exists is never changed, unless --overwrite is given. The API is asked first whether it would accept each object. \
    What was created is noted in a file, and --undo FILE deletes that, and nothing else. What controllers create by themselves, such as \
    the pods of a Deployment, is left out. The contents of volumes are in no backup of etcd.\n\nExamples:\n  \
    # One namespace is gone: show what would be restored, then restore it\n  \
    kubectl etcd-backups restore-objects latest-good -n shop\n  \
    kubectl etcd-backups restore-objects latest-good -n shop --yes\n\n  \
    # One Secret\n  \
    kubectl etcd-backups restore-objects latest-good secrets/password -n shop --yes\n\n  \
    # Take it back\n  \
    kubectl etcd-backups restore-objects --undo restore-objects-undo-20261122T151801Z.jsonl --yes"
)]
pub struct Args {
    /// Name or prefix of a backup, `latest` or `latest-good`; `ETCD=` before it selects one etcd cluster
    #[arg(value_name = "BACKUP", required_unless_present = "undo")]
    backup: Option<BackupRef>,
    /// What to restore, as for kubectl get: deploy, deploy/web, deploy,svc [default: all of the namespace]
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    /// With latest and latest-good: only backups up to this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Namespace of the objects
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Objects of all namespaces; without a resource all objects
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    selector: Option<LabelSelector>,
    /// Give objects that exist and differ the content of the backup, if nobody changes them meanwhile
    #[arg(long)]
    overwrite: bool,
    /// Apply to another cluster than that of the backup
    #[arg(long)]
    other_lineage: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    /// File to note the changes in [default: restore-objects-undo-TIME.jsonl in the current folder]
    #[arg(long, value_name = "FILE")]
    undo_file: Option<PathBuf>,
    /// Delete what the run of this file created, and put back what it overwrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backup", "resources", "at", "namespace", "all_namespaces", "selector", "overwrite", "other_lineage", "undo_file"])]
    undo: Option<PathBuf>,
    /// With --undo: also what was changed since
    #[arg(long, requires = "undo")]
    even_if_changed: bool,
    /// How long to wait until the API serves a new kind, or a new namespace has its ServiceAccount
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::wait)]
    wait: Duration,
}

fn selector(text: &str) -> Result<LabelSelector, LabelSelectorError> {
    text.parse()
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    match &args.undo {
        Some(file) => undo::run(&args, file, context).await,
        None => restore(&args, context).await,
    }
}

async fn restore(args: &Args, context: &Context) -> Result<Exit, AnyFailure> {
    if args.even_if_changed {
        return Err(CommandError::usage("--even-if-changed goes with --undo FILE").into());
    }
    let request = request(args)?;
    let found = found(args, &request, context).await?;
    let opened = &found.opened;
    let from_backup = backup::read(&found, args.selector.as_ref())?;
    if from_backup.selected.is_empty() {
        return Err(CommandError::failed(format!("no object of backup {} has these labels", opened.name)).into());
    }
    let backup_uid = opened
        .snapshot()
        .lineage()
        .map_err(|problem| opened.unreadable(problem))?;
    let api = context::objects(context).await?;
    let api = api.as_ref();
    let served = api.resources().await?;
    let here = observe::cluster_uid(api, &served).await?;
    let volumes = observe::volumes(api, &served, &from_backup.selected, from_backup.volumes).await?;
    let (wanted, along) = prepare(from_backup.selected, &volumes);
    let in_backup = |ids: &BTreeSet<ObjectId>| backup::has(opened, ids);
    let living = observe::living(api, served, &wanted, in_backup).await?;
    let items = plan::plan(wanted, &living, &along, args.overwrite);
    let items = checked(items, api, &along, context).await?;

    let same_cluster = match (&backup_uid, &here) {
        (Some(there), Some(here)) => Some(there == here),
        _ => None,
    };
    let rows: Vec<ObjectRow> = items.iter().map(ObjectRow::of).collect();
    let mut report = Report {
        cluster: opened.cluster.clone(),
        etcd: opened.etcd.clone(),
        backup: opened.name.clone(),
        server: api.server().to_owned(),
        same_cluster,
        applied: false,
        undo_file: None,
        counts: report::counts(&rows),
        objects: rows,
    };
    if is_text(context) {
        let wide = context.format == Format::Wide;
        context.ui.result(&report::plan_text(&report, wide))?;
    }
    if !items.iter().any(Item::is_change) {
        context.ui.note("nothing to do");
        finish(&report, context)?;
        return nothing_done(&report, args.consent.yes);
    }
    let Some(consent) = confirm::plain(args.consent.yes) else {
        context.ui.note("nothing was changed; pass --yes to do it");
        finish(&report, context)?;
        return Ok(Exit::Done);
    };
    require_own_cluster(args, &report)?;
    let file = undo_file(args, context);
    let head = Head::new(context.now(), api.server(), here.as_deref(), &opened.name);
    let applied = apply(&items, api, &head, &file, args.wait, &consent, context).await?;
    note_outcomes(&mut report, &applied);
    report.applied = true;
    report.undo_file = Some(file.clone());
    if is_text(context) {
        context.ui.result(&report::outcome_text(&report.objects))?;
    }
    finish(&report, context)?;
    ended(&report, applied.stopped, &file, context)
}

/// What the command line asks for.
fn request(args: &Args) -> Result<Request, CommandError> {
    let namespaces = match (&args.namespace, args.all_namespaces) {
        (Some(namespace), _) => Namespaces::One(namespace.clone()),
        (None, true) => Namespaces::All,
        (None, false) => {
            return Err(CommandError::usage("no namespace is named").hint("pass -n NAMESPACE, or -A for all of them"));
        }
    };
    let everything = args.resources.is_empty();
    Request::parse(&args.resources, everything, namespaces, args.selector.clone())
        .map_err(|error| CommandError::usage(error.to_string()))
}

/// What is asked for, in a backup of the etcd that has objects: the others hold events, or what is not Kubernetes'.
async fn found(args: &Args, request: &Request, context: &Context) -> Result<Found, AnyFailure> {
    let Some(backup) = &args.backup else {
        return Err(CommandError::usage("no backup is named").into());
    };
    let wanted = BackupArgs {
        backup: backup.clone(),
        at: args.at.clone(),
    };
    let mut catalogs = context.catalogs().await?;
    if catalogs.iter().any(|catalog| catalog.store.etcd == MAIN) {
        catalogs.retain(|catalog| catalog.store.etcd == MAIN);
    }
    let chosen = context.choose(&catalogs, &wanted).await?;
    let several = chosen.len() > 1;
    let found = find(context, &chosen, request).await?.into_iter().next();
    match found {
        Some(found) if !several => Ok(found),
        _ => {
            let etcds: Vec<&str> = chosen.iter().map(|one| one.catalog.store.etcd.as_str()).collect();
            let message = format!("{backup} is a backup of {}: specify which one", etcds.join(" and of "));
            Err(CommandError::usage(message).hint("pass --etcd").into())
        }
    }
}

async fn checked(
    items: Vec<Item>,
    api: &dyn ClusterObjects,
    along: &Along,
    context: &Context,
) -> Result<Vec<Item>, AnyFailure> {
    let bar = context.ui.count_progress("asking the API", items.len() as u64);
    Ok(check::check(api, items, along, &|item| bar.step(&format!("asking for {}", item.id))).await?)
}

/// Consent to what is shown is not consent to do it in a cluster that was confused with another.
fn require_own_cluster(args: &Args, report: &Report) -> Result<(), CommandError> {
    let message = match report.same_cluster {
        _ if args.other_lineage => return Ok(()),
        Some(true) => return Ok(()),
        Some(false) => format!("{} is another cluster than that of the backup", report.server),
        None => format!("whether {} is the cluster of the backup is not known", report.server),
    };
    Err(CommandError::refused(message)
        .hint("check --context and --kubeconfig; if this cluster is meant, pass --other-lineage"))
}

fn undo_file(args: &Args, context: &Context) -> PathBuf {
    let by_default = || {
        format!(
            "restore-objects-undo-{}.jsonl",
            context.now().strftime("%Y%m%dT%H%M%SZ")
        )
        .into()
    };
    args.undo_file.clone().unwrap_or_else(by_default)
}

async fn apply(
    items: &[Item],
    api: &dyn ClusterObjects,
    head: &Head,
    file: &Path,
    wait: Duration,
    consent: &Consent,
    context: &Context,
) -> Result<Applied, AnyFailure> {
    let line = head
        .line()
        .map_err(|error| CommandError::failed("writing the undo file").source(error))?;
    let mut journal = context::create_journal(file, &line)?;
    context.ui.note(&format!("the changes are noted in {}", file.display()));
    if items
        .iter()
        .any(|item| item.id.is("", "secrets") && matches!(item.action, Action::Overwrite(_)))
    {
        context.ui.warn(&format!(
            "{} will hold the values of overwritten Secrets",
            file.display()
        ));
    }
    let changes = items.iter().filter(|item| item.is_change()).count();
    let bar = context.ui.count_progress("restoring", changes as u64);
    let (ui, last) = (context.ui, std::sync::Mutex::new(None));
    let progress = |item: &Item| {
        bar.step(&format!("restoring {}", item.id));
        if let Ok(mut last) = last.lock()
            && *last != item.id.namespace
        {
            last.clone_from(&item.id.namespace);
            if let Some(namespace) = &item.id.namespace {
                let of_it = items
                    .iter()
                    .filter(|one| one.is_change() && one.id.namespace.as_ref() == Some(namespace));
                let count = units::counted(of_it.count() as u64, "object");
                ui.note(&format!("namespace {namespace}: {count}"));
            }
        }
    };
    Ok(Run::new(api, journal.as_mut(), wait, consent, &progress)
        .apply(items)
        .await)
}

fn note_outcomes(report: &mut Report, applied: &Applied) {
    for row in &mut report.objects {
        let Some(outcome) = applied.outcomes.get(&row.id) else {
            continue;
        };
        let (result, message) = match outcome {
            Outcome::Created => ("created", None),
            Outcome::Overwritten => ("overwritten", None),
            Outcome::ExistsByNow => ("exists by now", None),
            Outcome::Refused(why) => ("failed", Some(why.clone())),
            Outcome::Skipped(why) => ("skipped", Some(why.clone())),
        };
        row.result = Some(result);
        row.message = message;
    }
}

fn is_text(context: &Context) -> bool {
    matches!(context.format, Format::Table | Format::Wide)
}

/// Prints the formats for programs.
fn finish(report: &Report, context: &Context) -> Result<(), AnyFailure> {
    match context.format {
        Format::Table | Format::Wide | Format::Prometheus | Format::Svg => Ok(()),
        Format::Name => {
            let changed = report
                .objects
                .iter()
                .filter(|row| matches!(row.action, "create" | "overwrite"));
            Ok(context
                .ui
                .result(&changed.map(|row| format!("{}\n", row.id)).collect::<String>())?)
        }
        Format::Json | Format::Yaml => output::structured(&context.ui, context.format, report),
    }
}

/// Nothing is to be done: either all is there, or what is not cannot be restored.
fn nothing_done(report: &Report, yes: bool) -> Result<Exit, AnyFailure> {
    let cannot = report.counts.get(CANNOT).copied().unwrap_or(0);
    if !yes || cannot == 0 {
        return Ok(Exit::Done);
    }
    Err(CommandError::refused(format!(
        "nothing was changed: {} cannot be restored",
        units::counted(cannot as u64, "object")
    ))
    .hint("the plan says why of each")
    .into())
}

/// The command that takes it back.
fn undo_command(file: &Path) -> String {
    let command = ShellCommand::new("kubectl").args(["etcd-backups", "restore-objects", "--undo"]);
    format!("`{}`", command.arg(file.display().to_string()))
}

fn ended(report: &Report, stopped: Option<Stopped>, file: &Path, context: &Context) -> Result<Exit, AnyFailure> {
    let done = report::done(&report.objects);
    let undo = undo_command(file);
    let changed = if done.is_empty() {
        "nothing was changed".to_owned()
    } else {
        done.clone()
    };
    if let Some(stopped) = stopped {
        let error = match done.is_empty() && !stopped.in_doubt {
            true => CommandError::failed(format!("{changed}; {stopped}")),
            false => CommandError::after_change(format!("{changed}; {stopped}")),
        };
        let cure = match &stopped.reason {
            Reason::Api(error) => error.hint(),
            Reason::Journal(_) => None,
        };
        let hint = with_repeating(cure, "creates what is missing");
        return Err(error
            .hint(format!("{hint}; {undo} takes back what was done"))
            .source(stopped.reason)
            .into());
    }
    let bad = |row: &&ObjectRow| matches!(row.result, Some("failed" | "skipped")) || row.action == CANNOT;
    let failed = report.objects.iter().filter(bad).count();
    if failed == 0 {
        if !done.is_empty() {
            context.ui.note(&format!("{done}; {undo} takes it back"));
        }
        return Ok(Exit::Done);
    }
    let message = format!(
        "{changed}; {} could not be restored",
        units::counted(failed as u64, "object")
    );
    let error = match done.is_empty() {
        true => CommandError::failed(message),
        false => CommandError::after_change(message),
    };
    let hint = "remove what is told of each, then repeat the command: it creates what is missing";
    Err(error.hint(format!("{hint}; {undo} takes back what was done")).into())
}
