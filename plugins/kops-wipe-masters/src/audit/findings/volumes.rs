//! What is wrong with the volumes and members of one etcd cluster.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::domain::check::Severity;
use runbook_kit::domain::fleet::{CLUSTER_TAG, Instance, InstanceState, Volume, cluster_key};
use runbook_kit::domain::wipe::{ETCD_PREFIX, INSTANCE_GROUP_TAG, ROLE_PREFIX, name_of};

use super::masters::start_master;
use super::{Finding, Kind, finding};
use crate::audit::cure::Standing;
use crate::audit::facts::{Etcd, Facts, attached_to};

/// `vol-1 (attached to i-1)`.
fn shown(volume: &Volume) -> String {
    let on: Vec<&str> = attached_to(volume).collect();
    if on.is_empty() {
        format!("{} (attached to nothing)", volume.id)
    } else {
        format!("{} (attached to {})", volume.id, on.join(" and "))
    }
}

fn is_mounted(facts: &Facts, volume: &Volume) -> bool {
    attached_to(volume).any(|id| facts.running().any(|instance| instance.id == id))
}

/// The tags by which kops and etcd-manager find a volume.
fn untag(facts: &Facts, volume: &Volume) -> String {
    let own = cluster_key(&facts.cluster);
    let identifying = |key: &&String| {
        matches!(key.as_str(), "Name" | CLUSTER_TAG)
            || **key == own
            || key.starts_with(ETCD_PREFIX)
            || key.starts_with(ROLE_PREFIX)
    };
    let keys: Vec<String> = volume
        .tags
        .keys()
        .filter(identifying)
        .map(|key| format!("Key={key}"))
        .collect();
    let detach = if volume.attachments.is_empty() {
        String::new()
    } else {
        format!("{}; then ", detach(facts, &volume.id))
    };
    format!(
        "{detach}aws ec2 delete-tags --region {} --resources {} --tags {}",
        facts.region,
        volume.id,
        keys.join(" ")
    )
}

fn detach(facts: &Facts, volume: &str) -> String {
    format!("aws ec2 detach-volume --region {} --volume-id {volume}", facts.region)
}

pub(super) fn duplicates(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let mut by_member: BTreeMap<&str, Vec<&Volume>> = BTreeMap::new();
    for (volume, member) in facts.volumes_of(etcd.name()) {
        by_member.entry(member).or_default().push(volume);
    }
    for (member, mut volumes) in by_member {
        if volumes.len() < 2 {
            continue;
        }
        // Which one stays: what is named after this member, what runs, else the older one: a younger one was made when the older
        // was not seen, and is empty.
        volumes.sort_by_key(|volume| {
            let another = named_after(facts, etcd, volume, member).is_some();
            (another, !is_mounted(facts, volume), volume.created, volume.id.clone())
        });
        let mut ids: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
        ids.sort();
        found.push(Finding {
            objects: ids,
            what: format!(
                "member {member} has {} volumes: {}",
                volumes.len(),
                volumes.iter().map(|volume| shown(volume)).collect::<Vec<_>>().join(", ")
            ),
            causes: format!(
                "a master mounts any of them, so {member} may come up with old data or none, and another member with no volume at all; `kops update \
                 cluster` stops over two volumes of one name"
            ),
            command: mend_duplicates(facts, etcd, member, &volumes),
            ..finding(Kind::DuplicateEtcdTag, Severity::Block, etcd)
        });
    }
}

/// The other member that a volume is named after: kops calls it `<member>.etcd-<etcd>.<cluster>`, so its tag was changed later.
fn named_after(facts: &Facts, etcd: &Etcd, volume: &Volume, member: &str) -> Option<String> {
    let name = name_of(&volume.tags)?;
    let named = name.strip_suffix(&format!(".etcd-{}.{}", etcd.name(), facts.cluster))?;
    let known = etcd.member_names(facts).iter().any(|known| known == named);
    (named != member && known).then(|| named.to_owned())
}

fn mend_duplicates(facts: &Facts, etcd: &Etcd, member: &str, volumes: &[&Volume]) -> String {
    let region = &facts.region;
    let members = etcd.member_names(facts).join(",");
    let mut commands = Vec::new();
    let mut hides = false;
    for volume in volumes.iter().skip(1) {
        commands.push(match named_after(facts, etcd, volume, member) {
            Some(named) => format!(
                "aws ec2 create-tags --region {region} --resources {} --tags 'Key={ETCD_PREFIX}{},Value={named}/{members}' (by its name it is member {named}'s)",
                volume.id,
                etcd.name()
            ),
            None => {
                hides = true;
                untag(facts, volume)
            }
        });
    }
    let commands = commands.join("; then ");
    if !hides {
        return commands;
    }
    let stays = volumes.first().map(|volume| volume.id.as_str()).unwrap_or_default();
    match volumes.iter().filter(|volume| is_mounted(facts, volume)).count() {
        1 => format!("{commands} ({stays} is the one in use; the data of the other stays)"),
        _ => format!(
            "{commands} ({stays} is the older one: look which holds the data before you go on; no data is deleted)"
        ),
    }
}

pub(super) fn two_on_one(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let mut by_instance: BTreeMap<&str, Vec<(&Volume, &str)>> = BTreeMap::new();
    for (volume, member) in facts.volumes_of(etcd.name()) {
        for instance in attached_to(volume) {
            by_instance.entry(instance).or_default().push((volume, member));
        }
    }
    for (instance, mut volumes) in by_instance {
        if volumes.len() < 2 {
            continue;
        }
        let group = facts
            .instance(instance)
            .and_then(|instance| instance.tags.get(INSTANCE_GROUP_TAG));
        let at_home = |member: &str| group.is_some() && etcd.instance_group(member) == group.map(String::as_str);
        volumes.sort_by_key(|(volume, member)| (!at_home(member), volume.created, volume.id.clone()));
        let list: Vec<String> = volumes
            .iter()
            .map(|(volume, member)| format!("{} (member {member})", volume.id))
            .collect();
        let commands: Vec<String> = volumes
            .iter()
            .skip(1)
            .map(|(volume, _)| detach(facts, &volume.id))
            .collect();
        let mut objects: Vec<String> = volumes.iter().map(|(volume, _)| volume.id.clone()).collect();
        objects.sort();
        objects.insert(0, instance.to_owned());
        found.push(Finding {
            objects,
            what: format!(
                "instance {instance} has {} volumes of etcd {}: {}",
                volumes.len(),
                etcd.name(),
                list.join(", ")
            ),
            causes: "its etcd-manager uses one of them; the other member has no disk, and its master runs no etcd"
                .to_owned(),
            command: format!(
                "{} (the master without a volume then mounts it by itself)",
                commands.join("; then ")
            ),
            ..finding(Kind::TwoVolumesOneInstance, Severity::Block, etcd)
        });
    }
}

pub(super) fn members(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    for member in etcd.member_names(facts) {
        let volumes: Vec<&Volume> = facts
            .volumes_of(etcd.name())
            .filter(|(_, of)| *of == member)
            .map(|(volume, _)| volume)
            .collect();
        if volumes.is_empty() {
            let name = etcd.name();
            let retagged = facts
                .volumes_of(name)
                .find(|(volume, of)| named_after(facts, etcd, volume, of).as_deref() == Some(member.as_str()));
            let (causes, command) = if let Some((volume, _)) = retagged {
                (
                    format!(
                        "by its name {} is this member's, and its tag says another one",
                        volume.id
                    ),
                    format!("give {} its tag back, as said above; nothing else", volume.id),
                )
            } else if let Some(held) = in_quarantine(facts, name, &member) {
                held
            } else if Standing::of(facts, etcd).has_quorum() {
                (
                    format!("etcd {name} runs without it: one more failure may cost the quorum"),
                    format!(
                        "kops update cluster --name {} --yes (makes an empty one; etcd-manager fills it while the others keep quorum)",
                        facts.cluster
                    ),
                )
            } else {
                (
                    format!("etcd {name} has no quorum, and this member's data is gone"),
                    "nothing: a new volume would be empty; see the smallest cure".to_owned(),
                )
            };
            found.push(Finding {
                objects: vec![member.clone()],
                what: format!("member {member} has no volume"),
                causes,
                command,
                ..finding(Kind::MemberMissing, Severity::Block, etcd)
            });
        } else if !volumes.iter().any(|volume| is_mounted(facts, volume)) {
            found.push(not_mounted(facts, etcd, &member, &volumes));
        }
    }
}

/// No data is gone that a wipe only put away.
fn in_quarantine(facts: &Facts, etcd: &str, member: &str) -> Option<(String, String)> {
    let (held, of) = facts.after.held(&format!("{etcd}/{member}"))?;
    let since = match of.begun {
        Some(begun) => format!(" since the wipe of {begun}"),
        None => String::new(),
    };
    let causes = format!("its volume {} is in quarantine{since}: its data is there", held.id);
    let back = facts.after.way_back(&facts.cluster, &facts.state)?;
    let command = match facts.selection.is_empty() {
        true => back.to_string(),
        false => format!("go on with the restore; or, after the masters that are there now are wiped, `{back}`"),
    };
    Some((causes, command))
}

pub(super) fn unknown_members(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    if etcd.members.is_empty() {
        return;
    }
    let known = |name: &str| etcd.members.iter().any(|member| member.name == name);
    for (volume, member) in facts.volumes_of(etcd.name()).filter(|(_, member)| !known(member)) {
        found.push(Finding {
            objects: vec![volume.id.clone()],
            what: format!(
                "{} is of member `{member}`, which the cluster's spec does not have",
                shown(volume)
            ),
            causes: "a master may mount it instead of its own member's volume".to_owned(),
            command: format!("{} (its data stays)", untag(facts, volume)),
            ..finding(Kind::MemberUnknown, Severity::Warn, etcd)
        });
    }
}

fn not_mounted(facts: &Facts, etcd: &Etcd, member: &str, volumes: &[&Volume]) -> Finding {
    let name = etcd.name();
    let zones: BTreeSet<&str> = volumes.iter().map(|volume| volume.zone.as_str()).collect();
    let mut ids: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
    ids.sort();
    let (causes, command) = match volumes
        .iter()
        .find_map(|volume| attached_to(volume).next().map(|on| (volume, on)))
    {
        Some((volume, on)) => attached_elsewhere(facts, volume, on),
        None => match idle_master(facts, name, &zones) {
            Some(idle) => (
                format!(
                    "instance {} in its zone has no volume of etcd {name}: its etcd-manager does not run, or may not mount",
                    idle.id
                ),
                format!(
                    "kubectl etcd-restore logs --name {} --host {}; then kubectl etcd-restore restart-etcd --name {} --etcd {name} --host {}",
                    facts.cluster,
                    address(idle),
                    facts.cluster,
                    address(idle)
                ),
            ),
            None => (
                format!(
                    "no master without a volume of etcd {name} runs in {}",
                    zones.iter().copied().collect::<Vec<_>>().join(", ")
                ),
                start_master(facts, etcd.instance_group(member)),
            ),
        },
    };
    Finding {
        objects: ids,
        what: format!(
            "member {member} is mounted by no running master: {}",
            volumes
                .iter()
                .map(|volume| shown(volume))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        causes: format!("{causes}; etcd {name} runs without {member}"),
        command,
        ..finding(Kind::MemberNotMounted, Severity::Block, etcd)
    }
}

fn attached_elsewhere(facts: &Facts, volume: &Volume, on: &str) -> (String, String) {
    let region = &facts.region;
    match facts.instance(on).map(|instance| instance.state) {
        Some(InstanceState::Stopped) => (
            format!("instance {on} is stopped"),
            format!("aws ec2 start-instances --region {region} --instance-ids {on}"),
        ),
        Some(InstanceState::Running | InstanceState::Pending) => (
            format!("instance {on} is still starting"),
            format!("aws ec2 wait instance-running --region {region} --instance-ids {on}"),
        ),
        Some(_) => (
            format!("instance {on} is on its way out"),
            format!(
                "aws ec2 wait volume-available --region {region} --volume-ids {}",
                volume.id
            ),
        ),
        None => (
            format!("instance {on} is none of this cluster's masters"),
            detach(facts, &volume.id),
        ),
    }
}

/// A running master in one of these zones that has no volume of this etcd cluster.
fn idle_master<'a>(facts: &'a Facts, etcd: &str, zones: &BTreeSet<&str>) -> Option<&'a Instance> {
    let busy: BTreeSet<&str> = facts
        .volumes_of(etcd)
        .flat_map(|(volume, _)| attached_to(volume))
        .collect();
    facts
        .running()
        .find(|instance| zones.contains(instance.zone.as_str()) && !busy.contains(instance.id.as_str()))
}

fn address(instance: &Instance) -> &str {
    instance
        .private_ips
        .first()
        .map_or(instance.id.as_str(), String::as_str)
}
