//! Ways to change something: the Kubernetes API as kubectl reaches it, a living etcd, the hosts over ssh.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::adapters::drill::LocalDrill;
use runbook_kit::adapters::kube::{KubeClient, KubeOptions};
use runbook_kit::adapters::ssh::{Ssh, SshOptions};
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::connect::{self, evidence};
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::kops::identity::Origin;
use runbook_kit::model::liveness::ProbeResult;
use runbook_kit::ports::cluster_api::{ApiEndpoint, ClusterApi, KubeError, KubeErrorKind};
use runbook_kit::ports::drill::{DrillError, DrillServer};
use runbook_kit::ports::{EtcdKv, HostError, Hosts};
use runbook_kit::usecases::liveness::{Evidence, Machines};

use super::Context;

impl Context {
    /// The cluster's name, said by the user: what changes something does not go by a kubectl context.
    pub fn explicit_name(&self) -> Result<String, AnyFailure> {
        match self.session.name()? {
            Some(name) if !matches!(name.origin, Origin::KubectlContext(_)) => Ok(name.value),
            Some(name) => Err(CommandError::usage("no cluster is named")
                .hint(format!(
                    "pass --name or set KOPS_CLUSTER_NAME: kubectl's context ({}) is too easily a wrong one for this",
                    name.value
                ))
                .into()),
            None => Err(CommandError::usage("no cluster is named")
                .hint("pass --name or set KOPS_CLUSTER_NAME")
                .into()),
        }
    }

    /// The API of `cluster`: of the context that `--context` names, else of the one that has the cluster's name, as kops names
    /// it. The current one may be another cluster's, and is taken only from a kubeconfig that was named for this.
    pub async fn cluster_api(&self, cluster: &str, timeout: Duration) -> Result<Box<dyn ClusterApi>, KubeError> {
        let connect = async |options: KubeOptions| KubeClient::connect(&options).await;
        Ok(Box::new(self.of_context(cluster, timeout, connect).await?))
    }

    /// Where that API is to be found.
    pub async fn api_place(&self, cluster: &str, timeout: Duration) -> Result<ApiEndpoint, KubeError> {
        let place = async |options: KubeOptions| KubeClient::endpoint(&options).await;
        self.of_context(cluster, timeout, place).await
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

    /// What the API of `cluster` answers; an answer counts where it is proven to be this cluster's.
    pub async fn probe_api(&self, cluster: &str, timeout: Duration) -> ProbeResult {
        connect::kube::probe_api(&self.session, cluster, timeout).await
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

    /// An etcd by the way that the flags want or allow; the way is told.
    pub async fn living_etcd(&self, access: &EtcdAccess, etcd: &str) -> Result<Box<dyn EtcdKv>, AnyFailure> {
        Ok(connect::etcd::etcd(&self.session, access, etcd).await?.kv)
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

    /// A place on this machine to restore a snapshot for a look.
    pub fn drill_ground(&self) -> Result<Box<dyn DrillServer>, DrillError> {
        Ok(Box::new(LocalDrill::new(self.temp_dir.as_deref())?))
    }
}
