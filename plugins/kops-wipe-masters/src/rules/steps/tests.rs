use runbook_kit::model::fleet::{Attachment, GroupMember, Inventory};

use super::*;
use crate::rules::plan::tests::{inventory, planned, with_delete_on_termination};

fn seen(inventory: &Inventory) -> AwsState {
    AwsState {
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

fn state(inventory: &Inventory, mode: EtcdVolumes, now: &Inventory, id: &str) -> StepState {
    state_with(inventory, mode, seen(now), id)
}

fn state_with(inventory: &Inventory, mode: EtcdVolumes, seen: AwsState, id: &str) -> StepState {
    let plan = planned(inventory, mode);
    let all = step_states(&plan, &seen, "run-1", &BTreeSet::new());
    all.into_iter().find(|(thing, _)| thing.id == id).unwrap().1
}

const Q: EtcdVolumes = EtcdVolumes::Quarantine;
const GROUP: &str = "control-plane-a.masters.a.example.com";

#[test]
fn first_only_groups_are_deleted() {
    let now = inventory();
    assert_eq!(state(&now, Q, &now, GROUP), StepState::Ready(Action::DeleteGroup));
    assert!(matches!(state(&now, Q, &now, "i-a"), StepState::Waiting(why) if why.contains("terminates it")));
    assert!(matches!(state(&now, Q, &now, "vol-a"), StepState::Waiting(why) if why.contains("from i-a")));
}

#[test]
fn nothing_is_deleted_before_delete_on_termination_is_off_for_every_volume() {
    let before = with_delete_on_termination(1);
    let keep = StepState::Ready(Action::Keep {
        instance: "i-b".into(),
        device: "/dev/xvdu".into(),
    });
    assert_eq!(state(&before, Q, &before, "vol-b on i-b"), keep);
    // Not even the group of the other master.
    for group in [GROUP, "control-plane-b.masters.a.example.com"] {
        assert!(
            matches!(state(&before, Q, &before, group), StepState::Waiting(why) if why.contains("DeleteOnTermination is off"))
        );
    }
    // A master outside its group is not terminated, either.
    let mut outside = before.clone();
    outside.groups.clear();
    assert!(
        matches!(state(&before, Q, &outside, "i-a"), StepState::Waiting(why) if why.contains("DeleteOnTermination is off"))
    );
    // Read back.
    let now = inventory();
    assert!(matches!(state(&before, Q, &now, "vol-b on i-b"), StepState::Done(_)));
    assert_eq!(state(&before, Q, &now, GROUP), StepState::Ready(Action::DeleteGroup));
    // It cannot be turned off: nothing is deleted.
    let plan = planned(&before, Q);
    let all = step_states(&plan, &seen(&before), "run-1", &BTreeSet::from(["vol-b on i-b"]));
    let group = all.iter().find(|(thing, _)| thing.id == GROUP).unwrap();
    assert!(
        matches!(&group.1, StepState::Blocked(why) if why.contains("vol-b would be deleted with i-b")),
        "{group:?}"
    );
    // In this mode volumes may be deleted with their instance.
    assert_eq!(
        state(&before, EtcdVolumes::Delete, &before, GROUP),
        StepState::Ready(Action::DeleteGroup)
    );
}

#[test]
fn delete_on_termination_turned_on_after_the_plan_blocks_the_wipe() {
    let (before, now) = (inventory(), with_delete_on_termination(1));
    assert!(matches!(state(&before, Q, &now, GROUP), StepState::Blocked(why) if why.contains("not in the plan")));
}

#[test]
fn a_missing_volume_is_lost_unless_it_was_to_be_deleted() {
    let before = inventory();
    let mut gone = inventory();
    gone.volumes.remove(0);
    let mut going = inventory();
    going.volumes[0].state = VolumeState::Deleting;
    for now in [&gone, &going] {
        assert!(
            matches!(state(&before, Q, now, "vol-a"), StepState::Lost(why) if why.contains("should have been kept"))
        );
        // The others may be deleted the same way.
        assert!(matches!(state(&before, Q, now, GROUP), StepState::Blocked(why) if why.contains("vol-a")));
        let mode = EtcdVolumes::SnapshotThenDelete;
        assert!(
            matches!(state(&before, mode, now, "vol-a"), StepState::Lost(why) if why.contains("without a snapshot"))
        );
    }
    assert_eq!(
        state(&before, EtcdVolumes::Delete, &gone, "vol-a"),
        StepState::Done("deleted")
    );
    assert_eq!(
        state(&before, EtcdVolumes::Delete, &gone, GROUP),
        StepState::Ready(Action::DeleteGroup)
    );
    // Actions that protect the others continue.
    let mut freed = gone.clone();
    freed.volumes[0].attachments.clear();
    freed.volumes[0].state = VolumeState::Available;
    assert!(matches!(
        state(&before, Q, &freed, "vol-b"),
        StepState::Ready(Action::Quarantine { .. })
    ));
}

#[test]
fn an_unplanned_instance_in_a_group_blocks_its_deletion() {
    let (before, mut now) = (inventory(), inventory());
    now.groups[0].members.push(GroupMember {
        instance: "i-new".into(),
        ..GroupMember::default()
    });
    assert!(matches!(state(&before, Q, &now, GROUP), StepState::Blocked(why) if why.contains("i-new")));
    assert!(matches!(state(&before, Q, &now, "i-a"), StepState::Blocked(_)));
}

#[test]
fn instances_of_a_deleted_group_are_terminated_one_by_one() {
    let (before, mut now) = (inventory(), inventory());
    now.groups.remove(0);
    assert_eq!(state(&before, Q, &now, GROUP), StepState::Done("deleted"));
    assert_eq!(state(&before, Q, &now, "i-a"), StepState::Ready(Action::Terminate));
    now.instances[0].state = InstanceState::ShuttingDown;
    assert!(matches!(state(&before, Q, &now, "i-a"), StepState::Waiting(_)));
}

#[test]
fn resources_retagged_or_attached_elsewhere_meanwhile_are_skipped() {
    let before = inventory();
    let mut now = inventory();
    now.groups[0].tags.insert("k8s.io/role/node".into(), "1".into());
    assert!(matches!(state(&before, Q, &now, GROUP), StepState::Blocked(_)));
    let mut now = inventory();
    now.volumes[0]
        .tags
        .insert("KubernetesCluster".into(), "b.example.com".into());
    assert!(matches!(state(&before, Q, &now, "vol-a"), StepState::Blocked(_)));
    let mut now = inventory();
    now.volumes[0].attachments = vec![Attachment {
        instance: "i-new".into(),
        ..Attachment::default()
    }];
    assert!(matches!(state(&before, Q, &now, "vol-a"), StepState::Blocked(why) if why.contains("i-new")));
}

fn freed() -> Inventory {
    let mut now = inventory();
    now.volumes[0].attachments.clear();
    now.volumes[0].state = VolumeState::Available;
    now
}

#[test]
fn a_free_volume_gets_shadow_tags_then_loses_its_tags_and_this_is_resumable() {
    let (before, mut now) = (inventory(), freed());
    let StepState::Ready(Action::Quarantine { shadows, remove }) = state(&before, Q, &now, "vol-a") else {
        panic!("not to be put into quarantine");
    };
    let shadows = shadows.unwrap();
    assert_eq!((shadows.len(), remove.len()), (6, 4), "{shadows:?} {remove:?}");
    // Killed between the two requests.
    now.volumes[0].tags.extend(shadows);
    let half = state(&before, Q, &now, "vol-a");
    assert_eq!(
        half,
        StepState::Ready(Action::Quarantine {
            shadows: None,
            remove: remove.clone()
        })
    );
    now.volumes[0].tags.retain(|key, _| !remove.contains(key));
    assert_eq!(state(&before, Q, &now, "vol-a"), StepState::Done("in quarantine"));
}

#[test]
fn a_volume_is_deleted_only_after_a_complete_snapshot_of_this_run() {
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
        state_with(&before, mode, seen, "vol-a")
    };
    assert!(matches!(
        state(&before, mode, &now, "vol-a"),
        StepState::Ready(Action::Snapshot { .. })
    ));
    assert!(matches!(
        with("run-0", SnapshotState::Completed),
        StepState::Ready(Action::Snapshot { .. })
    ));
    assert!(matches!(with("run-1", SnapshotState::Pending), StepState::Waiting(_)));
    assert!(matches!(with("run-1", SnapshotState::Failed), StepState::Blocked(_)));
    assert_eq!(
        with("run-1", SnapshotState::Completed),
        StepState::Ready(Action::DeleteVolume)
    );
    // With its snapshot it may be gone; without a complete one it is lost.
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
        state_with(&before, mode, seen, "vol-a")
    };
    assert_eq!(after(SnapshotState::Completed), StepState::Done("deleted"));
    assert!(matches!(after(SnapshotState::Pending), StepState::Waiting(_)));
    assert!(matches!(after(SnapshotState::Failed), StepState::Lost(_)));
    let delete = state(&before, EtcdVolumes::Delete, &now, "vol-a");
    assert_eq!(delete, StepState::Ready(Action::DeleteVolume));
}
