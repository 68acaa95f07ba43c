//! What every subcommand works with, and the only place where adapters are connected.

use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::adapters::aws::AwsFleet;
use runbook_kit::adapters::{kops_program, local_state};
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags, evidence};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::liveness::ProbeResult;
use runbook_kit::ports::fleet::FleetChange;
use runbook_kit::ports::local_state::LocalState;
use runbook_kit::session::Session;
use runbook_kit::usecases::liveness::{Evidence, Machines};

use crate::rules::audit::facts::Profiles;

/// The world, and how to talk of it.
pub struct Context {
    pub session: Session,
    /// AWS' machines.
    pub fleet: Box<dyn FleetChange>,
    /// Notes on this machine.
    pub local_state: Box<dyn LocalState>,
    pub profiles: Profiles,
}

/// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
pub fn connect(flags: Flags, ui: Ui) -> Result<Context, AnyFailure> {
    let aws = flags.aws.clone();
    let session = connect::connect(flags, ui)?;
    let fleet = AwsFleet::new((&aws).into(), session.region_of_spec());
    Ok(Context {
        session,
        fleet: Box::new(fleet),
        local_state: Box::new(local_state::Folder::of_user()),
        profiles: Profiles {
            state: aws.state_profile.or_else(|| aws.profile.clone()),
            machines: aws.profile,
        },
    })
}

impl Context {
    /// What the cluster's API answers; an answer counts where it is proven to be this cluster's.
    pub async fn probe_api(&self, cluster: &str, patience: Duration) -> ProbeResult {
        connect::kube::probe_api(&self.session, cluster, patience).await
    }

    /// What an etcd cluster answers.
    pub async fn probe_etcd(&self, access: &EtcdAccess, etcd: &str) -> ProbeResult {
        connect::etcd::probe_etcd(&self.session, access, etcd).await
    }

    /// What proves whether the control plane lives. Hosts are asked over ssh only where the user names them.
    pub async fn evidence(
        &self,
        machines: Machines,
        wiped: Option<Timestamp>,
        etcds: &[String],
        access: &EtcdAccess,
    ) -> Evidence {
        evidence::gather(machines, wiped, etcds, access).await
    }

    /// The version of the kops on `PATH`, where there is one that tells.
    pub async fn local_kops(&self) -> Option<String> {
        kops_program::version().await
    }
}
