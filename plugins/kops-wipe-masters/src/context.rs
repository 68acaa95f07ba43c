//! What every subcommand works with. Connects the adapters.

use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::adapters::aws::AwsFleet;
use runbook_kit::adapters::certificates::TlsLook;
use runbook_kit::adapters::{kops_program, local_state};
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags, evidence};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::etcd_access::{EtcdAccess, named_endpoint};
use runbook_kit::model::liveness::ProbeResult;
use runbook_kit::model::salvage::MemberData;
use runbook_kit::ports::fleet::FleetChange;
use runbook_kit::ports::local_state::LocalState;
use runbook_kit::ports::{Certificates, EtcdKv};
use runbook_kit::session::Session;
use runbook_kit::usecases::etcd_members;
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

    /// What the members of an etcd cluster hold that answer; none where none does.
    pub async fn member_data(&self, access: &EtcdAccess, etcd: &str) -> Vec<MemberData> {
        let mut access = access.clone();
        if etcd != MAIN {
            access.endpoints.retain(|text| named_endpoint(text).0.is_some());
        }
        let Ok(reached) = connect::etcd::reach_each(&self.session, &access, etcd).await else {
            return Vec::new();
        };
        let asked = etcd_members::ask(reached.into_iter().map(|one| one.kv).collect()).await;
        asked.map_or_else(|_| Vec::new(), |members| members.data())
    }

    /// The flags that a command of another plugin needs to find the stores.
    pub fn store_flags(&self) -> Vec<(&'static str, String)> {
        let stores = &self.session.stores.store;
        match (stores.is_empty(), self.session.state()) {
            (true, Ok(Some(state))) => vec![("--state", state.to_string())],
            _ => stores.iter().map(|store| ("--store", store.clone())).collect(),
        }
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
