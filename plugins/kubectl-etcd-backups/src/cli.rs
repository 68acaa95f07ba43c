//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::output;
use runbook_kit::cli::program::ProgramCommand;
use runbook_kit::cli::{AwsArgs, ClusterArgs, EtcdArgs, OutputArgs, StoreArgs, UnpackArgs};
use runbook_kit::connect;
use runbook_kit::connect::Flags;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::commands::{
    check, copy, diff, download, export, inspect, list, pin, restore_objects, show, take, timeline, unpin, verify,
};
use crate::context::Context;

#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub stores: StoreArgs,
    #[command(flatten)]
    pub etcds: EtcdArgs,
    #[command(flatten)]
    pub aws: AwsArgs,
    #[command(flatten)]
    pub unpack: UnpackArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Cli {
    pub fn flags(&self) -> Flags {
        Flags {
            cluster: self.cluster.clone(),
            stores: self.stores.clone(),
            etcds: self.etcds.clone(),
            aws: self.aws.clone(),
            unpack: self.unpack.clone(),
            format: self.output.output,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Diff(diff::Args),
    Export(export::Args),
    Pin(pin::Args),
    Unpin(unpin::Args),
    Download(download::Args),
    Timeline(timeline::Args),
    Check(check::Args),
    Take(take::Args),
    #[command(alias = "bring-back")]
    RestoreObjects(Box<restore_objects::Args>),
    Copy(copy::Args),
    #[command(flatten)]
    Program(ProgramCommand),
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        if !matches!(self, Self::Check(_) | Self::Timeline(_)) {
            output::ordinary(context.format)?;
        }
        match self {
            Self::List(args) => list::run(args, context).await,
            Self::Show(args) => show::run(args, context).await,
            Self::Verify(args) => verify::run(args, context).await,
            Self::Inspect(args) => inspect::run(args, context).await,
            Self::Diff(args) => diff::run(args, context).await,
            Self::Export(args) => export::run(args, context).await,
            Self::Pin(args) => pin::run(args, context).await,
            Self::Unpin(args) => unpin::run(args, context).await,
            Self::Download(args) => download::run(args, context).await,
            Self::Timeline(args) => timeline::run(args, context).await,
            Self::Check(args) => check::run(args, context).await,
            Self::Take(args) => take::run(args, context).await,
            Self::RestoreObjects(args) => restore_objects::run(*args, context).await,
            Self::Copy(args) => copy::run(args, context).await,
            Self::Program(command) => connect::program::program::<Cli>(command, env!("CARGO_PKG_NAME"), &context.ui),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  # List the backups, and how long they will be kept
  kubectl etcd-backups list --state s3://kops-state --name k8s.example.com

  # Verify the newest good one
  kubectl etcd-backups verify latest-good

  # Show what a restore of it would bring back
  kubectl etcd-backups inspect latest-good

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 failed after a change, 5 a backup is bad, 130 interrupted";
