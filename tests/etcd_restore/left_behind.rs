//! No etcd cluster is left behind: kube-apiserver does not start without its events etcd.

use std::fs;

use serde_json::Value;
use support::ControlLoopSimulator;

use crate::env::{EVENTS, Env, MAIN, RESTORED, blocking, tree};

/// The backup of events that etcd-manager took of the etcd that it had just seeded.
const EMPTY: &str = "2026-11-22T15:15:59Z-000001";
/// A wipe that ended after the last backup of the fixture.
const WIPED: (&str, &str) = ("2026-11-22T15:20:40Z", "2026-11-22T15:21:00Z");

/// A store in which nobody had ever written to etcd events.
fn only_empty_events() -> Env {
    let env = Env::new(RESTORED);
    keep(&env, &[EMPTY]);
    env
}

/// Keeps only these backups of events.
fn keep(env: &Env, kept: &[&str]) {
    for entry in fs::read_dir(env.base("events")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name != "control" && !kept.contains(&name.as_str()) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

fn check<'v>(plan: &'v Value, etcd: &str, name: &str) -> &'v Value {
    let checks = plan["checks"].as_array().unwrap();
    let of = |check: &&Value| check["etcd"] == etcd && check["name"] == name;
    checks.iter().find(of).unwrap()
}

#[test]
fn events_with_only_empty_backups_are_restored_all_the_same() {
    let env = only_empty_events();
    let (main, events) = (env.start("main"), env.start("events"));
    let ended = env
        .seeing("run --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended
        .stdout_has("none is good; this is the newest intact one")
        .stdout_has(&format!("main: restored from {MAIN}, it serves"))
        .stdout_has(&format!("events: restored from {EMPTY}, it serves"));
    assert!(main.serving() && events.serving());
    assert!(env.queued("main").is_empty() && env.queued("events").is_empty() && !env.record().exists());
}

#[test]
fn events_without_a_sound_backup_are_seeded_anew() {
    let env = Env::new(RESTORED);
    keep(&env, &[]);
    let (main, events) = (env.start("main"), env.start("events"));
    let ended = env
        .seeing("run --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended
        .stdout_has("no intact backup")
        .stdout_has("main: restored from")
        .stdout_has("events: seeded anew, it serves");
    assert!(main.serving() && events.serving());
    assert!(events.log().contains("there is no existing cluster"));
    assert!(env.control("events", "etcd-cluster-created").is_file());
}

#[test]
fn what_comes_of_each_stock_of_backups() {
    let damage = |env: &Env, name: &str| {
        fs::write(env.base("events").join(name).join("etcd.backup.gz"), "no gzip").unwrap();
    };
    type Harm<'h> = &'h dyn Fn(&Env);
    let rows: [(Harm<'_>, &str, Option<&str>); 5] = [
        // The newest good one.
        (&|_| {}, "restore", Some(EVENTS)),
        // Only an empty one is left.
        (&|env| keep(env, &[EMPTY]), "restore", Some(EMPTY)),
        // The younger one is damaged.
        (
            &|env| {
                keep(env, &[EMPTY, EVENTS]);
                damage(env, EVENTS);
            },
            "restore",
            Some(EMPTY),
        ),
        // All that there are are damaged.
        (
            &|env| {
                keep(env, &[EMPTY]);
                damage(env, EMPTY);
            },
            "seed-anew",
            None,
        ),
        // There is none.
        (&|env| keep(env, &[]), "seed-anew", None),
    ];
    for (harm, action, backup) in rows {
        let env = Env::new(RESTORED);
        harm(&env);
        let plan = env.restore("plan -o json").run().unwrap().success().json();
        let events = &plan["restores"][1];
        assert_eq!(
            (events["action"].as_str().unwrap(), events["backup"].as_str()),
            (action, backup),
            "{events}"
        );
        // Why it is not a good one is said.
        let good = backup == Some(EVENTS);
        assert_eq!(events["why"].as_array().unwrap().is_empty(), good, "{events}");
    }
}

#[test]
fn events_that_serve_and_have_no_backup_are_left_as_they_are() {
    let env = Env::new(RESTORED);
    keep(&env, &[]);
    let mut options = env.manager("events");
    options.alive = true;
    let events = ControlLoopSimulator::start(options).unwrap();
    let _main = env.start("main");
    let marker = fs::read(env.control("events", "etcd-cluster-created")).unwrap();
    let plan = env.seeing("plan -o json").run().unwrap().success().json();
    assert_eq!(plan["restores"][1]["action"], "leave");
    let ended = env
        .seeing("run --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended
        .stdout_has("it serves, and is left as it is")
        .stdout_has("main: restored from");
    assert_eq!(fs::read(env.control("events", "etcd-cluster-created")).unwrap(), marker);
    assert_eq!(events.trashed(), 0);
}

#[test]
fn one_that_is_left_out_and_has_no_members_and_no_command_refuses() {
    let env = Env::new(RESTORED);
    env.wiped(WIPED.0, Some(WIPED.1));
    let before = tree(env.root());
    let plan = env.restore("plan --etcd main -o json").run().unwrap().code(3).json();
    assert_eq!(blocking(&plan), ["events left-out"]);
    for arguments in ["run --etcd main --yes --confirm super.k8s.local", "plan --etcd main"] {
        let ended = env.restore(arguments).run().unwrap().code(3);
        ended
            .stderr_has("events left-out: is left out, and has no members and no command")
            .stderr_has("kube-apiserver does not start without it")
            .stderr_has("omit --etcd");
    }
    assert_eq!(tree(env.root()), before);
    // A wipe that is not over proves nothing yet.
    env.wiped(WIPED.0, None);
    let plan = env.restore("plan --etcd main -o json").run().unwrap().success().json();
    assert_eq!(check(&plan, "events", "left-out")["severity"], "warn");
    // Nor does one after which a backup was taken.
    env.wiped("2026-11-22T15:10:00Z", Some("2026-11-22T15:12:00Z"));
    let plan = env.restore("plan --etcd main -o json").run().unwrap().success().json();
    assert_eq!(check(&plan, "events", "left-out")["severity"], "warn");
}

#[test]
fn one_that_is_left_out_is_looked_at() {
    let env = Env::new(RESTORED);
    let plan = || env.seeing("plan --etcd main -o json").run().unwrap().success().json();
    let silent = plan();
    let left_out = check(&silent, "events", "left-out");
    assert_eq!(
        (&left_out["ok"], &left_out["severity"]),
        (&false.into(), &"warn".into())
    );
    assert!(
        left_out["message"].as_str().unwrap().contains("not checked"),
        "{left_out}"
    );
    let mut options = env.manager("events");
    options.alive = true;
    let events = ControlLoopSimulator::start(options).unwrap();
    assert_eq!(
        check(&plan(), "events", "left-out")["message"],
        "is left out; it serves"
    );
    drop(events);
    env.restore("queue events=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    let queued = plan();
    let message = check(&queued, "events", "left-out")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("is queued for it"), "{message}");
}

#[test]
fn queue_for_one_etcd_cluster_says_which_others_still_wait() {
    let env = Env::new(RESTORED);
    env.wiped(WIPED.0, Some(WIPED.1));
    let last = |stderr: &str| stderr.lines().last().unwrap().to_owned();
    let order = |etcd: &str| {
        format!(
            "kubectl etcd-restore queue {etcd}=latest-good --name super.k8s.local --state {} --yes",
            env.url()
        )
    };
    for arguments in [
        "queue main=latest-good --yes --confirm super.k8s.local",
        "queue latest-good --etcd main --yes --confirm super.k8s.local",
    ] {
        let ended = env.restore(arguments).run().unwrap().success();
        let said = last(&ended.stderr);
        assert!(
            said.contains("events still waits for a command: kube-apiserver does not start without it"),
            "{said}"
        );
        assert!(said.ends_with(&order("events")), "{said}");
    }
    // What it proposes does it, and then nobody waits.
    let words: Vec<String> = order("events").split_whitespace().skip(2).map(str::to_owned).collect();
    let ended = crate::env::restore("")
        .args(words)
        .args(["--confirm", "super.k8s.local"])
        .run()
        .unwrap()
        .success();
    assert!(!ended.stderr.contains("still waits"), "{}", ended.stderr);
    // Without a proof it is said that nobody has looked.
    let env = Env::new(RESTORED);
    let ended = env
        .restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stderr_has("events: no command is queued, and not checked whether it has members");
}

#[test]
fn queue_takes_the_newest_sound_backup_of_events_too() {
    let env = only_empty_events();
    let rows = env
        .restore("queue latest-good --yes --confirm super.k8s.local -o json")
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(rows[1]["backup"], EMPTY);
    // Seeding anew is not what it is asked for.
    let env = Env::new(RESTORED);
    keep(&env, &[]);
    let before = tree(env.root());
    env.restore("queue latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("events backup");
    assert_eq!(tree(env.root()), before);
}
