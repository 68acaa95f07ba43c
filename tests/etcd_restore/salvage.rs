//! Newer data than the backup has, on members without a quorum and on old volumes: said before anything is restored.

use std::fs;

use serde_json::Value;
use support::store::{self, CLUSTER};
use support::{AwsAccount, Etcd, EtcdVersion, KopsCluster, Moto, Put, S3, wait_for};

use crate::env::{Env, MAIN, RESTORED};

/// The check, as `severity: message. cure`.
fn salvage(plan: &Value) -> Option<String> {
    let checks = plan["checks"].as_array().unwrap();
    let found = checks
        .iter()
        .find(|check| check["name"] == "salvage" && check["etcd"] == "main")?;
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    Some(format!("{}: {}. {}", text("severity"), text("message"), text("cure")))
}

#[test]
fn members_without_a_quorum_that_hold_newer_data_are_named_with_the_command() {
    let env = Env::new(RESTORED);
    let mut members = Etcd::start_cluster(EtcdVersion::V3_6, 3, None).unwrap();
    for number in 0..400 {
        members[0]
            .put(&[Put::new(format!("/registry/x/{number}"), "x")])
            .unwrap();
    }
    let endpoints: Vec<String> = members.iter().map(|member| member.endpoint().to_owned()).collect();
    let endpoints = endpoints.join(",");
    let plan = || {
        let asked = env
            .restore("plan --etcd main -o json --etcd-timeout 3s")
            .args(["--endpoints", &endpoints]);
        let ended = asked.run().unwrap();
        assert_ne!(ended.exit_code(), Some(1), "{}", ended.stderr);
        serde_json::from_str::<Value>(&ended.stdout).unwrap()
    };
    // With a leader, key by key.
    assert_eq!(salvage(&plan()), None);
    let revision = members[0].revision().unwrap();
    drop(members.split_off(1));
    wait_for("the last member has lost its leader", || salvage(&plan()).is_some());
    let said = salvage(&plan()).unwrap();
    assert!(
        said.starts_with(&format!("warn: member m0 stopped at revision {revision}, ")),
        "{said}"
    );
    assert!(
        said.contains(&format!(
            " after {MAIN}, which is 60s old. salvage first: `kubectl etcd-backups take --etcd main"
        )),
        "{said}"
    );
    assert!(said.contains(&endpoints), "{said}");
}

/// A later backup than the volumes that moto makes now.
fn later(env: &Env, minutes: i64) -> (String, String) {
    let now = jiff::Timestamp::now();
    let at = |minutes: i64| format!("{:.0}", now + jiff::SignedDuration::from_mins(minutes));
    let name = format!("{}-000001", at(60));
    store::copy_folder(&env.base("main").join(MAIN), &env.base("main").join(&name)).unwrap();
    (name, at(60 + minutes))
}

#[test]
fn old_volumes_may_hold_newer_data_also_in_quarantine() {
    let env = Env::new(RESTORED);
    let moto = Moto::start().unwrap();
    let account = AwsAccount::of(&moto);
    let built = KopsCluster::new(CLUSTER).build(&account).unwrap();
    let (name, now) = later(&env, 41);
    let plan = |now: &str| {
        let asked = env
            .restore("plan --etcd main -o json")
            .envs(moto.env())
            .now(now)
            .run()
            .unwrap();
        salvage(&serde_json::from_str(&asked.stdout).unwrap())
    };
    let said = plan(&now).unwrap();
    for volume in built.etcd_volumes.iter().filter(|volume| volume.etcd == "main") {
        assert!(
            said.contains(&format!("{} ({}, on {})", volume.id, volume.member, volume.instance)),
            "{said}"
        );
    }
    assert!(said.starts_with("warn: volumes "), "{said}");
    assert!(
        said.contains(&format!("may hold data newer than {name}: up to 41m of it")),
        "{said}"
    );
    let hosts = built
        .masters
        .iter()
        .any(|master| said.contains(&format!("--via ssh --host {} --data-dir`", master.private_ip)));
    assert!(hosts, "{said}");
    // Less than an interval.
    let (name, soon) = later(&env, 5);
    assert!(plan(&soon).unwrap().starts_with("info: "));

    // The same volumes after a wipe.
    for volume in built.etcd_volumes.iter().filter(|volume| volume.etcd == "main") {
        let tags = account.volume_tags(&volume.id).unwrap();
        let mut shadows = vec![("ResourceId.1".to_owned(), volume.id.clone())];
        let mut gone = shadows.clone();
        let marks = [
            ("kops-recovery/quarantined".to_owned(), CLUSTER.to_owned()),
            ("kops-recovery/run".to_owned(), "r1".to_owned()),
        ];
        let was = tags
            .iter()
            .map(|(key, value)| (format!("kops-recovery/was/{key}"), value.clone()));
        for (number, (key, value)) in was.chain(marks).enumerate() {
            shadows.push((format!("Tag.{}.Key", number + 1), key));
            shadows.push((format!("Tag.{}.Value", number + 1), value));
        }
        gone.extend(
            tags.keys()
                .enumerate()
                .map(|(number, key)| (format!("Tag.{}.Key", number + 1), key.clone())),
        );
        let pairs = |list: &[(String, String)]| list.to_vec();
        let call = |action: &str, list: Vec<(String, String)>| {
            let list: Vec<(&str, &str)> = list.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            account.ec2(action, &list).unwrap();
        };
        call("CreateTags", pairs(&shadows));
        call("DeleteTags", pairs(&gone));
    }
    let began = (name[..20].parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_mins(30)).to_string();
    env.wiped(&began, Some(&now));
    let said = plan(&now).unwrap();
    assert!(
        said.contains("(a, in quarantine)") && said.contains(": up to 30m of it"),
        "{said}"
    );
    assert!(
        said.contains("`kops-wipe-masters restore-volumes --name super.k8s.local --state "),
        "{said}"
    );
    // Wiped before the backup was taken.
    fs::remove_file(env.root().join(CLUSTER).join("backups/recovery/wipe-0001.json")).unwrap();
    env.wiped("2026-11-22T15:21:00Z", Some("2026-11-22T15:22:00Z"));
    assert_eq!(plan(&now), None);
}
