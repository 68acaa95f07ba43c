//! `member replace`: what takes a dead member out of its etcd cluster, and what speaks against it.
//!
//! etcd counts a dead member for the quorum until it is removed. etcd-manager adds a new member for a master whose disk is empty once the dead
//! one is no longer registered; from a disk that still has the removed member's data etcd does not start. Source: etcd's documentation,
//! "Runtime reconfiguration"; kubernetes-sigs/etcd-manager `pkg/controller`.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::check::Severity;
use runbook_kit::model::etcd_manager::peer_id;
use runbook_kit::model::fleet::wipe::{Selection, quarantine};
use runbook_kit::model::fleet::{Instance, InstanceState, Tags, Volume, VolumeState, etcds};
use runbook_kit::ports::etcd_members::{AlarmKind, EtcdAlarm};

use super::dead_nodes::word;
use super::remark::Remark;

/// One registered member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    /// Empty for one that was added and never started.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub learner: bool,
    pub answers: bool,
    /// The leader that it follows, or its own id.
    pub leader: Option<u64>,
}

impl Member {
    /// Its name, or its id in hexadecimal digits, as etcdctl prints it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.name.is_empty() {
            true => format!("{:x}", self.id),
            false => self.name.clone(),
        }
    }
}

/// One etcd cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub etcd: String,
    pub members: Vec<Member>,
    pub alarms: Vec<EtcdAlarm>,
    /// Queued commands of etcd-manager.
    pub queued: Vec<String>,
    /// Whether etcd-manager removes an empty member by itself.
    pub replaces_itself: bool,
    /// The volumes of this etcd cluster by their member; `None` where they are left as they are.
    pub volumes: Option<BTreeMap<String, Vec<MemberVolume>>>,
    /// Members whose volume is in quarantine, as the volume's tag names them.
    pub quarantined: BTreeSet<String>,
}

impl Facts {
    fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The members with the alarm CORRUPT.
    fn corrupt(&self) -> impl Iterator<Item = u64> {
        let corrupt = self.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::Corrupt);
        corrupt.map(|alarm| alarm.member)
    }
}

/// A volume of a member, in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberVolume {
    pub id: String,
    /// The instance that it is attached to, and what that does.
    pub attached: Option<(String, InstanceState)>,
    /// The tags to write.
    pub shadows: Tags,
    /// The keys of the tags to remove.
    pub remove: BTreeSet<String>,
    /// Why AWS would not take the tags.
    pub obstacle: Option<String>,
}

/// Who is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A registered member.
    Registered(Member),
    /// One that is no longer registered and has a volume, in place or in quarantine: an earlier run removed it.
    Removed(String),
}

/// Why it is not known who is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("etcd {etcd} has no member {given}; its members are {}", .known.join(", "))]
    None {
        etcd: String,
        given: String,
        known: Vec<String>,
    },
    #[error("etcd {etcd} has several members {given}, with the IDs {}", .ids.join(", "))]
    Several {
        etcd: String,
        given: String,
        ids: Vec<String>,
    },
}

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take the member out of the cluster.
    Remove(Member),
    /// Take back an alarm of it, which holds for the whole cluster.
    Disarm(EtcdAlarm),
    /// Hide its volume from kops and etcd-manager.
    Quarantine(MemberVolume),
}

impl Step {
    /// In words.
    #[must_use]
    pub fn text(&self, etcd: &str) -> String {
        match self {
            Self::Remove(member) => format!("remove member {} ({:x}) from etcd {etcd}", member.shown(), member.id),
            Self::Disarm(alarm) => format!("disarm its alarm {}", alarm.kind.word()),
            Self::Quarantine(volume) => format!("quarantine volume {}", volume.id),
        }
    }
}

/// What will be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub remarks: Vec<Remark>,
    /// Empty where there is nothing to do, or something blocks.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether something blocks.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.remarks.iter().any(|remark| remark.severity == Severity::Block)
    }
}

/// The part of a member's name that kops gives its volume: `a` of `etcd-a` and `etcd-events-a`. One that never started has no name: its peer URL has it.
#[must_use]
pub fn volume_name(etcd: &str, name: &str, peer_urls: &[String]) -> Option<String> {
    let host = || {
        let url = peer_urls.first()?;
        let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        host.split(['.', ':', '/']).next()
    };
    let name = match name.is_empty() {
        true => host()?,
        false => name,
    };
    let prefix = peer_id(etcd, "");
    name.strip_prefix(&prefix)
        .filter(|rest| !rest.is_empty())
        .map(str::to_owned)
}

/// The volumes of `etcd` in the selected control plane, by member. One that serves another etcd cluster, too, is left out.
#[must_use]
pub fn volumes_by_member(
    etcd: &str,
    cluster: &str,
    run: &str,
    selection: &Selection,
    instances: &[Instance],
) -> BTreeMap<String, Vec<MemberVolume>> {
    let mut by_member: BTreeMap<String, Vec<MemberVolume>> = BTreeMap::new();
    for volume in selection.volumes.iter().map(|chosen| &chosen.thing) {
        let of = etcds(&volume.tags);
        if let [(named, value)] = of.as_slice()
            && *named == etcd
            && !matches!(volume.state, VolumeState::Deleting | VolumeState::Deleted)
        {
            let member = value.split('/').next().unwrap_or_default();
            let found = by_member.entry(member.to_owned()).or_default();
            found.push(member_volume(volume, cluster, run, instances));
        }
    }
    by_member
}

fn member_volume(volume: &Volume, cluster: &str, run: &str, instances: &[Instance]) -> MemberVolume {
    let state = |id: &String| {
        let known = instances.iter().find(|instance| instance.id == *id);
        known.map_or(InstanceState::Unknown, |instance| instance.state)
    };
    let attached = volume.attachments.first().map(|attachment| &attachment.instance);
    MemberVolume {
        id: volume.id.clone(),
        attached: attached.map(|instance| (instance.clone(), state(instance))),
        shadows: quarantine::shadows(&volume.tags, cluster, run),
        remove: quarantine::keys(&quarantine::identifying(&volume.tags, cluster)),
        obstacle: quarantine::obstacle(volume, cluster),
    }
}

/// Who is meant by `given`: a name as `member list` shows it, the name of its volume, or an ID in hexadecimal digits.
///
/// # Errors
/// [`NotFound`].
pub fn find(facts: &Facts, given: &str) -> Result<Target, NotFound> {
    let full = peer_id(&facts.etcd, given);
    let is_meant = |member: &&Member| {
        let is_named = member.name == given || member.name == full;
        let short = || volume_name(&facts.etcd, &member.name, &member.peer_urls);
        format!("{:x}", member.id) == given || !given.is_empty() && (is_named || short().as_deref() == Some(given))
    };
    let found: Vec<&Member> = facts.members.iter().filter(is_meant).collect();
    match found.as_slice() {
        [member] => Ok(Target::Registered((*member).clone())),
        [] => {
            let short = given.strip_prefix(&peer_id(&facts.etcd, "")).unwrap_or(given);
            let in_place = facts.volumes.as_ref().is_some_and(|all| all.contains_key(short));
            match in_place || facts.quarantined.contains(short) {
                true => Ok(Target::Removed(short.to_owned())),
                false => Err(NotFound::None {
                    etcd: facts.etcd.clone(),
                    given: given.to_owned(),
                    known: facts.members.iter().map(Member::shown).collect(),
                }),
            }
        }
        several => Err(NotFound::Several {
            etcd: facts.etcd.clone(),
            given: given.to_owned(),
            ids: several.iter().map(|member| format!("{:x}", member.id)).collect(),
        }),
    }
}

/// What to do about this member.
#[must_use]
pub fn plan(facts: &Facts, target: &Target) -> Plan {
    let mut remarks = Vec::new();
    remarks.extend(queued(facts));
    remarks.extend(leaders(facts));
    let mut steps = Vec::new();
    let (short, id) = match target {
        Target::Registered(member) => {
            remarks.extend(alive(facts, member));
            remarks.extend(quorum(facts, member));
            remarks.extend(itself(facts));
            steps.push(Step::Remove(member.clone()));
            let own = facts.alarms.iter().filter(|alarm| alarm.member == member.id);
            steps.extend(own.cloned().map(Step::Disarm));
            (
                volume_name(&facts.etcd, &member.name, &member.peer_urls),
                Some(member.id),
            )
        }
        Target::Removed(short) => {
            let left = facts.alarms.iter().filter(|alarm| facts.member(alarm.member).is_none());
            steps.extend(left.cloned().map(Step::Disarm));
            (Some(short.clone()), None)
        }
    };
    remarks.extend(corrupt(facts, id));
    let volumes = facts.volumes.as_ref();
    let own = short.and_then(|short| volumes?.get(&short)).into_iter().flatten();
    for volume in own {
        match (&volume.attached, &volume.obstacle) {
            (Some((instance, state)), _) => remarks.push(stays(volume, instance, *state)),
            (None, Some(obstacle)) => remarks.push(Remark::block(
                format!("volume {} cannot be put into quarantine: {obstacle}", volume.id),
                "remove tags that are not needed, or pass --keep-volume",
            )),
            (None, None) => steps.push(Step::Quarantine(volume.clone())),
        }
    }
    let wanted = Plan { remarks, steps };
    match wanted.is_blocked() {
        true => Plan {
            steps: Vec::new(),
            ..wanted
        },
        false => wanted,
    }
}

fn queued(facts: &Facts) -> Option<Remark> {
    let names = facts.queued.join(", ");
    (!names.is_empty()).then(|| {
        Remark::block(
            format!("a restore of etcd {} is queued: {names}", facts.etcd),
            "`kubectl etcd-restore status` shows it; `kubectl etcd-restore cancel` removes it",
        )
    })
}

/// All that answer must follow the same leader.
fn leaders(facts: &Facts) -> Option<Remark> {
    let leaders: BTreeSet<u64> = facts.members.iter().filter_map(|member| member.leader).collect();
    match leaders.len() {
        0 => Some(Remark::block(
            "no member has a leader: members cannot be removed without a quorum",
            "save the newest data first: `kubectl etcd-backups take`; then restore",
        )),
        1 => None,
        _ => Some(Remark::block(
            "the members follow different leaders",
            "repeat the command once they follow one: `kubectl etcd-restore member list`",
        )),
    }
}

/// A learner has no vote and may be stuck while it answers; a corrupt one answers with wrong data.
fn alive(facts: &Facts, member: &Member) -> Option<Remark> {
    let corrupt = facts.corrupt().any(|id| id == member.id);
    match (member.answers, member.learner || corrupt) {
        (false, _) => None,
        (true, true) if corrupt => Some(Remark::warn(format!(
            "{} answers, with data that differs from that of the others: stop it before it is replaced",
            member.shown()
        ))),
        (true, true) => Some(Remark::warn(format!(
            "{} answers, as a learner: it has no vote, and may only need time to catch up",
            member.shown()
        ))),
        (true, false) => Some(Remark::block(
            format!("{} answers: it is not replaced", member.shown()),
            "`kubectl etcd-restore member list` shows what each member says of itself",
        )),
    }
}

/// Those that remain must have a quorum of the members before and after.
fn quorum(facts: &Facts, dead: &Member) -> Option<Remark> {
    let voters = facts.members.iter().filter(|member| !member.learner).count();
    let answering = facts
        .members
        .iter()
        .filter(|member| !member.learner && member.id != dead.id && member.leader.is_some())
        .count();
    let before = voters / 2 + 1;
    if answering < before {
        return Some(Remark::block(
            format!("{answering} of {voters} voting members answer, and {before} are a quorum"),
            "name every member that runs: --host or --endpoints, once each",
        ));
    }
    let voters_after = voters - usize::from(!dead.learner);
    let spare = answering.saturating_sub(voters_after / 2 + 1);
    (spare == 0).then(|| {
        Remark::warn("until the new member has joined, the loss of one more member costs the quorum: take a backup first, `kubectl etcd-backups take`")
    })
}

fn itself(facts: &Facts) -> Option<Remark> {
    facts.replaces_itself.then(|| {
        Remark::warn(
            "this etcd-manager replaces a member by itself once its master has an empty volume: remove it only if that does not happen",
        )
    })
}

fn corrupt(facts: &Facts, dead: Option<u64>) -> Option<Remark> {
    let others = facts.corrupt().filter(|id| Some(*id) != dead);
    let names: Vec<String> = others.filter_map(|id| facts.member(id)).map(Member::shown).collect();
    (!names.is_empty()).then(|| {
        Remark::block(
            format!(
                "another member has raised the alarm CORRUPT: {}; the new member may copy its data",
                names.join(", ")
            ),
            "save the data first: `kubectl etcd-backups take`; then replace that member",
        )
    })
}

fn stays(volume: &MemberVolume, instance: &str, state: InstanceState) -> Remark {
    Remark::warn(format!(
        "volume {} is attached to {instance} ({}) and stays as it is: right if it is new and empty. If it has the dead member's data, etcd does not start \
         from it: terminate {instance} and repeat the command",
        volume.id,
        word(state)
    ))
}

#[cfg(test)]
#[path = "replace_member_tests.rs"]
mod tests;
