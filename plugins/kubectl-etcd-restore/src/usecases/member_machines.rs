//! The volumes, masters and Nodes of etcd members, for `member list`.

use std::collections::BTreeMap;
use std::time::Duration;

use runbook_kit::failure::chain;
use runbook_kit::model::fleet::{Instance, Volume};
use runbook_kit::model::kubernetes::cluster::{NodeReady, NodeState};
use runbook_kit::model::salvage::{OldVolume, Place, old_volumes};
use runbook_kit::usecases::past_wipes;
use serde::Serialize;
use tokio::time::timeout;

use super::observe::AWS_TIMEOUT;
use crate::context::Context;
use crate::rules::dead_nodes::word;

/// How long the API may take: where etcd is in trouble it often hangs.
const API_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a member's data is, and what uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// `vol-…`, sorted; those in quarantine, too. `null` where AWS was not asked.
    pub volumes: Option<Vec<String>>,
    /// Where they are: `detached`, `on i-…`, `in quarantine`.
    #[serde(skip)]
    pub shown: Vec<String>,
    /// The instance that a volume is attached to.
    pub master: Option<String>,
    /// AWS' name of its state.
    pub master_state: Option<&'static str>,
    /// Its Node; `null` where the API does not tell.
    pub node: Option<String>,
    /// Its condition `Ready`.
    pub node_ready: Option<NodeReady>,
}

/// By the name in the volume's tag; and what was not seen.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    /// `None` where AWS was not asked.
    pub by_member: Option<BTreeMap<String, Machine>>,
    pub not_seen: Vec<String>,
}

impl Machines {
    /// Of one member.
    #[must_use]
    pub fn of(&self, member: Option<&str>) -> Machine {
        let Some(known) = &self.by_member else {
            return Machine::default();
        };
        let found = member.and_then(|member| known.get(member));
        found.cloned().unwrap_or_else(|| Machine {
            volumes: Some(Vec::new()),
            ..Machine::default()
        })
    }
}

/// Asks AWS and the API, both at once. What cannot be seen is told, and no error.
pub async fn ask(cluster: &str, etcd: &str, context: &Context) -> Machines {
    let fleet = context.fleet();
    let aws = async {
        let asked = async {
            tokio::try_join!(
                fleet.volumes_of(cluster),
                past_wipes::quarantined(fleet, cluster),
                fleet.instances_of(cluster)
            )
        };
        match timeout(AWS_TIMEOUT, asked).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err(format!("no response from AWS within {} s", AWS_TIMEOUT.as_secs())),
        }
    };
    let nodes = async {
        let api = context.api(cluster, API_TIMEOUT).await?;
        match timeout(API_TIMEOUT, api.nodes()).await {
            Ok(nodes) => nodes.map_err(|error| chain(&error)),
            Err(_) => Err(format!("no response from the API within {} s", API_TIMEOUT.as_secs())),
        }
    };
    let (aws, nodes) = tokio::join!(aws, nodes);
    let (mut not_seen, mut known_nodes) = (Vec::new(), Vec::new());
    match nodes {
        Ok(nodes) => known_nodes = nodes,
        Err(why) => not_seen.push(format!("the Nodes: {why}")),
    }
    let by_member = match aws {
        Ok((in_place, quarantined, instances)) => {
            let volumes: Vec<Volume> = in_place.into_iter().chain(quarantined).collect();
            Some(by_member(etcd, cluster, &volumes, &instances, &known_nodes))
        }
        Err(why) => {
            not_seen.push(format!("the masters and volumes: {why}"));
            None
        }
    };
    Machines { by_member, not_seen }
}

fn by_member(
    etcd: &str,
    cluster: &str,
    volumes: &[Volume],
    instances: &[Instance],
    nodes: &[NodeState],
) -> BTreeMap<String, Machine> {
    let mut found: BTreeMap<String, Machine> = BTreeMap::new();
    for volume in old_volumes(etcd, cluster, volumes, instances, |_| None) {
        let OldVolume { id, member, place, .. } = volume;
        let machine = found.entry(member).or_default();
        machine.volumes.get_or_insert_default().push(id.clone());
        let shown = match place {
            Place::Quarantined { .. } => format!("{id} in quarantine"),
            Place::Detached => format!("{id} detached"),
            Place::Attached { instance, .. } => {
                let state = instances.iter().find(|known| known.id == instance);
                machine.master_state = state.map(|known| word(known.state));
                let node = nodes
                    .iter()
                    .find(|node| node.node.instance().is_some_and(|(_, id)| id == instance));
                machine.node = node.map(|node| node.node.name.clone());
                machine.node_ready = node.map(|node| node.ready);
                machine.master = Some(instance);
                id
            }
        };
        machine.shown.push(shown);
    }
    found
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::fleet::wipe::quarantine;
    use runbook_kit::model::fleet::{Attachment, InstanceState, Tags};
    use runbook_kit::model::kubernetes::node::Node;

    use super::*;

    const C: &str = "k8s.example.com";

    fn volume(id: &str, member: &str, instance: Option<&str>) -> Volume {
        let tags = [
            ("KubernetesCluster".to_owned(), C.to_owned()),
            ("k8s.io/etcd/main".to_owned(), format!("{member}/a,b,c")),
        ];
        let attached = instance.map(|instance| Attachment {
            instance: instance.to_owned(),
            ..Attachment::default()
        });
        Volume {
            id: id.to_owned(),
            tags: Tags::from(tags),
            attachments: attached.into_iter().collect(),
            ..Volume::default()
        }
    }

    #[test]
    fn each_member_has_its_volumes_and_what_they_are_attached_to() {
        let mut hidden = volume("vol-3", "b", None);
        let shadows = quarantine::shadows(&hidden.tags, C, "run");
        hidden.tags = shadows;
        let volumes = [
            volume("vol-1", "a", Some("i-0123456789abcdef0")),
            volume("vol-2", "b", None),
            hidden,
            volume("vol-4", "c", Some("i-9")),
        ];
        let instances = [Instance {
            id: "i-0123456789abcdef0".to_owned(),
            state: InstanceState::Stopped,
            ..Instance::default()
        }];
        let mut node = Node::named("i-0123456789abcdef0");
        node.provider_id = Some("aws:///us-east-1a/i-0123456789abcdef0".to_owned());
        let nodes = [NodeState {
            node,
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            ready: NodeReady::NotReady,
            ready_since: None,
        }];
        let found = by_member("main", C, &volumes, &instances, &nodes);
        assert_eq!(found["a"].master.as_deref(), Some("i-0123456789abcdef0"));
        assert_eq!(found["a"].master_state, Some("stopped"));
        assert_eq!(found["a"].node_ready, Some(NodeReady::NotReady));
        assert_eq!(found["b"].shown, ["vol-2 detached", "vol-3 in quarantine"]);
        assert_eq!(
            (found["c"].master.as_deref(), found["c"].master_state),
            (Some("i-9"), None)
        );
        assert!(by_member("events", C, &volumes, &instances, &nodes).is_empty());
    }
}
