//! What is known of one masterlease, by source.

use runbook_kit::model::observed::Observed;
use std::net::IpAddr;
use std::time::Duration;

use runbook_kit::model::kubernetes::masterlease::Probe;
use runbook_kit::model::kubernetes::value::ValueError;

/// The state of a key at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The lease's id; 0 for none.
    pub lease: i64,
    /// The revision of the last write.
    pub mod_revision: i64,
}

/// The Node with the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    pub name: String,
    /// `control-plane`, `api-server`, `node`; `None` without such a label.
    pub role: Option<String>,
    /// Whether its kubelet renewed the Node's lease during the survey; `None` if the lease is not in this etcd, or the
    /// survey was too short.
    pub renewed: Option<bool>,
}

impl NodeState {
    /// Whether an API server may run there. A worker may have got the address later.
    #[must_use]
    pub fn may_run_api_server(&self) -> bool {
        !matches!(self.role.as_deref(), Some("node" | "worker" | "bastion"))
    }
}

/// All that is known of one masterlease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The address that the key names.
    pub ip: Option<IpAddr>,
    /// The addresses that the value publishes.
    pub published: Result<Vec<IpAddr>, ValueError>,
    /// The key at the beginning; `None` if it appeared later.
    pub first: Option<KeyState>,
    /// The key at the end.
    pub last: KeyState,
    /// The time between these.
    pub observed: Duration,
    /// The remaining time of the lease, in seconds.
    pub ttl_seconds: Option<u64>,
    /// The response of the address.
    pub probe: Probe,
    /// The Node with the address, if there is one.
    pub node: Observed<Option<NodeState>>,
    /// Whether the Endpoints `default/kubernetes` list it.
    pub in_endpoints: Observed<bool>,
    /// Whether the EndpointSlice `default/kubernetes` lists it.
    pub in_slice: Observed<bool>,
}
