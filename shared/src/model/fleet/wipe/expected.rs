//! Compares the chosen resources with the state store.

use crate::model::shell::quoted;
use std::collections::BTreeSet;

use super::{Chosen, INSTANCE_GROUP_TAG, Selection, etcds};
use crate::model::check::{Check, Severity};
use crate::model::fleet::Group;
use crate::model::kops::cluster::EtcdClusterSpec;
use crate::model::kops::instance_group::{InstanceGroup, Role};

/// What the state store has.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Empty if they could not be read.
    pub groups: Vec<InstanceGroup>,
    /// Empty without a spec.
    pub etcds: Vec<EtcdClusterSpec>,
}

/// The instance group of a group, by tag, else by its name: `<ig>.masters.<cluster>`.
fn instance_group_of<'a>(group: &'a Group, cluster: &str) -> Option<&'a str> {
    let tagged = group.tags.get(INSTANCE_GROUP_TAG).map(String::as_str);
    tagged.or_else(|| group.name.strip_suffix(&format!(".masters.{cluster}")))
}

/// Compares them.
#[must_use]
pub fn compare(cluster: &str, selection: &Selection, expected: &Expected) -> Vec<Check> {
    let mut checks = Vec::new();
    groups(cluster, selection, expected, &mut checks);
    volumes(selection, expected, &mut checks);
    checks
}

fn groups(cluster: &str, selection: &Selection, expected: &Expected, checks: &mut Vec<Check>) {
    if expected.groups.is_empty() {
        let message = "no instance group could be read from the state store";
        checks.push(Check::found("instance-groups", Severity::Warn, message));
        return;
    }
    let before = checks.len();
    let mut seen = BTreeSet::new();
    for Chosen { thing: group, .. } in &selection.groups {
        let name = instance_group_of(group, cluster);
        seen.extend(name);
        let known = expected.groups.iter().find(|known| Some(known.name.as_str()) == name);
        match known {
            Some(known) if known.role == Role::ControlPlane => {}
            Some(known) => {
                let (group, name, role) = (&group.name, &known.name, &known.role);
                let message =
                    format!("group {group} is tagged as control plane, but instance group {name} has role {role}");
                let cure = format!(
                    "find out which is right: `kops get ig {} --name {} -o yaml`",
                    quoted(name),
                    quoted(cluster)
                );
                checks.push(Check::found("instance-groups", Severity::Block, message).cure(cure));
            }
            None => {
                let message = format!(
                    "the state store has no instance group {}: kops will not recreate group {}",
                    name.unwrap_or("(unnamed)"),
                    group.name
                );
                checks.push(Check::found("instance-groups", Severity::Warn, message));
            }
        }
    }
    let masters = expected.groups.iter().filter(|group| group.role == Role::ControlPlane);
    for group in masters.filter(|_| !selection.groups.is_empty()) {
        if !seen.contains(group.name.as_str()) {
            let message = format!("control-plane instance group {} has no group in AWS", group.name);
            checks.push(Check::found("instance-groups", Severity::Warn, message));
        }
    }
    if checks.len() == before && !selection.groups.is_empty() {
        let message = "the groups match the control-plane instance groups in the state store";
        checks.push(Check::passed("instance-groups", message));
    }
}

fn volumes(selection: &Selection, expected: &Expected, checks: &mut Vec<Check>) {
    if expected.etcds.is_empty() || selection.volumes.is_empty() {
        return;
    }
    let before = checks.len();
    let mut seen = BTreeSet::new();
    for volume in selection.volumes.iter().map(|chosen| &chosen.thing) {
        for (etcd, value) in etcds(&volume.tags) {
            let member = value.split('/').next().unwrap_or_default();
            let members = expected.etcds.iter().find(|known| known.name == etcd);
            let known = members.is_some_and(|known| known.members.iter().any(|known| known.name == member));
            if !known {
                let message = format!(
                    "volume {} belongs to member `{member}` of etcd {etcd}, which is not in the cluster spec",
                    volume.id
                );
                checks.push(Check::found("members", Severity::Warn, message).of(etcd));
            }
            if !seen.insert((etcd, member)) {
                let message = format!("member {member} of etcd {etcd} has more than one volume");
                checks.push(Check::found("members", Severity::Warn, message).of(etcd));
            }
        }
    }
    for etcd in &expected.etcds {
        for member in &etcd.members {
            if !seen.contains(&(etcd.name.as_str(), member.name.as_str())) {
                let message = format!("member {} of etcd {} has no volume", member.name, etcd.name);
                checks.push(Check::found("members", Severity::Warn, message).of(&etcd.name));
            }
        }
    }
    if checks.len() == before {
        checks.push(Check::passed("members", "each member in the spec has a volume"));
    }
}
