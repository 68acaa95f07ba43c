//! `export`: writes one object of a backup.

use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::export::{self, ExportError};
use runbook_kit::model::kubernetes::object_ref::{ObjectRef, ObjectRefError};
use runbook_kit::model::snapshot::LiveKey;

use crate::context::Context;
use crate::usecases::open::{self, Opened};
use runbook_kit::cli::BackupArgs;

/// Export one object of a backup
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Objects that are stored as JSON (custom resources) are exported. Objects that are stored as protobuf (built-in resources) or encrypted are refused. --raw writes the stored bytes of any object.\n\nExamples:\n  kubectl etcd-backups export latest-good cert-manager.io/certificates/shop/web\n  kubectl etcd-backups export main=latest /registry/secrets/billing/s1 --raw > s1.bin"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
    /// The object: RESOURCE as in kubectl (plural, singular or short name), RESOURCE/NAME without a namespace,
    /// [GROUP/]RESOURCE for custom resources; or an etcd key
    #[arg(value_name = "RESOURCE/NAMESPACE/NAME", value_parser = object)]
    object: ObjectRef,
    /// Write the stored bytes
    #[arg(long)]
    raw: bool,
}

fn object(text: &str) -> Result<ObjectRef, ObjectRefError> {
    ObjectRef::parse(text)
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let mut missing: Option<(bool, CommandError)> = None;
    // Events have their own etcd cluster: the object may be in any of the backups that the name matches.
    for chosen in context.choose(&catalogs, &args.wanted).await? {
        context.tell_chosen(&chosen);
        let opened = open::open(context, &chosen).await?;
        match export::find(opened.snapshot(), &args.object) {
            Ok(live) => {
                write(&args, context, &opened, live)?;
                return Ok(Exit::Done);
            }
            Err(error @ ExportError::NotFound { .. }) => {
                let suggests = matches!(&error, ExportError::NotFound { near, .. } if !near.is_empty());
                if missing.as_ref().is_none_or(|(suggested, _)| !suggested && suggests) {
                    missing = Some((suggests, not_exported(&opened, error)));
                }
            }
            Err(error) => return Err(not_exported(&opened, error).into()),
        }
    }
    Err(missing
        .map_or_else(|| CommandError::usage("no backup to export from"), |(_, error)| error)
        .into())
}

fn not_exported(opened: &Opened, error: ExportError) -> CommandError {
    let exit = match error {
        ExportError::Ambiguous { .. } => Exit::Usage,
        ExportError::NotWhole { .. } | ExportError::Encrypted { .. } => Exit::Refused,
        _ => Exit::Failed,
    };
    CommandError::failed(format!("{error} (etcd {}, {})", opened.etcd, opened.name))
        .exit(exit)
        .hint_if(error.hint())
        .source(error)
}

fn write(args: &Args, context: &Context, opened: &Opened, live: &LiveKey) -> Result<(), AnyFailure> {
    let (snapshot, failed) = (opened.snapshot(), |error| not_exported(opened, error));
    if args.raw {
        let bytes = export::raw(snapshot, live).map_err(failed)?;
        if context.ui.result_is_seen() && bytes.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n') {
            return Err(
                CommandError::usage("the stored bytes are binary: not written to a terminal")
                    .hint("redirect the output to a file")
                    .into(),
            );
        }
        return Ok(context.ui.raw(&bytes)?);
    }
    match context.format {
        Format::Json => {
            let object = export::whole(snapshot, live).map_err(failed)?;
            output::structured(&context.ui, Format::Json, &object)
        }
        Format::Name => Ok(context.ui.result(&format!("{}\n", export::name(live)))?),
        Format::Prometheus => Err(output::no_metrics().into()),
        Format::Table | Format::Wide | Format::Yaml => {
            Ok(context.ui.result(&export::yaml(snapshot, live).map_err(failed)?)?)
        }
    }
}
