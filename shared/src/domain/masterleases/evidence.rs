//! What was seen of one masterlease, by each source that could be asked.

use std::net::IpAddr;
use std::time::Duration;

use crate::domain::kube::value::ValueError;

/// A key as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The lease's id; 0 for none.
    pub lease: i64,
    /// The revision of the last write.
    pub mod_revision: i64,
}

/// What a TLS connection to the address told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not tried, and why.
    NotAsked(String),
    /// A certificate of the cluster's API servers, and this HTTP status of `/livez`.
    Answers {
        /// 401 where anonymous requests are not allowed, as with kops.
        status: u16,
    },
    /// Somebody listens who is no API server of this cluster, or nobody does; in words.
    NoApiServer(String),
    /// No answer in time: nobody there, or the network does not lead there from here.
    Silent,
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

/// Something that could be asked, or could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<T> {
    /// The answer.
    Told(T),
    /// Nothing is known, and why.
    NotKnown(String),
}

impl<T> Asked<T> {
    /// The answer, where there is one.
    pub const fn told(&self) -> Option<&T> {
        match self {
            Self::Told(answer) => Some(answer),
            Self::NotKnown(_) => None,
        }
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
    pub node: Asked<Option<NodeSeen>>,
    /// Whether the Endpoints `default/kubernetes` list it.
    pub in_endpoints: Asked<bool>,
    /// Whether the EndpointSlice `default/kubernetes` lists it.
    pub in_slice: Asked<bool>,
}
