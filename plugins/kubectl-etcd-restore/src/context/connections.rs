//! Connections to the Kubernetes API, to etcd, and to the hosts over ssh.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::adapters::drill::LocalDrill;
use runbook_kit::adapters::kube::{KubeClient, KubeOptions};
use runbook_kit::adapters::ssh::{Ssh, SshOptions};
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::connect::{self, evidence};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::liveness::ProbeResult;
use runbook_kit::ports::cluster_api::{ApiEndpoint, ClusterApi, KubeError, KubeErrorKind};
use runbook_kit::ports::drill::{DrillError, DrillServer};
use runbook_kit::ports::{EtcdKv, HostError, Hosts};
use runbook_kit::usecases::etcd_members::{self, Members};
use runbook_kit::usecases::liveness::{Evidence, Machines};

use super::Context;

impl Context {
    /// The cluster's name as given by the user. Commands that change something do not take it from a kubectl context.
    pub async fn explicit_name(&self) -> Result<String, AnyFailure> {
        self.session.explicit_name(true).await
    }

    /// Requires a cluster named by the user, or stores given by URL.
    pub async fn explicit_cluster(&self) -> Result<(), AnyFailure> {
        if self.session.stores.store.is_empty() {
            self.explicit_name().await?;
        }
        Ok(())
    }

    /// The API of `cluster`: of the context that `--context` names, else of the context with the cluster's name. The current context is used
    /// only from a kubeconfig given by flag, since it may be another cluster's.
    pub async fn cluster_api(&self, cluster: &str, timeout: Duration) -> Result<Box<dyn ClusterApi>, KubeError> {
        let connect = async |options: KubeOptions| KubeClient::connect(&options).await;
        Ok(Box::new(self.of_context(cluster, timeout, connect).await?))
    }

    /// The address of that API.
    pub async fn api_place(&self, cluster: &str, timeout: Duration) -> Result<ApiEndpoint, KubeError> {
        let endpoint = async |options: KubeOptions| KubeClient::endpoint(&options).await;
        self.of_context(cluster, timeout, endpoint).await
    }

    /// The same API by the address of one of its servers.
    pub async fn api_at(
        &self,
        cluster: &str,
        address: IpAddr,
        port: u16,
        timeout: Duration,
    ) -> Result<Box<dyn ClusterApi>, KubeError> {
        let connect = async |options: KubeOptions| KubeClient::at(&options, address, port).await;
        Ok(Box::new(self.of_context(cluster, timeout, connect).await?))
    }

    async fn of_context<T>(
        &self,
        cluster: &str,
        timeout: Duration,
        connect: impl AsyncFn(KubeOptions) -> Result<T, KubeError>,
    ) -> Result<T, KubeError> {
        let (kubeconfig, context) = self.session.kube();
        let options = |context: Option<String>| KubeOptions {
            kubeconfig: kubeconfig.clone(),
            context,
            timeout,
        };
        let named = context.is_some();
        let wanted = context.unwrap_or_else(|| cluster.to_owned());
        match connect(options(Some(wanted))).await {
            Err(error) if !named && kubeconfig.is_some() && matches!(error.kind, KubeErrorKind::Config(_)) => {
                connect(options(None)).await
            }
            other => other,
        }
    }

    /// The answer of the API of `cluster`; it counts only where the API is proven to be this cluster's.
    pub async fn probe_api(&self, cluster: &str, timeout: Duration) -> ProbeResult {
        connect::kube::probe_api(&self.session, cluster, timeout).await
    }

    /// Evidence whether the control plane is alive. Hosts are asked over ssh only where the user names them.
    pub async fn evidence(
        &self,
        machines: Machines,
        wiped: Option<Timestamp>,
        etcds: &[String],
        access: &EtcdAccess,
    ) -> Evidence {
        evidence::gather(machines, wiped, etcds, access).await
    }

    /// An etcd, reached as the flags say; the connection is logged.
    pub async fn living_etcd(&self, access: &EtcdAccess, etcd: &str) -> Result<Box<dyn EtcdKv>, AnyFailure> {
        Ok(connect::etcd::etcd(&self.session, access, etcd).await?.kv)
    }

    /// Every member of an etcd that the flags lead to and that answers; at least one.
    pub async fn each_member(&self, access: &EtcdAccess, etcd: &str) -> Result<Vec<Box<dyn EtcdKv>>, AnyFailure> {
        let connected = connect::etcd::each_member(&self.session, access, etcd).await?;
        Ok(connected.into_iter().map(|one| one.kv).collect())
    }

    /// The members that answer, without telling how they were reached.
    pub async fn members_of(&self, access: &EtcdAccess, etcd: &str) -> Result<Members, AnyFailure> {
        let connected = connect::etcd::reach_each(&self.session, access, etcd).await?;
        Ok(etcd_members::ask(connected.into_iter().map(|one| one.kv).collect()).await?)
    }

    /// The hosts, by the user's own ssh.
    pub fn hosts(&self, args: &SshArgs) -> Result<Box<dyn Hosts>, HostError> {
        let options = SshOptions {
            program: None,
            user: args.ssh_user.clone(),
            jump: args.ssh_jump.clone(),
            timeout: args.ssh_timeout,
        };
        match Ssh::new(&options) {
            Ok(ssh) => Ok(Box::new(ssh)),
            Err(kind) => Err(HostError {
                host: args.host.first().cloned().unwrap_or_else(|| "the masters".to_owned()),
                kind,
            }),
        }
    }

    /// A temporary directory and the etcd tools for a drill.
    pub fn drill_ground(&self) -> Result<Box<dyn DrillServer>, DrillError> {
        Ok(Box::new(LocalDrill::new(self.temp_dir.as_deref())?))
    }
}
