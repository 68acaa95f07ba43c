//! The Nodes whose instance does not exist in AWS.

use std::collections::BTreeSet;

use runbook_kit::model::fleet::{Instance, InstanceState};
use runbook_kit::model::kubernetes::cluster::NodeState;

use crate::context::Context;
use crate::usecases::observe::AWS_TIMEOUT;

/// Their names. `None` where AWS is not available, or has none of the instances: then it is probably the wrong account.
pub async fn of(nodes: &[NodeState], context: &Context) -> Option<BTreeSet<String>> {
    let ids: Vec<String> = nodes.iter().filter_map(instance).map(str::to_owned).collect();
    if ids.is_empty() {
        return Some(BTreeSet::new());
    }
    let asked = tokio::time::timeout(AWS_TIMEOUT, context.fleet().instances(&ids)).await;
    without(nodes, &asked.ok()?.ok()?)
}

fn without(nodes: &[NodeState], known: &[Instance]) -> Option<BTreeSet<String>> {
    let with_id = || nodes.iter().filter_map(|state| Some((state, instance(state)?)));
    let exists = |id: &str| {
        let mut living = known.iter().filter(|found| found.state != InstanceState::Terminated);
        living.any(|found| found.id == id)
    };
    let gone: BTreeSet<String> = with_id()
        .filter(|(_, id)| !exists(id))
        .map(|(state, _)| state.node.name.clone())
        .collect();
    (gone.len() < with_id().count()).then_some(gone)
}

fn instance(state: &NodeState) -> Option<&str> {
    state.node.instance().map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::kubernetes::cluster::NodeReady;
    use runbook_kit::model::kubernetes::node::Node;

    use super::*;

    fn node(name: &str, provider: Option<&str>) -> NodeState {
        let provider = provider.map(str::to_owned);
        NodeState {
            node: Node::of_parts(name.to_owned(), [].into(), provider, Vec::new(), None),
            uid: String::new(),
            resource_version: String::new(),
            ready: NodeReady::Ready,
            ready_since: None,
        }
    }

    fn machine(id: &str, state: InstanceState) -> Instance {
        Instance {
            id: id.to_owned(),
            state,
            ..Instance::default()
        }
    }

    #[test]
    fn terminated_and_unknown_instances_are_missing() {
        let nodes = [
            node("a", Some("aws:///us-east-1a/i-00000001")),
            node("b", Some("aws:///us-east-1a/i-00000002")),
            node("c", Some("aws:///us-east-1a/i-00000003")),
            node("d", Some("metal://rack/7")),
            node("e", None),
        ];
        let known = [
            machine("i-00000001", InstanceState::Stopped),
            machine("i-00000002", InstanceState::Terminated),
        ];
        let gone = without(&nodes, &known).unwrap();
        assert_eq!(gone.into_iter().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn an_account_without_any_of_them_is_the_wrong_one() {
        assert_eq!(without(&[node("a", Some("aws:///us-east-1a/i-00000001"))], &[]), None);
    }
}
