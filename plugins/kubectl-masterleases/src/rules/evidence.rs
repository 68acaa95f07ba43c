//! What was seen of one masterlease, by each source that could be asked.

use runbook_kit::model::observed::Observed;
use std::net::IpAddr;
use std::time::Duration;

use runbook_kit::model::kubernetes::masterlease::Probe;
use runbook_kit::model::kubernetes::value::ValueError;

/// A key as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The lease's id; 0 for none.
    pub lease: i64,
    /// The revision of the last write.
    pub mod_revision: i64,
}

/// The Node that has the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its name.
    pub name: String,
    /// `control-plane`, `api-server`, `node`; `None` where no label tells.
    pub role: Option<String>,
    /// Whether its kubelet renewed the Node's lease while we looked; `None` where that lease is not in this etcd, or we did
    /// not look for long enough.
    pub renewed: Option<bool>,
}

impl NodeSeen {
    /// Whether an API server may run there: another Node that got the address later says nothing for it.
    #[must_use]
    pub fn may_be_master(&self) -> bool {
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
    /// The key when we began to look; `None` where it appeared later.
    pub first: Option<Seen>,
    /// The key when we ended.
    pub last: Seen,
    /// The time between both.
    pub observed: Duration,
    /// What is left of the lease, in seconds.
    pub ttl_seconds: Option<u64>,
    /// What the address itself says.
    pub probe: Probe,
    /// The Node of that address, if there is one.
    pub node: Observed<Option<NodeSeen>>,
    /// Whether the Endpoints `default/kubernetes` list it.
    pub in_endpoints: Observed<bool>,
    /// Whether the EndpointSlice `default/kubernetes` lists it.
    pub in_slice: Observed<bool>,
}
