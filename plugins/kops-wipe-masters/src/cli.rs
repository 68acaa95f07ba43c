//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::program::ProgramCommand;
use runbook_kit::cli::{AwsArgs, ClusterArgs, OutputArgs, StoreArgs, UnpackArgs};
use runbook_kit::connect;
use runbook_kit::connect::Flags;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};

use crate::commands::{audit, purge_volumes, restore_volumes, wipe};
use crate::context::Context;

/// Remove the control plane of one cluster, so that kops can rebuild it, and nothing else
///
/// Without a subcommand and without --yes it shows what would go, and why, and changes nothing: the control-plane groups, their
/// instances, and the etcd volumes, which are put into quarantine unless one insists. Refused without a good backup of etcd main,
/// and while the cluster is alive. Can be interrupted at any time: the same command goes on.
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

    /// Runs what was asked for.
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        let Some(command) = self.command else {
            return wipe::run(*self.wipe, context).await;
        };
        if self.wipe.consent.yes || self.wipe.consent.confirm.is_some() || self.wipe.plan.is_some() {
            let message = "--yes, --confirm and --plan belong to the command that they stand behind";
            return Err(CommandError::usage(message)
                .hint("put them after the subcommand, if it is the subcommand that is meant")
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

/// A kubectl context only leads to the API: it never names what is to be wiped.
const NAME: &str = "Name of the cluster; never taken from a kubectl context [env: KOPS_CLUSTER_NAME]";
const CONTEXT: &str =
    "kubectl context by which the API is asked whether the cluster is alive [default: the current one]";

const EXAMPLES: &str = "\
Examples:
  # What would go, what stays, and why?
  kops-wipe-masters --name k8s.example.com --state s3://kops-state

  # Do exactly that
  kops-wipe-masters --name k8s.example.com --state s3://kops-state --yes --plan DIGEST

  # The masters were not to blame: give them their volumes back
  kops-wipe-masters restore-volumes --name k8s.example.com --state s3://kops-state --yes

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 failed after a change, 5 a finding, 130 interrupted";
