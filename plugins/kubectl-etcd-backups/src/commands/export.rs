//! `export`: writes objects of a backup, whole.

mod target;

use std::path::PathBuf;
use std::sync::Arc;

use runbook_kit::cli::output::Format;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::export::{self, ExportError, Form, Writing, Written};
use runbook_kit::model::kubernetes::for_apply::Along;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::selection::{LabelSelector, LabelSelectorError, Namespaces, Request};
use runbook_kit::model::units;

use crate::context::Context;
use crate::rules::export_report::{self, Omitted, Report};
use crate::usecases::export::find::{self, Found};
use crate::usecases::export::order;
use crate::usecases::export::write::{self, Chunk, Style};
use runbook_kit::cli::BackupArgs;
use target::Target;

/// Export objects of a backup, whole, as YAML or JSON
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Objects are written as kubectl get shows them, at the version that they are stored at: several as YAML documents, or as a List of JSON. Secrets are left out unless --with-secrets is given. If an object cannot be read, the others are written and the exit code is 5.\n\n--for-apply leaves out what the API server and its controllers own, and what they make again by themselves, and writes the rest in the order in which it can be applied. Custom resources need their CustomResourceDefinition: apply those first.\n\nExamples:\n  kubectl etcd-backups export latest-good deploy/web -n shop\n  kubectl etcd-backups export latest-good deploy,svc,cm -n shop -l app=web -o json\n  kubectl etcd-backups export latest-good --all -n shop --with-secrets --for-apply | kubectl apply -f -\n  kubectl etcd-backups export latest-good --all -A --output-dir cluster\n  kubectl etcd-backups export main=latest /registry/secrets/billing/s1 --raw > s1.bin"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
    /// The objects as in kubectl get: `deploy`, `deploy,svc`, `deploy web`, `deploy/web`, `all`; or one object as
    /// RESOURCE/NAMESPACE/NAME, or by its key of etcd
    #[arg(value_name = "RESOURCE[/NAME]")]
    objects: Vec<String>,
    /// Namespace of the objects [default: default]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Objects of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only objects with these labels: app=web, app!=web, 'app in (web,db)', app, !app
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    selector: Option<LabelSelector>,
    /// Objects of all resources: with -n the namespace itself too, with -A all of the cluster
    #[arg(long)]
    all: bool,
    /// Write objects that kubectl apply takes, in the order to apply them
    #[arg(long)]
    for_apply: bool,
    /// Write Secrets, too
    #[arg(long)]
    with_secrets: bool,
    /// Write one file for each object into this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Write the stored bytes of one object
    #[arg(long, conflicts_with_all = ["for_apply", "output_dir", "selector"])]
    raw: bool,
    /// Write Secrets to a terminal
    #[arg(short = 'y', long)]
    yes: bool,
}

fn selector(text: &str) -> Result<LabelSelector, LabelSelectorError> {
    text.parse()
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let request = request(&args)?;
    if args.output_dir.is_some() && context.format == Format::Name {
        return Err(CommandError::usage("-o name has no files: leave out --output-dir").into());
    }
    let catalogs = context.catalogs().await?;
    let chosen = context.choose(&catalogs, &args.wanted).await?;
    let mut found = find::find(context, &chosen, &request).await?;
    if args.raw {
        return raw(context, &found);
    }

    let mut report = Report::new(context.ui.is_verbose());
    // A name shows nothing of a Secret.
    let with_secrets = args.with_secrets || context.format == Format::Name;
    let has_secrets = leave_out(&mut found, with_secrets, &mut report);
    let left: usize = found.iter().map(|found| found.picked.len()).sum();
    if left == 0 && report.only_secrets_left_out() {
        return Err(CommandError::refused(format!(
            "only Secrets were found, which are not exported: {}",
            report.notes().join("; ")
        ))
        .hint("pass --with-secrets")
        .into());
    }
    let to_terminal = args.output_dir.is_none() && context.ui.result_is_seen();
    if has_secrets && to_terminal && !args.yes && context.format != Format::Name {
        return Err(
            CommandError::refused("the output has Secrets and goes to a terminal: nothing is written")
                .hint("redirect the output, or pass --yes")
                .into(),
        );
    }

    let mut along = args.for_apply.then(Along::default);
    if let Some(along) = &mut along {
        for found in &mut found {
            order::for_applying(found, along);
        }
    }
    let one = request.is_one_object() && left == 1 && args.output_dir.is_none();
    let form = match context.format {
        Format::Name => Form::Name,
        Format::Json if one || args.output_dir.is_some() => Form::Json,
        Format::Json => Form::JsonLine,
        _ => Form::Yaml,
    };
    let mut target = Target::open(args.output_dir.as_deref(), form, args.for_apply)?;
    let style = Arc::new(Style {
        before: target.before(),
        after: target.after(),
        writing: Writing {
            form,
            labels: args.selector.clone(),
            along,
        },
    });
    let progress = context.ui.count_progress("exporting", left as u64);
    let (mut done, mut only_error) = (0, None);
    for found in found {
        let found = Arc::new(found);
        write::write(Arc::clone(&found), Arc::clone(&style), |chunk| {
            done += chunk.objects.len() as u64;
            progress.set(done);
            only_error = tell(&found, &chunk, &mut report).or(only_error.take());
            target.take(&found, &chunk, context)
        })
        .await?;
    }
    drop(progress);
    end(context, &args, target, report, only_error.filter(|_| left == 1))
}

/// What is requested, as far as the command line tells.
fn request(args: &Args) -> Result<Request, CommandError> {
    let namespaces = match &args.namespace {
        Some(namespace) => Namespaces::One(namespace.clone()),
        None if args.all_namespaces => Namespaces::All,
        None if args.all && args.objects.is_empty() => {
            return Err(CommandError::usage(
                "--all needs -n NAMESPACE, or -A for the whole cluster",
            ));
        }
        None => Namespaces::One("default".to_owned()),
    };
    Request::parse(&args.objects, args.all, namespaces, args.selector.clone()).map_err(|error| {
        CommandError::usage(error.to_string())
            .hint("name objects as in kubectl get, as in `deploy/web -n shop`; or pass --all")
    })
}

/// The stored bytes of the one object.
fn raw(context: &Context, found: &[Found]) -> Result<Exit, AnyFailure> {
    let mut all = found.iter().flat_map(|found| {
        let keys = &found.opened.content().keys;
        found
            .picked
            .iter()
            .filter_map(move |index| Some((found, keys.get(*index)?)))
    });
    let (Some((found, live)), None) = (all.next(), all.next()) else {
        return Err(
            CommandError::usage("--raw writes one object, and more than one is meant")
                .hint("name it as RESOURCE/NAMESPACE/NAME or by its key of etcd; `-o name` lists them")
                .into(),
        );
    };
    let bytes = export::raw(found.opened.snapshot(), live).map_err(|error| failed(&error))?;
    if context.ui.result_is_seen() && bytes.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n') {
        return Err(
            CommandError::usage("the stored bytes are binary: not written to a terminal")
                .hint("redirect the output to a file")
                .into(),
        );
    }
    context.ui.raw(&bytes)?;
    Ok(Exit::Done)
}

/// Takes out what is not exported. Returns whether Secrets are.
fn leave_out(found: &mut [Found], with_secrets: bool, report: &mut Report) -> bool {
    let mut has_secrets = false;
    for found in found {
        let keys = &found.opened.content().keys;
        found.picked.retain(|index| {
            let Some(key) = keys.get(*index).map(|live| ObjectKey::parse(&live.key)) else {
                return false;
            };
            let why = export_report::omitted(&key, with_secrets);
            if let Some(why) = why {
                report.omit(&key, why);
            }
            has_secrets |= why.is_none() && key.is("secrets");
            why.is_none()
        });
    }
    has_secrets
}

/// Notes what became of the objects. Returns the last one's failure.
fn tell(found: &Found, chunk: &Chunk, report: &mut Report) -> Option<CommandError> {
    let keys = &found.opened.content().keys;
    let mut error = None;
    for object in &chunk.objects {
        let Some(key) = keys.get(object.index).map(|live| ObjectKey::parse(&live.key)) else {
            continue;
        };
        match &object.written {
            Ok(Written::Whole { unknown, remarks }) => {
                report.exported += 1;
                report.remark(&key, remarks);
                report.unknown(&key, unknown);
            }
            Ok(Written::LeftOut(why)) => report.omit(&key, Omitted::NotForApplying(*why)),
            Ok(Written::NotSelected) => {}
            Err(why) => {
                let place = format!("etcd {}, {}", found.opened.etcd, found.opened.name);
                report.unreadable(&format!("{why} ({place})"));
                error = Some(failed(why));
            }
        }
    }
    error
}

fn failed(error: &ExportError) -> CommandError {
    let exit = match error {
        ExportError::Encrypted { .. } => Exit::Refused,
        ExportError::Undecodable { .. } | ExportError::Unwritable { .. } => Exit::Found,
        ExportError::Read(_) => Exit::Failed,
    };
    CommandError::failed(error.to_string()).exit(exit).hint_if(error.hint())
}

/// Tells what is to be told, and ends as that says.
fn end(
    context: &Context,
    args: &Args,
    target: Target,
    report: Report,
    only_error: Option<CommandError>,
) -> Result<Exit, AnyFailure> {
    if let Some(error) = only_error {
        return Err(error.into());
    }
    let notes = report.notes();
    if report.exported == 0 && report.incomplete().is_none() {
        let message = match (&args.selector, notes.is_empty()) {
            (Some(_), true) => "no object has these labels".to_owned(),
            _ => format!("nothing is left to export: {}", notes.join("; ")),
        };
        return Err(CommandError::failed(message).into());
    }
    target.finish(context)?;
    for note in notes {
        context.ui.note(&note);
    }
    for warning in report.warnings() {
        context.ui.warn(&warning);
    }
    if let Some(folder) = &args.output_dir {
        let objects = units::counted(report.exported, "object");
        context.ui.note(&format!("exported {objects} to {}", folder.display()));
    }
    match report.incomplete() {
        Some(incomplete) => Err(CommandError::found(incomplete)
            .hint("--raw writes the stored bytes of an object")
            .into()),
        None => Ok(Exit::Done),
    }
}
