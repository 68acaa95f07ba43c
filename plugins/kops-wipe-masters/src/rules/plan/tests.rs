use runbook_kit::model::fleet::wipe::select;
use runbook_kit::model::fleet::{Attachment, Device, Group, GroupMember, Instance, Inventory, Tags, Volume};

use super::*;

pub const C: &str = "a.example.com";

fn tags(more: &[(&str, &str)]) -> Tags {
    let cluster = [
        ("KubernetesCluster", C),
        ("kubernetes.io/cluster/a.example.com", "owned"),
    ];
    let all = cluster.iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Two masters with a volume each.
pub fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    for zone in ["a", "b"] {
        let id = format!("i-{zone}");
        inventory.groups.push(Group {
            name: format!("control-plane-{zone}.masters.{C}"),
            tags: tags(&[("k8s.io/role/control-plane", "1"), ("k8s.io/role/master", "1")]),
            members: vec![GroupMember {
                instance: id.clone(),
                ..GroupMember::default()
            }],
            ..Group::default()
        });
        inventory.instances.push(Instance {
            id: id.clone(),
            tags: tags(&[("k8s.io/role/control-plane", "1")]),
            devices: vec![Device {
                name: "/dev/xvdu".into(),
                volume: format!("vol-{zone}"),
                delete_on_termination: Some(false),
            }],
            ..Instance::default()
        });
        inventory.volumes.push(Volume {
            id: format!("vol-{zone}"),
            state: VolumeState::InUse,
            tags: tags(&[
                ("k8s.io/etcd/main", &format!("{zone}/a,b")),
                ("Name", &format!("{zone}.etcd-main.{C}")),
            ]),
            attachments: vec![Attachment {
                instance: id,
                device: "/dev/xvdu".into(),
                ..Attachment::default()
            }],
            ..Volume::default()
        });
    }
    inventory
}

pub fn planned(inventory: &Inventory, etcd_volumes: EtcdVolumes) -> Plan {
    plan(Facts {
        cluster: C,
        state_store: "s3://state",
        caller: Caller {
            account: "123456789012".into(),
            region: "us-east-1".into(),
            ..Caller::default()
        },
        selection: select(C, inventory),
        etcd_volumes,
        backups: Vec::new(),
        checks: Vec::new(),
        terraform: Vec::new(),
    })
}

/// The same, with DeleteOnTermination on for one volume.
pub fn with_delete_on_termination(zone: usize) -> Inventory {
    let mut inventory = inventory();
    inventory.instances[zone].devices[0].delete_on_termination = Some(true);
    inventory
}

#[test]
fn delete_on_termination_is_planned_to_be_turned_off() {
    for mode in [EtcdVolumes::Quarantine, EtcdVolumes::SnapshotThenDelete] {
        let plan = planned(&with_delete_on_termination(0), mode);
        assert_eq!(plan.keeps.len(), 1);
        assert!(plan.actions().contains("keep vol-a on i-a"), "{:?}", plan.actions());
        assert_ne!(plan.digest, planned(&inventory(), mode).digest, "the digest covers it");
        let warned = plan.checks.iter().any(|check| check.name == "delete-on-termination");
        assert!(warned, "{:?}", plan.checks);
    }
    // Deleted anyway.
    let deleted = planned(&with_delete_on_termination(0), EtcdVolumes::Delete);
    assert!(deleted.keeps.is_empty());
    // Not reported by AWS.
    let mut silent = inventory();
    silent.instances[1].devices.clear();
    let plan = planned(&silent, EtcdVolumes::Quarantine);
    assert_eq!(plan.keeps[0].id(), "vol-b on i-b");
    assert!(plan.keeps[0].reason.contains("does not report"));
    assert!(planned(&inventory(), EtcdVolumes::Quarantine).keeps.is_empty());
}

#[test]
fn the_terraform_warning_has_a_command_for_each_volume() {
    let with = |etcd_volumes| {
        plan(Facts {
            cluster: C,
            state_store: "s3://state",
            caller: Caller::default(),
            selection: select(C, &inventory()),
            etcd_volumes,
            backups: Vec::new(),
            checks: Vec::new(),
            terraform: vec!["the cluster's spec has target.terraform".into()],
        })
    };
    let quarantine = with(EtcdVolumes::Quarantine);
    let check = quarantine
        .checks
        .iter()
        .find(|check| check.name == "terraform")
        .unwrap();
    assert_eq!(check.severity, Severity::Warn);
    let cure = check.cure.as_deref().unwrap();
    for zone in ["a", "b"] {
        let forget = format!("`terraform state rm aws_ebs_volume.{zone}-etcd-main-a-example-com`");
        assert!(cure.contains(&forget), "{cure}");
    }
    assert!(cure.contains("--etcd-volumes snapshot-then-delete"), "{cure}");
    let snapshots = with(EtcdVolumes::SnapshotThenDelete);
    assert!(snapshots.checks.iter().all(|check| check.name != "terraform"));
    let kops = planned(&inventory(), EtcdVolumes::Quarantine);
    assert!(kops.checks.iter().all(|check| check.name != "terraform"));
}

#[test]
fn the_digest_is_over_ids_and_actions() {
    let whole = planned(&inventory(), EtcdVolumes::Quarantine);
    assert_eq!(whole.actions().len(), 6);
    assert_eq!(whole.digest.len(), 16);
    assert_eq!(whole.digest, planned(&inventory(), EtcdVolumes::Quarantine).digest);
    assert_ne!(whole.digest, planned(&inventory(), EtcdVolumes::Delete).digest);
    let mut other = inventory();
    other.volumes.remove(0);
    assert_ne!(whole.digest, planned(&other, EtcdVolumes::Quarantine).digest);
    // Changes that do not change an action.
    let mut later = inventory();
    later.volumes[0].state = VolumeState::Available;
    later.volumes[0].attachments.clear();
    assert_eq!(whole.digest, planned(&later, EtcdVolumes::Quarantine).digest);
}

#[test]
fn a_partly_applied_plan_adds_nothing_and_another_action_does() {
    let whole = planned(&inventory(), EtcdVolumes::Quarantine);
    let mut rest = inventory();
    rest.groups.remove(0);
    assert!(added_since(&planned(&rest, EtcdVolumes::Quarantine), &whole.actions()).is_empty());
    let other = added_since(&planned(&rest, EtcdVolumes::Delete), &whole.actions());
    assert_eq!(other, ["delete vol-a", "delete vol-b"]);
    let mut more = inventory();
    more.volumes.push(Volume {
        id: "vol-new".into(),
        tags: more.volumes[0].tags.clone(),
        ..Volume::default()
    });
    let new = added_since(&planned(&more, EtcdVolumes::Quarantine), &whole.actions());
    assert_eq!(new, ["quarantine vol-new"]);
}
