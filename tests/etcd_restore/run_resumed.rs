//! `run` killed in each state, and run again: it ends as if it had never been left, and etcd is wiped once.

use std::process::Command;
use std::time::Duration;

use support::{HoldAt, wait_for};

use crate::env::{Env, RESTORED};

/// Kills a run while the stand-in is held, lets the stand-in go on at `release`, and runs it again.
fn killed_at(hold: HoldAt, signal: &str, until: impl Fn(&Env, &str) -> bool) {
    let env = Env::with_masters(RESTORED);
    let manager = env.start("main");
    manager.hold(hold);
    let mut first = env.seeing("run --etcd main --yes --confirm super.k8s.local");
    let mut child = first.spawn().unwrap();
    wait_for("the state to be killed in", || until(&env, &manager.log()));
    // So that the run has seen it, too.
    std::thread::sleep(Duration::from_millis(1500));
    let killed = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let code = child.wait().unwrap().code();
    assert_eq!(code, if signal == "-INT" { Some(130) } else { None });
    assert!(env.record().is_file());
    manager.release();
    let ended = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stderr_has("resuming the run started at");
    assert!(env.queued("main").is_empty());
    assert_eq!(
        manager.log().matches("got restore-backup command:").count(),
        1,
        "{}",
        manager.log()
    );
    assert!(!env.record().exists());
}

#[test]
fn queued() {
    killed_at(HoldAt::BeforeTaking, "-INT", |env, _| !env.queued("main").is_empty());
}

#[test]
fn restoring() {
    killed_at(HoldAt::BeforeCopying, "-KILL", |_, log| {
        log.contains("got restore-backup command:")
    });
}

#[test]
fn restored() {
    killed_at(HoldAt::BeforeServing, "-INT", |env, log| {
        log.contains("got restore-backup command:") && env.queued("main").is_empty()
    });
}

#[test]
fn serving() {
    let env = Env::with_masters(RESTORED);
    let manager = env.start("main");
    let events = env.start("events");
    events.hold(HoldAt::BeforeServing);
    let mut first = env.seeing("run --yes --confirm super.k8s.local");
    let mut child = first.spawn().unwrap();
    wait_for("main serves", || {
        manager.log().contains("Setting quarantined state to false")
    });
    wait_for("events is restored", || {
        env.queued("events").is_empty() && events.log().contains("got restore")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    events.release();
    // Main is alive by now, and is not restored again for that.
    env.seeing("run --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    for manager in [&manager, &events] {
        assert_eq!(manager.log().matches("got restore-backup command:").count(), 1);
    }
}

#[test]
fn seeding_anew() {
    let env = Env::new(RESTORED);
    let fresh = "run --etcd events --yes --confirm super.k8s.local --take-timeout 1s";
    // No master is there yet: the marker is gone, and nothing more happens.
    let first = env.seeing(&format!("{fresh} --fresh events")).run().unwrap().code(4);
    first
        .stderr_has("removed etcd-cluster-created")
        .stderr_has("waited 1 s");
    let marker = env.control("events", "etcd-cluster-created");
    assert!(!marker.exists());
    let events = env.start("events");
    wait_for("it is seeded", || marker.is_file());
    // What was begun is remembered: `--fresh` need not be said again, and no backup is restored in its place.
    let again = env.seeing(fresh).run().unwrap().success();
    again.stdout_has("events: seeded anew, it serves");
    assert!(!events.log().contains("got restore-backup command:"));
    assert!(env.queued("events").is_empty() && !env.record().exists());
}

#[test]
fn two_operators_at_once_order_it_once() {
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    let ended: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    env.seeing("run --etcd main --yes --confirm super.k8s.local")
                        .run()
                        .unwrap()
                })
            })
            .collect();
        wait_for("it is queued", || !env.queued("main").is_empty());
        std::thread::sleep(Duration::from_millis(1000));
        assert_eq!(env.queued("main").len(), 1);
        manager.release();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let codes: Vec<_> = ended.iter().map(|ended| ended.exit_code().unwrap()).collect();
    assert!(codes.contains(&0), "{codes:?} {}", ended[0].stderr);
    assert!(
        codes.iter().all(|code| [0, 3].contains(code)),
        "{codes:?}\n{}\n{}",
        ended[0].stderr,
        ended[1].stderr
    );
    assert_eq!(manager.log().matches("got restore-backup command:").count(), 1);
}
