//! Retention, or somebody, takes the backup away while a run is under way.

use std::fs;
use std::time::Duration;

use support::store::CLUSTER;
use support::{ControlLoopSimulator, HoldAt, wait_for};

use crate::env::{Env, MAIN, RESTORED};

fn pinned(env: &Env) -> std::path::PathBuf {
    env.root().join(CLUSTER).join("backups/recovery/main").join(MAIN)
}

fn count(manager: &ControlLoopSimulator) -> usize {
    manager.log().matches("got restore-backup command:").count()
}

/// Begins a run and kills it once `until` is so.
fn killed(env: &Env, until: impl Fn() -> bool) {
    let mut first = env.seeing("run --etcd main --yes --confirm super.k8s.local");
    let mut child = first.spawn().unwrap();
    wait_for("the state to be killed in", until);
    // So that the run has noted it.
    std::thread::sleep(Duration::from_millis(1500));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn run_pins_what_it_restores() {
    let env = Env::new(RESTORED);
    let _main = env.start("main");
    assert!(!pinned(&env).exists());
    let ended = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stderr_has(&format!(
        "$ kubectl etcd-backups pin main={MAIN} --name {CLUSTER} --yes"
    ));
    for file in ["etcd.backup.gz", "_etcd_backup.meta"] {
        let own = fs::read(env.base("main").join(MAIN).join(file)).unwrap();
        assert_eq!(own, fs::read(pinned(&env).join(file)).unwrap());
    }
}

#[test]
fn a_queued_backup_that_went_is_copied_back_by_the_resumed_run() {
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    killed(&env, || !env.queued("main").is_empty());
    fs::remove_dir_all(env.base("main").join(MAIN)).unwrap();
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            env.seeing("run --etcd main --yes --confirm super.k8s.local")
                .run()
                .unwrap()
        });
        wait_for("it is copied back", || {
            env.base("main").join(MAIN).join("_etcd_backup.meta").is_file()
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
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    let looping = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            env.seeing("run --etcd main --yes --confirm super.k8s.local")
                .run()
                .unwrap()
        });
        wait_for("it is queued", || !env.queued("main").is_empty());
        fs::remove_dir_all(env.base("main").join(MAIN)).unwrap();
        manager.release();
        running.join().unwrap()
    });
    looping
        .code(4)
        .stderr_has("main is looping")
        .stderr_has("it copies back the pinned one");
    let again = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    again.stdout_has(&format!("main: restored from {MAIN}, it serves"));
}

#[test]
fn one_that_was_restored_and_went_is_not_restored_again_nor_another_in_its_place() {
    for named in ["", "--backup main=2026-11-22T15:20"] {
        let env = Env::with_masters(RESTORED);
        let manager = env.start("main");
        manager.hold(HoldAt::BeforeServing);
        killed(&env, || env.queued("main").is_empty() && count(&manager) == 1);
        // Both, the pinned copy too.
        for folder in [env.base("main").join(MAIN), pinned(&env)] {
            fs::remove_dir_all(folder).unwrap();
        }
        manager.release();
        let again = env
            .seeing(&format!("run --etcd main --yes --confirm super.k8s.local {named}"))
            .run()
            .unwrap()
            .success();
        again
            .stderr_has("was already queued and has left the queue; following it")
            .stdout_has(&format!("main: restored from {MAIN}, it serves"));
        assert_eq!((count(&manager), manager.trashed()), (1, 0));
    }
}

#[test]
fn a_command_whose_backup_is_nowhere_refuses_with_the_way_out() {
    let env = Env::new(RESTORED);
    killed(&env, || !env.queued("main").is_empty());
    for folder in [env.base("main").join(MAIN), pinned(&env)] {
        fs::remove_dir_all(folder).unwrap();
    }
    let queued = env.queued("main").remove(0);
    let refused = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3);
    refused
        .stderr_has("which is neither in the store nor pinned: etcd-manager retries it forever")
        .stderr_has(&format!("kubectl etcd-restore cancel main={queued}"));
    // The way out works: another backup is chosen.
    let cancel = format!("cancel main={queued} --yes");
    env.restore(&cancel).run().unwrap().success();
    let _main = env.start("main");
    env.seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success()
        .stdout_has("main: restored from 2026-11-22T15:19:01Z-000002, it serves");
}

#[test]
fn a_store_that_takes_no_pin_does_not_stop_the_restore() {
    let env = Env::new(RESTORED);
    let _main = env.start("main");
    // In the way of the copy's folder.
    let place = pinned(&env);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, "").unwrap();
    let ended = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stderr_has("could not be pinned").stdout_has("it serves");
    assert!(place.is_file());
}
