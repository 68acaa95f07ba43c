//! Hosts prove over ssh that nothing lives on them, or that something does.

use std::fs;
use std::time::{Duration, SystemTime};

use support::{Cmd, ContainerRuntime};

use crate::env::{Env, HOSTS};

/// Hours after the last backup: nobody makes any.
const LATE: &str = "2026-11-22T20:00:00Z";
const QUIET: &str = "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n";
const SERVES: &str = "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 9 *:4001 *:*\n";
const WAITS: &str =
    "I1122 00:00:00.000000 x] etcd has 0 members registered; must issue restore-backup command to proceed\n";

fn new_env() -> Env {
    let env = Env::new(ContainerRuntime::Containerd);
    for at in 0..HOSTS.len() {
        env.masters.host(at).unwrap().set("listen", QUIET).unwrap();
    }
    env
}

/// The life of etcd main, and why, as `plan` tells.
fn life(plan: Cmd) -> (String, String) {
    let rows = plan.run().unwrap().json()["restores"].clone();
    let text = |field: &str| rows[0][field].as_str().unwrap().to_owned();
    (text("liveness"), text("evidence"))
}

#[test]
fn as_many_quiet_hosts_as_the_spec_has_members_prove_it_and_fewer_do_not() {
    let env = new_env();
    let plan = || env.on_all("plan --etcd main -o json").now(LATE);
    let (dead, why) = life(plan());
    assert_eq!(dead, "dead", "{why}");
    assert_eq!(why, "over ssh, nothing listens on its port on any of 3 hosts");
    // The last backup may have been made by somebody who lives.
    let (young, why) = life(env.on_all("plan --etcd main -o json"));
    assert_eq!(young, "unknown", "{why}");
    let two = env
        .cmd("plan --etcd main -o json")
        .args(["--host", HOSTS[0], "--host", HOSTS[1]]);
    assert_eq!(life(two.now(LATE)).0, "unknown");
    // Nothing is asked where it is proven, and the name where it is not.
    let queue = |now: &str| env.on_all("queue main=latest-good --yes").now(now).run().unwrap();
    queue("2026-11-22T15:21:36Z")
        .code(3)
        .stderr_has("--confirm super.k8s.local");
    env.masters.host(1).unwrap().set("listen", SERVES).unwrap();
    let (unknown, why) = life(plan());
    assert_eq!(unknown, "unknown", "{why}");
    assert!(why.contains("master-a listens on its port"), "{why}");
    queue(LATE)
        .code(3)
        .stderr_has("MAY BE ALIVE")
        .stderr_has("--confirm super.k8s.local");
    env.masters.host(1).unwrap().set("listen", QUIET).unwrap();
    let _ = queue(LATE).success();
}

#[test]
fn an_etcd_manager_that_waits_for_a_command_says_so_in_its_log_and_an_old_log_says_nothing() {
    let env = new_env();
    // Nobody tells what is listened on: the log is all there is.
    for at in 0..HOSTS.len() {
        env.masters.host(at).unwrap().set("listen", "").unwrap();
    }
    let plan = || env.cmd("plan --etcd main -o json").args(["--host", HOSTS[0]]);
    assert_eq!(life(plan()).0, "unknown");
    let log = env.masters.host(0).unwrap().file("/var/log/etcd.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, WAITS).unwrap();
    // However young the backups are: it says so itself.
    let (dead, why) = life(plan());
    assert_eq!(dead, "dead", "{why}");
    assert!(
        why.starts_with("etcd-manager on master-c says: etcd has 0 members registered"),
        "{why}"
    );
    // It has been given one since.
    fs::write(
        &log,
        format!("{WAITS}I1122 00:00:00.000000 x] got restore-backup command: {{}}\n"),
    )
    .unwrap();
    assert_eq!(life(plan()).0, "unknown");
    fs::write(&log, WAITS).unwrap();
    let file = fs::File::options().append(true).open(&log).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(120)).unwrap();
    assert_eq!(life(plan()).0, "unknown");
}
