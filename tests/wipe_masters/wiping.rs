//! The plan, its application, and that all else is untouched.

use support::store::CLUSTER;
use support::{Fault, Proxy, Rule};

use crate::env::{Env, OTHER};

#[test]
fn without_yes_the_plan_is_shown_and_nothing_is_changed() {
    let env = Env::new();
    let before = env.picture();
    let shown = env.wipe(&["-o", "json"]).run().unwrap().success();
    let plan = shown.json();
    assert_eq!(plan["cluster"], CLUSTER);
    assert_eq!(plan["account"], "123456789012");
    assert_eq!(plan["region"], "us-east-1");
    assert_eq!(plan["applied"], false);
    let ids = |list: &str, key: &str| -> Vec<String> {
        let list = plan[list].as_array().unwrap();
        list.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        ids("autoScalingGroups", "name"),
        ["a", "b", "c"].map(|zone| format!("control-plane-us-east-1{zone}.masters.{CLUSTER}"))
    );
    let mut planned = ids("autoScalingGroups", "name");
    planned.extend(ids("instances", "id"));
    planned.extend(ids("volumes", "id"));
    assert_eq!(
        planned.into_iter().collect::<std::collections::BTreeSet<_>>(),
        env.masters()
    );
    assert_eq!(ids("backups", "etcd"), ["main", "events"]);
    assert!(plan["checks"].as_array().unwrap().len() > 5);
    assert_eq!(plan["digest"].as_str().unwrap().len(), 16);
    // Everything else of the cluster is named with the reason why it stays; nothing of the other cluster is.
    assert_eq!(plan["nearMisses"].as_array().unwrap().len(), 8);
    assert!(!shown.stdout.contains(OTHER));

    let text = env.wipe(&[]).run().unwrap().success();
    let _ = text
        .stdout_has("123456789012")
        .stdout_has("its role is bastion")
        .stdout_has("volume of a PersistentVolume")
        .stderr_has("nothing was changed; to apply exactly this plan, pass --yes --plan ");
    assert_eq!(env.picture(), before);
    assert!(env.journals().is_empty());
}

#[test]
fn masters_are_deleted_volumes_hidden_and_all_else_is_untouched() {
    let env = Env::new();
    let proxy = Proxy::start(&env.moto).unwrap();
    let before = env.rest();
    let ended = env
        .wipe_yes_through(&proxy, &["--etcd-volumes", "quarantine"])
        .run()
        .unwrap()
        .success();
    let _ = ended
        .clone()
        .stdout_has("the control plane is wiped: 3 groups deleted, 3 instances terminated, 6 volumes in quarantine")
        .stdout_has(&format!("kops update cluster --name {CLUSTER}"))
        .stderr_has("pinned backup 2026-11-22T15:20:36Z-000001")
        .stderr_has("[12/12] volume");
    env.assert_wiped();
    assert_eq!(env.rest(), before);
    // The backups are out of retention's reach, and the run is on record.
    let pinned = env
        .root()
        .join(CLUSTER)
        .join("backups/recovery/main/2026-11-22T15:20:36Z-000001/etcd.backup.gz");
    assert!(pinned.is_file());
    let journals = env.journals();
    assert_eq!(journals.len(), 1);
    assert!(journals[0]["finished"].is_string());
    assert_eq!(journals[0]["deeds"].as_array().unwrap().len(), 12);
    assert!(journals[0]["log"].to_string().contains("in quarantine"));

    // No request ever named anything else, and there were few of them.
    let masters = env.masters();
    let requests = proxy.requests();
    for request in requests.iter().filter(|request| request.is_change()) {
        for name in request.names() {
            assert!(masters.contains(&name), "{:?} named {name}", request.action());
        }
    }
    let looks = |action: &str| {
        requests
            .iter()
            .filter(|request| request.action() == Some(action))
            .count()
    };
    // Two for the plan, two for the end, one a tick.
    let ticks = looks("DescribeAutoScalingGroups") - 4;
    let most = 10 + 2 * 3 + 3 * 6 + 3 * ticks;
    assert!(requests.len() <= most, "{} requests in {ticks} ticks", requests.len());

    let again = env.wipe_yes(&[]).run().unwrap().success();
    let _ = again
        .stderr_has("nothing is left to wipe")
        .stdout_has("already wiped; 6 volumes are in quarantine");
}

#[test]
fn an_older_cluster_with_one_master_is_wiped_and_the_snapshots_come_first() {
    let env = Env::with(&support::KopsCluster {
        older: true,
        masters: 1,
        ..support::KopsCluster::new(CLUSTER)
    });
    let proxy = Proxy::start(&env.moto).unwrap();
    let before = env.rest();
    let arguments = [
        "--etcd-volumes",
        "snapshot-then-delete",
        "--max-age",
        "4h",
        "-o",
        "json",
    ];
    let ended = env.wipe_yes_through(&proxy, &arguments).run().unwrap().success();
    let report = ended.json();
    assert_eq!(report["applied"], true);
    assert_eq!(report["volumes"][0]["action"], "snapshot-then-delete");
    assert!(report["nextSteps"].to_string().contains("kubectl etcd-restore run"));
    assert_eq!(env.rest(), before);
    let now = env.picture();
    assert!(env.masters().iter().all(|id| !now.has(id)));
    let actions: Vec<String> = proxy
        .requests()
        .iter()
        .filter(|request| request.is_change())
        .filter_map(|request| request.action().map(str::to_owned))
        .collect();
    assert_eq!(actions[0], "DeleteAutoScalingGroup");
    assert_eq!(actions.iter().filter(|action| *action == "CreateSnapshot").count(), 2);
    assert_eq!(actions.iter().filter(|action| *action == "DeleteVolume").count(), 2);
}

#[test]
fn slow_deletions_are_waited_for_and_volumes_follow_their_instances() {
    let env = Env::new();
    let proxy = Proxy::start(&env.moto).unwrap();
    // Groups take their time, each another one: so many requests of ours later.
    for (at, zone) in ["a", "b", "c"].into_iter().enumerate() {
        let group = format!("control-plane-us-east-1{zone}.masters.{CLUSTER}&");
        proxy.inject(Rule::times(
            1,
            "POST",
            group.replace('&', "") + "&ForceDelete",
            Fault::Slow(10 + 20 * at),
        ));
    }
    let before = env.rest();
    let ended = env.wipe_yes_through(&proxy, &[]).run().unwrap().success();
    let _ = ended
        .stderr_has("being deleted, 1 instance left")
        .stderr_has("terminates it");
    env.assert_wiped();
    assert_eq!(env.rest(), before);
    let deletions = proxy
        .requests()
        .iter()
        .filter(|request| request.action() == Some("DeleteAutoScalingGroup"))
        .count();
    assert_eq!(deletions, 3, "none was asked for twice");
}

#[test]
fn instances_left_by_their_group_are_terminated_one_by_one() {
    let env = Env::new();
    let survivor = &env.built.masters[1];
    // moto orphans what is protected from scale-in.
    let protect = [
        ("AutoScalingGroupName", survivor.group.as_str()),
        ("InstanceIds.member.1", survivor.instance.as_str()),
        ("ProtectedFromScaleIn", "true"),
    ];
    env.account.scaling("SetInstanceProtection", &protect).unwrap();
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::times(1, "POST", "Action=TerminateInstances&", Fault::Slow(30)));
    let before = env.rest();
    let ended = env.wipe_yes_through(&proxy, &[]).run().unwrap().success();
    let _ = ended.stderr_has("shutting down");
    env.assert_wiped();
    assert_eq!(env.rest(), before);
    let terminations = proxy.requests();
    let terminations: Vec<_> = terminations
        .iter()
        .filter(|request| request.action() == Some("TerminateInstances"))
        .flat_map(|request| request.names())
        .collect();
    assert_eq!(terminations, std::slice::from_ref(&survivor.instance));
}

#[test]
fn a_different_kops_version_warns() {
    use std::os::unix::fs::PermissionsExt;
    let env = Env::with(&support::KopsCluster::of_one_master(CLUSTER));
    let tools = tempfile::tempdir().unwrap();
    let kops = tools.path().join("kops");
    std::fs::write(&kops, "#!/bin/sh\necho 1.30.0\n").unwrap();
    std::fs::set_permissions(&kops, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    let _ = env
        .wipe_yes(&[])
        .env("PATH", path)
        .run()
        .unwrap()
        .success()
        .stderr_has("the cluster was last updated by kops 1.37.0-alpha.1, this machine has kops 1.30.0");
}
