//! `run` against the stand-in: from the plan to an etcd that serves.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use support::{ControlLoopSimulator, HoldAt, store, wait_for};

use crate::env::{EVENTS, Env, MAIN, RESTORED, tree};

/// What etcd's own tools say is in a backup of the fixture.
fn expected(etcd: &str, backup: &str) -> Vec<String> {
    let all = store::expected().unwrap();
    let live = all["state-store-restored"][format!("{etcd}/{backup}")]["keys"]
        .as_array()
        .unwrap()
        .clone();
    let mut keys: Vec<String> = live.iter().map(|key| key["key"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

fn keys(manager: &ControlLoopSimulator) -> BTreeMap<String, i64> {
    let stored = manager.with_etcd(|etcd| etcd.keys(b"").unwrap()).unwrap();
    stored
        .into_iter()
        .map(|stored| (String::from_utf8_lossy(&stored.key).into_owned(), stored.lease))
        .collect()
}

#[test]
fn without_yes_nothing_changes() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    env.seeing("run").run().unwrap().success().stderr_has("pass --yes");
    assert_eq!(tree(env.root()), before);
}

#[test]
fn after_a_wipe_both_etcds_are_restored_without_a_restart_and_without_ssh() {
    let env = Env::new(RESTORED);
    let (main, events) = (env.start("main"), env.start("events"));
    let ended = env
        .seeing("run --yes --confirm super.k8s.local -o json")
        .run()
        .unwrap()
        .success();
    let report = ended.json();
    assert_eq!(report["applied"], true);
    let followed = report["followed"]["etcds"].as_array().unwrap();
    let of = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (of(&followed[0], "backup"), of(&followed[0], "state")),
        (MAIN.to_owned(), "serving".to_owned())
    );
    assert_eq!(
        (of(&followed[1], "backup"), of(&followed[1], "state")),
        (EVENTS.to_owned(), "serving".to_owned())
    );
    for (manager, etcd, backup) in [(&main, "main", MAIN), (&events, "events", EVENTS)] {
        let found = keys(manager);
        assert!(found.values().all(|lease| *lease == 0));
        assert_eq!(found.into_keys().collect::<Vec<_>>(), expected(etcd, backup));
        assert_eq!(manager.trashed(), 0);
        assert!(env.queued(etcd).is_empty());
    }
    assert!(!env.record().exists());
    let said = ended
        .stderr_has("$ kubectl etcd-restore queue main=")
        .stderr_has("main: queued")
        .stderr_has("main: serving");
    assert!(said.stderr.contains("Ctrl-C is safe"), "{}", said.stderr);
}

#[test]
fn with_nothing_in_sight_but_the_store_it_follows_to_the_end_and_says_what_it_did_not_see() {
    let env = Env::new(RESTORED);
    let (_main, _events) = (env.start("main"), env.start("events"));
    let ended = env
        .restore("run --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended
        .stdout_has("not checked whether it serves")
        .stdout_has("not checked: etcd main")
        .stdout_has("Next:");
    assert!(env.queued("main").is_empty());
}

#[test]
fn an_etcd_that_is_alive_wants_the_clusters_name_and_its_leader_restarted() {
    let env = Env::new(RESTORED);
    let mut options = env.manager("main");
    options.alive = true;
    let manager = ControlLoopSimulator::start(options).unwrap();
    let before = tree(env.root());
    let run = |more: &str| env.seeing(&format!("run --etcd main --yes {more}"));
    run("").run().unwrap().code(3).stderr_has("--confirm super.k8s.local");
    run("--confirm k8s.local").run().unwrap().code(3);
    assert_eq!(tree(env.root()), before);
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| run("--confirm super.k8s.local").run().unwrap());
        wait_for("it is queued", || !env.queued("main").is_empty());
        // The leader reads its queue when it starts, and not before.
        std::thread::sleep(std::time::Duration::from_secs(4));
        assert!(!env.queued("main").is_empty());
        manager.restart();
        running.join().unwrap()
    });
    running
        .success()
        .stderr_has("Restart it now: kubectl etcd-restore restart-etcd --etcd main");
    assert_eq!(manager.trashed(), 1);
}

#[test]
fn a_store_of_no_cluster_cannot_agree_to_lose_one() {
    let env = Env::new(RESTORED);
    let elsewhere = env.root().join("elsewhere");
    store::copy_folder(&env.base("main"), &elsewhere).unwrap();
    let mut options = env.manager("main");
    options.alive = true;
    let _manager = ControlLoopSimulator::start(options).unwrap();
    let run = |more: &str| {
        let url = format!("main=file://{}", elsewhere.display());
        let arguments = format!("run --yes --store {url} --endpoints http://{}:4001 {more}", env.address);
        crate::env::restore(&arguments).run().unwrap()
    };
    let ended = run("");
    ended
        .code(2)
        .stderr_has("etcd main IS ALIVE")
        .stderr_has("No cluster is named");
    assert!(!elsewhere.join("control/2026-11-22T15:21:36Z-000000").exists());
}

#[test]
fn events_can_be_seeded_anew_instead() {
    let env = Env::new(RESTORED);
    let (_main, events) = (env.start("main"), env.start("events"));
    let ended = env
        .seeing("run --fresh events --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    ended.stdout_has("events: seeded anew, it serves");
    assert!(keys(&events).is_empty());
    assert!(env.control("events", "etcd-cluster-created").is_file());
    assert!(events.log().contains("there is no existing cluster"));
}

#[test]
fn a_backup_that_etcd_manager_cannot_read_is_told_as_the_loop_it_is() {
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            env.seeing("run --etcd main --yes --confirm super.k8s.local")
                .run()
                .unwrap()
        });
        wait_for("it is queued", || !env.queued("main").is_empty());
        // Retention, or somebody, takes it away at the worst moment.
        fs::remove_dir_all(env.base("main").join(MAIN)).unwrap();
        manager.release();
        running.join().unwrap()
    });
    ended
        .code(4)
        .stderr_has("main is looping: etcd comes up empty and is stopped again and again")
        .stderr_has("kubectl etcd-restore cancel");
    // The way out works.
    let name = env.queued("main").remove(0);
    env.restore(&format!("cancel main={name} --yes"))
        .run()
        .unwrap()
        .success();
    let another = "2026-11-22T15:19:01Z-000002";
    env.seeing(&format!("queue main={another} --yes --confirm super.k8s.local"))
        .run()
        .unwrap()
        .success();
    manager.restart();
    env.seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    let report = keys(&manager);
    assert_eq!(report.into_keys().collect::<Vec<_>>(), expected("main", another));
}

#[test]
fn masters_that_may_not_delete_their_command_are_found_out() {
    let env = Env::new(RESTORED);
    let mut options = env.manager("main");
    options.may_delete = false;
    // What gives it away, an etcd that is full beside a command that stays, lasts one cycle: long enough for a slow machine.
    options.cycle = Duration::from_secs(3);
    let _manager = ControlLoopSimulator::start(options).unwrap();
    env.seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(4)
        .stderr_has("the masters are not allowed to delete it")
        .stderr_has("s3:DeleteObject");
}

#[test]
fn masters_that_do_not_come_end_the_wait_and_the_command_is_not_left_armed() {
    let env = Env::new(RESTORED);
    let ended = env
        .seeing("run --etcd main --yes --confirm super.k8s.local --take-timeout 2s")
        .run()
        .unwrap()
        .code(4);
    ended
        .stderr_has("waited 2 s for etcd-manager to take the command")
        .stderr_has("main: removed command 2026-11-22T15:21:36Z-000000")
        .stderr_has("hint:");
    assert!(env.queued("main").is_empty());
    // Nothing is remembered of it: the same command orders it anew.
    assert!(!env.record().exists());
    let _main = env.start("main");
    env.seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
}

/// What a line on stderr proposes: the command after the last `remove it: `.
fn proposed(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter_map(|line| line.split_once("to remove it: "));
    lines.map(|(_, command)| command.to_owned()).collect()
}

#[test]
fn a_command_that_is_left_is_told_with_what_it_will_do_and_the_command_that_removes_it() {
    let env = Env::new(RESTORED);
    let ended = env
        .seeing("run --yes --confirm super.k8s.local --take-timeout 2s --leave-queued")
        .run()
        .unwrap()
        .code(4);
    let name = "2026-11-22T15:21:36Z-000000";
    let ended = ended.stderr_has(&format!(
        "command {name} stays queued: at the next change of etcd-manager's leader etcd main is wiped and restored from {MAIN}"
    ));
    assert_eq!(env.queued("main"), [name]);
    let removing = proposed(&ended.stderr);
    let state = env.url();
    let of = |etcd: &str| {
        format!("kubectl etcd-restore cancel {name} --etcd {etcd} --name super.k8s.local --state {state} --yes")
    };
    assert_eq!(removing, [of("events"), of("main")]);
    // And it is exact.
    for command in removing {
        let words: Vec<&str> = command.split_whitespace().skip(2).collect();
        crate::env::restore("").args(words).run().unwrap().success();
    }
    assert!(env.queued("main").is_empty() && env.queued("events").is_empty());
}

#[test]
fn ctrl_c_tells_what_stays_queued() {
    let env = Env::new(RESTORED);
    let mut run = env.seeing("run --etcd main --yes --confirm super.k8s.local");
    let child = run.spawn().unwrap();
    wait_for("it is queued", || !env.queued("main").is_empty());
    std::thread::sleep(Duration::from_millis(1500));
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(
        said.contains("at the next change of etcd-manager's leader etcd main is wiped and restored from"),
        "{said}"
    );
    assert_eq!(proposed(&said).len(), 1);
    assert_eq!(env.queued("main").len(), 1);
}

#[test]
fn where_etcd_is_proven_to_have_no_members_the_command_stays() {
    let env = Env::with_masters(RESTORED);
    env.wiped("2026-11-22T15:20:40Z", Some("2026-11-22T15:21:00Z"));
    let ended = env.seeing("run --yes --take-timeout 2s").run().unwrap().code(4);
    ended
        .stderr_has("stays queued")
        .stderr_has("to remove it: kubectl etcd-restore cancel");
    assert_eq!((env.queued("main").len(), env.queued("events").len()), (1, 1));
}

#[test]
fn a_run_left_long_ago_is_not_gone_on_with() {
    let env = Env::with_masters(RESTORED);
    env.seeing("run --etcd main --yes --confirm super.k8s.local --take-timeout 1s --leave-queued")
        .run()
        .unwrap()
        .code(4);
    let late = || {
        env.seeing("run --etcd main --yes --confirm super.k8s.local --take-timeout 1s")
            .now("2026-11-24T15:00:00Z")
    };
    late().run().unwrap().code(3).stderr_has("--anew");
}

#[test]
fn an_api_that_never_gets_ready_ends_the_wait_with_its_last_answer() {
    let env = Env::new(RESTORED);
    let _main = env.start("main");
    // An address where nobody listens, as a load balancer without masters.
    let kubeconfig = env.root().join("kubeconfig");
    fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: x\n  cluster: {server: 'http://127.0.0.1:1'}\n\
         users:\n- name: x\n  user: {token: t}\ncontexts:\n- name: x\n  context: {cluster: x, user: x}\n",
    )
    .unwrap();
    let run = format!(
        "run --etcd main --yes --confirm super.k8s.local --api-timeout 2s --kubeconfig {}",
        kubeconfig.display()
    );
    env.seeing(&run)
        .run()
        .unwrap()
        .code(4)
        .stderr_has("every etcd is restored, and the API was not ready within 2 s: unreachable")
        .stderr_has("kubectl etcd-restore restart-kubelet");
    assert!(env.queued("main").is_empty());
    // A context of another name is another cluster's, unless it was named for this.
    let other = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .env("KUBECONFIG", &kubeconfig);
    other.run().unwrap().success().stdout_has("not checked: the API");
}

#[test]
fn a_cluster_of_one_master_is_restored_as_well() {
    let env = Env::new(RESTORED);
    for spec in ["cluster-completed.spec", "config"] {
        let path = env.root().join(store::CLUSTER).join(spec);
        let text = fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("us-east-1b") && !line.contains("us-east-1c"))
            .collect();
        fs::write(path, kept.join("\n") + "\n").unwrap();
    }
    let spec = r#"{"memberCount":1,"etcdVersion":"3.5.35"}"#;
    env.write(&env.control("main", "etcd-cluster-spec"), spec);
    let _main = env.start("main");
    env.seeing("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    let kept = fs::read(env.control("main", "etcd-cluster-spec")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap()["memberCount"], 1);
}
