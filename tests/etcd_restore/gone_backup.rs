//! Retention, or somebody, takes the backup away while a run is under way.

use std::fs;
use std::time::Duration;

use harness::store::CLUSTER;
use harness::{ControlLoopStandIn, HoldAt};

use crate::stand::{MAIN, RESTORED, Stand, wait_for};

fn pinned(stand: &Stand) -> std::path::PathBuf {
    stand.root().join(CLUSTER).join("backups/recovery/main").join(MAIN)
}

fn count(manager: &ControlLoopStandIn) -> usize {
    manager.log().matches("got restore-backup command:").count()
}

/// Begins a run and kills it once `until` is so.
fn killed(stand: &Stand, until: impl Fn() -> bool) {
    let mut first = stand.seeing("run --etcd main --yes --confirm super.k8s.local");
    let mut child = first.spawn().unwrap();
    wait_for("the state to be killed in", until);
    // So that the run has noted it.
    std::thread::sleep(Duration::from_millis(1500));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn run_pins_what_it_restores() {
    let stand = Stand::new(RESTORED);
    let _main = stand.start("main");
    assert!(!pinned(&stand).exists());
    let ended = stand
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stderr_has(&format!(
        "$ kubectl etcd-backups pin main={MAIN} --name {CLUSTER} --yes"
    ));
    for file in ["etcd.backup.gz", "_etcd_backup.meta"] {
        let own = fs::read(stand.base("main").join(MAIN).join(file)).unwrap();
        assert_eq!(own, fs::read(pinned(&stand).join(file)).unwrap());
    }
}

#[test]
fn a_queued_backup_that_went_is_copied_back_by_the_resumed_run() {
    let stand = Stand::new(RESTORED);
    let manager = stand.start("main");
    manager.hold(HoldAt::BeforeTaking);
    killed(&stand, || !stand.queued("main").is_empty());
    fs::remove_dir_all(stand.base("main").join(MAIN)).unwrap();
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            stand
                .seeing("run --etcd main --yes --confirm super.k8s.local")
                .run()
                .unwrap()
        });
        wait_for("it is copied back", || {
            stand.base("main").join(MAIN).join("_etcd_backup.meta").is_file()
        });
        manager.release();
        running.join().unwrap()
    });
    running
        .success()
        .stdout_has("copied back from where it is pinned")
        .stderr_has(&format!("main: copied {MAIN} back from where it is pinned"))
        .stdout_has(&format!("main: restored from {MAIN}, it serves"));
    assert_eq!(count(&manager), 1);
}

#[test]
fn a_loop_over_a_backup_that_went_ends_when_the_same_run_is_repeated() {
    let stand = Stand::new(RESTORED);
    let manager = stand.start("main");
    manager.hold(HoldAt::BeforeTaking);
    let looping = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            stand
                .seeing("run --etcd main --yes --confirm super.k8s.local")
                .run()
                .unwrap()
        });
        wait_for("it is queued", || !stand.queued("main").is_empty());
        fs::remove_dir_all(stand.base("main").join(MAIN)).unwrap();
        manager.release();
        running.join().unwrap()
    });
    looping
        .code(4)
        .stderr_has("main loops")
        .stderr_has("it copies back the one that it has pinned");
    let again = stand
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    again.stdout_has(&format!("main: restored from {MAIN}, it serves"));
}

#[test]
fn one_that_was_restored_and_went_is_not_restored_again_nor_another_in_its_place() {
    for named in ["", "--backup main=2026-11-22T15:20"] {
        let stand = Stand::with_masters(RESTORED);
        let manager = stand.start("main");
        manager.hold(HoldAt::BeforeServing);
        killed(&stand, || stand.queued("main").is_empty() && count(&manager) == 1);
        // Both, the pinned copy too.
        for folder in [stand.base("main").join(MAIN), pinned(&stand)] {
            fs::remove_dir_all(folder).unwrap();
        }
        manager.release();
        let again = stand
            .seeing(&format!("run --etcd main --yes --confirm super.k8s.local {named}"))
            .run()
            .unwrap()
            .success();
        again
            .stderr_has("is ordered already and is queued no more: looking on")
            .stdout_has(&format!("main: restored from {MAIN}, it serves"));
        assert_eq!((count(&manager), manager.trashed()), (1, 0));
    }
}

#[test]
fn a_command_whose_backup_is_nowhere_refuses_with_the_way_out() {
    let stand = Stand::new(RESTORED);
    killed(&stand, || !stand.queued("main").is_empty());
    for folder in [stand.base("main").join(MAIN), pinned(&stand)] {
        fs::remove_dir_all(folder).unwrap();
    }
    let queued = stand.queued("main").remove(0);
    let refused = stand
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3);
    refused
        .stderr_has("which is neither in the store nor pinned: it is tried for ever")
        .stderr_has(&format!("kubectl etcd-restore cancel main={queued}"));
    // The way out works: another backup is chosen.
    let cancel = format!("cancel main={queued} --yes");
    stand.restore(&cancel).run().unwrap().success();
    let _main = stand.start("main");
    stand
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success()
        .stdout_has("main: restored from 2026-11-22T15:19:01Z-000002, it serves");
}

#[test]
fn a_store_that_takes_no_pin_does_not_stop_the_restore() {
    let stand = Stand::new(RESTORED);
    let _main = stand.start("main");
    // In the way of the copy's folder.
    let place = pinned(&stand);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, "").unwrap();
    let ended = stand
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stderr_has("could not be pinned").stdout_has("it serves");
    assert!(place.is_file());
}
