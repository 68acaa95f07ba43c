use runbook_kit::confirm;
use runbook_kit::domain::fleet::{Caller, Inventory, VolumeState};
use runbook_kit::domain::wipe::quarantine;
use runbook_kit::testing::MemoryFleet;

use super::*;
use crate::plan::tests::{C, inventory, planned};

#[derive(Default)]
struct Lines(Vec<String>);

impl Record for Lines {
    fn line(&mut self, thing: &Thing, what: &str, _done: usize, _of: usize) {
        self.0.push(format!("{}: {what}", thing.id));
    }

    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    async fn keep(&mut self) -> Result<(), String> {
        Ok(())
    }
}

async fn run(fleet: &MemoryFleet, before: &Inventory, mode: EtcdVolumes) -> (Result<(), Box<Stopped>>, Vec<String>) {
    let plan = planned(before, mode);
    let pace = Pace {
        poll: Duration::from_secs(5),
        timeout: Duration::from_secs(600),
    };
    let mut lines = Lines::default();
    let consent = confirm::plain(true).unwrap();
    let ended = apply(&plan, fleet, "run-1", pace, &mut lines, &consent).await;
    (ended, lines.0)
}

fn fleet() -> MemoryFleet {
    MemoryFleet::new(Caller::default(), inventory())
}

#[tokio::test(start_paused = true)]
async fn all_is_wiped_and_the_volumes_are_hidden() {
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
async fn what_is_denied_is_given_up_and_the_rest_is_done() {
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
async fn what_waits_for_something_given_up_is_not_waited_for() {
    let fleet = fleet();
    let group = format!("delete_group control-plane-a.masters.{C}");
    fleet.fail_once(&group, FleetErrorKind::AccessDenied("no".into()));
    let (ended, lines) = run(&fleet, &inventory(), EtcdVolumes::Quarantine).await;
    let stopped = ended.unwrap_err();
    assert_eq!((stopped.done, stopped.left.len()), (3, 3), "{stopped}\n{lines:?}");
    assert!(
        stopped
            .to_string()
            .contains("vol-a: i-a, which uses it, is still there"),
        "{stopped}"
    );
    assert!(stopped.hint().unwrap().contains("use credentials that may do this"));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_run_out_before_anything_leave_nothing_changed() {
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
async fn a_volume_that_hangs_ends_the_wait_with_a_cure() {
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
