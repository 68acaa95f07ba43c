//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::{AwsArgs, ClusterArgs, OutputArgs, UnpackArgs};
use runbook_kit::error::{AnyFailure, UsageError};
use runbook_kit::exit::Exit;

use crate::context::Context;
use crate::{audit, completion, man, purge_volumes, restore_volumes, wipe};

/// Remove the control plane of one cluster, so that kops can rebuild it, and nothing else
///
/// Without a subcommand and without --yes it shows what would go, and why, and changes nothing: the control-plane groups, their
/// instances, and the etcd volumes, which are put into quarantine unless one insists. Refused without a good backup of etcd main,
/// and while the cluster is alive. Can be interrupted at any time: the same command goes on.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub wipe: Box<wipe::Args>,
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
    RestoreVolumes(restore_volumes::Args),
    PurgeVolumes(purge_volumes::Args),
    #[command(after_help = "Example:\n  kops-wipe-masters completion --install")]
    Completion(runbook_kit::completion::Args),
    Man(man::Args),
    #[command(name = "__complete", hide = true)]
    Complete(runbook_kit::completion::Words),
}

impl Cli {
    /// Runs what was asked for.
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        let Some(command) = self.command else {
            return wipe::run(*self.wipe, context).await;
        };
        if self.wipe.consent.yes || self.wipe.consent.confirm.is_some() || self.wipe.plan.is_some() {
            let message = "--yes, --confirm and --plan belong to the command that they stand behind";
            return Err(UsageError::new(message)
                .hint("put them after the subcommand, if it is the subcommand that is meant")
                .into());
        }
        match command {
            Command::Audit(args) => audit::run(&args, context).await,
            Command::RestoreVolumes(args) => restore_volumes::run(args, context).await,
            Command::PurgeVolumes(args) => purge_volumes::run(args, context).await,
            Command::Completion(args) => completion::run(args, context),
            Command::Man(args) => man::run(args, context),
            Command::Complete(words) => completion::complete(words, context),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  # What would go, what stays, and why?
  kops-wipe-masters --name k8s.example.com --state s3://kops-state

  # Do exactly that
  kops-wipe-masters --name k8s.example.com --state s3://kops-state --yes --plan DIGEST

  # The masters were not to blame: give them their volumes back
  kops-wipe-masters restore-volumes --name k8s.example.com --state s3://kops-state --yes

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 failed after a change, 5 a finding, 130 interrupted";
