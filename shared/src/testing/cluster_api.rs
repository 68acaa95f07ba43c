//! A Kubernetes API in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::consent::Consent;
use crate::model::kubernetes::cluster::{NodeDeletion, NodeLease, NodeState, Readiness};
use crate::ports::cluster_api::{ClusterApi, KubeError, KubeErrorKind};

/// A Kubernetes API in memory.
#[derive(Default)]
pub struct MemoryApi {
    state: Mutex<ApiState>,
}

#[derive(Default)]
struct ApiState {
    readiness: VecDeque<Result<Readiness, KubeErrorKind>>,
    nodes: BTreeMap<String, NodeState>,
    leases: BTreeMap<String, NodeLease>,
    refuses: Option<KubeErrorKind>,
    asked: Vec<String>,
}

impl MemoryApi {
    fn state(&self) -> MutexGuard<'_, ApiState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `/readyz` answers the next times; the last answer is given for ever, and without any it is ready.
    pub fn readiness(&self, answers: impl IntoIterator<Item = Result<Readiness, KubeErrorKind>>) {
        self.state().readiness.extend(answers);
    }

    /// Adds a Node, or writes it anew with another version.
    pub fn put_node(&self, mut node: NodeState) {
        let mut state = self.state();
        let version = state.nodes.len() + state.asked.len() + 1;
        node.resource_version = format!("{}-{version}", node.resource_version);
        state.nodes.insert(node.node.name.clone(), node);
    }

    /// A kubelet renews its Lease.
    pub fn renew(&self, node: &str, renewed: Option<jiff::Timestamp>) {
        let lease = NodeLease {
            node: node.to_owned(),
            renewed,
        };
        self.state().leases.insert(node.to_owned(), lease);
    }

    /// From now on nothing but `/readyz` is answered otherwise.
    pub fn refuse(&self, kind: KubeErrorKind) {
        self.state().refuses = Some(kind);
    }

    /// The names of the Nodes that are there.
    #[must_use]
    pub fn node_names(&self) -> Vec<String> {
        self.state().nodes.keys().cloned().collect()
    }

    fn ask(&self, action: &str) -> Result<MutexGuard<'_, ApiState>, KubeError> {
        let mut state = self.state();
        state.asked.push(action.to_owned());
        match &state.refuses {
            Some(kind) => Err(kube_error(action, kind.clone())),
            None => Ok(state),
        }
    }
}

fn kube_error(action: &str, kind: KubeErrorKind) -> KubeError {
    KubeError {
        action: action.to_owned(),
        server: "https://memory".to_owned(),
        kind,
    }
}

#[async_trait]
impl ClusterApi for MemoryApi {
    fn server(&self) -> &str {
        "https://memory"
    }

    async fn readyz(&self) -> Result<Readiness, KubeError> {
        let mut state = self.state();
        let answer = match state.readiness.len() {
            0 => Ok(Readiness::Ready),
            1 => state.readiness.front().cloned().unwrap_or(Ok(Readiness::Ready)),
            _ => state.readiness.pop_front().unwrap_or(Ok(Readiness::Ready)),
        };
        answer.map_err(|kind| kube_error("GET /readyz", kind))
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, KubeError> {
        Ok(self.ask("list nodes")?.nodes.values().cloned().collect())
    }

    async fn node_leases(&self) -> Result<Vec<NodeLease>, KubeError> {
        let state = self.ask("list leases in kube-node-lease")?;
        Ok(state.leases.values().cloned().collect())
    }

    async fn delete_node(&self, node: &NodeState, _consent: &Consent) -> Result<NodeDeletion, KubeError> {
        let name = &node.node.name;
        let mut state = self.ask(&format!("delete node {name}"))?;
        Ok(match state.nodes.get(name) {
            None => NodeDeletion::Gone,
            Some(found) if (&found.uid, &found.resource_version) == (&node.uid, &node.resource_version) => {
                state.nodes.remove(name);
                NodeDeletion::Deleted
            }
            Some(_) => NodeDeletion::Changed,
        })
    }
}
