//! The Nodes of the addresses, and whether their kubelets renew their Node leases during the survey.

use runbook_kit::model::observed::Observed;
use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use crate::rules::evidence::NodeState;
use runbook_kit::model::kubernetes::node::Node;
use runbook_kit::ports::{EtcdError, EtcdKv};

/// kubelets renew every 10 s, with some jitter (kubernetes/kubernetes, `pkg/kubelet/kubelet.go`, `nodeLeaseRenewIntervalFraction`):
/// a kubelet that was watched for less than this is not called silent.
const RENEWAL: Duration = Duration::from_secs(11);

/// A Node whose address is that of a masterlease.
struct Found {
    node: Node,
    lease_key: String,
    first: Option<i64>,
    read_at: Instant,
    renewed: Option<bool>,
}

/// The Nodes, unless they cannot be read.
pub(super) struct Nodes(Observed<Vec<Found>>);

impl Nodes {
    /// If all keys have a lease.
    pub(super) const fn not_needed() -> Self {
        Self(Observed::Unknown(String::new()))
    }

    /// Reads the Nodes and their leases.
    pub(super) async fn read(etcd: &dyn EtcdKv, prefix: &str, ips: &[IpAddr]) -> Self {
        match read(etcd, prefix, ips).await {
            Ok(found) => Self(Observed::Known(found)),
            Err(error) => Self(Observed::Unknown(format!("Nodes: {error}"))),
        }
    }

    /// Reads the leases again.
    pub(super) async fn read_leases_again(&mut self, etcd: &dyn EtcdKv) {
        let Self(Observed::Known(found)) = self else { return };
        for one in found {
            let Ok(Some(lease)) = etcd.get(one.lease_key.as_bytes()).await else {
                continue;
            };
            one.renewed = match one.first {
                Some(first) if lease.mod_revision != first => Some(true),
                Some(_) if one.read_at.elapsed() >= RENEWAL => Some(false),
                _ => None,
            };
        }
    }

    /// The Node that has `ip`.
    pub(super) fn of(&self, ip: Option<IpAddr>) -> Observed<Option<NodeState>> {
        let found = match &self.0 {
            Observed::Known(found) => found,
            Observed::Unknown(why) => return Observed::Unknown(why.clone()),
        };
        let ip = ip.map(|ip| ip.to_string());
        let found = found
            .iter()
            .find(|found| ip.as_ref().is_some_and(|ip| found.node.internal_ips.contains(ip)));
        Observed::Known(found.map(|found| NodeState {
            name: found.node.name.clone(),
            role: found.node.role.clone(),
            renewed: found.renewed,
        }))
    }

    /// Why they could not be read.
    pub(super) fn not_read(&self) -> Option<String> {
        super::unknown(&self.0).filter(|why| !why.is_empty())
    }
}

async fn read(etcd: &dyn EtcdKv, prefix: &str, ips: &[IpAddr]) -> Result<Vec<Found>, EtcdError> {
    let stored = etcd.range(format!("{prefix}/minions/").as_bytes()).await?;
    let ips: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
    // A Node that cannot be read does not hide the others.
    let nodes = stored.keys.iter().filter_map(|key| Node::of_value(&key.value).ok());
    let ours = nodes.filter(|node| node.internal_ips.iter().any(|ip| ips.contains(ip)));
    join_all(ours.map(|node| async {
        let lease_key = format!("{prefix}/leases/kube-node-lease/{}", node.name);
        let first = etcd.get(lease_key.as_bytes()).await?.map(|lease| lease.mod_revision);
        Ok(Found {
            node,
            lease_key,
            first,
            read_at: Instant::now(),
            renewed: None,
        })
    }))
    .await
    .into_iter()
    .collect()
}
