//! Unknown is not dead: what is asked before an etcd is thrown away, and what proves that it holds nothing.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::aws::Built;
use support::store::CLUSTER;
use support::{AwsAccount, Cmd, ControlLoopSimulator, HoldAt, KopsCluster, Moto, S3, wait_for};

use crate::env::{Env, MAIN, RESTORED, restore, tree};

/// Before the young backups of the fixture would be made, and before any master of moto is launched, which happens now.
const WIPED: &str = "2026-11-22T15:21:30Z";
const CONFIRM: &str = "--confirm super.k8s.local";

/// An env with three masters in AWS that were launched just now.
struct InAws {
    env: Env,
    moto: Moto,
    account: AwsAccount,
    built: Built,
}

impl InAws {
    fn new() -> Self {
        let moto = Moto::start().unwrap();
        let account = AwsAccount::of(&moto);
        let built = KopsCluster::new(CLUSTER).build(&account).unwrap();
        Self {
            env: Env::new(RESTORED),
            moto,
            account,
            built,
        }
    }

    fn cmd(&self, arguments: &str) -> Cmd {
        self.env.seeing(arguments).envs(self.moto.env())
    }

    fn journal(&self, number: u32) -> PathBuf {
        let folder = self.env.root().join(CLUSTER).join("backups/recovery");
        folder.join(format!("wipe-{number:04}.json"))
    }

    /// The journal of a wipe, as `kops-wipe-masters` leaves it.
    fn wiped(&self, number: u32, cluster: &str, finished: Option<&str>) {
        let entry = json!({
            "run": "r", "first": "r", "cluster": cluster, "account": "123456789012", "region": "us-east-1", "by": "arn",
            "started": "2026-11-22T15:21:00Z", "updated": WIPED, "finished": finished,
            "digest": "d", "deeds": [], "plan": {}, "log": [],
        });
        self.env.write(&self.journal(number), &entry.to_string());
    }
}

/// What the plan says of the life of each etcd cluster, and why.
fn lives(plan: &Value) -> Vec<(String, String, String)> {
    let rows = plan["restores"].as_array().unwrap().iter();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    rows.map(|row| (text(row, "etcd"), text(row, "liveness"), text(row, "evidence")))
        .collect()
}

#[test]
fn after_our_own_wipe_no_name_is_asked_and_without_its_journal_it_is() {
    let aws = InAws::new();
    let (main, events) = (aws.env.start("main"), aws.env.start("events"));
    let before = tree(aws.env.root());
    let refused = || {
        let ended = aws.cmd("run --yes").run().unwrap().code(3);
        ended
            .stderr_has("etcd main MAY BE ALIVE: no answer")
            .stderr_has("everything after 2026-11-22T15:20:36Z would be lost")
            .stderr_has("hint:  pass --confirm super.k8s.local");
    };
    refused();
    assert_eq!(tree(aws.env.root()), before);
    // One that did not end; of another cluster; and one that did, and was begun anew.
    aws.wiped(1, CLUSTER, None);
    refused();
    aws.wiped(1, "x.super.k8s.local", Some(WIPED));
    refused();
    aws.wiped(1, CLUSTER, Some(WIPED));
    aws.wiped(2, CLUSTER, None);
    refused();
    fs::remove_file(aws.journal(2)).unwrap();
    let plan = aws.cmd("plan -o json").run().unwrap().success().json();
    for (_, life, why) in lives(&plan) {
        assert_eq!(life, "dead", "{why}");
        assert!(
            why.starts_with("the masters were wiped at 2026-11-22T15:21:30Z, all 3 that run were launched after that"),
            "{why}"
        );
    }
    aws.cmd("run --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("main: serving");
    for manager in [main, events] {
        assert!(manager.serving());
        assert_eq!(manager.trashed(), 0);
    }
}

#[test]
fn a_wipe_proves_nothing_of_masters_that_were_there_before_or_of_backups_that_came_since() {
    let aws = InAws::new();
    let queue = |more: &str| aws.cmd(&format!("queue main=latest-good --yes {more}")).run().unwrap();
    // The masters of moto are launched now, before this end.
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    aws.wiped(1, CLUSTER, Some(&later));
    queue("").code(3).stderr_has("MAY BE ALIVE");
    // A backup that is younger than the wipe: somebody lives.
    aws.wiped(1, CLUSTER, Some("2026-11-22T15:20:36Z"));
    queue("-o json").success();
    let name = aws.env.queued("main").remove(0);
    aws.env
        .restore(&format!("cancel main={name} --yes"))
        .run()
        .unwrap()
        .success();
    aws.wiped(1, CLUSTER, Some("2026-11-22T15:20:35Z"));
    queue("").code(3).stderr_has("MAY BE ALIVE");
    assert!(aws.env.queued("main").is_empty());
    queue(CONFIRM).success();
}

#[test]
fn volumes_that_were_brought_back_after_a_wipe_bring_the_old_etcd_along() {
    let aws = InAws::new();
    // Wiped after the volumes were made; the masters are younger still.
    let volumes = jiff::Timestamp::now();
    let groups: Vec<String> = aws.built.masters.iter().map(|master| master.group.clone()).collect();
    for group in &groups {
        let delete = [("AutoScalingGroupName", group.as_str()), ("ForceDelete", "true")];
        aws.account.scaling("DeleteAutoScalingGroup", &delete).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let wiped = jiff::Timestamp::now();
    aws.wiped(1, CLUSTER, Some(&wiped.to_string()));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let mut new = Built::default();
    let kops = KopsCluster {
        etcds: Vec::new(),
        ..KopsCluster::new(CLUSTER)
    };
    kops.build_masters(&aws.account, &mut new).unwrap();
    assert!(volumes < wiped);
    let now = (wiped + jiff::SignedDuration::from_mins(1)).to_string();
    let life = || {
        let plan = aws
            .cmd("plan --max-age 200h -o json")
            .now(&now)
            .run()
            .unwrap()
            .success()
            .json();
        lives(&plan).remove(0)
    };
    assert_eq!(life().1, "unknown");
    for volume in &aws.built.etcd_volumes {
        // The instance it was on is gone.
        let _ = aws.account.detach(volume);
        aws.account.ec2("DeleteVolume", &[("VolumeId", &volume.id)]).unwrap();
    }
    assert_eq!(life().1, "dead", "{:?}", life());
}

#[test]
fn aws_that_has_the_cluster_and_no_master_that_runs_is_a_proof_unless_backups_are_young() {
    let aws = InAws::new();
    for master in &aws.built.masters {
        let stop = [("InstanceId.1", master.instance.as_str())];
        aws.account.ec2("StopInstances", &stop).unwrap();
    }
    let life = |now: &str| {
        let plan = aws.cmd("plan -o json").now(now).run().unwrap().code(3).json();
        lives(&plan).remove(0)
    };
    let (_, young, why) = life("2026-11-22T15:50:35Z");
    assert_eq!(young, "unknown");
    assert!(
        why.contains("none of the cluster's masters in AWS is running; but the newest backup of main is"),
        "{why}"
    );
    assert_eq!(life("2026-11-22T15:50:36Z").1, "dead");
    // Another account has nothing of it: that proves nothing.
    let other = AwsAccount::another(&aws.moto, "222222222222").unwrap();
    let plan = aws
        .cmd("plan -o json")
        .env("AWS_ACCESS_KEY_ID", other.key())
        .now("2026-11-22T18:00:00Z");
    assert_eq!(lives(&plan.run().unwrap().code(3).json()).remove(0).1, "unknown");
}

#[test]
fn a_refusal_at_a_loopback_address_proves_nothing_and_the_quarantine_port_does() {
    let env = Env::new(RESTORED);
    let life = |now: &str| {
        let plan = env.seeing("plan --etcd main -o json").now(now).run().unwrap();
        lives(&plan.json()).remove(0)
    };
    // Nobody listens there, and the backups are old.
    let (_, silent, why) = life("2026-11-22T20:00:00Z");
    assert_eq!(silent, "unknown");
    assert!(why.contains("no answer") && why.contains("refused"), "{why}");
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeCopying);
    let queue = format!("queue main={MAIN} --yes {CONFIRM}");
    env.seeing(&queue).run().unwrap().success();
    wait_for("it is in quarantine", || life("2026-11-22T20:00:00Z").1 == "dead");
    assert!(life("2026-11-22T15:21:36Z").2.contains("quarantine port"));
    // Nothing living is lost any more: no name is asked.
    env.seeing(&format!("queue main={MAIN} --yes")).run().unwrap().success();
    manager.release();
}

#[test]
fn queue_asks_like_run_where_nothing_is_in_reach() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    for arguments in ["queue main=latest-good --yes", "run --etcd main --yes"] {
        env.restore(arguments)
            .run()
            .unwrap()
            .code(3)
            .stderr_has("etcd main MAY BE ALIVE: not checked")
            .stderr_has("everything after 2026-11-22T15:20:36Z would be lost")
            .stderr_has("hint:  pass --confirm super.k8s.local");
        let other = format!("{arguments} --confirm x.super.k8s.local");
        env.restore(&other).run().unwrap().code(3);
    }
    assert_eq!(tree(env.root()), before);
    env.restore(&format!("queue main=latest-good --yes {CONFIRM}"))
        .run()
        .unwrap()
        .success();
    // Without a cluster's name nobody can be asked for it.
    let elsewhere = env.root().join("elsewhere");
    support::store::copy_folder(&env.base("events"), &elsewhere).unwrap();
    let nameless = format!("queue latest --yes --store events=file://{}", elsewhere.display());
    restore(&nameless)
        .run()
        .unwrap()
        .code(2)
        .stderr_has("No cluster is named")
        .stderr_has("--name");
}

#[test]
fn an_old_backup_wants_the_name_even_after_our_own_wipe() {
    let aws = InAws::new();
    let _managers: [ControlLoopSimulator; 2] = [aws.env.start("main"), aws.env.start("events")];
    aws.wiped(1, CLUSTER, Some(WIPED));
    let late = "2026-11-23T16:00:00Z";
    let refused = aws.cmd("run --yes").now(late).run().unwrap().code(3);
    refused
        .stderr_has("2026-11-22T15:20:36Z-000001 is 24h old, older than 24h (--max-age).")
        .stderr_has("pass --confirm super.k8s.local");
    assert!(aws.env.queued("main").is_empty());
    // An older one by name: what is younger is counted.
    let plan = |more: &str| {
        let plan = format!("plan --backup main=2026-11-22T15:18 -o json {more}");
        aws.cmd(&plan).now(late).run().unwrap().success().json()
    };
    let found = plan("");
    assert_eq!(found["restores"][0]["ageSeconds"], 88_919);
    let passed_over = found["restores"][0]["passedOver"].as_array().unwrap();
    assert_eq!(passed_over.len(), 2);
    assert!(passed_over[0].as_str().unwrap().starts_with(MAIN), "{passed_over:?}");
    let age = |plan: &Value| {
        plan["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["name"] == "age")
            .unwrap()
            .clone()
    };
    assert_eq!(age(&found)["severity"], "warn");
    assert!(
        age(&found)["message"]
            .as_str()
            .unwrap()
            .ends_with("2 newer backups skipped")
    );
    assert_eq!(age(&plan("--max-age 48h"))["ok"], true);
    aws.cmd("run --yes --max-age 48h").now(late).run().unwrap().success();
}
