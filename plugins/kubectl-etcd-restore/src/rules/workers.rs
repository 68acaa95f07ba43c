//! Decides which kubelets work, by Nodes and their Leases.

use jiff::Timestamp;
use runbook_kit::cli::output::steps::{Step, list};
use runbook_kit::cli::output::{Cell, Column, Row, column};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::kubernetes::cluster::{NodeLease, NodeReady, NodeState};
use runbook_kit::model::shell::quoted;
use runbook_kit::model::units;
use serde::Serialize;

/// One Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerRow {
    pub node: String,
    pub role: Option<String>,
    pub ready: NodeReady,
    /// When its kubelet last renewed its Lease, by its own clock.
    pub lease_renewed: Option<Timestamp>,
    /// Whether it was renewed in time.
    pub renewed: bool,
    #[serde(skip)]
    age: String,
}

/// One row per Node. A kubelet works if its Lease was renewed after `since`, or else between the two observations, whatever the clocks.
pub fn judge(
    nodes: &[NodeState],
    before: &[NodeLease],
    after: &[NodeLease],
    since: Option<Timestamp>,
    now: Timestamp,
) -> Vec<WorkerRow> {
    let of = |leases: &[NodeLease], name: &str| {
        let lease = leases.iter().find(|lease| lease.node == name);
        lease.and_then(|lease| lease.renewed)
    };
    let row = |state: &NodeState| {
        let name = &state.node.name;
        let (first, last) = (of(before, name), of(after, name));
        WorkerRow {
            node: name.clone(),
            role: state.node.role.clone(),
            ready: state.ready,
            lease_renewed: last,
            renewed: match since {
                Some(since) => last.is_some_and(|last| last >= since),
                None => last.is_some() && last != first,
            },
            age: last.map_or_else(|| "-".to_owned(), |last| units::age(now.duration_since(last))),
        }
    };
    nodes.iter().map(row).collect()
}

/// The result and the next steps, one line each.
pub fn next_steps(rows: &[WorkerRow], cluster: &str) -> Vec<String> {
    let silent: Vec<&str> = rows
        .iter()
        .filter(|row| !row.renewed)
        .map(|row| row.node.as_str())
        .collect();
    let alive = rows.len() - silent.len();
    let mut lines = vec![format!("{alive} of {} kubelets renewed their Lease", rows.len())];
    if silent.is_empty() {
        return lines;
    }
    let name = quoted(if cluster.is_empty() { "CLUSTER" } else { cluster });
    lines.push(format!("silent: {}", silent.join(", ")));
    let mut steps =
        vec![Step::new(format!("kubectl etcd-restore cleanup nodes --name {name}")).when("Nodes without an instance")];
    if rows
        .iter()
        .any(|row| !row.renewed && row.role.as_deref() == Some("control-plane"))
    {
        steps.push(Step::new(format!("kubectl etcd-restore restart-kubelet --name {name}")).when("control plane"));
    }
    steps.push(
        Step::new(format!("kubectl etcd-restore restart-kubelet --workers --name {name}"))
            .when("workers, either with this"),
    );
    steps.push(Step::new(format!("kops rolling-update cluster --name {name} --force --yes")).when("or with this"));
    lines.push(format!("next:\n{}", list(&steps).trim_end()));
    lines
}

impl Row for WorkerRow {
    fn columns() -> Vec<Column> {
        vec![
            column("NODE"),
            column("ROLE"),
            column("READY"),
            column("LEASE"),
            column("KUBELET"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let ready = match self.ready {
            NodeReady::Ready => "yes",
            NodeReady::NotReady => "no",
            NodeReady::Unknown => "unknown",
        };
        vec![
            Cell::text(&self.node),
            Cell::text_or_dash(self.role.clone()),
            Cell::text(ready),
            Cell::text(&self.age),
            if self.renewed {
                Cell::verdict(Verdict::Good, "alive")
            } else {
                Cell::verdict(Verdict::Bad, "silent")
            },
        ]
    }

    fn name(&self) -> String {
        self.node.clone()
    }
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::kubernetes::node::Node;

    use super::*;

    fn node(name: &str) -> NodeState {
        NodeState {
            node: Node::named(name),
            uid: String::new(),
            resource_version: String::new(),
            ready: NodeReady::Ready,
            ready_since: None,
        }
    }

    fn lease(node: &str, renewed: &str) -> NodeLease {
        NodeLease {
            node: node.to_owned(),
            renewed: renewed.parse().ok(),
        }
    }

    #[test]
    fn a_lease_renewed_between_two_observations_counts_whatever_its_clock() {
        let nodes = [node("a"), node("b"), node("c")];
        let before = [lease("a", "2026-11-22T15:00:00Z"), lease("b", "2030-01-01T00:00:00Z")];
        let after = [lease("a", "2026-11-22T15:00:10Z"), lease("b", "2030-01-01T00:00:00Z")];
        let now: Timestamp = "2026-11-22T15:00:12Z".parse().unwrap();
        let alive = |rows: Vec<WorkerRow>| rows.iter().map(|row| row.renewed).collect::<Vec<_>>();
        assert_eq!(alive(judge(&nodes, &before, &after, None, now)), [true, false, false]);
        let since = "2026-11-22T15:00:10Z".parse().ok();
        assert_eq!(alive(judge(&nodes, &after, &after, since, now)), [true, true, false]);
        let steps = next_steps(&judge(&nodes, &before, &after, None, now), "k8s.example.com").join("\n");
        assert!(
            steps.starts_with("1 of 3 kubelets renewed") && steps.contains("silent: b, c"),
            "{steps}"
        );
        assert!(
            steps.contains("restart-kubelet --workers") && steps.contains("rolling-update"),
            "{steps}"
        );
        let all = judge(&nodes[..1], &before, &after, None, now);
        assert_eq!(next_steps(&all, "x").len(), 1);
    }
}
