//! `plan`: everything that stands in the way is found, and nothing is touched.

use std::fs;

use support::paths;
use support::store::{self, CLUSTER};

use crate::env::{EVENTS, Env, MAIN, RESEEDED, RESTORED, blocking, tree};

#[test]
fn a_healthy_store_after_a_wipe_has_nothing_in_the_way() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let ended = env.seeing("plan").run().unwrap().success();
    assert_eq!(tree(env.root()), before);
    let ended = ended
        .stdout_has("verified, good, 226 keys")
        .stdout_has("running etcd 3.5.30")
        .stdout_has("not known to be dead, may be alive")
        .stdout_has("60s old; no newer backup")
        .stderr_has("no check blocks; etcd main and events are not proven dead: kubectl etcd-restore run --yes asks for the cluster's name");
    assert!(!ended.stdout.contains("BLOCK"), "{}", ended.stdout);
    let plan = env.restore("plan -o json").run().unwrap().success().json();
    assert_eq!(plan["ok"], true);
    assert_eq!(plan["cluster"], CLUSTER);
    assert_eq!(plan["restores"][0]["backup"], MAIN);
    assert_eq!(plan["restores"][0]["action"], "restore");
    assert_eq!(plan["restores"][0]["ageSeconds"], 60);
    assert_eq!(plan["restores"][0]["passedOver"], serde_json::json!([]));
    assert_eq!(plan["restores"][0]["liveness"], "unknown");
}

#[test]
fn after_an_accident_the_newest_good_one_is_chosen_and_of_events_one_of_that_time() {
    let env = Env::new(RESTORED);
    store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
    let plan = env
        .restore("plan -o json")
        .now("2026-11-22T16:36:00Z")
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(plan["restores"][0]["backup"], MAIN);
    let passed_over = plan["restores"][0]["passedOver"].as_array().unwrap();
    assert_eq!(passed_over.len(), 3);
    // Seeded anew by accident: another cluster, of the same name.
    let why = passed_over[0].as_str().unwrap();
    assert!(
        why.contains("another cluster: kube-system has UID") && why.contains("no Nodes"),
        "{why}"
    );
    assert_eq!(plan["restores"][1]["backup"], "2026-11-22T15:20:35Z-000001");
}

#[test]
fn a_store_without_a_good_backup_refuses_with_every_reason() {
    let env = Env::new(RESEEDED);
    let ended = env.restore("plan").now("2026-11-22T16:36:00Z").run().unwrap().code(3);
    ended
        .stdout_has("no good backup")
        .stdout_has("no Nodes")
        .stderr_has("hint:");
    // Named all the same it is refused, unless one insists.
    let poor = |more: &str| {
        let plan = format!("plan --backup main=2026-11-22T16:25:17Z-000001 -o json {more}");
        env.restore(&plan).now("2026-11-22T16:36:00Z").run().unwrap()
    };
    assert_eq!(blocking(&poor("").code(3).json()), ["main backup"]);
    assert!(blocking(&poor("--even-if-poor").code(0).json()).is_empty());
}

#[test]
fn bad_backups_refuse() {
    type Harm = fn(&Env);
    let harms: [(&str, Harm); 4] = [
        ("damaged", |env| {
            let file = env.base("main").join(MAIN).join("etcd.backup.gz");
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            fs::write(file, bytes).unwrap();
        }),
        ("incomplete", |env| {
            fs::remove_file(env.base("main").join(MAIN).join("_etcd_backup.meta")).unwrap();
        }),
        ("incomplete", |env| {
            fs::remove_file(env.base("main").join(MAIN).join("etcd.backup.gz")).unwrap();
        }),
        ("damaged", |env| {
            fs::write(env.base("main").join(MAIN).join("_etcd_backup.meta"), "{}").unwrap();
        }),
    ];
    for (words, harm) in harms {
        let env = Env::new(RESTORED);
        harm(&env);
        let before = tree(env.root());
        let run = format!("run --backup main={MAIN} --yes --confirm super.k8s.local --even-if-poor");
        let ended = env.restore(&run).run().unwrap().code(3);
        assert!(
            ended.stderr.contains(words) || ended.stdout.contains(words),
            "{words}: {}\n{}",
            ended.stdout,
            ended.stderr
        );
        assert_eq!(tree(env.root()), before);
    }
    // The first backup of a new cluster is empty.
    let env = Env::new(RESTORED);
    let empty = "plan --backup main=2026-11-22T15:16:00Z-000001 -o json";
    assert_eq!(
        blocking(&env.restore(empty).run().unwrap().code(3).json()),
        ["main backup"]
    );
    // Of events a poor one is a warning.
    let empty = "plan --backup events=2026-11-22T15:15:59Z-000001 -o json";
    assert!(blocking(&env.restore(empty).run().unwrap().success().json()).is_empty());
}

#[test]
fn control_files_that_block_the_leader_refuse_with_the_command_that_mends_them() {
    type Harm = fn(&Env);
    let harms: [(&str, &str, Harm); 5] = [
        (
            "main cluster-spec",
            "kops update cluster --name super.k8s.local --yes",
            |env| {
                fs::remove_file(env.control("main", "etcd-cluster-spec")).unwrap();
            },
        ),
        ("main cluster-spec", "kops update cluster", |env| {
            fs::write(env.control("main", "etcd-cluster-spec"), "").unwrap();
        }),
        ("events created-marker", "etcd-cluster-created", |env| {
            fs::remove_file(env.control("events", "etcd-cluster-created")).unwrap();
        }),
        ("main created-marker", "etcd-cluster-created", |env| {
            fs::write(env.control("main", "etcd-cluster-created"), "").unwrap();
        }),
        ("main etcd-manager", "manager.image", |env| {
            let meta = env.base("main").join(MAIN).join("_etcd_backup.meta");
            let text = fs::read_to_string(&meta).unwrap();
            fs::write(meta, text.replace("3.5.35", "3.4.13")).unwrap();
        }),
    ];
    for (check, cure, harm) in harms {
        let env = Env::new(RESTORED);
        harm(&env);
        let ended = env.restore("plan -o json").run().unwrap().code(3);
        assert_eq!(blocking(&ended.json()), [check]);
        let text = env
            .restore("run --yes --confirm super.k8s.local")
            .run()
            .unwrap()
            .code(3);
        assert!(text.stderr.contains(cure), "{check}: {}", text.stderr);
        assert!(env.queued("main").is_empty() && env.queued("events").is_empty());
    }
}

#[test]
fn an_etcd_manager_too_old_for_etcd_3_6_refuses_with_the_image_that_can() {
    let env = Env::new(RESTORED);
    let meta = env.base("main").join(MAIN).join("_etcd_backup.meta");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replace("3.5.35", "3.6.11")).unwrap();
    let plan = || env.restore("plan --etcd main -o json").run().unwrap();
    assert!(blocking(&plan().success().json()).is_empty());
    let manifests = env.root().join(CLUSTER).join("manifests/etcd");
    for manifest in fs::read_dir(manifests).unwrap() {
        let manifest = manifest.unwrap().path();
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("v3.0.20260707", "v3.0.20250917")).unwrap();
    }
    assert_eq!(blocking(&plan().code(3).json()), ["main etcd-manager"]);
    let refused = env
        .restore("run --etcd main --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .code(3);
    refused.stderr_has("v3.0.20260512").stderr_has("manager.image");
    assert!(env.queued("main").is_empty());
}

#[test]
fn backups_of_different_times_are_warned_of() {
    let env = Env::new(RESTORED);
    store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
    let plan = env
        .restore("plan --backup events=2026-11-22T16:25 -o json")
        .now("2026-11-22T16:36:00Z")
        .run()
        .unwrap()
        .success()
        .json();
    let checks = plan["checks"].as_array().unwrap();
    let times = checks.iter().find(|check| check["name"] == "times").unwrap();
    assert_eq!((&times["ok"], &times["severity"]), (&false.into(), &"warn".into()));
    assert!(times["message"].as_str().unwrap().starts_with("main is "), "{times}");
    assert!(times["cure"].as_str().unwrap().contains("--at"), "{times}");
}

#[test]
fn lost_manifests_of_etcd_manager_warn_and_no_more() {
    let env = Env::new(RESTORED);
    fs::remove_dir_all(env.root().join("super.k8s.local/manifests")).unwrap();
    let plan = env.restore("plan -o json").run().unwrap().success().json();
    assert!(blocking(&plan).is_empty());
    let checks = plan["checks"].as_array().unwrap();
    let told = checks.iter().find(|check| check["name"] == "etcd-manager").unwrap();
    assert_eq!(
        (&told["ok"], &told["severity"]),
        (&false.into(), &"warn".into()),
        "{told}"
    );
}

#[test]
fn the_marker_that_the_cure_writes_is_taken_for_one() {
    let env = Env::new(RESTORED);
    let marker = env.control("main", "etcd-cluster-created");
    fs::remove_file(&marker).unwrap();
    let ended = env.restore("plan").run().unwrap().code(3);
    let cure = ended
        .stderr
        .lines()
        .find_map(|line| line.split_once("put it back: "))
        .unwrap()
        .1
        .to_owned();
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &cure])
            .status()
            .unwrap()
            .success()
    );
    assert!(marker.is_file());
    env.restore("plan").run().unwrap().success();
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let env = Env::new(RESTORED);
    for arguments in [
        "plan --fresh main",
        "plan --fresh cilium",
        "plan --backup cilium=latest",
        "plan --backup main=latest --backup main=latest-good",
        "plan --backup newest",
        "plan --at never",
        "run --take-timeout soon",
    ] {
        env.restore(arguments).run().unwrap().code(2);
    }
}

#[test]
fn a_name_that_is_none_of_mains_is_told_of_main_also_where_events_has_it() {
    let env = Env::new(RESTORED);
    // A slip of the finger; and the name of a backup that only events has.
    for name in ["2026-11-22T15:29:01Z-000001", EVENTS] {
        env.restore(&format!("plan --backup {name}"))
            .run()
            .unwrap()
            .code(1)
            .stderr_has(&format!("no backup `{name}` of etcd main"))
            .stderr_has(&format!("near it: {MAIN}"));
    }
    env.restore(&format!("plan --backup events={EVENTS}"))
        .run()
        .unwrap()
        .stdout_has(&format!("{MAIN}: verified, good"));
}
