//! `queue`, `commands` and `cancel`.

use std::fs;

use serde_json::json;
use support::store::CLUSTER;

use crate::env::{EVENTS, Env, MAIN, NOW, RESTORED, restore, tree};

const NAME: &str = "2026-11-22T15:21:36Z-000000";

#[test]
fn without_yes_nothing_changes() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    env.restore("queue latest-good")
        .run()
        .unwrap()
        .success()
        .stdout_has("planned")
        .stderr_has("pass --yes");
    assert_eq!(tree(env.root()), before);
}

#[test]
fn writes_what_etcd_manager_ctl_writes_and_nothing_else() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let ended = env
        .restore("queue 2026-11-22T15:18 --yes --confirm super.k8s.local -o json")
        .run()
        .unwrap()
        .success();
    let rows = ended.json();
    let of = |row: usize, field: &str| rows[row][field].as_str().unwrap().to_owned();
    assert_eq!(
        (of(0, "etcd"), of(0, "state"), of(0, "command")),
        ("main".into(), "queued".into(), NAME.into())
    );
    assert_eq!(
        (of(1, "etcd"), of(1, "backup")),
        ("events".into(), "2026-11-22T15:18:01Z-000002".into())
    );
    let nanoseconds = NOW.parse::<jiff::Timestamp>().unwrap().as_nanosecond().to_string();
    assert_eq!(
        env.command_json("main", NAME),
        json!({
            "timestamp": nanoseconds,
            "restoreBackup": {
                "clusterSpec": { "memberCount": 3, "etcdVersion": "3.5.35" },
                "backup": "2026-11-22T15:18:01Z-000001",
            },
        })
    );
    let new: Vec<_> = tree(env.root())
        .into_iter()
        .filter(|file| !before.contains(file))
        .collect();
    assert_eq!(new.len(), 2, "{new:?}");
}

#[test]
fn the_queue_as_etcd_manager_ctl_left_it_is_listed_and_blocks_another_restore() {
    let env = Env::pending();
    let rows = env.restore("commands -o json").run().unwrap().success().json();
    assert_eq!(
        rows[0],
        json!({
            "cluster": CLUSTER,
            "etcd": "main",
            "name": "2026-11-22T15:20:06Z-000000",
            "queued": "2026-11-22T15:20:06.62684032Z",
            "backup": "2026-11-22T15:18:01Z-000001",
            "memberCount": 3,
            "etcdVersion": "3.5.35",
            "problem": null,
            "at": rows[0]["at"],
        })
    );
    assert_eq!(rows[1]["etcd"], "events");
    let before = tree(env.root());
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("holds 2026-11-22T15:20:06Z-000000 (restores 2026-11-22T15:18:01Z-000001)")
        .stderr_has("kubectl etcd-restore cancel main=2026-11-22T15:20:06Z-000000");
    assert_eq!(tree(env.root()), before);
    // The very same is adopted.
    let rows = env
        .restore("queue 2026-11-22T15:18 --yes --confirm super.k8s.local -o json")
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(rows[0]["state"], "already-queued");
    assert_eq!(tree(env.root()), before);
}

#[test]
fn no_command_is_queued_as_an_empty_list() {
    let env = Env::new(RESTORED);
    assert_eq!(
        env.restore("commands -o json").run().unwrap().success().json(),
        json!([])
    );
    env.restore("commands")
        .run()
        .unwrap()
        .success()
        .stderr_has("No command is queued");
}

#[test]
fn a_broken_command_is_shown_as_blocking_and_can_be_cancelled() {
    let env = Env::new(RESTORED);
    let ours = r#"{"timestamp":"1","restoreBackup":{"clusterSpec":{"memberCount":3,"etcdVersion":"3.5.35"},"backup":"x","note":"y"}}"#;
    for (etcd, name, content) in [
        ("main", "2026-11-22T15:00:00Z-000000", "{"),
        ("main", "2026-11-22T15:00:01Z-000000", ours),
        (
            "events",
            "2026-11-22T15:00:02Z-000000",
            r#"{"timestamp":"1","restoreBackup":{"backup":"x"}}"#,
        ),
    ] {
        env.command(etcd, name, content);
    }
    let ended = env.restore("commands").run().unwrap().code(5);
    assert_eq!(ended.stdout.matches("BLOCKS THE LEADER").count(), 3, "{}", ended.stdout);
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("blocks the leader");
    env.restore("cancel 2026-11-22T15:00:00Z-000000 --yes")
        .run()
        .unwrap()
        .success();
    env.restore("cancel main=2026-11-22T15:00:01Z-000000 --yes")
        .run()
        .unwrap()
        .success();
    env.restore("cancel events=2026-11-22T15:00:02Z-000000 --yes")
        .run()
        .unwrap()
        .success();
    assert!(env.queued("main").is_empty() && env.queued("events").is_empty());
}

#[test]
fn cancel_shows_first_names_what_is_there_and_removes_only_that() {
    let env = Env::pending();
    let before = tree(env.root());
    env.restore("cancel main=2026-11-22T15:20:06Z-000000")
        .run()
        .unwrap()
        .success()
        .stdout_has("2026-11-22T15:18:01Z-000001")
        .stderr_has("--yes");
    env.restore("cancel 2026-11-22T15:20:07Z-000000 --yes")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("queued commands: main=2026-11-22T15:20:06Z-000000");
    env.restore("cancel cilium=2026-11-22T15:20:06Z-000000 --yes")
        .run()
        .unwrap()
        .code(2);
    env.restore("cancel main= --yes").run().unwrap().code(2);
    assert_eq!(tree(env.root()), before);
    env.restore("cancel main=2026-11-22T15:20:06Z-000000 --yes")
        .run()
        .unwrap()
        .success();
    assert!(env.queued("main").is_empty());
    assert_eq!(env.queued("events"), ["2026-11-22T15:20:06Z-000000"]);
    assert!(env.control("main", "etcd-cluster-created").is_file());
}

#[test]
fn a_pinned_backup_is_copied_back_first() {
    let env = Env::new(RESTORED);
    let (own, pinned) = (
        env.base("main").join(MAIN),
        env.root().join(CLUSTER).join("backups/recovery/main").join(MAIN),
    );
    fs::create_dir_all(pinned.parent().unwrap()).unwrap();
    fs::rename(&own, &pinned).unwrap();
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success()
        .stdout_has("copied back from where it is pinned");
    for file in ["etcd.backup.gz", "_etcd_backup.meta"] {
        assert_eq!(fs::read(own.join(file)).unwrap(), fs::read(pinned.join(file)).unwrap());
    }
    assert_eq!(env.queued("main"), [NAME]);
}

#[test]
fn a_second_that_is_taken_is_waited_out() {
    let env = Env::new(RESTORED);
    // Not a command, and yet in the way of its name.
    fs::create_dir_all(env.control("events", NAME).join("_command.json")).unwrap();
    let ended = env
        .restore("queue events=latest-good --yes --confirm super.k8s.local -o json")
        .run()
        .unwrap()
        .success();
    assert_eq!(ended.json()[0]["command"], "2026-11-22T15:21:37Z-000000");
    assert_eq!(ended.json()[0]["backup"], EVENTS);
    ended.stderr_has("waiting for the next second");
}

#[test]
fn there_is_no_such_backup_or_no_such_etcd() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    env.restore("queue 2026-11-21 --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("near it");
    env.restore("queue main=2026-11-22T15:18:01Z-000009 --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(1);
    env.restore("queue cilium=latest --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("only main, events");
    env.restore("queue main=2026-11-22T15 --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("beginning of 5 backups");
    assert_eq!(tree(env.root()), before);
}

#[test]
fn a_kubectl_context_is_no_name_for_what_wipes_an_etcd() {
    let env = Env::new(RESTORED);
    let kubeconfig = env.root().join("kubeconfig");
    fs::write(
        &kubeconfig,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {CLUSTER}\nclusters:\n- name: {CLUSTER}\n  cluster: {{server: 'http://127.0.0.1:1'}}\n\
             users:\n- name: u\n  user: {{token: t}}\ncontexts:\n- name: {CLUSTER}\n  context: {{cluster: {CLUSTER}, user: u}}\n"
        ),
    )
    .unwrap();
    let before = tree(env.root());
    let by_context = |arguments: &str| {
        let command = restore(arguments).args(["--state", &env.url()]);
        command.env("KUBECONFIG", &kubeconfig).run().unwrap()
    };
    by_context("plan -o name").success();
    for arguments in ["run --yes", "queue latest-good --yes"] {
        by_context(arguments)
            .code(2)
            .stderr_has("no cluster is named")
            .stderr_has(&format!(
                "pass --name or set KOPS_CLUSTER_NAME; {} holds {CLUSTER}",
                env.url()
            ));
    }
    assert_eq!(tree(env.root()), before);
}
