//! `download`: a backup as a file that `etcdutl snapshot restore` takes.

use std::path::{Path, PathBuf};

use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::units;

use crate::context::{self, Context};
use runbook_kit::cli::BackupArgs;

/// Download a backup, decompressed and verified, as `etcdutl snapshot restore` takes it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file appears whole or not at all, readable for you only: it holds the cluster's Secrets.\n\nExample:\n  kubectl etcd-backups download main=latest-good main.db"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// As it is in the store: compressed, and not verified
    #[arg(long)]
    raw: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// The backup is no good as a file.
#[derive(Debug, thiserror::Error)]
#[error("backup {name} does not verify, nothing was written: {}", problems.join("; "))]
struct Damaged {
    name: String,
    problems: Vec<String>,
}

impl Failure for Damaged {
    fn exit(&self) -> Exit {
        Exit::Found
    }

    fn hint(&self) -> Option<String> {
        Some("another backup may be whole: see `verify --all`; to have this one as it is, pass --raw".to_owned())
    }
}

/// Runs `download`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    if args.file.exists() && !args.force {
        return Err(CommandError::usage(format!("{} exists already", args.file.display()))
            .hint("choose another file, or pass --force to replace it")
            .into());
    }
    let catalogs = context.catalogs().await?;
    let (_, backup) = context.choose_one(&catalogs, &args.wanted).await?;
    let body = context.objects().open(&backup.data()).await?;
    let progress = context.ui.bytes_progress("downloading", body.size);
    let follow = |read: u64| progress.set(read);

    let written = if args.raw {
        context::save(body, &args.file, &follow).await?
    } else {
        let read = context
            .reader()
            .read_into(&folder_of(&args.file), body, &follow)
            .await?;
        if !read.problems.is_empty() {
            let problems = read.problems.iter().map(ToString::to_string).collect();
            return Err(Damaged {
                name: backup.name.to_string(),
                problems,
            }
            .into());
        }
        let Some(file) = read.db else {
            return Err(CommandError::usage(format!("backup {} has no content", backup.name)).into());
        };
        file.save_as(&args.file)?;
        read.snapshot_bytes
    };
    drop(progress);
    context.ui.note(&format!(
        "{} of backup {} in {}",
        units::bytes(written),
        backup.name,
        args.file.display()
    ));
    if !args.raw {
        context.ui.note(&format!(
            "next: etcdutl snapshot restore {} --data-dir NEW_FOLDER",
            args.file.display()
        ));
    }
    Ok(Exit::Done)
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
