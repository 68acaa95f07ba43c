//! The command line.

use clap::{Parser, Subcommand};
use runbook_kit::cli::output;
use runbook_kit::cli::program::ProgramCommand;
use runbook_kit::cli::{AwsArgs, ClusterArgs, EtcdArgs, OutputArgs, StoreArgs, UnpackArgs};
use runbook_kit::connect;
use runbook_kit::connect::Flags;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;

use crate::commands::{
    cancel, cleanup, commands, drill, logs, member, overview, plan, queue, restart_etcd, restart_kubelet, run, runbook,
    space, status,
};
use crate::context::Context;

/// Restore the etcd clusters of a kops cluster from backups, until the Kubernetes API serves
///
/// Without a subcommand, show the state of the recovery and the next command.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub access: EtcdAccess,
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

/// In the order of the runbook.
#[derive(Debug, Subcommand)]
pub enum Command {
    Plan(Box<plan::Args>),
    Run(Box<run::Args>),
    Queue(Box<queue::Args>),
    Commands(commands::Args),
    Cancel(cancel::Args),
    Status(Box<status::Args>),
    RestartEtcd(Box<restart_etcd::Args>),
    RestartKubelet(Box<restart_kubelet::Args>),
    Logs(Box<logs::Args>),
    Cleanup(cleanup::Args),
    Member(Box<member::Args>),
    Space(Box<space::Args>),
    Drill(drill::Args),
    Runbook(Box<runbook::Args>),
    #[command(flatten)]
    Program(ProgramCommand),
}

impl Cli {
    /// The flags of every subcommand.
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

    /// Runs the subcommand.
    pub async fn run(self, context: &Context) -> Result<Exit, AnyFailure> {
        output::ordinary(context.session.format)?;
        let Some(command) = self.command else {
            return overview::run(self.access, context).await;
        };
        match command {
            Command::Plan(args) => plan::run(*args, context).await,
            Command::Run(args) => run::run(*args, context).await,
            Command::Queue(args) => queue::run(*args, context).await,
            Command::Commands(args) => commands::run(args, context).await,
            Command::Cancel(args) => cancel::run(args, context).await,
            Command::Status(args) => status::run(*args, context).await,
            Command::RestartEtcd(args) => restart_etcd::run(*args, context).await,
            Command::RestartKubelet(args) => restart_kubelet::run(*args, context).await,
            Command::Logs(args) => logs::run(*args, context).await,
            Command::Cleanup(args) => cleanup::run(args, context).await,
            Command::Member(args) => member::run(*args, context).await,
            Command::Space(args) => space::run(*args, context).await,
            Command::Drill(args) => drill::run(args, context).await,
            Command::Runbook(args) => runbook::run(*args, context).await,
            Command::Program(command) => {
                connect::program::program::<Cli>(command, env!("CARGO_PKG_NAME"), &context.session.ui)
            }
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  # Show the state of the recovery and the next command
  kubectl etcd-restore --state s3://kops-state --name k8s.example.com

  # Show what will be restored, and the checks that block it
  kubectl etcd-restore plan

  # Restore every etcd cluster from its newest good backup, and wait until the API serves
  kubectl etcd-restore run --yes

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 failed after a change, 5 something was found, 130 interrupted";
