//! What would be done, to what, and why. Pure: facts in, a plan out.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::domain::check::{Check, Severity};
use runbook_kit::domain::fleet::{Caller, InstanceState, VolumeState};
use runbook_kit::domain::wipe::{NearMiss, Selection, etcds, name_of, quarantine};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::interlock::PlannedBackup;

/// What becomes of the etcd volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdVolumes {
    /// Hide them from kops and etcd-manager by moving their tags; `restore-volumes` takes that back
    #[default]
    Quarantine,
    /// Take an EBS snapshot of each, then delete it
    SnapshotThenDelete,
    /// Delete them for good
    Delete,
}

impl EtcdVolumes {
    /// As on the command line and in the plan.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::SnapshotThenDelete => "snapshot-then-delete",
            Self::Delete => "delete",
        }
    }
}

/// The whole plan, as programs see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub cluster: String,
    pub account: String,
    pub account_alias: Option<String>,
    pub caller: String,
    pub profile: Option<String>,
    pub region: String,
    pub state_store: String,
    pub etcd_volumes: EtcdVolumes,
    pub auto_scaling_groups: Vec<PlannedGroup>,
    pub instances: Vec<PlannedInstance>,
    pub volumes: Vec<PlannedVolume>,
    pub near_misses: Vec<NearMiss>,
    pub backups: Vec<PlannedBackup>,
    pub checks: Vec<Check>,
    /// Over ids and actions: the same digest, the same deeds.
    pub digest: String,
}

/// A group that is deleted, with all that is in it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedGroup {
    pub name: String,
    pub action: &'static str,
    pub instances: Vec<String>,
    pub status: Option<String>,
    pub reason: String,
}

/// An instance that is terminated: by its group's deletion, else by itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedInstance {
    pub id: String,
    pub action: &'static str,
    pub name: Option<String>,
    pub state: InstanceState,
    pub zone: String,
    pub instance_type: String,
    pub private_ip: Option<String>,
    pub reason: String,
}

/// A volume that is put away.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedVolume {
    pub id: String,
    pub action: &'static str,
    pub name: Option<String>,
    /// The etcd clusters and members that it is of: `main/a`.
    pub members: Vec<String>,
    pub state: VolumeState,
    pub zone: String,
    pub size_gib: i64,
    pub attached_to: Vec<String>,
    pub reason: String,
}

/// What the plan is made of.
pub struct Facts<'a> {
    pub cluster: &'a str,
    pub state_store: &'a str,
    pub caller: Caller,
    pub selection: Selection,
    pub etcd_volumes: EtcdVolumes,
    pub backups: Vec<PlannedBackup>,
    /// What was looked at beside the selection.
    pub checks: Vec<Check>,
}

/// Makes the plan.
pub fn plan(facts: Facts<'_>) -> Plan {
    let Facts {
        cluster,
        state_store,
        caller,
        selection,
        etcd_volumes,
        backups,
        mut checks,
    } = facts;
    if etcd_volumes == EtcdVolumes::Quarantine {
        for volume in &selection.volumes {
            if let Some(obstacle) = quarantine::obstacle(&volume.thing, cluster) {
                let message = format!("volume {} cannot be put into quarantine: {obstacle}", volume.thing.id);
                let cure = "pass --etcd-volumes snapshot-then-delete, or take tags of your own off it";
                checks.push(Check::found("quarantine", Severity::Block, message).cure(cure));
            }
        }
    }
    checks.extend(selection.checks);
    // What refuses first; else in the order in which it was looked at.
    checks.sort_by_key(|check| (!check.blocks(), check.ok));
    let groups = selection.groups.into_iter().map(|chosen| PlannedGroup {
        action: "delete",
        instances: chosen.thing.members.into_iter().map(|member| member.instance).collect(),
        name: chosen.thing.name,
        status: chosen.thing.status,
        reason: chosen.reason,
    });
    let instances = selection.instances.into_iter().map(|chosen| PlannedInstance {
        action: "terminate",
        name: name_of(&chosen.thing.tags).map(str::to_owned),
        state: chosen.thing.state,
        private_ip: chosen.thing.private_ips.into_iter().next(),
        id: chosen.thing.id,
        zone: chosen.thing.zone,
        instance_type: chosen.thing.instance_type,
        reason: chosen.reason,
    });
    let volumes = selection.volumes.into_iter().map(|chosen| {
        let members = etcds(&chosen.thing.tags).into_iter();
        let members = members.map(|(etcd, value)| format!("{etcd}/{}", value.split('/').next().unwrap_or_default()));
        let attachments = chosen.thing.attachments.iter();
        PlannedVolume {
            action: etcd_volumes.word(),
            name: name_of(&chosen.thing.tags).map(str::to_owned),
            members: members.collect(),
            state: chosen.thing.state,
            size_gib: chosen.thing.size_gib,
            attached_to: attachments.map(|attachment| attachment.instance.clone()).collect(),
            id: chosen.thing.id.clone(),
            zone: chosen.thing.zone.clone(),
            reason: chosen.reason,
        }
    });
    let mut plan = Plan {
        cluster: cluster.to_owned(),
        account: caller.account,
        account_alias: caller.alias,
        caller: caller.arn,
        profile: caller.profile,
        region: caller.region,
        state_store: state_store.to_owned(),
        etcd_volumes,
        auto_scaling_groups: groups.collect(),
        instances: instances.collect(),
        volumes: volumes.collect(),
        near_misses: selection.near_misses,
        backups,
        checks,
        digest: String::new(),
    };
    plan.digest = plan.compute_digest();
    plan
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.auto_scaling_groups.is_empty() && self.instances.is_empty() && self.volumes.is_empty()
    }

    /// Every deed, by action and id.
    pub fn deeds(&self) -> BTreeSet<String> {
        let groups = self.auto_scaling_groups.iter();
        let instances = self.instances.iter();
        let volumes = self.volumes.iter();
        groups
            .map(|group| format!("{} {}", group.action, group.name))
            .chain(instances.map(|instance| format!("{} {}", instance.action, instance.id)))
            .chain(volumes.map(|volume| format!("{} {}", volume.action, volume.id)))
            .collect()
    }

    fn compute_digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.account, &self.region, &self.cluster] {
            hash.update(part.as_bytes());
            hash.update(b"\n");
        }
        for deed in self.deeds() {
            hash.update(deed.as_bytes());
            hash.update(b"\n");
        }
        let bytes = hash.finalize();
        bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The checks that refuse.
    pub fn blockers(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.blocks())
    }

    /// Names for ids, for lines that tell of progress.
    pub fn names(&self) -> BTreeMap<String, String> {
        let instances = self.instances.iter().map(|instance| (&instance.id, &instance.name));
        let volumes = self.volumes.iter().map(|volume| (&volume.id, &volume.name));
        instances
            .chain(volumes)
            .filter_map(|(id, name)| Some((id.clone(), name.clone()?)))
            .collect()
    }
}

/// What of a plan was not in the one that was shown.
pub fn not_shown(plan: &Plan, shown: &BTreeSet<String>) -> Vec<String> {
    plan.deeds().difference(shown).cloned().collect()
}

#[cfg(test)]
pub mod tests {
    use runbook_kit::domain::fleet::{Group, GroupMember, Instance, Inventory, Tags, Volume};
    use runbook_kit::domain::wipe::select;

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
                volumes: vec![format!("vol-{zone}")],
                ..Instance::default()
            });
            inventory.volumes.push(Volume {
                id: format!("vol-{zone}"),
                state: VolumeState::InUse,
                tags: tags(&[
                    ("k8s.io/etcd/main", &format!("{zone}/a,b")),
                    ("Name", &format!("{zone}.etcd-main.{C}")),
                ]),
                attachments: vec![runbook_kit::domain::fleet::Attachment {
                    instance: id,
                    ..Default::default()
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
        })
    }

    #[test]
    fn the_digest_is_over_ids_and_actions() {
        let whole = planned(&inventory(), EtcdVolumes::Quarantine);
        assert_eq!(whole.deeds().len(), 6);
        assert_eq!(whole.digest.len(), 16);
        assert_eq!(whole.digest, planned(&inventory(), EtcdVolumes::Quarantine).digest);
        assert_ne!(whole.digest, planned(&inventory(), EtcdVolumes::Delete).digest);
        let mut other = inventory();
        other.volumes.remove(0);
        assert_ne!(whole.digest, planned(&other, EtcdVolumes::Quarantine).digest);
        // What changes without changing a deed leaves it.
        let mut later = inventory();
        later.volumes[0].state = VolumeState::Available;
        later.volumes[0].attachments.clear();
        assert_eq!(whole.digest, planned(&later, EtcdVolumes::Quarantine).digest);
    }

    #[test]
    fn what_remains_of_a_shown_plan_was_shown_and_another_action_was_not() {
        let whole = planned(&inventory(), EtcdVolumes::Quarantine);
        let mut rest = inventory();
        rest.groups.remove(0);
        assert!(not_shown(&planned(&rest, EtcdVolumes::Quarantine), &whole.deeds()).is_empty());
        let other = not_shown(&planned(&rest, EtcdVolumes::Delete), &whole.deeds());
        assert_eq!(other, ["delete vol-a", "delete vol-b"]);
        let mut more = inventory();
        more.volumes.push(Volume {
            id: "vol-new".into(),
            tags: more.volumes[0].tags.clone(),
            ..Volume::default()
        });
        let new = not_shown(&planned(&more, EtcdVolumes::Quarantine), &whole.deeds());
        assert_eq!(new, ["quarantine vol-new"]);
    }
}
