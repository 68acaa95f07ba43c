//! The state of each resource of the plan, and the next action on it.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::fleet::wipe::quarantine::RUN_TAG;
use runbook_kit::model::fleet::wipe::termination::{AtTermination, at_termination};
use runbook_kit::model::fleet::wipe::{GROUP_TAG, Kind, Owner, etcds, owner, quarantine};
use runbook_kit::model::fleet::{
    Group, Instance, InstanceState, Snapshot, SnapshotState, Tags, Volume, VolumeState, is_master,
};

use crate::rules::plan::{EtcdVolumes, Plan, PlannedKeep};

/// One resource of the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    pub kind: Kind,
    pub id: String,
}

/// One request to AWS, or two that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Turns DeleteOnTermination off.
    Keep {
        instance: String,
        device: String,
    },
    DeleteGroup,
    Terminate,
    /// Writes the shadow tags, unless they exist, and only then removes the identifying tags.
    Quarantine {
        shadows: Option<Tags>,
        remove: BTreeSet<String>,
    },
    Snapshot {
        tags: Tags,
    },
    DeleteVolume,
}

/// The state of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Finished, and how.
    Done(&'static str),
    /// In progress, and what it waits for.
    Waiting(String),
    /// The next action.
    Ready(Action),
    /// No action is taken, and why.
    Blocked(String),
    /// It should have been kept and no longer exists.
    Lost(String),
}

/// The plan's resources as just read from AWS.
#[derive(Clone, Debug, Default)]
pub struct AwsState {
    pub groups: BTreeMap<String, Group>,
    pub instances: BTreeMap<String, Instance>,
    pub volumes: BTreeMap<String, Volume>,
    pub snapshots: Vec<Snapshot>,
}

/// The state of each resource of the plan. Resources in `given_up`, and those that wait for them, get no action.
pub fn step_states(plan: &Plan, seen: &AwsState, run: &str, given_up: &BTreeSet<&str>) -> Vec<(Resource, StepState)> {
    let look = Steps {
        plan,
        seen,
        run,
        given_up,
    };
    let resource = |kind, id: &String| Resource { kind, id: id.clone() };
    let groups = plan.auto_scaling_groups.iter();
    let instances = plan.instances.iter();
    let volumes = plan.volumes.iter();
    let keeps = plan.keeps.iter();
    keeps
        .map(|keep| (resource(Kind::Attachment, &keep.id()), look.keep(keep)))
        .chain(groups.map(|group| (resource(Kind::AutoScalingGroup, &group.name), look.group(&group.name))))
        .chain(instances.map(|instance| (resource(Kind::Instance, &instance.id), look.instance(&instance.id))))
        .chain(volumes.map(|volume| (resource(Kind::Volume, &volume.id), look.volume(&volume.id))))
        .collect()
}

struct Steps<'a> {
    plan: &'a Plan,
    seen: &'a AwsState,
    run: &'a str,
    given_up: &'a BTreeSet<&'a str>,
}

impl Steps<'_> {
    fn is_planned(&self, instance: &str) -> bool {
        self.plan.instances.iter().any(|planned| planned.id == instance)
    }

    fn keep(&self, keep: &PlannedKeep) -> StepState {
        if self.loss_of(&keep.volume).is_some() {
            return StepState::Blocked("the volume no longer exists".to_owned());
        }
        match self.is_deleted_with(&keep.volume, &keep.instance) {
            false => StepState::Done("the volume is kept when the instance is terminated"),
            true => StepState::Ready(Action::Keep {
                instance: keep.instance.clone(),
                device: keep.device.clone(),
            }),
        }
    }

    /// Whether AWS would delete the volume with this instance, or does not report that it is kept.
    fn is_deleted_with(&self, volume: &str, instance: &str) -> bool {
        let Some(volume) = self.seen.volumes.get(volume) else {
            return false;
        };
        let seen = self.seen.instances.get(instance);
        let is_gone = seen.is_none_or(|instance| instance.state == InstanceState::Terminated);
        let mut on_it = volume
            .attachments
            .iter()
            .filter(|attachment| attachment.instance == instance);
        on_it.any(|attachment| !is_gone && at_termination(volume, attachment, seen) != AtTermination::Kept)
    }

    /// Why nothing at all may be deleted or terminated now: a volume that should be kept would be deleted too, or is already gone.
    fn deletion_block(&self) -> Option<StepState> {
        if !self.plan.etcd_volumes.keeps() {
            return None;
        }
        let volumes = || self.plan.volumes.iter();
        if let Some(lost) = volumes().find(|volume| self.loss_of(&volume.id).is_some()) {
            let why = format!(
                "not deleted, because volume {}, which should have been kept, no longer exists",
                lost.id
            );
            return Some(StepState::Blocked(why));
        }
        let attached = volumes().filter_map(|volume| self.seen.volumes.get(&volume.id));
        let mut attached = attached.flat_map(|volume| volume.attachments.iter().map(move |on| (volume, on)));
        let (volume, on) = attached.find(|(volume, on)| self.is_deleted_with(&volume.id, &on.instance))?;
        let (volume, instance) = (&volume.id, &on.instance);
        let mut keeps = self.plan.keeps.iter();
        let planned = keeps.find(|keep| &keep.volume == volume && &keep.instance == instance);
        Some(match planned {
            Some(keep) if self.given_up.contains(keep.id().as_str()) => StepState::Blocked(format!(
                "not deleted, because {volume} would be deleted with {instance}"
            )),
            Some(_) => StepState::Waiting("waiting until DeleteOnTermination is off for all volumes".to_owned()),
            None => StepState::Blocked(format!(
                "not deleted, because DeleteOnTermination of {volume} on {instance} is on, which is not in the plan"
            )),
        })
    }

    /// What happened to a volume that should have been kept.
    fn loss_of(&self, id: &str) -> Option<String> {
        let how = match self.seen.volumes.get(id) {
            None => "it no longer exists",
            Some(volume) if volume.state == VolumeState::Deleted => "it is deleted",
            Some(volume) if volume.state == VolumeState::Deleting => "it is being deleted",
            Some(_) => return None,
        };
        match self.plan.etcd_volumes {
            EtcdVolumes::Delete => None,
            EtcdVolumes::Quarantine => Some(format!("{how}, and should have been kept")),
            EtcdVolumes::SnapshotThenDelete => match self.snapshot_of(id).map(|snapshot| snapshot.state) {
                Some(SnapshotState::Completed) => None,
                // A snapshot completes without its volume.
                Some(SnapshotState::Pending) => None,
                Some(SnapshotState::Failed) | None => Some(format!("{how}, without a snapshot")),
            },
        }
    }

    /// The best snapshot of a volume from this run.
    fn snapshot_of(&self, volume: &str) -> Option<&Snapshot> {
        let of_this_run = |snapshot: &&Snapshot| {
            snapshot.volume == volume && snapshot.tags.get(RUN_TAG).is_some_and(|run| run == self.run)
        };
        let snapshots = self.seen.snapshots.iter().filter(of_this_run);
        snapshots.min_by_key(|snapshot| match snapshot.state {
            SnapshotState::Completed => 0,
            SnapshotState::Pending => 1,
            SnapshotState::Failed => 2,
        })
    }

    fn group(&self, name: &str) -> StepState {
        let Some(group) = self.seen.groups.get(name) else {
            return StepState::Done("deleted");
        };
        let left = group.members.len();
        if group
            .status
            .as_deref()
            .is_some_and(|status| status.starts_with("Delete"))
        {
            return StepState::Waiting(format!("being deleted, {}", count(left, "instance")));
        }
        if !self.is_masters(&group.tags) {
            return StepState::Blocked("its tags have changed since the plan was made".to_owned());
        }
        if let Some(new) = group.members.iter().find(|member| !self.is_planned(&member.instance)) {
            return StepState::Blocked(format!(
                "{} joined it, which is not in the plan and would be terminated too",
                new.instance
            ));
        }
        match group.deletion_protection.as_deref() {
            None | Some("none") => self.deletion_block().unwrap_or(StepState::Ready(Action::DeleteGroup)),
            Some(protection) => StepState::Blocked(format!("it has deletion protection: {protection}")),
        }
    }

    fn is_masters(&self, tags: &Tags) -> bool {
        is_master(tags, &self.plan.cluster)
    }

    fn instance(&self, id: &str) -> StepState {
        let Some(instance) = self.seen.instances.get(id) else {
            return StepState::Done("terminated");
        };
        match instance.state {
            InstanceState::Terminated => return StepState::Done("terminated"),
            InstanceState::ShuttingDown => return StepState::Waiting("shutting down".to_owned()),
            _ => {}
        }
        if let Some(group) = self.group_of(instance) {
            return match self.group(group) {
                StepState::Ready(_) if self.given_up.contains(group) => {
                    StepState::Blocked(format!("its group {group} could not be deleted"))
                }
                StepState::Blocked(_) => StepState::Blocked(format!("its group {group} is not deleted")),
                _ => StepState::Waiting(format!("its group {group} terminates it")),
            };
        }
        let of_group = self
            .plan
            .auto_scaling_groups
            .iter()
            .any(|group| group.instances.iter().any(|member| member == id));
        match of_group || self.is_masters(&instance.tags) {
            true => self.deletion_block().unwrap_or(StepState::Ready(Action::Terminate)),
            false => StepState::Blocked("its tags have changed since the plan was made".to_owned()),
        }
    }

    /// The existing group that the instance belongs to.
    fn group_of(&self, instance: &Instance) -> Option<&str> {
        let has = |group: &&Group| {
            group.members.iter().any(|member| member.instance == instance.id)
                || instance.tags.get(GROUP_TAG) == Some(&group.name)
        };
        self.seen.groups.values().find(has).map(|group| group.name.as_str())
    }

    fn volume(&self, id: &str) -> StepState {
        let mode = self.plan.etcd_volumes;
        if let Some(how) = self.loss_of(id) {
            return StepState::Lost(how);
        }
        let Some(volume) = self.seen.volumes.get(id) else {
            return match self.snapshot_of(id) {
                Some(snapshot) if mode.keeps() && snapshot.state == SnapshotState::Pending => {
                    StepState::Waiting(format!("snapshot {} is in progress", snapshot.id))
                }
                _ => StepState::Done("deleted"),
            };
        };
        let cluster = &self.plan.cluster;
        if mode == EtcdVolumes::Quarantine && quarantine::is_hidden(&volume.tags, cluster) {
            return StepState::Done("in quarantine");
        }
        match volume.state {
            VolumeState::Deleted => return StepState::Done("deleted"),
            VolumeState::Deleting => return StepState::Waiting("being deleted".to_owned()),
            VolumeState::Creating => return StepState::Waiting("being created".to_owned()),
            _ => {}
        }
        if owner(&volume.tags, cluster) != Owner::Ours || etcds(&volume.tags).is_empty() {
            return StepState::Blocked("its tags have changed since the plan was made".to_owned());
        }
        if let Some(unplanned) = volume
            .attachments
            .iter()
            .find(|attachment| !self.is_planned(&attachment.instance))
        {
            return StepState::Blocked(format!(
                "it was attached to {}, which is not in the plan",
                unplanned.instance
            ));
        }
        if let Some(attachment) = volume.attachments.first() {
            let user = &attachment.instance;
            let remains = match self.instance(user) {
                StepState::Blocked(_) | StepState::Lost(_) => true,
                StepState::Ready(_) => self.given_up.contains(user.as_str()),
                StepState::Done(_) | StepState::Waiting(_) => false,
            };
            if remains {
                return StepState::Blocked(format!("{user} still uses it"));
            }
            return StepState::Waiting(format!("{} from {}", detaching(&attachment.state), attachment.instance));
        }
        match volume.state {
            VolumeState::Available | VolumeState::Error => self.free(volume),
            _ => StepState::Waiting("in use".to_owned()),
        }
    }

    fn free(&self, volume: &Volume) -> StepState {
        let cluster = &self.plan.cluster;
        match self.plan.etcd_volumes {
            EtcdVolumes::Quarantine => {
                let shadows = quarantine::shadows(&volume.tags, cluster, self.run);
                let is_there = shadows.iter().all(|(key, value)| volume.tags.get(key) == Some(value));
                StepState::Ready(Action::Quarantine {
                    shadows: (!is_there).then_some(shadows),
                    remove: quarantine::keys(&quarantine::identifying(&volume.tags, cluster)),
                })
            }
            EtcdVolumes::Delete => StepState::Ready(Action::DeleteVolume),
            EtcdVolumes::SnapshotThenDelete => match self.snapshot_of(&volume.id) {
                None => StepState::Ready(Action::Snapshot {
                    tags: snapshot_tags(volume, cluster, self.run),
                }),
                Some(snapshot) => match snapshot.state {
                    SnapshotState::Completed => StepState::Ready(Action::DeleteVolume),
                    SnapshotState::Pending => StepState::Waiting(format!("snapshot {} is in progress", snapshot.id)),
                    SnapshotState::Failed => StepState::Blocked(format!("snapshot {} failed", snapshot.id)),
                },
            },
        }
    }
}

/// The volume's tags as shadow tags: with the original ones `kops delete cluster` would delete the snapshot.
fn snapshot_tags(volume: &Volume, cluster: &str, run: &str) -> Tags {
    let mut tags = quarantine::shadows(&volume.tags, cluster, run);
    tags.remove(quarantine::MARK);
    let name = tags.get(&format!("{}Name", quarantine::SHADOW_PREFIX)).cloned();
    tags.insert(
        "Name".to_owned(),
        format!("wiped {}", name.as_ref().unwrap_or(&volume.id)),
    );
    tags
}

fn detaching(state: &str) -> &str {
    match state {
        "detaching" => "detaching",
        _ => "waiting for detachment",
    }
}

fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word} left"),
        several => format!("{several} {word}s left"),
    }
}

#[cfg(test)]
mod tests;
