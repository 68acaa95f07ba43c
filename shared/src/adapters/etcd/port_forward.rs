//! Through the Kubernetes API to the client port of an etcd-manager pod, as `kubectl port-forward` does.

use std::io;

use async_trait::async_trait;

use super::dial::{Dial, Dialed};
use crate::adapters::kube::{KubeClient, PodRef};
use crate::ports::cluster_api::KubeError;

/// Where kops runs etcd-manager.
pub(super) const NAMESPACE: &str = "kube-system";

/// The label of etcd-manager's pods. Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
fn selector(etcd: &str) -> String {
    format!("k8s-app=etcd-manager-{etcd}")
}

/// No pod to forward to.
#[derive(Debug, thiserror::Error)]
pub enum PortForwardError {
    /// The Kubernetes API did not do what it was asked.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// No such pod.
    #[error("no pod in {NAMESPACE} has the label {selector}")]
    NoPod {
        /// The label.
        selector: String,
    },
    /// None of them is ready.
    #[error("no etcd-manager pod is ready: {}", pods.join(", "))]
    NotReady {
        /// Their names.
        pods: Vec<String>,
    },
}

impl PortForwardError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kube(error) => error.hint(),
            Self::NoPod { .. } => Some("check that --context is of this kops cluster".to_owned()),
            Self::NotReady { .. } => Some("wait until one is ready, or use --via ssh".to_owned()),
        }
    }
}

/// The etcd-manager pods of an etcd cluster, sorted by name: those that are ready, at least one, and the others.
pub(super) async fn pods(kube: &KubeClient, etcd: &str) -> Result<(Vec<PodRef>, Vec<PodRef>), PortForwardError> {
    let selector = selector(etcd);
    let found = kube.pods(NAMESPACE, &selector).await?;
    if found.is_empty() {
        return Err(PortForwardError::NoPod { selector });
    }
    let (ready, others): (Vec<PodRef>, Vec<PodRef>) = found.into_iter().partition(|pod| pod.ready);
    if ready.is_empty() {
        let pods = others.into_iter().map(|pod| pod.name).collect();
        return Err(PortForwardError::NotReady { pods });
    }
    Ok((ready, others))
}

/// Connections to a port of one pod.
pub(super) struct PortForward {
    pub(super) kube: KubeClient,
    pub(super) pod: String,
    pub(super) port: u16,
}

#[async_trait]
impl Dial for PortForward {
    async fn dial(&self) -> io::Result<Dialed> {
        let forwarded = self.kube.port_forward(NAMESPACE, &self.pod, self.port).await;
        let (stream, why_closed) = forwarded.map_err(io::Error::other)?;
        Ok(Dialed {
            stream: Box::new(stream),
            why_closed: Some(why_closed),
        })
    }
}
