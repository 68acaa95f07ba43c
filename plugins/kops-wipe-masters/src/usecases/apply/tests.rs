use proptest::prelude::*;
use runbook_kit::cli::confirm;
use runbook_kit::model::fleet::wipe::quarantine;
use runbook_kit::model::fleet::{Caller, Inventory, VolumeState};
use runbook_kit::testing::MemoryFleet;

use super::*;
use crate::rules::plan::tests::{C, inventory, planned, with_delete_on_termination};

#[derive(Default)]
struct Lines(Vec<String>);

impl Progress for Lines {
    fn line(&mut self, thing: &Resource, what: &str, _done: usize, _of: usize) {
        self.0.push(format!("{}: {what}", thing.id));
    }

    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    async fn save(&mut self) -> Result<(), String> {
        Ok(())
    }
}

async fn run(fleet: &MemoryFleet, before: &Inventory, mode: EtcdVolumes) -> (Result<(), Box<Stopped>>, Vec<String>) {
    let plan = planned(before, mode);
    let waiting = WaitArgs {
        poll: Duration::from_secs(5),
        timeout: Duration::from_secs(600),
    };
    let mut lines = Lines::default();
    let consent = confirm::plain(true).unwrap();
    let ended = apply(&plan, fleet, "run-1", waiting, &mut lines, &consent).await;
    (ended, lines.0)
}

fn fleet() -> MemoryFleet {
    MemoryFleet::new(Caller::default(), inventory())
}

#[tokio::test(start_paused = true)]
async fn everything_is_wiped_and_the_volumes_are_hidden() {
    let fleet = fleet();
    let (ended, lines) = run(&fleet, &inventory(), EtcdVolumes::Quarantine).await;
    ended.unwrap();
    assert_eq!(fleet.changes().len(), 6, "{:?}", fleet.changes());
    let after = fleet.inventory();
    assert!(after.groups.is_empty());
    assert!(
        after
            .volumes
            .iter()
            .all(|volume| quarantine::is_hidden(&volume.tags, C))
    );
    assert!(lines.contains(&"vol-a: in quarantine".to_owned()), "{lines:?}");
    assert!(lines.contains(&"i-b: terminated".to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn snapshots_come_before_deletions() {
    let fleet = fleet();
    run(&fleet, &inventory(), EtcdVolumes::SnapshotThenDelete)
        .await
        .0
        .unwrap();
    let changes = fleet.changes();
    let at = |change: &str| changes.iter().position(|done| done == change).unwrap();
    assert!(at("snapshot vol-a") < at("delete_volume vol-a"), "{changes:?}");
    assert!(fleet.inventory().volumes.is_empty());
    assert_eq!(changes.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn each_request_may_fail_once() {
    let group = format!("control-plane-a.masters.{C}");
    for change in [
        format!("delete_group {group}"),
        "tag vol-a".into(),
        "untag vol-b".into(),
    ] {
        for kind in [
            FleetErrorKind::Throttled,
            FleetErrorKind::Unreachable,
            FleetErrorKind::Other("503".into()),
        ] {
            let fleet = fleet();
            fleet.fail_once(&change, kind);
            run(&fleet, &inventory(), EtcdVolumes::Quarantine).await.0.unwrap();
            assert_eq!(fleet.changes().len(), 6, "{change}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn denied_actions_are_given_up_and_the_others_are_done() {
    let fleet = fleet();
    fleet.fail_once("tag vol-a", FleetErrorKind::AccessDenied("ec2:CreateTags".into()));
    let (ended, _) = run(&fleet, &inventory(), EtcdVolumes::Quarantine).await;
    let stopped = ended.unwrap_err();
    assert_eq!(
        (stopped.exit(), stopped.done, stopped.of),
        (Exit::FailedAfterChange, 5, 6)
    );
    assert!(stopped.to_string().contains("volume vol-a"), "{stopped}");
    assert!(stopped.hint().unwrap().contains("repeat the command"));
    // And the next run does what is left.
    run(&fleet, &inventory(), EtcdVolumes::Quarantine).await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn resources_that_depend_on_a_given_up_one_are_not_waited_for() {
    let fleet = fleet();
    let group = format!("delete_group control-plane-a.masters.{C}");
    fleet.fail_once(&group, FleetErrorKind::AccessDenied("no".into()));
    let (ended, lines) = run(&fleet, &inventory(), EtcdVolumes::Quarantine).await;
    let stopped = ended.unwrap_err();
    assert_eq!((stopped.done, stopped.left.len()), (3, 3), "{stopped}\n{lines:?}");
    assert!(stopped.to_string().contains("vol-a: i-a still uses it"), "{stopped}");
    assert!(stopped.hint().unwrap().contains("use credentials that may do this"));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_expire_before_the_first_change_leave_nothing_changed() {
    let fleet = fleet();
    for zone in ["a", "b"] {
        let change = format!("delete_group control-plane-{zone}.masters.{C}");
        fleet.fail_once(&change, FleetErrorKind::ExpiredCredentials);
    }
    let (ended, _) = run(&fleet, &inventory(), EtcdVolumes::Quarantine).await;
    let stopped = ended.unwrap_err();
    assert_eq!((stopped.exit(), fleet.changes().len()), (Exit::Failed, 0));
    assert!(
        stopped.hint().unwrap().contains("aws sso login"),
        "{:?}",
        stopped.hint()
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_stuck_in_detaching_times_out_with_a_cure() {
    let mut hanging = inventory();
    hanging.volumes[0].attachments[0].instance = "i-b".into();
    hanging.volumes[0].attachments[0].state = "detaching".into();
    let before = hanging.clone();
    hanging.groups.clear();
    hanging.instances.clear();
    hanging.volumes[1].attachments.clear();
    hanging.volumes[1].state = VolumeState::Available;
    let fleet = MemoryFleet::new(Caller::default(), hanging);
    let (ended, _) = run(&fleet, &before, EtcdVolumes::Quarantine).await;
    let stopped = ended.unwrap_err();
    assert!(stopped.to_string().contains("not done after 10 min"), "{stopped}");
    assert!(stopped.hint().unwrap().contains("--force --volume-id vol-a"));
    assert_eq!(fleet.changes(), ["tag vol-b", "untag vol-b"]);
}

fn at(changes: &[String], what: &str) -> Vec<usize> {
    let found = changes
        .iter()
        .enumerate()
        .filter(|(_, change)| change.starts_with(what));
    found.map(|(at, _)| at).collect()
}

#[tokio::test(start_paused = true)]
async fn delete_on_termination_is_turned_off_before_anything_is_deleted() {
    for mode in [EtcdVolumes::Quarantine, EtcdVolumes::SnapshotThenDelete] {
        let before = with_delete_on_termination(1);
        let fleet = MemoryFleet::new(Caller::default(), before.clone());
        let (ended, lines) = run(&fleet, &before, mode).await;
        ended.unwrap();
        let changes = fleet.changes();
        assert_eq!(at(&changes, "keep_volume"), [0], "{changes:?}");
        assert_eq!(changes[0], "keep_volume /dev/xvdu of i-b");
        assert!(
            lines.contains(&"vol-b on i-b: the volume is kept when the instance is terminated".to_owned()),
            "{lines:?}"
        );
        if mode == EtcdVolumes::Quarantine {
            assert_eq!(fleet.inventory().volumes.len(), 2);
        } else {
            assert_eq!(at(&changes, "snapshot ").len(), 2, "{changes:?}");
        }
    }
}

/// Denied, failing for ever, or taken and not followed: nothing was deleted then, and it is no success.
#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_if_delete_on_termination_cannot_be_turned_off() {
    for how in ["denied", "failing", "deaf"] {
        let before = with_delete_on_termination(0);
        let fleet = MemoryFleet::new(Caller::default(), before.clone());
        let keep = "keep_volume /dev/xvdu of i-a";
        match how {
            "denied" => fleet.fail_once(keep, FleetErrorKind::AccessDenied("ec2:ModifyInstanceAttribute".into())),
            "failing" => {
                (0..9).for_each(|_| fleet.fail_once(keep, FleetErrorKind::Other("IncorrectInstanceState".into())))
            }
            _ => fleet.turn_deaf(),
        }
        let (ended, lines) = run(&fleet, &before, EtcdVolumes::Quarantine).await;
        let stopped = ended.unwrap_err();
        assert!(
            stopped.to_string().contains("vol-a would be deleted with i-a"),
            "{how}: {stopped}\n{lines:?}"
        );
        assert!(stopped.hint().is_some());
        let now = fleet.inventory();
        assert_eq!((now.groups.len(), now.volumes.len()), (2, 2), "{how}");
        let deletions = fleet
            .changes()
            .into_iter()
            .filter(|change| !change.starts_with("keep_volume"));
        assert_eq!(deletions.count(), 0, "{how}");
        assert_eq!(stopped.exit() == Exit::Failed, how == "denied", "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_turn_it_off_is_retried() {
    for kind in [FleetErrorKind::Throttled, FleetErrorKind::Unreachable] {
        let before = with_delete_on_termination(0);
        let fleet = MemoryFleet::new(Caller::default(), before.clone());
        fleet.fail_once("keep_volume /dev/xvdu of i-a", kind);
        run(&fleet, &before, EtcdVolumes::Quarantine).await.0.unwrap();
        assert_eq!(fleet.inventory().volumes.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_volume_is_a_failure_and_nothing_else_is_changed() {
    let before = inventory();
    // Gone before anything was done: nothing is begun.
    let mut gone = before.clone();
    gone.volumes.remove(0);
    let fleet = MemoryFleet::new(Caller::default(), gone);
    let (ended, _) = run(&fleet, &before, EtcdVolumes::Quarantine).await;
    let stopped = ended.unwrap_err();
    assert!(
        stopped
            .to_string()
            .contains("volume vol-a: it no longer exists, and should have been kept"),
        "{stopped}"
    );
    assert!(fleet.changes().is_empty(), "{:?}", fleet.changes());
    // Its master is gone along with it, the other one waits to be put away.
    let mut half = before.clone();
    half.groups.clear();
    half.instances.clear();
    half.volumes.remove(0);
    half.volumes[0].attachments.clear();
    half.volumes[0].state = VolumeState::Available;
    let fleet = MemoryFleet::new(Caller::default(), half);
    let (ended, _) = run(&fleet, &before, EtcdVolumes::Quarantine).await;
    assert!(ended.is_err());
}

/// What AWS says of a volume and its instance: `DeleteOnTermination`.
fn said() -> impl Strategy<Value = Option<bool>> {
    prop_oneof![Just(None), Just(Some(false)), Just(Some(true))]
}

/// A request that fails so many times, and how.
fn failures() -> impl Strategy<Value = Vec<(String, FleetErrorKind, usize)>> {
    let requests = [
        "keep_volume /dev/xvdu of i-a",
        "keep_volume /dev/xvdu of i-b",
        "delete_group control-plane-a.masters.a.example.com",
        "delete_group control-plane-b.masters.a.example.com",
        "tag vol-a",
        "untag vol-b",
        "snapshot vol-a",
        "delete_volume vol-b",
    ];
    let kinds = prop_oneof![
        Just(FleetErrorKind::Throttled),
        Just(FleetErrorKind::AccessDenied("no".to_owned())),
        Just(FleetErrorKind::ExpiredCredentials),
        Just(FleetErrorKind::Other("IncorrectInstanceState".to_owned())),
    ];
    let one = (prop::sample::select(requests.to_vec()), kinds, 1_usize..7);
    prop::collection::vec(
        one.prop_map(|(request, kind, times)| (request.to_owned(), kind, times)),
        0..4,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever AWS says of its volumes, whatever fails, and whether or not it does what it was asked: no volume that is to be kept is ever
    /// gone, and none of those that are to be deleted is gone without its snapshot.
    #[test]
    fn no_volume_is_ever_lost(
        of_volumes in prop::array::uniform2(said()),
        of_instances in prop::array::uniform2(said()),
        failures in failures(),
        deaf in any::<bool>(),
        snapshots in any::<bool>(),
    ) {
        let mode = if snapshots { EtcdVolumes::SnapshotThenDelete } else { EtcdVolumes::Quarantine };
        let mut before = inventory();
        for zone in 0..2 {
            before.volumes[zone].attachments[0].delete_on_termination = of_volumes[zone];
            before.instances[zone].devices[0].delete_on_termination = of_instances[zone];
        }
        let fleet = MemoryFleet::new(Caller::default(), before.clone());
        for (request, kind, times) in &failures {
            (0..*times).for_each(|_| fleet.fail_once(request, kind.clone()));
        }
        if deaf {
            fleet.turn_deaf();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ended = runtime.block_on(run(&fleet, &before, mode)).0;
        let there = fleet.inventory();
        let ids = ["vol-a".to_owned(), "vol-b".to_owned()];
        let taken = runtime.block_on(runbook_kit::ports::fleet::Fleet::snapshots_of(&fleet, &ids)).unwrap();
        for id in &ids {
            let is_there = there.volumes.iter().any(|volume| &volume.id == id);
            let has_snapshot = snapshots && taken.iter().any(|snapshot| &snapshot.volume == id);
            prop_assert!(is_there || has_snapshot, "{id} is gone: {:?}", fleet.changes());
        }
        // Where a volume would still go with its instance, nothing was deleted.
        let would_go = (0..2).any(|zone| of_volumes[zone] == Some(true) || of_instances[zone] == Some(true));
        if deaf && would_go {
            prop_assert!(ended.is_err());
            prop_assert_eq!((there.groups.len(), there.volumes.len()), (2, 2));
        }
    }
}
