//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::{AwsArgs, ClusterArgs, OutputArgs, UnpackArgs};
use runbook_kit::error::AnyFailure;
use runbook_kit::exit::Exit;

use crate::context::Context;
use crate::{audit, completion, man};

/// Remove the control plane of one cluster, so that kops can rebuild it, and nothing else
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
    Audit(audit::Args),
    #[command(after_help = "Example:\n  kops-wipe-masters completion --install")]
    Completion(runbook_kit::completion::Args),
    Man(man::Args),
    #[command(name = "__complete", hide = true)]
    Complete(runbook_kit::completion::Words),
}

impl Cli {
    /// Runs what was asked for.
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        match self.command {
            Command::Audit(args) => audit::run(&args, context).await,
            Command::Completion(args) => completion::run(args, context),
            Command::Man(args) => man::run(args, context),
            Command::Complete(words) => completion::complete(words, context),
        }
    }
}
