//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::output;
use runbook_kit::cli::program::ProgramCommand;
use runbook_kit::cli::{AwsArgs, ClusterArgs, OutputArgs, StoreArgs, UnpackArgs};
use runbook_kit::connect;
use runbook_kit::connect::Flags;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};

use crate::commands::{audit, purge_volumes, restore_volumes, wipe};
use crate::context::Context;

/// Delete the control plane of one cluster, so that kops can rebuild it
///
/// Without a subcommand and without --yes it shows the plan and changes nothing: the Auto Scaling groups of the control plane, their
/// instances, and the etcd volumes, which are put into quarantine by default. Refused without a good backup of etcd main, and while the
/// cluster is alive. Safe to interrupt: repeat the command to resume.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
#[command(
    mut_arg("name", |name| name.help(NAME)),
    mut_arg("context", |context| context.help(CONTEXT))
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub wipe: Box<wipe::Args>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub stores: StoreArgs,
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
    RestoreVolumes(restore_volumes::Args),
    PurgeVolumes(purge_volumes::Args),
    #[command(flatten)]
    Program(ProgramCommand),
}

impl Cli {
    /// The flags of every subcommand.
    pub fn flags(&self) -> Flags {
        Flags {
            cluster: self.cluster.clone(),
            stores: self.stores.clone(),
            aws: self.aws.clone(),
            unpack: self.unpack.clone(),
            format: self.output.output,
            ..Flags::default()
        }
    }

    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        output::ordinary(context.session.format)?;
        let Some(command) = self.command else {
            return wipe::run(*self.wipe, context).await;
        };
        if self.wipe.consent.yes || self.wipe.consent.confirm.is_some() || self.wipe.plan.is_some() {
            let message = "--yes, --confirm and --plan apply to the command that precedes them";
            return Err(CommandError::usage(message)
                .hint("for the subcommand, put them after it")
                .into());
        }
        match command {
            Command::Audit(args) => audit::run(&args, context).await,
            Command::RestoreVolumes(args) => restore_volumes::run(args, context).await,
            Command::PurgeVolumes(args) => purge_volumes::run(args, context).await,
            Command::Program(command) => {
                connect::program::program::<Cli>(command, env!("CARGO_PKG_NAME"), &context.session.ui)
            }
        }
    }
}

const NAME: &str = "Name of the cluster; never taken from a kubectl context [env: KOPS_CLUSTER_NAME]";
const CONTEXT: &str = "kubectl context for the check whether the API is alive [default: the current context]";

const EXAMPLES: &str = "\
Examples:
  # Show the plan
  kops-wipe-masters --name k8s.example.com --state s3://kops-state

  # Apply exactly this plan
  kops-wipe-masters --name k8s.example.com --state s3://kops-state --yes --plan DIGEST

  # Undo the quarantine of the etcd volumes
  kops-wipe-masters restore-volumes --name k8s.example.com --state s3://kops-state --yes

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 failed after a change, 5 found a problem, 130 interrupted";
