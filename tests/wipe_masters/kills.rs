//! `kill -9` right before and right after every request that changes something: the next run ends as if nothing had happened.

use std::os::unix::process::ExitStatusExt;

use harness::store::CLUSTER;
use harness::{Fault, KopsCluster, Proxy, Recorded, Rule, Victim};

use crate::stand::Stand;

/// The other cluster has all that must be left alone.
fn stand(masters: usize) -> Stand {
    Stand::with(&KopsCluster {
        masters,
        workers: false,
        ..KopsCluster::new(CLUSTER)
    })
}

fn assert_only_masters_were_named(stand: &Stand, requests: &[Recorded]) {
    let masters = stand.masters();
    for request in requests.iter().filter(|request| request.is_change()) {
        let names = request.names();
        assert!(!names.is_empty(), "{:?} names nothing", request.action());
        for name in names {
            assert!(masters.contains(&name), "{:?} named {name}", request.action());
        }
    }
}

/// Kills the run at each of its changes in turn, until there is none left to be killed at. Gives how many there were.
fn kill_at_each_change(
    masters: usize,
    etcd_volumes: &str,
    fault: impl Fn(Victim) -> Fault,
    check: impl Fn(&Stand),
) -> usize {
    let arguments = ["--etcd-volumes", etcd_volumes, "--max-age", "4h"];
    for at in 0.. {
        let stand = stand(masters);
        let before = stand.rest();
        let proxy = Proxy::start(&stand.moto).unwrap();
        let victim = Victim::default();
        proxy.inject(Rule::change(at, fault(victim.clone())));
        let mut command = stand.wipe_yes_through(&proxy, &arguments);
        let child = command.spawn().unwrap();
        victim.is(child.id());
        let ended = child.wait_with_output().unwrap();
        let was_killed = ended.status.signal() == Some(9);
        if was_killed {
            let again = stand.wipe_yes_through(&proxy, &arguments).run().unwrap().success();
            let journals = stand.journals();
            assert_eq!(journals.len(), 2, "{}", again.stderr);
            assert_eq!(
                journals[1]["first"], journals[0]["run"],
                "the second goes on with the first"
            );
            assert!(journals[1]["finished"].is_string());
        } else {
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        check(&stand);
        assert_eq!(stand.rest(), before, "killed at change {at}");
        assert_only_masters_were_named(&stand, &proxy.requests());
        if !was_killed {
            return at;
        }
    }
    unreachable!("the run ends at some time")
}

#[test]
fn before_each_request_of_a_quarantine() {
    let changes = kill_at_each_change(2, "quarantine", Fault::KillBefore, Stand::assert_wiped);
    assert_eq!(changes, 10, "two groups, four volumes with two requests each");
}

#[test]
fn after_each_request_of_a_quarantine() {
    let changes = kill_at_each_change(2, "quarantine", Fault::KillAfter, Stand::assert_wiped);
    assert_eq!(changes, 10);
}

fn assert_gone(stand: &Stand) {
    let now = stand.picture();
    for id in stand.masters() {
        assert!(!now.has(&id), "{id}");
    }
}

fn snapshots(stand: &Stand) -> usize {
    let ours = [("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "kops-recovery/run")];
    let found = stand.account.ec2("DescribeSnapshots", &ours).unwrap();
    found.items(&["snapshotSet"]).len()
}

#[test]
fn around_each_request_of_snapshots_and_deletions() {
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        let changes = kill_at_each_change(1, "snapshot-then-delete", fault, |stand| {
            assert_gone(stand);
            assert_eq!(snapshots(stand), 2, "one of each volume, not two");
        });
        assert_eq!(changes, 5, "a group, two snapshots, two deletions");
    }
}
