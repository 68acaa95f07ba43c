//! The port's verbs over the SDK's client.

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node as SdkNode, NodeStatus};
use kube::api::{Api, DeleteParams, ListParams, ObjectList, Preconditions};

use super::{KubeClient, error};
use crate::consent::Consent;
use crate::model::kubernetes::cluster::{NodeDeletion, NodeLease, NodeReady, NodeState, Readiness};
use crate::model::kubernetes::node::Node;
use crate::ports::cluster_api::{ClusterApi, KubeError, KubeErrorKind};

/// Where kubelets keep their Leases.
const LEASES: &str = "kube-node-lease";
/// Objects of one answer: a thousand Nodes weigh some 10 MB.
const PAGE: u32 = 500;

impl KubeClient {
    async fn all<K>(&self, action: &str, api: &Api<K>) -> Result<Vec<K>, KubeError>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let mut found = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let answer: ObjectList<K> = self.bounded(action, api.list(&page)).await?;
            found.extend(answer.items);
            match answer.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}

#[async_trait]
impl ClusterApi for KubeClient {
    fn server(&self) -> &str {
        Self::server(self)
    }

    async fn readyz(&self) -> Result<Readiness, KubeError> {
        const ACTION: &str = "GET /readyz";
        let request = http::Request::get("/readyz").body(Vec::new());
        let request = request.map_err(|error| error::of(ACTION, Self::server(self), kube::Error::HttpError(error)))?;
        let client = self.sdk();
        let asked = async {
            match client.request_text(request).await {
                Ok(_) => Ok(Readiness::Ready),
                Err(kube::Error::Api(status)) => Ok(Readiness::of_answer(status.code, &status.message)),
                Err(error) => Err(error),
            }
        };
        self.bounded(ACTION, asked).await
    }

    async fn nodes(&self) -> Result<Vec<NodeState>, KubeError> {
        let api: Api<SdkNode> = Api::all(self.sdk());
        let found = self.all("list nodes", &api).await?;
        let mut nodes: Vec<NodeState> = found.into_iter().filter_map(node_state).collect();
        nodes.sort_by(|a, b| a.node.name.cmp(&b.node.name));
        Ok(nodes)
    }

    async fn node_leases(&self) -> Result<Vec<NodeLease>, KubeError> {
        let api: Api<Lease> = Api::namespaced(self.sdk(), LEASES);
        let found = self.all("list leases in kube-node-lease", &api).await?;
        let mut leases: Vec<NodeLease> = found.into_iter().filter_map(node_lease).collect();
        leases.sort_by(|a, b| a.node.cmp(&b.node));
        Ok(leases)
    }

    async fn delete_node(&self, node: &NodeState, _consent: &Consent) -> Result<NodeDeletion, KubeError> {
        let api: Api<SdkNode> = Api::all(self.sdk());
        let guarded = DeleteParams {
            preconditions: Some(Preconditions {
                resource_version: Some(node.resource_version.clone()),
                uid: Some(node.uid.clone()),
            }),
            ..DeleteParams::default()
        };
        let action = format!("delete node {}", node.node.name);
        match self.bounded(&action, api.delete(&node.node.name, &guarded)).await {
            Ok(_) => Ok(NodeDeletion::Deleted),
            Err(error) => match error.kind {
                KubeErrorKind::NotFound => Ok(NodeDeletion::Gone),
                KubeErrorKind::Conflict => Ok(NodeDeletion::Changed),
                _ => Err(error),
            },
        }
    }
}

/// `None` for an object without a name, which no API server hands out.
fn node_state(object: SdkNode) -> Option<NodeState> {
    let meta = object.metadata;
    let status = object.status.unwrap_or_default();
    let (ready, ready_since) = ready(&status);
    let addresses = status.addresses.unwrap_or_default().into_iter();
    let internal = addresses.filter(|address| address.type_ == "InternalIP");
    Some(NodeState {
        node: Node::of_parts(
            meta.name?,
            meta.labels.unwrap_or_default(),
            object.spec.and_then(|spec| spec.provider_id),
            internal.map(|address| address.address).collect(),
            meta.creation_timestamp.map(|time| time.0),
        ),
        uid: meta.uid?,
        resource_version: meta.resource_version?,
        ready,
        ready_since,
    })
}

fn ready(status: &NodeStatus) -> (NodeReady, Option<jiff::Timestamp>) {
    let mut conditions = status.conditions.iter().flatten();
    let Some(condition) = conditions.find(|condition| condition.type_ == "Ready") else {
        return (NodeReady::Unknown, None);
    };
    let ready = match condition.status.as_str() {
        "True" => NodeReady::Ready,
        "False" => NodeReady::NotReady,
        _ => NodeReady::Unknown,
    };
    (ready, condition.last_transition_time.as_ref().map(|time| time.0))
}

fn node_lease(object: Lease) -> Option<NodeLease> {
    Some(NodeLease {
        node: object.metadata.name?,
        renewed: object.spec.and_then(|spec| spec.renew_time).map(|time| time.0),
    })
}
