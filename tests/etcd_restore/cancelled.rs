//! A command that somebody else removes, and one that somebody else left there.

use std::fs;

use support::{ControlLoopSimulator, Ended, HoldAt, wait_for};

use crate::env::{Env, RESTORED, tree};

/// Runs, and removes the command under it as somebody with the AWS CLI would.
fn removed_meanwhile(env: &Env, run: &str) -> Ended {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| env.seeing(run).run().unwrap());
        wait_for("it is queued", || !env.queued("main").is_empty());
        std::thread::sleep(std::time::Duration::from_secs(2));
        let name = env.queued("main").remove(0);
        fs::remove_dir_all(env.control("main", &name)).unwrap();
        running.join().unwrap()
    })
}

fn not_called_restored(ended: &Ended) {
    for said in [&ended.stdout, &ended.stderr] {
        assert!(
            !said.contains("restored;") && !said.contains("restored from 2") && !said.contains("restore confirmed"),
            "{said}"
        );
    }
}

#[test]
fn while_nobody_answers_it_is_told_as_removed() {
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    let ended = removed_meanwhile(
        &env,
        "run --etcd main --yes --confirm super.k8s.local --take-timeout 6s",
    )
    .code(4);
    let ended = ended.stderr_has("main: the command was removed before the restore");
    not_called_restored(&ended);
    assert!(!manager.log().contains("got restore-backup command:"));
    // What was noted of it is forgotten: the same command orders it anew.
    manager.release();
    env.seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    assert_eq!(manager.log().matches("got restore-backup command:").count(), 1);
}

#[test]
fn while_the_old_etcd_serves_it_is_told_at_once() {
    let env = Env::new(RESTORED);
    let mut options = env.manager("main");
    options.alive = true;
    let manager = ControlLoopSimulator::start(options).unwrap();
    let ended = removed_meanwhile(&env, "run --etcd main --yes --confirm super.k8s.local").code(4);
    let ended = ended.stderr_has("main: the command was removed before the restore; the previous etcd still serves");
    not_called_restored(&ended);
    assert_eq!(manager.trashed(), 0);
}

#[test]
fn with_etcd_out_of_sight_it_is_not_seen_to_be_restored() {
    let env = Env::new(RESTORED);
    let ended = std::thread::scope(|scope| {
        let run = "run --etcd main --yes --confirm super.k8s.local --restore-timeout 3s";
        let running = scope.spawn(|| env.restore(run).run().unwrap());
        wait_for("it is queued", || !env.queued("main").is_empty());
        std::thread::sleep(std::time::Duration::from_secs(2));
        let name = env.queued("main").remove(0);
        fs::remove_dir_all(env.control("main", &name)).unwrap();
        running.join().unwrap()
    });
    let ended = ended
        .code(4)
        .stderr_has("main: gone")
        .stderr_has("main: the command is gone, and no restore was confirmed within 3 s");
    not_called_restored(&ended);
}

#[test]
fn a_strangers_command_of_another_day_is_shown_and_refused() {
    let env = Env::pending();
    let before = tree(env.root());
    // 40 hours after etcd-manager-ctl has queued it.
    let of = |arguments: &str| env.restore(arguments).now("2026-11-24T07:20:06Z").run().unwrap();
    let same = "--backup main=2026-11-22T15:18:01Z-000001 --backup events=2026-11-22T15:18:01Z-000002";
    for arguments in [
        format!("run --yes --confirm super.k8s.local {same}"),
        format!("plan {same}"),
        "run --yes --confirm super.k8s.local".to_owned(),
    ] {
        let refused = of(&arguments).code(3);
        refused
            .stderr_has("queued 39h ago")
            .stderr_has("kubectl etcd-restore cancel main=2026-11-22T15:20:06Z-000000");
    }
    assert_eq!(tree(env.root()), before);
    // A young one that orders the same is gone on with.
    let plan = env.restore(&format!("plan {same} -o json")).run().unwrap().success();
    assert_eq!(plan.json()["restores"][0]["queued"], "2026-11-22T15:20:06Z-000000");
    // The way out works.
    of("cancel main=2026-11-22T15:20:06Z-000000 events=2026-11-22T15:20:06Z-000000 --yes").success();
    assert!(env.queued("main").is_empty() && env.queued("events").is_empty());
}

#[test]
fn cancel_takes_several_names_and_none_where_only_one_is_queued() {
    let env = Env::pending();
    let before = tree(env.root());
    env.restore("cancel --yes")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("2 commands are queued: name the ones to remove")
        .stderr_has("main=2026-11-22T15:20:06Z-000000 events=2026-11-22T15:20:06Z-000000");
    // One that is not there, and nothing is removed.
    let one = "main=2026-11-22T15:20:06Z-000000";
    env.restore(&format!("cancel {one} events=2026-11-22T15:20:07Z-000000 --yes"))
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no command `2026-11-22T15:20:07Z-000000` is queued for etcd events");
    env.restore("cancel --etcd events")
        .run()
        .unwrap()
        .success()
        .stderr_has("pass --yes");
    assert_eq!(tree(env.root()), before);
    env.restore("cancel --etcd events --yes")
        .run()
        .unwrap()
        .success()
        .stdout_has("removed events=2026-11-22T15:20:06Z-000000");
    assert_eq!((env.queued("main").len(), env.queued("events").len()), (1, 0));
    env.restore("cancel --yes")
        .run()
        .unwrap()
        .success()
        .stdout_has("removed main=");
    env.restore("cancel --yes")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no command is queued");
}

#[test]
fn a_plan_that_refuses_names_no_next_step() {
    let env = Env::pending();
    let ended = env
        .restore("plan --backup main=2026-11-22T15:19")
        .run()
        .unwrap()
        .code(3);
    assert!(
        !ended.stderr.contains("next:") && !ended.stderr.contains("run --yes"),
        "{}",
        ended.stderr
    );
}
