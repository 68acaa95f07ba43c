//! Problems with the volumes and members of one etcd cluster.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::check::Severity;
use runbook_kit::model::etcd_manager::FIRST_TO_REPLACE;
use runbook_kit::model::fleet::wipe::{ETCD_PREFIX, INSTANCE_GROUP_TAG, ROLE_PREFIX, name_of};
use runbook_kit::model::fleet::{CLUSTER_TAG, Instance, InstanceState, Volume, cluster_key};
use runbook_kit::model::shell::{ShellCommand, ShellScript, aws_tags};

use super::masters::start_master;
use super::{Finding, Kind, finding};
use crate::rules::audit::facts::{Etcd, Facts, attached_to};
use crate::rules::audit::quorum::QuorumStatus;

/// `vol-1 (attached to i-1)`.
fn label(volume: &Volume) -> String {
    let on: Vec<&str> = attached_to(volume).collect();
    if on.is_empty() {
        format!("{} (not attached)", volume.id)
    } else {
        format!("{} (attached to {})", volume.id, on.join(" and "))
    }
}

fn is_mounted(facts: &Facts, volume: &Volume) -> bool {
    attached_to(volume).any(|id| facts.running().any(|instance| instance.id == id))
}

/// Detaches a volume, and removes the tags by which kops and etcd-manager find it.
fn hide(facts: &Facts, volume: &Volume) -> ShellScript {
    let own = cluster_key(&facts.cluster);
    let identifying = |key: &&String| {
        matches!(key.as_str(), "Name" | CLUSTER_TAG)
            || **key == own
            || key.starts_with(ETCD_PREFIX)
            || key.starts_with(ROLE_PREFIX)
    };
    let keys = volume.tags.keys().filter(identifying);
    let untag = facts
        .aws("ec2 delete-tags")
        .option("--resources", &volume.id)
        .option("--tags", aws_tags(keys.map(|key| (key.as_str(), None))));
    let off = attached_to(volume).fold(ShellScript::default(), |script, on| {
        script.then(detach(facts, &volume.id, on))
    });
    off.then(untag)
}

/// Only from this instance: when the command is run the volume may be attached elsewhere.
fn detach(facts: &Facts, volume: &str, from: &str) -> ShellCommand {
    facts
        .aws("ec2 detach-volume")
        .option("--volume-id", volume)
        .option("--instance-id", from)
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
        // Keep the one named after this member, else the mounted one, else the oldest: a newer one was created empty.
        volumes.sort_by_key(|volume| {
            let another = named_after(facts, etcd, volume, member).is_some();
            (another, !is_mounted(facts, volume), volume.created, volume.id.clone())
        });
        let mut ids: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
        ids.sort();
        let (command, note) = fix_duplicates(facts, etcd, member, &volumes);
        found.push(Finding {
            objects: ids,
            what: format!(
                "member {member} has {} volumes: {}",
                volumes.len(),
                volumes.iter().map(|volume| label(volume)).collect::<Vec<_>>().join(", ")
            ),
            causes: format!(
                "a master mounts any of them: {member} may start with old data or none, and another member without a volume; `kops update \
                 cluster` fails on two volumes with one name"
            ),
            command: Some(command),
            note: Some(note),
            ..finding(Kind::DuplicateEtcdTag, Severity::Block, etcd)
        });
    }
}

/// Another member that the volume's name says: kops names it `<member>.etcd-<etcd>.<cluster>`, so its tag was changed later.
fn named_after(facts: &Facts, etcd: &Etcd, volume: &Volume, member: &str) -> Option<String> {
    let name = name_of(&volume.tags)?;
    let named = name.strip_suffix(&format!(".etcd-{}.{}", etcd.name(), facts.cluster))?;
    let known = etcd.member_names(facts).iter().any(|known| known == named);
    (named != member && known).then(|| named.to_owned())
}

/// Members without a volume of their own whose volume is there by its name, with another member's tag.
pub fn retagged(facts: &Facts, etcd: &Etcd) -> usize {
    let own = |member: &str| facts.volumes_of(etcd.name()).any(|(_, of)| of == member);
    let by_name = |member: &str| {
        facts
            .volumes_of(etcd.name())
            .any(|(volume, of)| named_after(facts, etcd, volume, of).as_deref() == Some(member))
    };
    let members = etcd.member_names(facts);
    members.iter().filter(|member| !own(member) && by_name(member)).count()
}

fn fix_duplicates(facts: &Facts, etcd: &Etcd, member: &str, volumes: &[&Volume]) -> (ShellScript, String) {
    let members = etcd.member_names(facts).join(",");
    let mut script = ShellScript::default();
    let mut notes = Vec::new();
    let mut hides = false;
    for volume in volumes.iter().skip(1) {
        let Some(named) = named_after(facts, etcd, volume, member) else {
            hides = true;
            script = script.then_all(hide(facts, volume));
            continue;
        };
        let (key, value) = (format!("{ETCD_PREFIX}{}", etcd.name()), format!("{named}/{members}"));
        script = script.then(
            facts
                .aws("ec2 create-tags")
                .option("--resources", &volume.id)
                .option("--tags", aws_tags([(key.as_str(), Some(value.as_str()))])),
        );
        notes.push(format!("by its name {} belongs to member {named}", volume.id));
    }
    if hides {
        let kept = volumes.first().map(|volume| volume.id.as_str()).unwrap_or_default();
        notes.push(
            match volumes.iter().filter(|volume| is_mounted(facts, volume)).count() {
                1 => format!("{kept} is in use; the data of the other is kept"),
                _ => {
                    format!("{kept} is the older one: find out which holds the data first; no data is deleted")
                }
            },
        );
    }
    (script, notes.join("; "))
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
        let belongs_here = |member: &str| group.is_some() && etcd.instance_group(member) == group.map(String::as_str);
        volumes.sort_by_key(|(volume, member)| (!belongs_here(member), volume.created, volume.id.clone()));
        let list: Vec<String> = volumes
            .iter()
            .map(|(volume, member)| format!("{} (member {member})", volume.id))
            .collect();
        let rest = volumes.iter().skip(1);
        let command = rest.fold(ShellScript::default(), |script, (volume, _)| {
            script.then(detach(facts, &volume.id, instance))
        });
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
            causes: "its etcd-manager uses one of them; the other member has no volume, and its master runs no etcd"
                .to_owned(),
            command: Some(command),
            note: Some("the master without a volume then mounts it".to_owned()),
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
            let (causes, command, note) = if let Some((volume, _)) = retagged {
                (
                    format!(
                        "by its name {} belongs to this member, but its tag names another one",
                        volume.id
                    ),
                    None,
                    format!("restore the tag of {} as described above; nothing else", volume.id),
                )
            } else if let Some(found) = in_quarantine(facts, name, &member) {
                found
            } else if QuorumStatus::of(facts, etcd).has_quorum() {
                let (command, note) = new_volume(facts, etcd, &member);
                (
                    format!("etcd {name} runs without it: one more failure may lose quorum"),
                    Some(command),
                    note,
                )
            } else {
                (
                    format!("etcd {name} has no quorum, and this member's data is lost"),
                    None,
                    "a new volume would be empty; see the smallest fix".to_owned(),
                )
            };
            found.push(Finding {
                objects: vec![member.clone()],
                what: format!("member {member} has no volume"),
                causes,
                command,
                note: Some(note),
                ..finding(Kind::MemberMissing, Severity::Block, etcd)
            });
        } else if !volumes.iter().any(|volume| is_mounted(facts, volume)) {
            found.push(not_mounted(facts, etcd, &member, &volumes));
        }
    }
}

/// An empty volume for a member, while the others keep quorum. If etcd-manager does not replace the member by itself, the old one has
/// to be removed from etcd first.
fn new_volume(facts: &Facts, etcd: &Etcd, member: &str) -> (ShellScript, String) {
    let update = facts.kops_update();
    if etcd.replaces_itself(facts) {
        return (
            update.into(),
            format!(
                "it creates an empty volume; etcd-manager {FIRST_TO_REPLACE} and newer, as here, replaces the member while the others keep quorum"
            ),
        );
    }
    let remove = facts
        .of_cluster("kubectl etcd-restore member replace")
        .option("--etcd", etcd.name())
        .arg(member)
        .arg("--yes");
    let note = format!(
        "the first command shows what it removes and asks for the cluster name: this etcd-manager is not known to do it by itself, which needs \
         {FIRST_TO_REPLACE} or newer on every master, and three members"
    );
    (ShellScript::from(remove).then(update), note)
}

/// The member's volume in quarantine: its data is not lost.
fn in_quarantine(facts: &Facts, etcd: &str, member: &str) -> Option<(String, Option<ShellScript>, String)> {
    let (volume, wipe) = facts.past_wipes.volume_of(&format!("{etcd}/{member}"))?;
    let since = match wipe.began {
        Some(began) => format!(" since the wipe of {began}"),
        None => String::new(),
    };
    let causes = format!("its volume {} is in quarantine{since}, with its data", volume.id);
    let restore = facts.past_wipes.restore_command(&facts.cluster, &facts.state)?;
    Some(match facts.selection.is_empty() {
        true => (
            causes,
            Some(restore.into()),
            "it takes the volumes out of quarantine".to_owned(),
        ),
        false => (
            causes,
            None,
            format!("continue with the restore; or wipe the present masters, then `{restore}`"),
        ),
    })
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
                "{} belongs to member `{member}`, which is not in the cluster spec",
                label(volume)
            ),
            causes: "a master may mount it instead of the volume of its own member".to_owned(),
            command: Some(hide(facts, volume)),
            note: Some("its data is kept".to_owned()),
            ..finding(Kind::MemberUnknown, Severity::Warn, etcd)
        });
    }
}

fn not_mounted(facts: &Facts, etcd: &Etcd, member: &str, volumes: &[&Volume]) -> Finding {
    let name = etcd.name();
    let zones: BTreeSet<&str> = volumes.iter().map(|volume| volume.zone.as_str()).collect();
    let mut ids: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
    ids.sort();
    let (causes, command, note): (String, ShellScript, Option<&str>) = match volumes
        .iter()
        .find_map(|volume| attached_to(volume).next().map(|on| (volume, on)))
    {
        Some((volume, on)) => {
            let (causes, command) = attached_elsewhere(facts, volume, on);
            (causes, command.into(), None)
        }
        None => match idle_master(facts, name, &zones) {
            Some(idle) => {
                let on_it = |command: &str| {
                    facts
                        .of_cluster(command)
                        .option("--etcd", name)
                        .option("--host", address(idle))
                };
                (
                    format!(
                        "instance {} in its zone has no volume of etcd {name}: its etcd-manager does not run, or is not allowed to mount",
                        idle.id
                    ),
                    ShellScript::from(on_it("kubectl etcd-restore logs").arg("--no-follow"))
                        .then(on_it("kubectl etcd-restore restart-etcd")),
                    Some("the log shows why; the second command shows what it would stop"),
                )
            }
            None => {
                let (command, note) = start_master(facts, etcd.instance_group(member));
                (
                    format!(
                        "no master without a volume of etcd {name} runs in {}",
                        zones.iter().copied().collect::<Vec<_>>().join(", ")
                    ),
                    command.into(),
                    note,
                )
            }
        },
    };
    Finding {
        objects: ids,
        what: format!(
            "member {member} is not mounted by a running master: {}",
            volumes
                .iter()
                .map(|volume| label(volume))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        causes: format!("{causes}; etcd {name} runs without {member}"),
        command: Some(command),
        note: note.map(str::to_owned),
        ..finding(Kind::MemberNotMounted, Severity::Block, etcd)
    }
}

fn attached_elsewhere(facts: &Facts, volume: &Volume, on: &str) -> (String, ShellCommand) {
    match facts.instance(on).map(|instance| instance.state) {
        Some(InstanceState::Stopped) => (
            format!("instance {on} is stopped"),
            facts.aws("ec2 start-instances").option("--instance-ids", on),
        ),
        Some(InstanceState::Running | InstanceState::Pending) => (
            format!("instance {on} is still starting"),
            facts.aws("ec2 wait instance-running").option("--instance-ids", on),
        ),
        Some(_) => (
            format!("instance {on} is terminating"),
            facts
                .aws("ec2 wait volume-available")
                .option("--volume-ids", &volume.id),
        ),
        None => (
            format!("instance {on} is not a master of this cluster"),
            detach(facts, &volume.id, on),
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
