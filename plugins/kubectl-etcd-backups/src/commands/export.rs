//! `export`: one object out of a backup.

use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::backup::contents::export::{self, ExportError};
use runbook_kit::model::kubernetes::object_ref::{ObjectRef, ObjectRefError};

use crate::context::Context;
use crate::usecases::open::{self, Opened};
use runbook_kit::cli::BackupArgs;

/// Export one object of a backup
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is stored as JSON (custom resources) is written whole. What is stored as protobuf (built-in resources) or is encrypted is refused: half an object is none. --raw writes the stored bytes of any object.\n\nExamples:\n  kubectl etcd-backups export latest-good cert-manager.io/certificates/shop/web\n  kubectl etcd-backups export main=latest /registry/secrets/billing/s1 --raw > s1.bin"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
    /// The object: resources as kubectl knows them, in the plural, singular or short; RESOURCE/NAME without namespace;
    /// [GROUP/]RESOURCE for custom ones; or a key of etcd
    #[arg(value_name = "RESOURCE/NAMESPACE/NAME", value_parser = object)]
    object: ObjectRef,
    /// Write the stored bytes
    #[arg(long)]
    raw: bool,
}

fn object(text: &str) -> Result<ObjectRef, ObjectRefError> {
    ObjectRef::parse(text)
}

/// Nothing was exported.
#[derive(Debug, thiserror::Error)]
#[error("{error} (etcd {etcd}, {backup})")]
struct NotExported {
    error: ExportError,
    etcd: String,
    backup: String,
}

impl NotExported {
    fn new(opened: &Opened, error: ExportError) -> Self {
        Self {
            error,
            etcd: opened.etcd.clone(),
            backup: opened.name.clone(),
        }
    }
}

impl Failure for NotExported {
    fn exit(&self) -> Exit {
        match self.error {
            ExportError::Ambiguous { .. } => Exit::Usage,
            ExportError::NotWhole { .. } | ExportError::Encrypted { .. } => Exit::Refused,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        self.error.hint()
    }
}

/// Runs `export`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let mut missing: Option<NotExported> = None;
    // Events live in an etcd of their own: an object may be in any of those that the backup's name stands for.
    for chosen in context.choose(&catalogs, &args.wanted).await? {
        context.tell_chosen(&chosen);
        let opened = open::open(context, &chosen).await?;
        match write(&args, context, &opened) {
            Err(Unwritten::Export(error @ ExportError::NotFound { .. })) => {
                let suggests =
                    |error: &ExportError| matches!(error, ExportError::NotFound { near, .. } if !near.is_empty());
                if missing
                    .as_ref()
                    .is_none_or(|first| !suggests(&first.error) && suggests(&error))
                {
                    missing = Some(NotExported::new(&opened, error));
                }
            }
            Err(Unwritten::Export(error)) => return Err(NotExported::new(&opened, error).into()),
            Err(Unwritten::Other(error)) => return Err(error),
            Ok(()) => return Ok(Exit::Done),
        }
    }
    Err(missing.map_or_else(
        || CommandError::usage("no backup to export from").into(),
        AnyFailure::from,
    ))
}

enum Unwritten {
    Export(ExportError),
    Other(AnyFailure),
}

fn write(args: &Args, context: &Context, opened: &Opened) -> Result<(), Unwritten> {
    let snapshot = opened.snapshot();
    let live = export::find(snapshot, &args.object).map_err(Unwritten::Export)?;
    if args.raw {
        let bytes = export::raw(snapshot, live).map_err(Unwritten::Export)?;
        if context.ui.result_is_seen() && bytes.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n') {
            let refused = CommandError::usage("the stored bytes are no text, a terminal cannot show them");
            return Err(Unwritten::Other(refused.hint("redirect the output to a file").into()));
        }
        return context.ui.raw(&bytes).map_err(|error| Unwritten::Other(error.into()));
    }
    match context.format {
        Format::Json => {
            let object = export::whole(snapshot, live).map_err(Unwritten::Export)?;
            output::structured(&context.ui, Format::Json, &object).map_err(Unwritten::Other)
        }
        Format::Name => context
            .ui
            .result(&format!("{}\n", export::name(live)))
            .map_err(|error| Unwritten::Other(error.into())),
        Format::Prometheus => Err(Unwritten::Other(output::no_metrics().into())),
        Format::Table | Format::Wide | Format::Yaml => {
            let text = export::yaml(snapshot, live).map_err(Unwritten::Export)?;
            context.ui.result(&text).map_err(|error| Unwritten::Other(error.into()))
        }
    }
}
