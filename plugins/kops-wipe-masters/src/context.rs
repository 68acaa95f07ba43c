//! What every subcommand works with, and the only place where adapters are connected.

use std::time::Duration;

use runbook_kit::adapters::aws::AwsFleet;
use runbook_kit::adapters::{etcd, kops_program, kube, notebook, session};
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::domain::liveness::Liveness;
use runbook_kit::error::AnyFailure;
use runbook_kit::ports::fleet::FleetChange;
use runbook_kit::ports::notebook::Notebook;
use runbook_kit::session::Session;
use runbook_kit::ui::Ui;

use crate::cli::Cli;

/// The world, and how to talk of it.
pub struct Context {
    pub session: Session,
    /// AWS' machines.
    pub fleet: Box<dyn FleetChange>,
    /// Notes on this machine.
    pub notebook: Box<dyn Notebook>,
}

/// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
pub fn connect(cli: &Cli, ui: Ui) -> Result<Context, AnyFailure> {
    let session = session::connect(&(&cli.cluster).into(), &cli.aws, &cli.unpack, cli.output.output, ui)?;
    let fleet = AwsFleet::new((&cli.aws).into(), session.region_of_spec());
    Ok(Context {
        session,
        fleet: Box::new(fleet),
        notebook: Box::new(notebook::Folder::of_user()),
    })
}

impl Context {
    /// Whether the cluster's API answers.
    pub async fn api_liveness(&self, cluster: &str, patience: Duration) -> Liveness {
        kube::liveness::liveness(&self.session, cluster, patience).await
    }

    /// Whether etcd `main` answers.
    pub async fn etcd_liveness(&self, access: &EtcdAccessArgs) -> Liveness {
        etcd::liveness::liveness(&self.session, access, "main").await
    }

    /// The version of the kops on `PATH`, where there is one that tells.
    pub async fn local_kops(&self) -> Option<String> {
        kops_program::version().await
    }
}
