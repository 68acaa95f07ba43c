//! Selects the control plane: by a resource's own tags, then by what it belongs to.

use crate::model::shell::quoted;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Chosen, DETACHED_TAG, GROUP_TAG, Kind, NearMiss, Owner, Selection, TaggedRole, etcds, is_persistent_volume,
    name_of, owner, role,
};
use crate::model::check::{Check, Severity};
use crate::model::fleet::{
    CLUSTER_TAG, Group, Instance, InstanceState, Inventory, Tags, Volume, VolumeState, cluster_key,
};

/// Chooses the control plane of `cluster`. The inventory has all resources with one of the cluster's tags, the instances that its groups list or
/// its volumes are attached to, and the groups that its instances name, with any tags.
#[must_use]
pub fn select(cluster: &str, inventory: &Inventory) -> Selection {
    let mut selecting = Selecting {
        cluster,
        inventory,
        found: Selection::default(),
    };
    for group in &inventory.groups {
        selecting.group(group);
    }
    selecting.members();
    for instance in &inventory.instances {
        selecting.instance(instance);
    }
    for volume in &inventory.volumes {
        selecting.volume(volume);
    }
    let mut found = selecting.found;
    found.groups.sort_by(|a, b| a.thing.name.cmp(&b.thing.name));
    found.instances.sort_by(|a, b| a.thing.id.cmp(&b.thing.id));
    found.volumes.sort_by(|a, b| a.thing.id.cmp(&b.thing.id));
    found.near_misses.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    found
}

struct Selecting<'a> {
    cluster: &'a str,
    inventory: &'a Inventory,
    found: Selection,
}

/// What the tags of one resource mean.
enum Judged {
    /// Of a master, and why.
    Master(String),
    /// Of this cluster but not of a master, or not only of this cluster, and why it is kept.
    Keep(String),
    /// Unclear, and why.
    Unclear(String),
    /// Of no interest.
    Foreign,
}

fn judge(tags: &Tags, cluster: &str) -> Judged {
    let of_master = matches!(role(tags), TaggedRole::Master(_));
    match (owner(tags, cluster), role(tags)) {
        (Owner::NotOurs, _) => Judged::Foreign,
        (Owner::Shared, _) => Judged::Keep(format!("it is shared: {}=shared", cluster_key(cluster))),
        (Owner::Contradicting(how), _) if of_master => {
            Judged::Keep(format!("it does not belong to this cluster alone: {how}"))
        }
        (Owner::Contradicting(how), _) => Judged::Keep(how),
        (Owner::Ours, TaggedRole::Master(tag)) => Judged::Master(format!("{}, {tag}", ours(tags, cluster))),
        (Owner::Ours, TaggedRole::Other(role)) => Judged::Keep(format!("its role is {role}")),
        (Owner::Ours, TaggedRole::None) => Judged::Keep("it has no k8s.io/role/ tag".to_owned()),
        (Owner::Ours, TaggedRole::Unknown(tag)) => Judged::Unclear(format!("its role is unknown: {tag}")),
        (Owner::Ours, TaggedRole::Contradicting(tags)) => {
            Judged::Unclear(format!("its roles contradict each other: {tags}"))
        }
    }
}

/// The tag that assigns it to this cluster.
fn ours(tags: &Tags, cluster: &str) -> String {
    if tags.get(CLUSTER_TAG).is_some_and(|name| name == cluster) {
        format!("{CLUSTER_TAG}={cluster}")
    } else {
        format!("{}=owned", cluster_key(cluster))
    }
}

impl Selecting<'_> {
    fn keep(&mut self, kind: Kind, id: &str, tags: &Tags, reason: impl Into<String>) {
        self.found.near_misses.push(NearMiss {
            kind,
            id: id.to_owned(),
            name: name_of(tags).filter(|name| *name != id).map(str::to_owned),
            reason: reason.into(),
        });
    }

    /// Keeps it, and blocks the wipe.
    fn block(&mut self, kind: Kind, id: &str, tags: &Tags, reason: &str, cure: &str) {
        self.keep(kind, id, tags, reason);
        let message = format!("{} {id}: {reason}", kind.word());
        let check = Check::found("selection", Severity::Block, message).cure(cure);
        self.found.checks.push(check);
    }

    fn group(&mut self, group: &Group) {
        let kind = Kind::AutoScalingGroup;
        match judge(&group.tags, self.cluster) {
            Judged::Foreign => {}
            Judged::Keep(why) => self.keep(kind, &group.name, &group.tags, why),
            Judged::Unclear(why) => self.block(kind, &group.name, &group.tags, &why, ROLE_CURE),
            Judged::Master(reason) => {
                self.protection(group);
                self.found.groups.push(Chosen {
                    thing: group.clone(),
                    reason,
                });
            }
        }
    }

    fn protection(&mut self, group: &Group) {
        let protection = group.deletion_protection.as_deref().unwrap_or("none");
        if protection == "none" {
            return;
        }
        let name = &group.name;
        let message = format!("group {name} has deletion protection: {protection}");
        self.found.checks.push(
            Check::found("deletion-protection", Severity::Block, message).cure(format!(
                "aws autoscaling update-auto-scaling-group --auto-scaling-group-name {} --deletion-protection none",
                quoted(name)
            )),
        );
    }

    /// Deleting a group terminates all of its instances, so all must be masters.
    fn members(&mut self) {
        let known: BTreeMap<&str, &Instance> = self
            .inventory
            .instances
            .iter()
            .map(|instance| (instance.id.as_str(), instance))
            .collect();
        let groups = self.found.groups.clone();
        for (group, member) in groups
            .iter()
            .flat_map(|group| group.thing.members.iter().map(move |member| (&group.thing, member)))
        {
            let Some(instance) = known.get(member.instance.as_str()) else {
                // No longer exists.
                continue;
            };
            if instance.state == InstanceState::Terminated {
                continue;
            }
            let reason = format!("in group {}", group.name);
            let fits = match (owner(&instance.tags, self.cluster), role(&instance.tags)) {
                (Owner::Ours, TaggedRole::Master(_) | TaggedRole::None) => Ok(()),
                (Owner::NotOurs, TaggedRole::None) if !instance.tags.contains_key(CLUSTER_TAG) => Ok(()),
                (Owner::NotOurs, _) => Err("it is of another cluster".to_owned()),
                _ => match judge(&instance.tags, self.cluster) {
                    Judged::Keep(why) | Judged::Unclear(why) => Err(why),
                    Judged::Master(_) | Judged::Foreign => Ok(()),
                },
            };
            match fits {
                Ok(()) => self.found.instances.push(Chosen {
                    thing: (*instance).clone(),
                    reason,
                }),
                Err(why) => {
                    let why = format!("{reason}, whose deletion would terminate it, but {why}");
                    self.block(Kind::Instance, &instance.id, &instance.tags, &why, MEMBER_CURE);
                }
            }
        }
    }

    fn instance(&mut self, instance: &Instance) {
        let is_chosen = |id: &str| self.found.instances.iter().any(|chosen| chosen.thing.id == id);
        let is_kept = |id: &str| self.found.near_misses.iter().any(|miss| miss.id == id);
        if instance.state == InstanceState::Terminated || is_chosen(&instance.id) || is_kept(&instance.id) {
            return;
        }
        let kind = Kind::Instance;
        match judge(&instance.tags, self.cluster) {
            Judged::Foreign => {}
            Judged::Keep(why) => self.keep(kind, &instance.id, &instance.tags, why),
            Judged::Unclear(why) => self.block(kind, &instance.id, &instance.tags, &why, ROLE_CURE),
            Judged::Master(tags) => match self.outside(instance) {
                Ok(place) => self.found.instances.push(Chosen {
                    thing: instance.clone(),
                    reason: format!("{place}; {tags}"),
                }),
                Err(why) => self.block(kind, &instance.id, &instance.tags, &why, ROLE_CURE),
            },
        }
    }

    /// Why a master is not listed in a chosen group.
    fn outside(&self, instance: &Instance) -> Result<String, String> {
        if let Some(group) = instance.tags.get(GROUP_TAG) {
            if self.found.groups.iter().any(|chosen| &chosen.thing.name == group) {
                return Ok(format!("in group {group}"));
            }
            let is_there = self.inventory.groups.iter().any(|found| &found.name == group);
            return match is_there {
                true => Err(format!(
                    "it looks like a master, but its group {group} is not of the control plane"
                )),
                false => Ok(format!("its group {group} no longer exists")),
            };
        }
        Ok(match instance.tags.get(DETACHED_TAG) {
            Some(group) => format!("detached from group {group}"),
            None => "outside any group".to_owned(),
        })
    }

    fn volume(&mut self, volume: &Volume) {
        if volume.state == VolumeState::Deleted {
            return;
        }
        let kind = Kind::Volume;
        let of = etcds(&volume.tags);
        let left = match owner(&volume.tags, self.cluster) {
            Owner::Ours => None,
            Owner::NotOurs => return,
            Owner::Shared => Some(format!("it is shared: {}=shared", cluster_key(self.cluster))),
            Owner::Contradicting(how) => Some(how),
        };
        if let Some(why) = left {
            return self.keep(kind, &volume.id, &volume.tags, why);
        }
        if of.is_empty() {
            let why = match (is_persistent_volume(&volume.tags), &volume.attachments.first()) {
                (true, _) => "volume of a PersistentVolume: no k8s.io/etcd/ tag".to_owned(),
                (false, Some(attachment)) => format!("no k8s.io/etcd/ tag; attached to {}", attachment.instance),
                (false, None) => "no k8s.io/etcd/ tag".to_owned(),
            };
            return self.keep(kind, &volume.id, &volume.tags, why);
        }
        if is_persistent_volume(&volume.tags) {
            let why = "it is tagged as an etcd volume and as a PersistentVolume";
            return self.block(kind, &volume.id, &volume.tags, why, VOLUME_CURE);
        }
        match role(&volume.tags) {
            TaggedRole::Master(_) | TaggedRole::None => {}
            TaggedRole::Other(role) => {
                let why = format!("it is tagged as an etcd volume, and its role is {role}");
                return self.block(kind, &volume.id, &volume.tags, &why, VOLUME_CURE);
            }
            TaggedRole::Unknown(tag) | TaggedRole::Contradicting(tag) => {
                let why = format!("it is tagged as an etcd volume, and its role is unknown: {tag}");
                return self.block(kind, &volume.id, &volume.tags, &why, VOLUME_CURE);
            }
        }
        self.attachments(volume);
        let marks: Vec<String> = of
            .iter()
            .map(|(etcd, value)| format!("k8s.io/etcd/{etcd}={value}"))
            .collect();
        let reason = format!("{}, {}", ours(&volume.tags, self.cluster), marks.join(", "));
        self.found.volumes.push(Chosen {
            thing: volume.clone(),
            reason,
        });
    }

    /// A volume in use by an instance that is kept blocks.
    fn attachments(&mut self, volume: &Volume) {
        let chosen: BTreeSet<&str> = self
            .found
            .instances
            .iter()
            .map(|chosen| chosen.thing.id.as_str())
            .collect();
        let gone = |id: &str| {
            let known = self.inventory.instances.iter().find(|instance| instance.id == id);
            known.is_some_and(|instance| instance.state == InstanceState::Terminated)
        };
        let outside: Vec<&str> = volume
            .attachments
            .iter()
            .map(|attachment| attachment.instance.as_str())
            .filter(|id| !chosen.contains(id) && !gone(id))
            .collect();
        if outside.is_empty() {
            return;
        }
        let message = format!(
            "volume {} is attached to {}, which will be kept",
            volume.id,
            outside.join(" and ")
        );
        let cure = format!(
            "find out what uses it; `aws ec2 detach-volume --volume-id {}` when nothing does",
            quoted(&volume.id)
        );
        self.found
            .checks
            .push(Check::found("volume-in-use", Severity::Block, message).cure(cure));
    }
}

const ROLE_CURE: &str = "correct its k8s.io/role/ tags, or remove the cluster's tags from it";
const MEMBER_CURE: &str = "detach it from the group (aws autoscaling detach-instances), or correct its tags";
const VOLUME_CURE: &str = "find out what it is, and remove the wrong tags from it";
