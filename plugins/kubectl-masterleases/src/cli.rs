//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::output;
use runbook_kit::cli::program::ProgramCommand;
use runbook_kit::cli::{AwsArgs, ClusterArgs, OutputArgs};
use runbook_kit::connect;
use runbook_kit::connect::Flags;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::commands::{check, list, prune, undo};
use crate::context::Context;

#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub aws: AwsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Cli {
    pub fn flags(&self) -> Flags {
        Flags {
            cluster: self.cluster.clone(),
            aws: self.aws.clone(),
            format: self.output.output,
            ..Flags::default()
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    List(Box<list::Args>),
    Check(Box<check::Args>),
    Prune(Box<prune::Args>),
    Undo(Box<undo::Args>),
    #[command(flatten)]
    Program(ProgramCommand),
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        if !matches!(self, Self::Check(_)) {
            output::ordinary(context.format)?;
        }
        match self {
            Self::List(args) => list::run(*args, context).await,
            Self::Check(args) => check::run(*args, context).await,
            Self::Prune(args) => prune::run(*args, context).await,
            Self::Undo(args) => undo::run(*args, context).await,
            Self::Program(command) => connect::program::program::<Cli>(command, env!("CARGO_PKG_NAME"), &context.ui),
        }
    }
}

const EXAMPLES: &str = "\
Each API server announces its address in etcd under /registry/masterleases/, in a key with a lease. \
    A restore by etcd-manager drops the leases, so these keys never expire and the `kubernetes` endpoint keeps listing \
    API servers that no longer exist. Only etcd is needed: this works while the Kubernetes API is down.

Examples:
  # List the API servers that are announced in etcd, and which of them no longer exist
  kubectl masterleases list --state s3://kops-state --name k8s.example.com

  # The same while the API is down, over ssh
  kubectl masterleases list --host 10.0.0.7 --ssh-jump bastion.example.com

  # Delete the stale ones
  kubectl masterleases prune --yes --host 10.0.0.7

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 failed after a change, 5 a masterlease is stale, 130 interrupted";
