//! Decides which Nodes have no instance any more, by the API and AWS.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::fleet::{Instance, InstanceState, has_tag_of};
use runbook_kit::model::kubernetes::cluster::{NodeLease, NodeReady, NodeState};
use serde::Serialize;

/// How long the node controller waits before it sets a Node to Unknown.
/// Source: kubernetes/kubernetes `--node-monitor-grace-period`.
pub const GRACE: SignedDuration = SignedDuration::from_secs(50);

/// The observations.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub cluster: &'a str,
    /// The region of the AWS requests.
    pub region: &'a str,
    pub nodes: &'a [NodeState],
    /// The Leases, and the same Leases a while later.
    pub before: &'a [NodeLease],
    pub after: &'a [NodeLease],
    /// The instances of the Nodes that AWS has.
    pub instances: &'a [Instance],
    pub now: Timestamp,
}

/// The action for a Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Keep,
    Wait,
    Delete,
}

/// One Node with its action and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub node: NodeState,
    pub instance: Option<String>,
    /// Its state in AWS; `None` where AWS has no such instance, or was not asked.
    pub state: Option<InstanceState>,
    pub renewed: Option<Timestamp>,
    pub action: Action,
    pub reason: String,
}

/// All Nodes, and why none may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub nodes: Vec<Judged>,
    pub blocked: Option<Blocked>,
}

/// Why no Node may be deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// AWS has none of the instances.
    #[error("AWS has no instance of any of the {0} Nodes in {1}: this looks like the wrong account or region")]
    NoneFound(usize, String),
    /// AWS does not have an instance whose kubelet is alive.
    #[error(
        "AWS does not know the instance of {0}, and its kubelet is alive: this looks like the wrong account or region"
    )]
    AliveAndUnknown(String),
    /// The instances belong to another cluster.
    #[error("instance {instance} of Node {node} is not of cluster {cluster}: this looks like the wrong kubeconfig")]
    OtherCluster {
        node: String,
        instance: String,
        cluster: String,
    },
}

impl Plan {
    /// The Nodes to delete, sorted by name.
    pub fn deletions(&self) -> impl Iterator<Item = &Judged> {
        self.nodes.iter().filter(|judged| judged.action == Action::Delete)
    }
}

/// The ids of the Nodes' instances.
pub fn wanted(nodes: &[NodeState]) -> Vec<String> {
    let ids: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| node.node.instance())
        .map(|(_, id)| id)
        .collect();
    ids.into_iter().map(str::to_owned).collect()
}

/// Decides for every Node.
pub fn plan(seen: &Seen<'_>) -> Plan {
    let instances: BTreeMap<&str, &Instance> = seen.instances.iter().map(|found| (found.id.as_str(), found)).collect();
    let nodes: Vec<Judged> = seen.nodes.iter().map(|node| judge(node, &instances, seen)).collect();
    Plan {
        blocked: blocked(seen, &nodes, &instances),
        nodes,
    }
}

fn blocked(seen: &Seen<'_>, nodes: &[Judged], instances: &BTreeMap<&str, &Instance>) -> Option<Blocked> {
    if !nodes
        .iter()
        .any(|judged| judged.action == Action::Delete || unknown_alive(judged, seen))
    {
        return None;
    }
    let asked = nodes.iter().filter(|judged| judged.instance.is_some()).count();
    let exists = |judged: &&Judged| judged.state.is_some_and(|state| state != InstanceState::Terminated);
    if !nodes.iter().any(|judged| exists(&judged)) {
        return Some(Blocked::NoneFound(asked, seen.region.to_owned()));
    }
    for judged in nodes.iter().filter(exists) {
        let instance = judged.instance.as_deref().and_then(|id| instances.get(id));
        if let Some(instance) = instance.filter(|instance| !has_tag_of(&instance.tags, seen.cluster)) {
            return Some(Blocked::OtherCluster {
                node: judged.node.node.name.clone(),
                instance: instance.id.clone(),
                cluster: seen.cluster.to_owned(),
            });
        }
    }
    let alive = nodes.iter().find(|judged| unknown_alive(judged, seen))?;
    Some(Blocked::AliveAndUnknown(alive.node.node.name.clone()))
}

fn unknown_alive(judged: &Judged, seen: &Seen<'_>) -> bool {
    judged.instance.is_some() && judged.state.is_none() && renewed_meanwhile(&judged.node.node.name, seen)
}

fn renewed_meanwhile(node: &str, seen: &Seen<'_>) -> bool {
    let of = |leases: &[NodeLease]| {
        leases
            .iter()
            .find(|lease| lease.node == node)
            .and_then(|lease| lease.renewed)
    };
    of(seen.after) != of(seen.before)
}

fn judge(node: &NodeState, instances: &BTreeMap<&str, &Instance>, seen: &Seen<'_>) -> Judged {
    let lease = seen.after.iter().find(|lease| lease.node == node.node.name);
    let renewed = lease.and_then(|lease| lease.renewed);
    let found = node.node.instance();
    let state = found
        .and_then(|(_, id)| instances.get(id))
        .map(|instance| instance.state);
    let (action, reason) = match found {
        None => {
            let id = node.node.provider_id.as_deref().unwrap_or("no provider id");
            (Action::Keep, format!("{id}: not an EC2 instance"))
        }
        Some((zone, _)) if !zone.starts_with(seen.region) => (
            Action::Keep,
            format!("it is in {zone}; only {} was checked", seen.region),
        ),
        Some((_, id)) => match state {
            None => gone(node, renewed, seen, &format!("AWS has no {id}")),
            Some(InstanceState::Terminated) => gone(node, renewed, seen, &format!("{id} is terminated")),
            Some(state) => (Action::Keep, format!("{id} is {}", word(state))),
        },
    };
    Judged {
        node: node.clone(),
        instance: found.map(|(_, id)| id.to_owned()),
        state,
        renewed,
        action,
        reason,
    }
}

/// The instance is gone. Still wait until the node controller has noticed it, in case AWS' answer is wrong.
fn gone(node: &NodeState, renewed: Option<Timestamp>, seen: &Seen<'_>, why: &str) -> (Action, String) {
    if renewed_meanwhile(&node.node.name, seen) {
        return (
            Action::Keep,
            format!("{why}, but its kubelet renewed its Lease just now"),
        );
    }
    let silent_for = |since: Timestamp| seen.now.duration_since(since);
    let last = renewed.max(node.node.created);
    match last {
        Some(last) if silent_for(last) <= GRACE => {
            let wait = (GRACE - silent_for(last)).as_secs().max(1);
            (
                Action::Wait,
                format!("{why}; its last Lease renewal is within the grace period of 50 s: try again in {wait} s"),
            )
        }
        _ if node.ready == NodeReady::Ready && renewed.is_none() => (
            Action::Wait,
            format!("{why}; it has no Lease and is still Ready: the node controller has not updated it yet"),
        ),
        _ => (Action::Delete, why.to_owned()),
    }
}

/// AWS' name of a state.
pub const fn word(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "pending",
        InstanceState::Running => "running",
        InstanceState::ShuttingDown => "shutting down",
        InstanceState::Terminated => "terminated",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::Unknown => "in an unknown state",
    }
}

#[cfg(test)]
#[path = "dead_nodes_tests.rs"]
mod tests;
