//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use runbook_kit::cli::{self, AwsArgs, OutputArgs, UnpackArgs};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, UsageError};

use crate::commands::{audit, completion, man, purge_volumes, restore_volumes, wipe};
use crate::context::Context;

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

/// Which cluster, and where its state is. A kubectl context only leads to its API: it never names what is to be wiped.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// kops state store, s3://bucket[/prefix] or file:///folder [env: KOPS_STATE_STORE; else ~/.kops.yaml]
    #[arg(long, global = true, value_name = "URL")]
    pub state: Option<String>,
    /// Name of the cluster; never taken from a kubectl context [env: KOPS_CLUSTER_NAME]
    #[arg(long, global = true, value_name = "CLUSTER")]
    pub name: Option<String>,
    /// One backup store directly, instead of those that the cluster's spec names; repeatable
    #[arg(long, global = true, value_name = "[ETCD=]URL")]
    pub store: Vec<String>,
    /// Go by the spec, also where its backup stores are of another place than the state store
    #[arg(long, global = true, conflicts_with = "store")]
    pub follow_spec: bool,
    /// kubectl context by which the API is asked whether the cluster is alive [default: the current one]
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// kubeconfig file to find that context in
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

impl From<&ClusterArgs> for cli::ClusterArgs {
    fn from(args: &ClusterArgs) -> Self {
        Self {
            state: args.state.clone(),
            name: args.name.clone(),
            store: args.store.clone(),
            follow_spec: args.follow_spec,
            context: args.context.clone(),
            kubeconfig: args.kubeconfig.clone(),
            ..Self::default()
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Audit(audit::Args),
    RestoreVolumes(restore_volumes::Args),
    PurgeVolumes(purge_volumes::Args),
    #[command(after_help = "Example:\n  kops-wipe-masters completion --install")]
    Completion(runbook_kit::cli::completion::Args),
    Man(man::Args),
    #[command(name = "__complete", hide = true)]
    Complete(runbook_kit::cli::completion::Words),
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
