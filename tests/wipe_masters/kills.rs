//! `kill -9` before and after every write request: the next run completes the work.

use std::os::unix::process::ExitStatusExt;

use support::store::CLUSTER;
use support::{Cmd, Fault, KopsCluster, Proxy, Recorded, Rule, Victim};

use crate::env::Env;

/// The other cluster has all that must be left alone. The state store is in S3: what is written there counts, too.
fn new_env() -> Env {
    let cluster = KopsCluster::of_one_master(CLUSTER);
    Env::with_state_in_s3(&cluster)
}

fn assert_only_masters_were_named(env: &Env, requests: &[Recorded]) {
    let masters = env.masters();
    for request in requests.iter().filter(|request| request.is_change()) {
        if request.action().is_none() {
            let ours = format!("/kops-state/{CLUSTER}/backups/recovery/");
            assert!(request.path.starts_with(&ours), "{} {}", request.method, request.path);
            continue;
        }
        let names = request.names();
        assert!(!names.is_empty(), "{:?} names nothing", request.action());
        for name in names {
            assert!(masters.contains(&name), "{:?} named {name}", request.action());
        }
    }
}

/// Kills what `command` makes of an env at each of its changes in turn, until there is none left to be killed at; `again` runs the rest. Gives
/// what it was killed at.
fn kill_at_each_change(
    prepare: impl Fn(&Env),
    command: impl Fn(&Env, &Proxy) -> Cmd,
    fault: impl Fn(Victim) -> Fault,
    again: impl Fn(&Env, Cmd),
    check: impl Fn(&Env),
) -> Vec<String> {
    let mut killed_at = Vec::new();
    loop {
        let env = new_env();
        prepare(&env);
        let before = env.rest();
        let proxy = Proxy::start(&env.moto).unwrap();
        let victim = Victim::default();
        proxy.inject(Rule::change(killed_at.len(), fault(victim.clone())));
        let mut killed = command(&env, &proxy);
        let child = killed.spawn().unwrap();
        victim.is(child.id());
        let ended = child.wait_with_output().unwrap();
        let was_killed = ended.status.signal() == Some(9);
        if was_killed {
            let last = proxy.requests().into_iter().rfind(Recorded::is_change).unwrap();
            killed_at.push(last.action().map_or("S3".to_owned(), str::to_owned));
            again(&env, command(&env, &proxy));
        } else {
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        check(&env);
        assert_eq!(env.rest(), before, "killed at change {killed_at:?}");
        assert_only_masters_were_named(&env, &proxy.requests());
        if !was_killed {
            return killed_at;
        }
    }
}

/// Of a wipe of a master with which AWS would delete one of its volumes.
fn kill_a_wipe(etcd_volumes: &str, fault: impl Fn(Victim) -> Fault, check: impl Fn(&Env)) -> Vec<String> {
    let goes = |env: &Env| {
        let volume = &env.built.etcd_volumes[0];
        env.account.delete_on_termination(volume, true).unwrap();
    };
    let arguments = ["--etcd-volumes", etcd_volumes, "--max-age", "4h"];
    let wipe = |env: &Env, proxy: &Proxy| env.wipe_yes_through(proxy, &arguments);
    let again = |env: &Env, wipe: Cmd| {
        let again = wipe.run().unwrap().success();
        let journals = env.journals();
        for pair in journals.windows(2) {
            assert_eq!(
                pair[1]["first"], pair[0]["run"],
                "the second goes on with the first\n{}",
                again.stderr
            );
        }
        let finished = journals.iter().filter(|journal| journal["finished"].is_string());
        assert_eq!(finished.count(), 1, "{}", again.stderr);
    };
    kill_at_each_change(goes, wipe, fault, again, check)
}

/// Of what comes after a wipe, which changes nothing but what is in AWS.
fn kill_after_a_wipe(arguments: &[&str], fault: impl Fn(Victim) -> Fault, check: impl Fn(&Env)) -> Vec<String> {
    let wiped = |env: &Env| {
        let _ = env.wipe_yes(&[]).run().unwrap().success();
        // What is in quarantine is purged only once there are masters again, and comes back only while there are none.
        if arguments.contains(&"purge-volumes") {
            let cluster = KopsCluster::of_one_master(CLUSTER);
            cluster
                .build_masters(&env.account, &mut support::aws::Built::default())
                .unwrap();
        }
    };
    let command = |env: &Env, proxy: &Proxy| env.wipe_through(proxy, arguments);
    let again = |_: &Env, command: Cmd| drop(command.run().unwrap().success());
    let killed_at = kill_at_each_change(wiped, command, fault, again, check);
    assert_eq!(count(&killed_at, "S3"), 0, "{killed_at:?}");
    killed_at
}

fn count(killed_at: &[String], action: &str) -> usize {
    killed_at.iter().filter(|at| *at == action).count()
}

#[test]
fn around_each_request_of_a_quarantine() {
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        let killed_at = kill_a_wipe("quarantine", fault, Env::assert_wiped);
        assert_eq!(count(&killed_at, "DeleteAutoScalingGroup"), 1, "{killed_at:?}");
        assert_eq!(count(&killed_at, "ModifyInstanceAttribute"), 1, "{killed_at:?}");
        assert_eq!(
            count(&killed_at, "CreateTags") + count(&killed_at, "DeleteTags"),
            4,
            "{killed_at:?}"
        );
        // The journal, two files of each of two backups, what was noted meanwhile, the end.
        assert!(count(&killed_at, "S3") > 6, "{killed_at:?}");
    }
}

fn assert_gone(env: &Env) {
    let now = env.picture();
    for id in env.masters() {
        assert!(!now.has(&id), "{id}");
    }
}

fn snapshots(env: &Env) -> usize {
    let ours = [("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "kops-recovery/run")];
    let found = env.account.ec2("DescribeSnapshots", &ours).unwrap();
    found.items(&["snapshotSet"]).len()
}

#[test]
fn around_each_request_of_snapshots_and_deletions() {
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        let killed_at = kill_a_wipe("snapshot-then-delete", fault, |env| {
            assert_gone(env);
            assert_eq!(snapshots(env), 2, "one of each volume, not two");
        });
        assert_eq!(count(&killed_at, "ModifyInstanceAttribute"), 1, "{killed_at:?}");
        assert_eq!(count(&killed_at, "CreateSnapshot"), 2, "{killed_at:?}");
        assert_eq!(count(&killed_at, "DeleteVolume"), 2, "{killed_at:?}");
    }
}

#[test]
fn around_each_request_of_restore_volumes() {
    let back = |env: &Env| {
        for volume in &env.built.etcd_volumes {
            let tags = env.account.volume_tags(&volume.id).unwrap();
            assert!(tags.contains_key(&format!("k8s.io/etcd/{}", volume.etcd)), "{tags:?}");
            assert!(tags.keys().all(|key| !key.starts_with("kops-recovery/")), "{tags:?}");
        }
    };
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        let killed_at = kill_after_a_wipe(&["restore-volumes", "--yes"], fault, back);
        assert_eq!(count(&killed_at, "CreateTags"), 2, "{killed_at:?}");
        assert_eq!(count(&killed_at, "DeleteTags"), 2, "{killed_at:?}");
    }
}

#[test]
fn around_each_request_of_a_purge() {
    let purge = ["purge-volumes", "--yes", "--confirm", CLUSTER, "--poll", "50ms"];
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        // Groups of the same names are there again.
        let killed_at = kill_after_a_wipe(&purge, fault, |env| {
            let now = env.picture();
            for volume in &env.built.etcd_volumes {
                assert!(!now.has(&volume.id), "{}", volume.id);
            }
        });
        assert_eq!(killed_at, ["DeleteVolume"; 2]);
    }
}
