//! Single cases of the selection, each with the reason that is shown.

use super::*;
use crate::model::check::Severity;
use crate::model::fleet::wipe::expected::{Expected, compare};
use crate::model::fleet::wipe::location::{OtherResources, check_place};
use crate::model::fleet::{Attachment, Caller, GroupMember, InstanceState, Inventory, VolumeState};

const C: &str = "a.example.com";

fn tags(more: &[(&str, &str)]) -> Tags {
    let own = [
        ("KubernetesCluster", C),
        ("kubernetes.io/cluster/a.example.com", "owned"),
    ];
    let all = own.iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn group(name: &str, role: &str, members: &[&str]) -> Group {
    Group {
        name: name.to_owned(),
        tags: tags(&[(role, "1")]),
        members: members
            .iter()
            .map(|id| GroupMember {
                instance: (*id).to_owned(),
                ..GroupMember::default()
            })
            .collect(),
        ..Group::default()
    }
}

fn instance(id: &str, more: &[(&str, &str)]) -> Instance {
    Instance {
        id: id.to_owned(),
        tags: tags(more),
        ..Instance::default()
    }
}

const MASTER: &str = "k8s.io/role/master";

fn blockers(selection: &Selection) -> Vec<&str> {
    let blocking = selection.checks.iter().filter(|check| check.blocks());
    blocking.map(|check| check.message.as_str()).collect()
}

#[test]
fn deletion_protection_of_a_group_blocks() {
    let mut protected = group("m.masters.a.example.com", MASTER, &[]);
    protected.deletion_protection = Some("prevent-force-deletion".into());
    let inventory = Inventory {
        groups: vec![protected],
        ..Inventory::default()
    };
    let selection = select(C, &inventory);
    assert_eq!(selection.groups.len(), 1);
    let check = selection.checks.iter().find(|check| check.blocks()).unwrap();
    assert!(check.cure.as_ref().unwrap().contains("--deletion-protection none"));
}

#[test]
fn an_instance_of_another_role_in_a_masters_group_blocks() {
    let mut foreign = instance("i-2", &[]);
    foreign
        .tags
        .insert("KubernetesCluster".into(), "x.a.example.com".into());
    foreign.tags.remove("kubernetes.io/cluster/a.example.com");
    let inventory = Inventory {
        groups: vec![group("m.masters.a.example.com", MASTER, &["i-1", "i-2", "i-3"])],
        instances: vec![
            instance("i-1", &[("k8s.io/role/node", "1")]),
            foreign,
            Instance {
                id: "i-3".into(),
                ..Instance::default()
            },
        ],
        ..Inventory::default()
    };
    let selection = select(C, &inventory);
    let blockers = blockers(&selection);
    assert_eq!(blockers.len(), 2, "{blockers:?}");
    assert!(
        blockers[0].contains("i-1") && blockers[0].contains("its role is node"),
        "{blockers:?}"
    );
    assert!(
        blockers[1].contains("i-2") && blockers[1].contains("another cluster"),
        "{blockers:?}"
    );
    // Untagged and in the group: it goes along, and is in the plan.
    let chosen: Vec<&str> = selection
        .instances
        .iter()
        .map(|chosen| chosen.thing.id.as_str())
        .collect();
    assert_eq!(chosen, ["i-3"]);
}

#[test]
fn masters_outside_groups_are_chosen_with_the_reason() {
    let inventory = Inventory {
        groups: vec![group("nodes.a.example.com", "k8s.io/role/node", &[])],
        instances: vec![
            instance("i-1", &[(MASTER, "1")]),
            instance("i-2", &[(MASTER, "1"), (DETACHED_TAG, "m.masters.a.example.com")]),
            instance("i-3", &[(MASTER, "1"), (GROUP_TAG, "gone.masters.a.example.com")]),
            instance("i-4", &[(MASTER, "1"), (GROUP_TAG, "nodes.a.example.com")]),
            Instance {
                state: InstanceState::Terminated,
                ..instance("i-5", &[(MASTER, "1")])
            },
        ],
        ..Inventory::default()
    };
    let selection = select(C, &inventory);
    let reasons: Vec<&str> = selection
        .instances
        .iter()
        .map(|chosen| chosen.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].starts_with("outside any group"), "{reasons:?}");
    assert!(reasons[1].starts_with("detached from group m.masters"), "{reasons:?}");
    assert!(
        reasons[2].starts_with("its group gone.masters.a.example.com no longer exists"),
        "{reasons:?}"
    );
    assert_eq!(blockers(&selection).len(), 1);
    assert!(blockers(&selection)[0].contains("i-4"));
}

#[test]
fn a_volume_in_use_by_a_kept_instance_blocks() {
    let volume = |id: &str, instance: &str| Volume {
        id: id.to_owned(),
        state: VolumeState::InUse,
        tags: tags(&[("k8s.io/etcd/main", "a/a")]),
        attachments: vec![Attachment {
            instance: instance.to_owned(),
            ..Attachment::default()
        }],
        ..Volume::default()
    };
    let inventory = Inventory {
        groups: vec![group("m.masters.a.example.com", MASTER, &["i-1"])],
        instances: vec![
            instance("i-1", &[(MASTER, "1")]),
            instance("i-2", &[("k8s.io/role/node", "1")]),
            Instance {
                state: InstanceState::Terminated,
                ..instance("i-3", &[(MASTER, "1")])
            },
        ],
        volumes: vec![
            volume("vol-1", "i-1"),
            volume("vol-2", "i-2"),
            volume("vol-3", "i-3"),
            volume("vol-4", "i-x"),
        ],
    };
    let selection = select(C, &inventory);
    assert_eq!(selection.volumes.len(), 4);
    let blockers = blockers(&selection);
    assert_eq!(blockers.len(), 2, "{blockers:?}");
    assert!(blockers[0].contains("vol-2 is attached to i-2"));
    assert!(blockers[1].contains("vol-4 is attached to i-x"));
}

#[test]
fn an_instance_group_of_another_role_blocks_and_a_missing_one_warns() {
    use crate::model::kops::instance_group::{InstanceGroup, Role};
    let named = |name: &str, role| InstanceGroup {
        name: name.to_owned(),
        role,
        machine_type: None,
        image: None,
        min_size: None,
        max_size: None,
        subnets: Vec::new(),
    };
    let inventory = Inventory {
        groups: vec![
            group("m-1.masters.a.example.com", MASTER, &[]),
            group("m-2.masters.a.example.com", MASTER, &[]),
        ],
        ..Inventory::default()
    };
    let selection = select(C, &inventory);
    let expected = Expected {
        groups: vec![named("m-1", Role::Node), named("m-3", Role::ControlPlane)],
        etcds: Vec::new(),
    };
    let checks = compare(C, &selection, &expected);
    let severities: Vec<Severity> = checks.iter().map(|check| check.severity).collect();
    assert_eq!(
        severities,
        [Severity::Block, Severity::Warn, Severity::Warn],
        "{checks:?}"
    );
}

#[test]
fn a_wrong_account_differs_from_a_wiped_cluster() {
    let caller = Caller {
        account: "123456789012".into(),
        region: "us-east-1".into(),
        ..Caller::default()
    };
    let judge = |region, inventory: &Inventory, others| {
        let selection = select(C, inventory);
        let checks = check_place(&caller, region, inventory, &selection, others);
        (checks[0].blocks(), checks[0].message.clone())
    };
    let nothing = Inventory::default();
    let (blocks, message) = judge(Some("us-east-1"), &nothing, OtherResources::default());
    assert!(
        blocks && message.contains("nothing of this cluster exists"),
        "{message}"
    );
    let (blocks, message) = judge(Some("eu-west-1"), &nothing, OtherResources::default());
    assert!(blocks && message.contains("is in eu-west-1"), "{message}");
    let others = OtherResources {
        quarantined: 2,
        networks: 0,
    };
    let (blocks, message) = judge(None, &nothing, others);
    assert!(
        !blocks && message.contains("already wiped; 2 volumes are in quarantine"),
        "{message}"
    );
    let nodes = Inventory {
        groups: vec![group("nodes.a.example.com", "k8s.io/role/node", &[])],
        ..Inventory::default()
    };
    let (blocks, message) = judge(Some("us-east-1"), &nodes, OtherResources::default());
    assert!(!blocks && message.contains("already wiped"), "{message}");
}

/// AWS responses for a cluster created by kops (tests/fixtures/kops-built/aws).
fn built_by_kops() -> Inventory {
    macro_rules! fixture {
        ($name:literal) => {
            serde_json::from_str::<serde_json::Value>(include_str!(concat!(
                "../../../../../tests/fixtures/kops-built/aws/",
                $name
            )))
            .unwrap()
        };
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let tags = |value: &serde_json::Value| -> Tags {
        let tags = value["Tags"].as_array().cloned().unwrap_or_default();
        tags.iter()
            .map(|tag| (text(&tag["Key"]), text(&tag["Value"])))
            .collect()
    };
    let (groups, instances, volumes) = (
        fixture!("auto-scaling-groups.json"),
        fixture!("instances.json"),
        fixture!("volumes.json"),
    );
    Inventory {
        groups: groups["AutoScalingGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| Group {
                name: text(&group["AutoScalingGroupName"]),
                tags: tags(group),
                members: group["Instances"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|member| GroupMember {
                        instance: text(&member["InstanceId"]),
                        ..GroupMember::default()
                    })
                    .collect(),
                ..Group::default()
            })
            .collect(),
        instances: instances
            .as_array()
            .unwrap()
            .iter()
            .map(|instance| Instance {
                id: text(&instance["InstanceId"]),
                tags: tags(instance),
                ..Instance::default()
            })
            .collect(),
        volumes: volumes["Volumes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|volume| Volume {
                id: text(&volume["VolumeId"]),
                tags: tags(volume),
                ..Volume::default()
            })
            .collect(),
    }
}

#[test]
fn of_a_real_kops_cluster_exactly_the_control_plane_is_chosen() {
    let cluster = "super.k8s.local";
    let inventory = built_by_kops();
    let selection = select(cluster, &inventory);
    let names: Vec<&str> = selection
        .groups
        .iter()
        .map(|chosen| chosen.thing.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["a", "b", "c"].map(|zone| format!("control-plane-us-east-1{zone}.masters.{cluster}"))
    );
    assert_eq!((selection.instances.len(), selection.volumes.len()), (3, 6));
    assert!(blockers(&selection).is_empty(), "{:?}", selection.checks);
    let left = inventory.groups.len() - 3;
    assert_eq!(
        selection
            .near_misses
            .iter()
            .filter(|miss| miss.kind == Kind::AutoScalingGroup)
            .count(),
        left
    );
    // A cluster whose name is a part of it has nothing here.
    for other in ["k8s.local", "uper.k8s.local", "super.k8s.loca", "x.super.k8s.local"] {
        assert!(select(other, &inventory).is_empty(), "{other}");
    }
}
