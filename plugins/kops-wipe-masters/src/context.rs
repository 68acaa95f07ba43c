//! What every subcommand works with. Connects the adapters.

use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::adapters::aws::AwsFleet;
use runbook_kit::adapters::certificates::TlsLook;
use runbook_kit::adapters::{kops_program, local_state};
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags, evidence};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::liveness::ProbeResult;
use runbook_kit::ports::fleet::FleetChange;
use runbook_kit::ports::local_state::LocalState;
use runbook_kit::ports::{Certificates, EtcdKv};
use runbook_kit::session::Session;
use runbook_kit::usecases::liveness::{Evidence, Machines};

use crate::rules::audit::facts::Profiles;

pub struct Context {
    pub session: Session,
    pub fleet: Box<dyn FleetChange>,
    pub local_state: Box<dyn LocalState>,
    pub profiles: Profiles,
    pub certificates: Box<dyn Certificates>,
}

/// Connects the adapters as flags and environment say. Sends no request yet.
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
        certificates: Box::new(TlsLook::default()),
    })
}

impl Context {
    /// What the cluster's API answers, proven by the cluster's CA.
    pub async fn probe_api(&self, cluster: &str, timeout: Duration) -> ProbeResult {
        connect::kube::probe_api(&self.session, cluster, timeout).await
    }

    /// What an etcd cluster answers.
    pub async fn probe_etcd(&self, access: &EtcdAccess, etcd: &str) -> ProbeResult {
        connect::etcd::probe_etcd(&self.session, access, etcd).await
    }

    /// Every member of an etcd cluster that the flags lead to and that answers; at least one.
    pub async fn each_member(&self, access: &EtcdAccess, etcd: &str) -> Result<Vec<Box<dyn EtcdKv>>, AnyFailure> {
        let connected = connect::etcd::each_member(&self.session, access, etcd).await?;
        Ok(connected.into_iter().map(|one| one.kv).collect())
    }

    /// Evidence whether the control plane is alive. Uses ssh only for hosts that the user names.
    pub async fn evidence(
        &self,
        machines: Machines,
        wiped: Option<Timestamp>,
        etcds: &[String],
        access: &EtcdAccess,
    ) -> Evidence {
        evidence::gather(machines, wiped, etcds, access).await
    }

    /// The version of the kops on `PATH`.
    pub async fn local_kops(&self) -> Option<String> {
        kops_program::version().await
    }
}
