//! `download`: saves a backup as a file for `etcdutl snapshot restore`.

use std::path::{Path, PathBuf};

use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::units;

use crate::context::{self, Context};
use runbook_kit::cli::BackupArgs;

/// Download a backup, decompressed and verified, for `etcdutl snapshot restore`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is written completely or not at all, and only you can read it: it contains the cluster's Secrets.\n\nExample:\n  kubectl etcd-backups download main=latest-good main.db"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Save the file of the store: compressed, not verified
    #[arg(long)]
    raw: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    if args.file.exists() && !args.force {
        return Err(CommandError::usage(format!("{} exists already", args.file.display()))
            .hint("choose another file, or pass --force to replace it")
            .into());
    }
    let catalogs = context.catalogs().await?;
    let (_, backup) = context.choose_one(&catalogs, &args.wanted).await?;
    let progress = context
        .ui
        .bytes_progress("downloading", backup.data_size.unwrap_or_default());
    let follow = |read: u64| progress.set(read);
    let body = || async { context.objects().open(&backup.data()).await };

    let written = if args.raw {
        context::save(body().await?, &args.file, &follow).await?
    } else {
        // What was read to choose it need not be fetched again.
        let held = context.known.take(backup).and_then(|examined| examined.snapshot);
        let read = match held {
            Some(read) => read,
            None => {
                let folder = folder_of(&args.file);
                context.reader().read_into(&folder, body().await?, &follow).await?
            }
        };
        if !read.problems.is_empty() {
            let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
            return Err(CommandError::found(format!(
                "backup {} is damaged, nothing was written: {}",
                backup.name,
                problems.join("; ")
            ))
            .hint("another backup may be intact: run `verify --all`; to save this one as it is, pass --raw")
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
        "saved {} of backup {} in {}",
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
