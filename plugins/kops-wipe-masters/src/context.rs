//! What every subcommand works with, and the only place where adapters are connected.

use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::adapters::aws::AwsFleet;
use runbook_kit::adapters::knock::TcpKnocker;
use runbook_kit::adapters::ssh::{Ssh, SshOptions};
use runbook_kit::adapters::{etcd, kops_program, kube, notebook, session};
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::domain::liveness::Heard;
use runbook_kit::error::AnyFailure;
use runbook_kit::liveness::{Evidence, Machines, OverSsh};
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
    /// What the cluster's API answers; an answer counts where it is proven to be this cluster's.
    pub async fn api_heard(&self, cluster: &str, patience: Duration) -> Heard {
        kube::liveness::liveness(&self.session, cluster, patience).await
    }

    /// What an etcd cluster answers.
    pub async fn etcd_heard(&self, access: &EtcdAccessArgs, etcd: &str) -> Heard {
        etcd::liveness::liveness(&self.session, access, etcd).await
    }

    /// What proves whether the control plane lives. Hosts are asked over ssh only where the user names them.
    pub async fn evidence(
        &self,
        machines: Machines,
        wiped: Option<Timestamp>,
        etcds: &[String],
        access: &EtcdAccessArgs,
    ) -> Evidence {
        let ssh = Ssh::new(&SshOptions {
            program: access.ssh_program.clone(),
            user: access.ssh_user.clone(),
            jump: access.ssh_jump.clone(),
            patience: access.etcd_timeout,
        });
        let ssh = ssh.ok().filter(|_| !access.host.is_empty());
        let over = ssh.as_ref().map(|ssh| OverSsh {
            hosts: ssh,
            names: &access.host,
        });
        Evidence::gather(machines, wiped, etcds, access, &TcpKnocker::default(), over).await
    }

    /// The version of the kops on `PATH`, where there is one that tells.
    pub async fn local_kops(&self) -> Option<String> {
        kops_program::version().await
    }
}
