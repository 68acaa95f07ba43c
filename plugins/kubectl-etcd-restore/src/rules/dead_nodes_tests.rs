#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use runbook_kit::model::fleet::Tags;
use runbook_kit::model::kubernetes::node::{Node, instance_of};

use super::*;

const CLUSTER: &str = "k8s.example.com";
const NOW: &str = "2026-11-22T16:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn ago(seconds: i64) -> Option<Timestamp> {
    Some(now() - SignedDuration::from_secs(seconds))
}

fn node(name: &str, provider: &str, ready: NodeReady) -> NodeState {
    NodeState {
        node: Node::of_parts(
            name.to_owned(),
            [("node-role.kubernetes.io/control-plane".to_owned(), String::new())].into(),
            Some(provider.to_owned()),
            Vec::new(),
            ago(100_000),
        ),
        uid: format!("uid-{name}"),
        resource_version: "7".to_owned(),
        ready,
        ready_since: None,
    }
}

fn aws(name: &str, ready: NodeReady) -> NodeState {
    node(name, &format!("aws:///us-east-1a/{name}"), ready)
}

fn lease(node: &str, renewed: Option<Timestamp>) -> NodeLease {
    let node = node.to_owned();
    NodeLease { node, renewed }
}

fn instance(id: &str, state: InstanceState, cluster: &str) -> Instance {
    Instance {
        id: id.to_owned(),
        state,
        tags: Tags::from([("KubernetesCluster".to_owned(), cluster.to_owned())]),
        ..Instance::default()
    }
}

const OLD: &str = "i-0000000000000000a";
const NEW: &str = "i-0000000000000000b";

fn judged(nodes: &[NodeState], before: &[NodeLease], after: &[NodeLease], instances: &[Instance]) -> Plan {
    plan(&Seen {
        cluster: CLUSTER,
        region: "us-east-1",
        nodes,
        before,
        after,
        instances,
        now: now(),
    })
}

fn actions(plan: &Plan) -> Vec<Action> {
    plan.nodes.iter().map(|judged| judged.action).collect()
}

#[test]
fn a_node_goes_only_if_aws_has_no_instance_of_that_id() {
    let nodes = [aws(OLD, NodeReady::Unknown), aws(NEW, NodeReady::Ready)];
    let leases = [lease(OLD, ago(3600)), lease(NEW, ago(3))];
    let found = [instance(NEW, InstanceState::Running, CLUSTER)];
    let plan = judged(&nodes, &leases, &leases, &found);
    assert_eq!(
        (actions(&plan), &plan.blocked),
        (vec![Action::Delete, Action::Keep], &None)
    );
    for state in [
        InstanceState::Pending,
        InstanceState::Running,
        InstanceState::ShuttingDown,
        InstanceState::Stopping,
        InstanceState::Stopped,
        InstanceState::Unknown,
    ] {
        let found = [
            instance(NEW, InstanceState::Running, CLUSTER),
            instance(OLD, state, CLUSTER),
        ];
        assert_eq!(
            actions(&judged(&nodes, &leases, &leases, &found))[0],
            Action::Keep,
            "{state:?}"
        );
    }
    let found = [found[0].clone(), instance(OLD, InstanceState::Terminated, CLUSTER)];
    assert_eq!(actions(&judged(&nodes, &leases, &leases, &found))[0], Action::Delete);
}

#[test]
fn the_grace_is_waited_for() {
    // A restored Node looks ready, and its Lease is as old as the backup.
    let nodes = [aws(OLD, NodeReady::Ready), aws(NEW, NodeReady::Ready)];
    let found = [instance(NEW, InstanceState::Running, CLUSTER)];
    for (silent, action) in [
        (49, Action::Wait),
        (50, Action::Wait),
        (51, Action::Delete),
        (-30, Action::Wait),
    ] {
        let leases = [lease(OLD, ago(silent)), lease(NEW, ago(1))];
        assert_eq!(
            actions(&judged(&nodes, &leases, &leases, &found))[0],
            action,
            "{silent}"
        );
    }
    // No Lease at all: then the node controller's word counts.
    let leases = [lease(NEW, ago(1))];
    assert_eq!(actions(&judged(&nodes, &leases, &leases, &found))[0], Action::Wait);
    let nodes = [aws(OLD, NodeReady::Unknown), aws(NEW, NodeReady::Ready)];
    assert_eq!(actions(&judged(&nodes, &leases, &leases, &found))[0], Action::Delete);
}

#[test]
fn another_account_another_region_and_another_cluster_block() {
    let nodes = [aws(OLD, NodeReady::Unknown), aws(NEW, NodeReady::Unknown)];
    let leases = [lease(OLD, ago(3600)), lease(NEW, ago(3600))];
    let plan = judged(&nodes, &leases, &leases, &[]);
    assert_eq!(plan.blocked, Some(Blocked::NoneFound(2, "us-east-1".to_owned())));

    let other = [instance(NEW, InstanceState::Running, "x.k8s.example.com")];
    let plan = judged(&nodes, &leases, &leases, &other);
    assert!(matches!(plan.blocked, Some(Blocked::OtherCluster { .. })), "{plan:?}");

    let found = [instance(NEW, InstanceState::Running, CLUSTER)];
    let after = [lease(OLD, ago(2)), lease(NEW, ago(3600))];
    let plan = judged(&nodes, &leases, &after, &found);
    assert_eq!(plan.blocked, Some(Blocked::AliveAndUnknown(OLD.to_owned())));
    assert_eq!(actions(&plan)[0], Action::Keep);

    let elsewhere = [node(OLD, &format!("aws:///eu-west-1a/{OLD}"), NodeReady::Unknown)];
    let plan = judged(&elsewhere, &leases, &leases, &[]);
    assert_eq!((actions(&plan), plan.blocked), (vec![Action::Keep], None));
}

#[test]
fn what_is_no_ec2_instance_is_never_asked_for_and_never_deleted() {
    let nodes: Vec<NodeState> = [
        "",
        "gce://p/z/n",
        "aws:///z/fargate-ip-1",
        "aws:///us-east-1a/i-*",
        "i-0000000000000000a",
        "aws:///us-east-1a/i-zz000000",
    ]
    .iter()
    .map(|provider| node("n", provider, NodeReady::Unknown))
    .collect();
    assert!(wanted(&nodes).is_empty());
    let plan = judged(&nodes, &[], &[], &[]);
    assert!(actions(&plan).iter().all(|action| *action == Action::Keep), "{plan:?}");
    assert_eq!(
        instance_of("aws:///us-east-1a/i-0123456789abcdef0"),
        Some(("us-east-1a", "i-0123456789abcdef0"))
    );
}
