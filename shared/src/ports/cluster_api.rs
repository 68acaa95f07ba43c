//! The Kubernetes API of a cluster: the verbs that the suite uses and no more.

mod error;

use std::net::IpAddr;

use async_trait::async_trait;

use crate::consent::Consent;
use crate::model::kubernetes::cluster::{NodeDeletion, NodeLease, NodeState, Readiness};

pub use error::{KubeError, KubeErrorKind};

/// Host, port and addresses of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiEndpoint {
    /// The name or address that the kubeconfig has.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the host resolves to, sorted; or why it does not.
    pub addresses: Result<Vec<IpAddr>, String>,
}

/// One API server, or the load balancer in front of several.
#[async_trait]
pub trait ClusterApi: Send + Sync {
    /// Its URL.
    fn server(&self) -> &str;

    /// What `/readyz` answers to the user's credentials. An answer of any status is no error.
    async fn readyz(&self) -> Result<Readiness, KubeError>;

    /// All Nodes, sorted by name.
    async fn nodes(&self) -> Result<Vec<NodeState>, KubeError>;

    /// All kubelets' Leases, sorted by the Node's name.
    async fn node_leases(&self) -> Result<Vec<NodeLease>, KubeError>;

    /// Deletes this Node in this version: no other of its name, and not if it was changed since.
    async fn delete_node(&self, node: &NodeState, consent: &Consent) -> Result<NodeDeletion, KubeError>;
}
