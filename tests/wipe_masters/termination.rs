//! `DeleteOnTermination`: it is turned off first, or nothing is deleted.

use support::store::CLUSTER;
use support::{Fault, Gate, KopsCluster, Proxy, Recorded, Rule};

use crate::env::Env;

const KEEP: &str = "ModifyInstanceAttribute";

fn small() -> Env {
    Env::with(&KopsCluster::of_one_master(CLUSTER))
}

/// A cluster whose last volume would go with its master.
fn turn_delete_on_termination_on(env: &Env) -> String {
    let volume = env.built.etcd_volumes.last().unwrap();
    env.account.delete_on_termination(volume, true).unwrap();
    volume.id.clone()
}

fn changes(proxy: &Proxy) -> Vec<String> {
    let requests = proxy.requests().into_iter().filter(Recorded::is_change);
    requests
        .filter_map(|request| request.action().map(str::to_owned))
        .collect()
}

#[test]
fn it_is_planned_shown_and_turned_off_before_the_first_deletion() {
    for how in ["quarantine", "snapshot-then-delete"] {
        let env = Env::new();
        let volume = turn_delete_on_termination_on(&env);
        let arguments = ["--etcd-volumes", how, "--max-age", "4h"];
        let shown = env.wipe(&arguments).run().unwrap().success();
        let _ = shown
            .stdout_has("keep ")
            .stdout_has("DeleteOnTermination is on: AWS would delete it with i-")
            .stdout_has("delete-on-termination");
        let plan = env
            .wipe(&arguments)
            .args(["-o", "json"])
            .run()
            .unwrap()
            .success()
            .json();
        assert_eq!(plan["keeps"][0]["volume"], volume.as_str());
        assert_eq!(plan["keeps"].as_array().unwrap().len(), 1);
        let digest = plan["digest"].as_str().unwrap();
        let before = env.rest();
        let proxy = Proxy::start(&env.moto).unwrap();
        let ended = env
            .wipe_yes_through(&proxy, &[&arguments[..], &["--plan", digest]].concat())
            .run()
            .unwrap()
            .success();
        let _ = ended.stderr_has(&format!("attachment of {volume} on i-"));
        let changes = changes(&proxy);
        assert_eq!(changes[0], KEEP, "{changes:?}");
        assert_eq!(changes.iter().filter(|change| *change == KEEP).count(), 1);
        // Read back between the switch and the first deletion.
        let requests = proxy.requests();
        let at = |action: &str| {
            requests
                .iter()
                .position(|request| request.action() == Some(action))
                .unwrap()
        };
        let (kept, deleted) = (at(KEEP), at("DeleteAutoScalingGroup"));
        let looked = requests[kept..deleted]
            .iter()
            .any(|request| request.action() == Some("DescribeInstances"));
        assert!(looked, "it was not looked at again");
        if how == "quarantine" {
            env.assert_wiped();
        } else {
            assert_eq!(
                changes.iter().filter(|change| *change == "CreateSnapshot").count(),
                6,
                "{changes:?}"
            );
        }
        assert_eq!(env.rest(), before);
    }
}

/// What today's moto does with such a volume where nobody switches it off: so the test above can fail.
#[test]
fn otherwise_aws_deletes_the_volume() {
    let env = small();
    let volume = turn_delete_on_termination_on(&env);
    let group = [
        ("AutoScalingGroupName", env.built.masters[0].group.as_str()),
        ("ForceDelete", "true"),
    ];
    env.account.scaling("DeleteAutoScalingGroup", &group).unwrap();
    assert!(!env.picture().has(&volume));
    assert!(env.picture().has(&env.built.etcd_volumes[0].id));
}

#[test]
fn nothing_is_deleted_if_it_cannot_be_turned_off() {
    for fault in [
        Rule::error(403, "UnauthorizedOperation"),
        Rule::error(400, "IncorrectInstanceState"),
        // AWS takes it, and nothing comes of it.
        Fault::Slow(usize::MAX),
    ] {
        let env = small();
        let volume = turn_delete_on_termination_on(&env);
        let before = env.picture();
        let proxy = Proxy::start(&env.moto).unwrap();
        proxy.inject(Rule::always("POST", format!("Action={KEEP}&"), fault.clone()));
        let ended = env.wipe_yes_through(&proxy, &[]).run().unwrap().code(4);
        let why = format!("{volume} would be deleted with i-");
        let _ = ended
            .stderr_has(&why)
            .stderr_has("hint:")
            .stderr_has("repeat the command");
        assert_eq!(env.picture(), before, "{fault:?}");
        let changes = changes(&proxy);
        assert!(changes.iter().all(|change| change == KEEP), "{changes:?}");
        // Once it can be, the same command goes on.
        let _ = env.wipe_yes(&[]).run().unwrap().success();
        env.assert_wiped();
    }
}

#[test]
fn turned_on_after_the_plan_it_is_refused_by_name() {
    let env = small();
    let plan = env.wipe(&["-o", "json"]).run().unwrap().success().json();
    let volume = turn_delete_on_termination_on(&env);
    let before = env.picture();
    let _ = env
        .wipe_yes(&["--plan", plan["digest"].as_str().unwrap()])
        .run()
        .unwrap()
        .code(3)
        .stderr_has(&format!("new: keep {volume} on i-"));
    assert_eq!(env.picture(), before);
    // Deleted for good it may go as it likes.
    let proxy = Proxy::start(&env.moto).unwrap();
    let delete = ["--etcd-volumes", "delete", "--max-age", "4h"];
    let _ = env.wipe_yes_through(&proxy, &delete).run().unwrap().success();
    assert!(changes(&proxy).iter().all(|change| change != KEEP));
}

/// The look at volumes after the one that still saw the old master.
#[test]
fn a_lost_volume_is_a_failure_until_reported() {
    let env = small();
    let lost = env.built.etcd_volumes[0].clone();
    let proxy = Proxy::start(&env.moto).unwrap();
    let gate = Gate::default();
    proxy.inject(Rule::times(1, "POST", "Action=DescribeVolumes&", Fault::Wait(gate.clone())).after(3));
    let mut command = env.wipe_yes_through(&proxy, &[]);
    let child = command.spawn().unwrap();
    assert!(gate.is_reached());
    env.account.ec2("DeleteVolume", &[("VolumeId", &lost.id)]).unwrap();
    gate.open();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(4), "{said}");
    assert!(
        said.contains(&format!(
            "volume {}: lost: it no longer exists, and should have been kept",
            lost.id
        )),
        "{said}"
    );
    assert!(!said.contains("gone: somebody deleted it"), "{said}");
    // The other one was put away all the same.
    let other = env.account.volume_tags(&env.built.etcd_volumes[1].id).unwrap();
    assert_eq!(other["kops-recovery/quarantined"], CLUSTER);
    // The next run finds nothing more to do, and does not call it done.
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("these volumes should have been kept and no longer exist")
        .stderr_has(&lost.id)
        .stdout_has("lost-volumes");
    assert!(env.journals().last().unwrap()["log"].to_string().contains(&lost.id));
    let _ = env.wipe_yes(&[]).run().unwrap().success();
}
