//! Where each thing of the plan stands, and what is to be done to it now. Pure: what was just seen in, the next deed out.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::fleet::wipe::quarantine::RUN_TAG;
use runbook_kit::model::fleet::wipe::termination::{AtTermination, at_termination};
use runbook_kit::model::fleet::wipe::{GROUP_TAG, Kind, Owner, etcds, owner, quarantine};
use runbook_kit::model::fleet::{
    Group, Instance, InstanceState, Snapshot, SnapshotState, Tags, Volume, VolumeState, is_master,
};

use crate::rules::plan::{EtcdVolumes, Plan, PlannedKeep};

/// One thing of the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    pub kind: Kind,
    pub id: String,
}

/// One request to AWS, or two that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Makes AWS leave a volume when it terminates the instance.
    Keep {
        instance: String,
        device: String,
    },
    DeleteGroup,
    Terminate,
    /// Writes the shadows, unless they are there, and only then takes off what identifies it.
    Quarantine {
        shadows: Option<Tags>,
        off: BTreeSet<String>,
    },
    Snapshot {
        tags: Tags,
    },
    DeleteVolume,
}

/// Where a thing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it should be in the end; in words.
    Done(&'static str),
    /// On its way; for what it waits.
    Waiting(String),
    /// This can be done now.
    Do(Deed),
    /// Nothing more will be done to it; why.
    Stuck(String),
    /// It was to be kept, and is gone; how that shows.
    Lost(String),
}

/// What AWS said a moment ago of the plan's things.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub groups: BTreeMap<String, Group>,
    pub instances: BTreeMap<String, Instance>,
    pub volumes: BTreeMap<String, Volume>,
    pub snapshots: Vec<Snapshot>,
}

/// Where each thing of the plan stands. Nothing more is done to what is in `given_up`, nor to what waits for that.
pub fn standings(plan: &Plan, seen: &Seen, run: &str, given_up: &BTreeSet<&str>) -> Vec<(Thing, Standing)> {
    let look = Look {
        plan,
        seen,
        run,
        given_up,
    };
    let thing = |kind, id: &String| Thing { kind, id: id.clone() };
    let groups = plan.auto_scaling_groups.iter();
    let instances = plan.instances.iter();
    let volumes = plan.volumes.iter();
    let keeps = plan.keeps.iter();
    keeps
        .map(|keep| (thing(Kind::Attachment, &keep.id()), look.keep(keep)))
        .chain(groups.map(|group| (thing(Kind::AutoScalingGroup, &group.name), look.group(&group.name))))
        .chain(instances.map(|instance| (thing(Kind::Instance, &instance.id), look.instance(&instance.id))))
        .chain(volumes.map(|volume| (thing(Kind::Volume, &volume.id), look.volume(&volume.id))))
        .collect()
}

struct Look<'a> {
    plan: &'a Plan,
    seen: &'a Seen,
    run: &'a str,
    given_up: &'a BTreeSet<&'a str>,
}

impl Look<'_> {
    fn is_planned(&self, instance: &str) -> bool {
        self.plan.instances.iter().any(|planned| planned.id == instance)
    }

    fn keep(&self, keep: &PlannedKeep) -> Standing {
        if self.is_lost(&keep.volume).is_some() {
            return Standing::Stuck("the volume is gone".to_owned());
        }
        match self.would_go(&keep.volume, &keep.instance) {
            false => Standing::Done("the volume stays when the instance is terminated"),
            true => Standing::Do(Deed::Keep {
                instance: keep.instance.clone(),
                device: keep.device.clone(),
            }),
        }
    }

    /// Whether AWS would delete the volume with this instance, or does not say that it would not.
    fn would_go(&self, volume: &str, instance: &str) -> bool {
        let Some(volume) = self.seen.volumes.get(volume) else {
            return false;
        };
        let seen = self.seen.instances.get(instance);
        let is_gone = seen.is_none_or(|instance| instance.state == InstanceState::Terminated);
        let mut on_it = volume
            .attachments
            .iter()
            .filter(|attachment| attachment.instance == instance);
        on_it.any(|attachment| !is_gone && at_termination(volume, attachment, seen) != AtTermination::Stays)
    }

    /// Why nothing may be deleted or terminated now, whatever it is: a volume that is to be kept would go along, or one is gone already.
    fn hold(&self) -> Option<Standing> {
        if !self.plan.etcd_volumes.keeps() {
            return None;
        }
        let volumes = || self.plan.volumes.iter();
        if let Some(lost) = volumes().find(|volume| self.is_lost(&volume.id).is_some()) {
            let why = format!("not deleted, as volume {}, which was to be kept, is gone", lost.id);
            return Some(Standing::Stuck(why));
        }
        let attached = volumes().filter_map(|volume| self.seen.volumes.get(&volume.id));
        let mut attached = attached.flat_map(|volume| volume.attachments.iter().map(move |on| (volume, on)));
        let (volume, on) = attached.find(|(volume, on)| self.would_go(&volume.id, &on.instance))?;
        let (volume, instance) = (&volume.id, &on.instance);
        let mut keeps = self.plan.keeps.iter();
        let planned = keeps.find(|keep| &keep.volume == volume && &keep.instance == instance);
        Some(match planned {
            Some(keep) if self.given_up.contains(keep.id().as_str()) => {
                Standing::Stuck(format!("not deleted, as {volume} would be deleted with {instance}"))
            }
            Some(_) => Standing::Waiting("volumes are first kept from going with their instances".to_owned()),
            None => Standing::Stuck(format!(
                "not deleted, as DeleteOnTermination of {volume} on {instance} is on, which is not in the plan"
            )),
        })
    }

    /// How it shows that a volume is gone that was to be kept.
    fn is_lost(&self, id: &str) -> Option<String> {
        let how = match self.seen.volumes.get(id) {
            None => "it is gone",
            Some(volume) if volume.state == VolumeState::Deleted => "it is deleted",
            Some(volume) if volume.state == VolumeState::Deleting => "it is being deleted",
            Some(_) => return None,
        };
        match self.plan.etcd_volumes {
            EtcdVolumes::Delete => None,
            EtcdVolumes::Quarantine => Some(format!("{how}, and was to be kept")),
            EtcdVolumes::SnapshotThenDelete => match self.snapshot_of(id).map(|snapshot| snapshot.state) {
                Some(SnapshotState::Completed) => None,
                // A snapshot goes on without its volume.
                Some(SnapshotState::Pending) => None,
                Some(SnapshotState::Failed) | None => Some(format!("{how}, and there is no snapshot of it")),
            },
        }
    }

    /// The best snapshot that this run took of a volume: two of one run are as good as one.
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

    fn group(&self, name: &str) -> Standing {
        let Some(group) = self.seen.groups.get(name) else {
            return Standing::Done("deleted");
        };
        let left = group.members.len();
        if group
            .status
            .as_deref()
            .is_some_and(|status| status.starts_with("Delete"))
        {
            return Standing::Waiting(format!("being deleted, {}", count(left, "instance")));
        }
        if !self.is_masters(&group.tags) {
            return Standing::Stuck("its tags have changed since it was planned".to_owned());
        }
        if let Some(new) = group.members.iter().find(|member| !self.is_planned(&member.instance)) {
            return Standing::Stuck(format!(
                "{} came into it, which is not in the plan and would be terminated along",
                new.instance
            ));
        }
        match group.deletion_protection.as_deref() {
            None | Some("none") => self.hold().unwrap_or(Standing::Do(Deed::DeleteGroup)),
            Some(protection) => Standing::Stuck(format!("it is protected from deletion: {protection}")),
        }
    }

    fn is_masters(&self, tags: &Tags) -> bool {
        is_master(tags, &self.plan.cluster)
    }

    fn instance(&self, id: &str) -> Standing {
        let Some(instance) = self.seen.instances.get(id) else {
            return Standing::Done("terminated");
        };
        match instance.state {
            InstanceState::Terminated => return Standing::Done("terminated"),
            InstanceState::ShuttingDown => return Standing::Waiting("shutting down".to_owned()),
            _ => {}
        }
        if let Some(group) = self.group_of(instance) {
            return match self.group(group) {
                Standing::Do(_) if self.given_up.contains(group) => {
                    Standing::Stuck(format!("its group {group} could not be deleted"))
                }
                Standing::Stuck(_) => Standing::Stuck(format!("its group {group} is not deleted")),
                _ => Standing::Waiting(format!("its group {group} terminates it")),
            };
        }
        let of_group = self
            .plan
            .auto_scaling_groups
            .iter()
            .any(|group| group.instances.iter().any(|member| member == id));
        match of_group || self.is_masters(&instance.tags) {
            true => self.hold().unwrap_or(Standing::Do(Deed::Terminate)),
            false => Standing::Stuck("its tags have changed since it was planned".to_owned()),
        }
    }

    /// The group that is still there and has it.
    fn group_of(&self, instance: &Instance) -> Option<&str> {
        let has = |group: &&Group| {
            group.members.iter().any(|member| member.instance == instance.id)
                || instance.tags.get(GROUP_TAG) == Some(&group.name)
        };
        self.seen.groups.values().find(has).map(|group| group.name.as_str())
    }

    fn volume(&self, id: &str) -> Standing {
        let mode = self.plan.etcd_volumes;
        if let Some(how) = self.is_lost(id) {
            return Standing::Lost(how);
        }
        let Some(volume) = self.seen.volumes.get(id) else {
            return match self.snapshot_of(id) {
                Some(snapshot) if mode.keeps() && snapshot.state == SnapshotState::Pending => {
                    Standing::Waiting(format!("snapshot {} is being taken", snapshot.id))
                }
                _ => Standing::Done("deleted"),
            };
        };
        let cluster = &self.plan.cluster;
        if mode == EtcdVolumes::Quarantine && quarantine::is_hidden(&volume.tags, cluster) {
            return Standing::Done("in quarantine");
        }
        match volume.state {
            VolumeState::Deleted => return Standing::Done("deleted"),
            VolumeState::Deleting => return Standing::Waiting("being deleted".to_owned()),
            VolumeState::Creating => return Standing::Waiting("being made".to_owned()),
            _ => {}
        }
        if owner(&volume.tags, cluster) != Owner::Ours || etcds(&volume.tags).is_empty() {
            return Standing::Stuck("its tags have changed since it was planned".to_owned());
        }
        if let Some(stranger) = volume
            .attachments
            .iter()
            .find(|attachment| !self.is_planned(&attachment.instance))
        {
            return Standing::Stuck(format!(
                "it was attached to {}, which is not in the plan",
                stranger.instance
            ));
        }
        if let Some(attachment) = volume.attachments.first() {
            let user = &attachment.instance;
            let stays = match self.instance(user) {
                Standing::Stuck(_) | Standing::Lost(_) => true,
                Standing::Do(_) => self.given_up.contains(user.as_str()),
                Standing::Done(_) | Standing::Waiting(_) => false,
            };
            if stays {
                return Standing::Stuck(format!("{user}, which uses it, is still there"));
            }
            return Standing::Waiting(format!("{} from {}", detaching(&attachment.state), attachment.instance));
        }
        match volume.state {
            VolumeState::Available | VolumeState::Error => self.free(volume),
            _ => Standing::Waiting("in use".to_owned()),
        }
    }

    fn free(&self, volume: &Volume) -> Standing {
        let cluster = &self.plan.cluster;
        match self.plan.etcd_volumes {
            EtcdVolumes::Quarantine => {
                let shadows = quarantine::shadows(&volume.tags, cluster, self.run);
                let is_there = shadows.iter().all(|(key, value)| volume.tags.get(key) == Some(value));
                Standing::Do(Deed::Quarantine {
                    shadows: (!is_there).then_some(shadows),
                    off: quarantine::keys(&quarantine::identifying(&volume.tags, cluster)),
                })
            }
            EtcdVolumes::Delete => Standing::Do(Deed::DeleteVolume),
            EtcdVolumes::SnapshotThenDelete => match self.snapshot_of(&volume.id) {
                None => Standing::Do(Deed::Snapshot {
                    tags: snapshot_tags(volume, cluster, self.run),
                }),
                Some(snapshot) => match snapshot.state {
                    SnapshotState::Completed => Standing::Do(Deed::DeleteVolume),
                    SnapshotState::Pending => Standing::Waiting(format!("snapshot {} is being taken", snapshot.id)),
                    SnapshotState::Failed => Standing::Stuck(format!("snapshot {} failed", snapshot.id)),
                },
            },
        }
    }
}

/// The volume's own tags as shadows: a snapshot that carried them itself would be the cluster's to `kops delete cluster`.
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
        _ => "waits to be free",
    }
}

fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word} left"),
        several => format!("{several} {word}s left"),
    }
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::fleet::{Attachment, GroupMember, Inventory};

    use super::*;
    use crate::rules::plan::tests::{inventory, planned, with_a_volume_that_goes};

    fn seen(inventory: &Inventory) -> Seen {
        Seen {
            groups: inventory
                .groups
                .iter()
                .map(|group| (group.name.clone(), group.clone()))
                .collect(),
            instances: inventory
                .instances
                .iter()
                .map(|one| (one.id.clone(), one.clone()))
                .collect(),
            volumes: inventory
                .volumes
                .iter()
                .map(|one| (one.id.clone(), one.clone()))
                .collect(),
            snapshots: Vec::new(),
        }
    }

    fn standing(inventory: &Inventory, mode: EtcdVolumes, now: &Inventory, id: &str) -> Standing {
        standing_with(inventory, mode, seen(now), id)
    }

    fn standing_with(inventory: &Inventory, mode: EtcdVolumes, seen: Seen, id: &str) -> Standing {
        let plan = planned(inventory, mode);
        let all = standings(&plan, &seen, "run-1", &BTreeSet::new());
        all.into_iter().find(|(thing, _)| thing.id == id).unwrap().1
    }

    const Q: EtcdVolumes = EtcdVolumes::Quarantine;
    const GROUP: &str = "control-plane-a.masters.a.example.com";

    #[test]
    fn at_first_only_groups_are_deleted_and_the_rest_waits() {
        let now = inventory();
        assert_eq!(standing(&now, Q, &now, GROUP), Standing::Do(Deed::DeleteGroup));
        assert!(matches!(standing(&now, Q, &now, "i-a"), Standing::Waiting(why) if why.contains("terminates it")));
        assert!(matches!(standing(&now, Q, &now, "vol-a"), Standing::Waiting(why) if why.contains("from i-a")));
    }

    #[test]
    fn nothing_is_deleted_before_every_volume_is_seen_to_stay() {
        let before = with_a_volume_that_goes(1);
        let keep = Standing::Do(Deed::Keep {
            instance: "i-b".into(),
            device: "/dev/xvdu".into(),
        });
        assert_eq!(standing(&before, Q, &before, "vol-b on i-b"), keep);
        // Not even the group of the other master.
        for group in [GROUP, "control-plane-b.masters.a.example.com"] {
            assert!(
                matches!(standing(&before, Q, &before, group), Standing::Waiting(why) if why.contains("first kept"))
            );
        }
        // A master outside its group is not terminated, either.
        let mut outside = before.clone();
        outside.groups.clear();
        assert!(matches!(standing(&before, Q, &outside, "i-a"), Standing::Waiting(why) if why.contains("first kept")));
        // Read back.
        let now = inventory();
        assert!(matches!(standing(&before, Q, &now, "vol-b on i-b"), Standing::Done(_)));
        assert_eq!(standing(&before, Q, &now, GROUP), Standing::Do(Deed::DeleteGroup));
        // It cannot be switched off: nothing goes.
        let plan = planned(&before, Q);
        let all = standings(&plan, &seen(&before), "run-1", &BTreeSet::from(["vol-b on i-b"]));
        let group = all.iter().find(|(thing, _)| thing.id == GROUP).unwrap();
        assert!(
            matches!(&group.1, Standing::Stuck(why) if why.contains("vol-b would be deleted with i-b")),
            "{group:?}"
        );
        // What is deleted for good may go with its instance.
        assert_eq!(
            standing(&before, EtcdVolumes::Delete, &before, GROUP),
            Standing::Do(Deed::DeleteGroup)
        );
    }

    #[test]
    fn what_was_switched_on_after_the_plan_stops_it() {
        let (before, now) = (inventory(), with_a_volume_that_goes(1));
        assert!(matches!(standing(&before, Q, &now, GROUP), Standing::Stuck(why) if why.contains("not in the plan")));
    }

    #[test]
    fn a_volume_that_is_gone_is_lost_unless_it_was_to_go() {
        let before = inventory();
        let mut gone = inventory();
        gone.volumes.remove(0);
        let mut going = inventory();
        going.volumes[0].state = VolumeState::Deleting;
        for now in [&gone, &going] {
            assert!(
                matches!(standing(&before, Q, now, "vol-a"), Standing::Lost(why) if why.contains("was to be kept"))
            );
            // Whatever took it may take the others.
            assert!(matches!(standing(&before, Q, now, GROUP), Standing::Stuck(why) if why.contains("vol-a")));
            let mode = EtcdVolumes::SnapshotThenDelete;
            assert!(
                matches!(standing(&before, mode, now, "vol-a"), Standing::Lost(why) if why.contains("no snapshot"))
            );
        }
        assert_eq!(
            standing(&before, EtcdVolumes::Delete, &gone, "vol-a"),
            Standing::Done("deleted")
        );
        assert_eq!(
            standing(&before, EtcdVolumes::Delete, &gone, GROUP),
            Standing::Do(Deed::DeleteGroup)
        );
        // Of the others, what protects them goes on.
        let mut freed = gone.clone();
        freed.volumes[0].attachments.clear();
        freed.volumes[0].state = VolumeState::Available;
        assert!(matches!(
            standing(&before, Q, &freed, "vol-b"),
            Standing::Do(Deed::Quarantine { .. })
        ));
    }

    #[test]
    fn a_stranger_in_a_group_stops_its_deletion_and_its_instances_stay() {
        let (before, mut now) = (inventory(), inventory());
        now.groups[0].members.push(GroupMember {
            instance: "i-new".into(),
            ..GroupMember::default()
        });
        assert!(matches!(standing(&before, Q, &now, GROUP), Standing::Stuck(why) if why.contains("i-new")));
        assert!(matches!(standing(&before, Q, &now, "i-a"), Standing::Stuck(_)));
    }

    #[test]
    fn survivors_of_a_group_that_is_gone_are_terminated_one_by_one() {
        let (before, mut now) = (inventory(), inventory());
        now.groups.remove(0);
        assert_eq!(standing(&before, Q, &now, GROUP), Standing::Done("deleted"));
        assert_eq!(standing(&before, Q, &now, "i-a"), Standing::Do(Deed::Terminate));
        now.instances[0].state = InstanceState::ShuttingDown;
        assert!(matches!(standing(&before, Q, &now, "i-a"), Standing::Waiting(_)));
    }

    #[test]
    fn what_was_retagged_or_attached_elsewhere_meanwhile_is_left_alone() {
        let before = inventory();
        let mut now = inventory();
        now.groups[0].tags.insert("k8s.io/role/node".into(), "1".into());
        assert!(matches!(standing(&before, Q, &now, GROUP), Standing::Stuck(_)));
        let mut now = inventory();
        now.volumes[0]
            .tags
            .insert("KubernetesCluster".into(), "b.example.com".into());
        assert!(matches!(standing(&before, Q, &now, "vol-a"), Standing::Stuck(_)));
        let mut now = inventory();
        now.volumes[0].attachments = vec![Attachment {
            instance: "i-new".into(),
            ..Attachment::default()
        }];
        assert!(matches!(standing(&before, Q, &now, "vol-a"), Standing::Stuck(why) if why.contains("i-new")));
    }

    fn freed() -> Inventory {
        let mut now = inventory();
        now.volumes[0].attachments.clear();
        now.volumes[0].state = VolumeState::Available;
        now
    }

    #[test]
    fn a_free_volume_is_shadowed_then_stripped_and_a_half_done_one_goes_on() {
        let (before, mut now) = (inventory(), freed());
        let Standing::Do(Deed::Quarantine { shadows, off }) = standing(&before, Q, &now, "vol-a") else {
            panic!("not to be put into quarantine");
        };
        let shadows = shadows.unwrap();
        assert_eq!((shadows.len(), off.len()), (6, 4), "{shadows:?} {off:?}");
        // Killed between the two requests.
        now.volumes[0].tags.extend(shadows);
        let half = standing(&before, Q, &now, "vol-a");
        assert_eq!(
            half,
            Standing::Do(Deed::Quarantine {
                shadows: None,
                off: off.clone()
            })
        );
        now.volumes[0].tags.retain(|key, _| !off.contains(key));
        assert_eq!(standing(&before, Q, &now, "vol-a"), Standing::Done("in quarantine"));
    }

    #[test]
    fn a_volume_is_deleted_only_after_this_runs_snapshot_is_whole() {
        let (before, now) = (inventory(), freed());
        let mode = EtcdVolumes::SnapshotThenDelete;
        let with = |run: &str, state| {
            let mut seen = seen(&now);
            seen.snapshots.push(Snapshot {
                id: "snap-1".into(),
                volume: "vol-a".into(),
                state,
                tags: [(RUN_TAG.to_owned(), run.to_owned())].into(),
                started: None,
            });
            standing_with(&before, mode, seen, "vol-a")
        };
        assert!(matches!(
            standing(&before, mode, &now, "vol-a"),
            Standing::Do(Deed::Snapshot { .. })
        ));
        assert!(matches!(
            with("run-0", SnapshotState::Completed),
            Standing::Do(Deed::Snapshot { .. })
        ));
        assert!(matches!(with("run-1", SnapshotState::Pending), Standing::Waiting(_)));
        assert!(matches!(with("run-1", SnapshotState::Failed), Standing::Stuck(_)));
        assert_eq!(
            with("run-1", SnapshotState::Completed),
            Standing::Do(Deed::DeleteVolume)
        );
        // With its snapshot it may be gone; without a whole one it is lost.
        let mut gone = now.clone();
        gone.volumes.remove(0);
        let after = |state| {
            let mut seen = seen(&gone);
            seen.snapshots.push(Snapshot {
                id: "snap-1".into(),
                volume: "vol-a".into(),
                state,
                tags: [(RUN_TAG.to_owned(), "run-1".to_owned())].into(),
                started: None,
            });
            standing_with(&before, mode, seen, "vol-a")
        };
        assert_eq!(after(SnapshotState::Completed), Standing::Done("deleted"));
        assert!(matches!(after(SnapshotState::Pending), Standing::Waiting(_)));
        assert!(matches!(after(SnapshotState::Failed), Standing::Lost(_)));
        let delete = standing(&before, EtcdVolumes::Delete, &now, "vol-a");
        assert_eq!(delete, Standing::Do(Deed::DeleteVolume));
    }
}
