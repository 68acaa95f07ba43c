//! Masters created after the plan was shown, or while it is applied. None of them is touched.

use support::aws::{Built, Machine};
use support::store::CLUSTER;
use support::{Fault, Gate, KopsCluster, Proxy, Recorded, Rule};

use crate::env::Env;

const MASTER: [&str; 2] = ["k8s.io/role/control-plane", "k8s.io/role/master"];

fn cluster() -> KopsCluster {
    KopsCluster::of_one_master(CLUSTER)
}

/// Auto Scaling makes another instance in the group that is planned.
fn grow(env: &Env) -> String {
    let group = env.built.masters[0].group.as_str();
    let before = env.picture();
    let more = [
        ("AutoScalingGroupName", group),
        ("MaxSize", "2"),
        ("DesiredCapacity", "2"),
    ];
    env.account.scaling("UpdateAutoScalingGroup", &more).unwrap();
    let made = env
        .picture()
        .0
        .into_keys()
        .find(|id| id.starts_with("i-") && !before.has(id));
    made.unwrap()
}

/// A hand makes another group of masters.
fn another_group(env: &Env) -> Machine {
    let (group, zone) = ("control-plane-us-east-1d", "us-east-1a");
    let name = format!("{group}.masters.{CLUSTER}");
    cluster().group(&env.account, group, &name, zone, &MASTER).unwrap()
}

/// The look at groups right after the plan was made, and the one after the group was deleted.
const BEFORE: (&str, usize) = ("Action=DescribeAutoScalingGroups&", 2);
const AMID: (&str, usize) = ("Action=DescribeAutoScalingGroups&", 3);

/// Runs the wipe, and does `meanwhile` when it is about to send a request like this after so many others.
fn wipe_and(
    env: &Env,
    (request, others): (&str, usize),
    meanwhile: impl FnOnce(),
) -> (Option<i32>, String, Vec<Recorded>) {
    let proxy = Proxy::start(&env.moto).unwrap();
    let gate = Gate::default();
    proxy.inject(Rule::times(1, "POST", request, Fault::Wait(gate.clone())).after(others));
    let mut command = env.wipe_yes_through(&proxy, &[]);
    let child = command.spawn().unwrap();
    assert!(gate.is_reached(), "it looked less often");
    meanwhile();
    gate.open();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), said, proxy.requests())
}

/// Nothing but what was planned was named in a change.
fn assert_only_planned(env: &Env, requests: &[Recorded]) {
    let masters = env.masters();
    for request in requests.iter().filter(|request| request.is_change()) {
        for name in request.names() {
            assert!(masters.contains(&name), "{:?} named {name}", request.action());
        }
    }
}

#[test]
fn resources_created_after_the_plan_are_refused_by_name() {
    let env = Env::with(&cluster());
    let shown = env.wipe(&["-o", "json"]).run().unwrap().success().json();
    let digest = shown["digest"].as_str().unwrap();
    let refused = |env: &Env, new: &str| {
        let before = env.picture();
        let _ = env
            .wipe_yes(&["--plan", digest])
            .run()
            .unwrap()
            .code(3)
            .stderr_has("; new: ")
            .stderr_has(new)
            .stderr_has("check the new plan");
        assert_eq!(env.picture(), before);
    };
    let grown = grow(&env);
    refused(&env, &grown);
    let another = another_group(&env);
    refused(&env, &another.group);
    refused(&env, &another.instance);
    assert!(env.journals().is_empty());
}

#[test]
fn an_instance_that_joins_a_planned_group_stops_the_run_before_its_first_change() {
    let env = Env::with(&cluster());
    let mut made = String::new();
    let (code, said, requests) = wipe_and(&env, BEFORE, || made = grow(&env));
    assert_eq!(code, Some(4), "{said}");
    let why = format!("{made} joined it, which is not in the plan and would be terminated too");
    assert!(said.contains(&why), "{said}");
    assert!(
        said.contains("check the plan again") && said.contains("nothing of the control plane was changed"),
        "{said}"
    );
    assert_eq!(requests.iter().filter(|request| request.is_change()).count(), 0);
    assert!(env.picture().has(&made) && env.masters().iter().all(|id| env.picture().has(id)));
    // The new plan names it, and then it goes with its group.
    let _ = env.wipe(&[]).run().unwrap().success().stdout_has(&made);
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    env.assert_wiped();
    assert!(!env.picture().has(&made));
}

#[test]
fn masters_created_during_the_run_are_named_and_kept() {
    let env = Env::with(&cluster());
    let mut rebuilt = Built::default();
    let (code, said, requests) = wipe_and(&env, AMID, || {
        // Under other names: a group of the same name is one that is planned, with a stranger in it.
        let other = KopsCluster {
            older: true,
            ..cluster()
        };
        other.build_masters(&env.account, &mut rebuilt).unwrap();
    });
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("new resources appeared meanwhile"), "{said}");
    for machine in &rebuilt.masters {
        assert!(said.contains(&machine.instance), "{said}");
    }
    for volume in &rebuilt.etcd_volumes {
        assert!(said.contains(&volume.id), "{said}");
    }
    assert!(said.contains("a `kops update` elsewhere?"), "{said}");
    assert_only_planned(&env, &requests);
    let now = env.picture();
    for machine in &rebuilt.masters {
        assert!(now.has(&machine.instance), "{}", machine.instance);
    }
}

#[test]
fn a_recreated_group_is_not_deleted_twice() {
    let env = Env::with(&cluster());
    let mut rebuilt = Built::default();
    let (code, said, requests) = wipe_and(&env, AMID, || {
        cluster().build_masters(&env.account, &mut rebuilt).unwrap();
    });
    assert_eq!(code, Some(4), "{said}");
    let new = &rebuilt.masters[0].instance;
    assert!(
        said.contains(&format!("{new} joined it, which is not in the plan")),
        "{said}"
    );
    assert!(said.contains("check the plan again"), "{said}");
    assert_only_planned(&env, &requests);
    let deletions = requests
        .iter()
        .filter(|request| request.action() == Some("DeleteAutoScalingGroup"));
    assert_eq!(deletions.count(), 1);
    assert!(env.picture().has(new));
}

#[test]
fn a_planned_volume_mounted_by_a_new_master_is_kept() {
    let env = Env::with(&cluster());
    let volume = env.built.etcd_volumes[0].clone();
    let tags = env.account.volume_tags(&volume.id).unwrap();
    let mut new = Machine::default();
    // The look at volumes after the one that still saw the old master.
    let amid = ("Action=DescribeVolumes&", 3);
    let (code, said, requests) = wipe_and(&env, amid, || {
        new = another_group(&env);
        let attach = [
            ("VolumeId", volume.id.as_str()),
            ("InstanceId", new.instance.as_str()),
            ("Device", "/dev/xvdu"),
        ];
        env.account.ec2("AttachVolume", &attach).unwrap();
    });
    assert_eq!(code, Some(4), "{said}");
    let why = format!(
        "{}: it was attached to {}, which is not in the plan",
        volume.id, new.instance
    );
    assert!(said.contains(&why), "{said}");
    assert!(said.contains("check the plan again"), "{said}");
    assert_only_planned(&env, &requests);
    assert_eq!(env.account.volume_tags(&volume.id).unwrap(), tags);
    assert!(env.picture().has(&new.instance));
}
