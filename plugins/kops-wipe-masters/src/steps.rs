//! Where each thing of the plan stands, and what is to be done to it now. Pure: what was just seen in, the next deed out.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::domain::fleet::{Group, Instance, InstanceState, Snapshot, SnapshotState, Tags, Volume, VolumeState};
use runbook_kit::domain::wipe::quarantine::RUN_TAG;
use runbook_kit::domain::wipe::{GROUP_TAG, Kind, Owner, TaggedRole, etcds, owner, quarantine, role};

use crate::plan::{EtcdVolumes, Plan};

/// One thing of the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    pub kind: Kind,
    pub id: String,
}

/// One request to AWS, or two that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
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
    groups
        .map(|group| (thing(Kind::AutoScalingGroup, &group.name), look.group(&group.name)))
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
            None | Some("none") => Standing::Do(Deed::DeleteGroup),
            Some(protection) => Standing::Stuck(format!("it is protected from deletion: {protection}")),
        }
    }

    fn is_masters(&self, tags: &Tags) -> bool {
        owner(tags, &self.plan.cluster) == Owner::Ours && matches!(role(tags), TaggedRole::Master(_))
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
            true => Standing::Do(Deed::Terminate),
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
        let Some(volume) = self.seen.volumes.get(id) else {
            return Standing::Done(match mode {
                EtcdVolumes::Quarantine => "gone: somebody deleted it",
                EtcdVolumes::SnapshotThenDelete | EtcdVolumes::Delete => "deleted",
            });
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
                Standing::Stuck(_) => true,
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
            EtcdVolumes::SnapshotThenDelete => {
                let of_this_run = |snapshot: &&Snapshot| {
                    snapshot.volume == volume.id && snapshot.tags.get(RUN_TAG).is_some_and(|run| run == self.run)
                };
                let mut snapshots: Vec<&Snapshot> = self.seen.snapshots.iter().filter(of_this_run).collect();
                // Two of one run are as good as one: the better counts.
                snapshots.sort_by_key(|snapshot| match snapshot.state {
                    SnapshotState::Completed => 0,
                    SnapshotState::Pending => 1,
                    SnapshotState::Failed => 2,
                });
                match snapshots.first() {
                    None => Standing::Do(Deed::Snapshot {
                        tags: snapshot_tags(volume, cluster, self.run),
                    }),
                    Some(snapshot) => match snapshot.state {
                        SnapshotState::Completed => Standing::Do(Deed::DeleteVolume),
                        SnapshotState::Pending => Standing::Waiting(format!("snapshot {} is being taken", snapshot.id)),
                        SnapshotState::Failed => Standing::Stuck(format!("snapshot {} failed", snapshot.id)),
                    },
                }
            }
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
    use runbook_kit::domain::fleet::{Attachment, GroupMember, Inventory};

    use super::*;
    use crate::plan::tests::{inventory, planned};

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
        let delete = standing(&before, EtcdVolumes::Delete, &now, "vol-a");
        assert_eq!(delete, Standing::Do(Deed::DeleteVolume));
    }
}
