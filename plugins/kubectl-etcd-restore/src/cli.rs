//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::{AwsArgs, ClusterArgs, OutputArgs, UnpackArgs};
use runbook_kit::error::AnyFailure;
use runbook_kit::exit::Exit;

use crate::context::Context;
use crate::{cleanup, completion, man};

/// Restore the etcd clusters from their backups, until the Kubernetes API serves
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub aws: AwsArgs,
    #[command(flatten)]
    pub unpack: UnpackArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Cleanup(cleanup::Args),
    #[command(after_help = "Example:\n  kubectl etcd-restore completion --install")]
    Completion(runbook_kit::completion::Args),
    Man(man::Args),
    #[command(name = "__complete", hide = true)]
    Complete(runbook_kit::completion::Words),
}

impl Cli {
    /// Runs what was asked for.
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        match self.command {
            Command::Cleanup(args) => cleanup::run(args, context).await,
            Command::Completion(args) => completion::run(args, context),
            Command::Man(args) => man::run(args, context),
            Command::Complete(words) => completion::complete(words, context),
        }
    }
}
