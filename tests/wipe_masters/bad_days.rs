//! Failing requests, timeouts, two operators, Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use support::store::CLUSTER;
use support::{Cmd, Fault, KopsCluster, Proxy, Rule};

use crate::env::{Env, NOW};

const CHANGES: [&str; 4] = [
    "ModifyInstanceAttribute",
    "DeleteAutoScalingGroup",
    "CreateTags",
    "DeleteTags",
];
const READS: [&str; 4] = [
    "GetCallerIdentity",
    "DescribeAutoScalingGroups",
    "DescribeInstances",
    "DescribeVolumes",
];

fn small() -> Env {
    Env::with(&KopsCluster::of_one_master(CLUSTER))
}

/// The same with a volume that AWS would delete with its master: so every change there is occurs.
fn with_a_volume_to_keep() -> Env {
    let env = small();
    env.account
        .delete_on_termination(&env.built.etcd_volumes[0], true)
        .unwrap();
    env
}

fn the_next_run_ends_it(env: &Env) {
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .success()
        .stderr_has("resuming an interrupted run");
    env.assert_wiped();
}

/// A timeout as the client meets it: the server has done it, and the answer does not come.
#[test]
fn a_change_without_a_response_is_a_failure_and_resumable() {
    let env = small();
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::always(
        "POST",
        "Action=DeleteAutoScalingGroup&",
        Fault::HoldAnswer,
    ));
    let before = env.rest();
    let _ = env
        .wipe_yes_through(&proxy, &["--aws-timeout", "1s", "--timeout", "1s"])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("timed out")
        .stderr_has("left: group control-plane-us-east-1a.masters.super.k8s.local")
        .stderr_has("repeat the command");
    the_next_run_ends_it(&env);
    assert_eq!(env.rest(), before);
}

#[test]
fn a_volume_that_hangs_in_detaching_is_named_with_the_cure() {
    let env = small();
    let proxy = Proxy::start(&env.moto).unwrap();
    let hanging = &env.built.etcd_volumes[0];
    let stuck = Fault::StillDetaching {
        volume: hanging.id.clone(),
        instance: hanging.instance.clone(),
    };
    proxy.inject(Rule::always("POST", "Action=DescribeVolumes&", stuck));
    let tags = env.account.volume_tags(&hanging.id).unwrap();
    let before = env.rest();
    let _ = env
        .wipe_yes_through(&proxy, &["--timeout", "2s"])
        .run()
        .unwrap()
        .code(4)
        .stderr_has(&format!(
            "left: volume {}: detaching from {}",
            hanging.id, hanging.instance
        ))
        .stderr_has(&format!("aws ec2 detach-volume --force --volume-id {}", hanging.id))
        .stderr_has("repeat the command");
    assert_eq!(
        env.account.volume_tags(&hanging.id).unwrap(),
        tags,
        "nothing was done to it"
    );
    // It came off: the same command hides it, too.
    the_next_run_ends_it(&env);
    assert_eq!(env.rest(), before);
}

fn fail_each_once(proxy: &Proxy, fault: &Fault) {
    for action in CHANGES.iter().chain(&READS) {
        proxy.inject(Rule::times(1, "POST", format!("Action={action}&"), fault.clone()));
    }
}

#[test]
fn each_request_fails_once_and_the_run_does_not() {
    for fault in [
        Rule::error(503, "Unavailable"),
        Rule::error(400, "Throttling"),
        Rule::error(503, "RequestLimitExceeded"),
        Fault::HangUp,
        Fault::LoseAnswer,
        Fault::HoldAnswer,
    ] {
        let env = with_a_volume_to_keep();
        let proxy = Proxy::start(&env.moto).unwrap();
        fail_each_once(&proxy, &fault);
        let before = env.rest();
        let ended = env.wipe_yes_through(&proxy, &["--aws-timeout", "1s"]).run().unwrap();
        assert_eq!(ended.exit_code(), Some(0), "{fault:?}: {}", ended.stderr);
        env.assert_wiped();
        assert_eq!(env.rest(), before);
    }
}

#[test]
fn denied_actions_are_named_and_the_next_run_resumes() {
    let env = with_a_volume_to_keep();
    let proxy = Proxy::start(&env.moto).unwrap();
    let before = env.rest();
    let mut codes = Vec::new();
    for action in READS.iter().chain(&CHANGES) {
        let rule = Rule::times(
            1,
            "POST",
            format!("Action={action}&"),
            Rule::error(403, "UnauthorizedOperation"),
        );
        proxy.inject(rule);
        let ended = env
            .wipe_yes_through(&proxy, &[])
            .run()
            .unwrap()
            .stderr_has("access denied")
            .stderr_has("hint:");
        codes.push(ended.exit_code().unwrap());
    }
    // While AWS is asked nothing was changed; then the run was recorded and a backup pinned, at least.
    assert_eq!(codes, [1, 1, 1, 1, 4, 4, 4, 4]);
    let _ = env.wipe_yes_through(&proxy, &[]).run().unwrap().success();
    env.assert_wiped();
    assert_eq!(env.rest(), before);
}

#[test]
fn a_run_with_expired_credentials_can_be_resumed() {
    let env = small();
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::always(
        "POST",
        "Action=DeleteTags&",
        Rule::error(400, "RequestExpired"),
    ));
    let _ = env
        .wipe_yes_through(&proxy, &[])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("the AWS credentials have expired")
        .stderr_has("done: 2 of 4")
        .stderr_has("aws sso login");
    the_next_run_ends_it(&env);
}

/// A run whose group takes for ever, at the moment when it waits for it.
fn hanging(env: &Env, proxy: &Proxy) -> (Cmd, Child) {
    proxy.inject(Rule::times(
        1,
        "POST",
        "Action=DeleteAutoScalingGroup&",
        Fault::Slow(usize::MAX),
    ));
    let mut command = env.wipe_yes_through(proxy, &[]);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("being deleted") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended too early");
    }
    child.stderr = Some(lines.into_inner());
    (command, child)
}

fn signal(child: &Child, name: &str) {
    Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
}

#[test]
fn an_interrupted_run_warns_and_can_be_resumed() {
    let env = small();
    let proxy = Proxy::start(&env.moto).unwrap();
    let (_home, child) = hanging(&env, &proxy);
    signal(&child, "-INT");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("repeat the command to resume"), "{said}");
    the_next_run_ends_it(&env);
}

#[test]
fn two_operators_do_not_run_at_once() {
    let env = small();
    let proxy = Proxy::start(&env.moto).unwrap();
    let (_home, mut first) = hanging(&env, &proxy);
    let elsewhere = tempfile::tempdir().unwrap();
    let second = |now: &str| env.wipe_yes(&[]).env("HOME", elsewhere.path()).now(now);

    // On the same machine it is seen that the first one lives, on another that it was alive a moment ago.
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("is already wiping these masters");
    let _ = second(NOW)
        .run()
        .unwrap()
        .code(3)
        .stderr_has("this command resumes it after 2026-11-22T18:22:00Z");
    let _ = env
        .wipe(&["restore-volumes", "--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("already");

    // It dies. Somebody else waits for its silence, and goes on.
    first.kill().unwrap();
    first.wait().unwrap();
    let _ = second(NOW).run().unwrap().code(3);
    let _ = second("2026-11-22T18:22:01Z")
        .run()
        .unwrap()
        .success()
        .stderr_has("resuming an interrupted run");
    env.assert_wiped();
    assert_eq!(env.journals().len(), 2);
}

#[test]
fn a_timeout_names_the_unfinished_resources() {
    let env = small();
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::times(
        1,
        "POST",
        "Action=DeleteAutoScalingGroup&",
        Fault::Slow(usize::MAX),
    ));
    let _ = env
        .wipe_yes_through(&proxy, &["--timeout", "1s"])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("not done after 1 s; done: 0 of 4; left: group control-plane-us-east-1a.masters.super.k8s.local: being deleted")
        .stderr_has("repeat the command");
    let _ = env.wipe_yes(&[]).run().unwrap().success();
}

#[test]
fn masters_created_meanwhile_are_a_failure() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    // A `kops update` elsewhere: what it made is a new plan, never part of the old one.
    let shown = env.wipe(&["-o", "json"]).run().unwrap().success().json();
    assert_eq!(shown["autoScalingGroups"].as_array().unwrap().len(), 0);
    let mut rebuilt = support::aws::Built::default();
    KopsCluster {
        masters: 1,
        ..KopsCluster::new(CLUSTER)
    }
    .build_masters(&env.account, &mut rebuilt)
    .unwrap();
    let before = env.picture();
    let old = env.journals()[0]["digest"].as_str().unwrap().to_owned();
    let _ = env
        .wipe_yes(&["--again", "--plan", &old])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("; new: ")
        .stderr_has(&rebuilt.masters[0].instance);
    assert_eq!(env.picture(), before);
}

#[test]
fn an_unwritable_home_is_ignored() {
    let env = small();
    let _ = env.wipe_yes(&[]).env("HOME", "/proc/nowhere").run().unwrap().success();
    env.assert_wiped();
    let again = small();
    let _ = again.wipe_yes(&[]).without_env("HOME").run().unwrap().success();
}

#[test]
fn a_master_that_was_detached_by_hand_and_protected_is_named_with_the_cure() {
    let env = small();
    let master = &env.built.masters[0];
    let detach = [
        ("AutoScalingGroupName", master.group.as_str()),
        ("InstanceIds.member.1", master.instance.as_str()),
        ("ShouldDecrementDesiredCapacity", "true"),
    ];
    // As kops has it: a group of one may be empty for a while.
    let empty = [("AutoScalingGroupName", master.group.as_str()), ("MinSize", "0")];
    env.account.scaling("UpdateAutoScalingGroup", &empty).unwrap();
    env.account.scaling("DetachInstances", &detach).unwrap();
    let protect = |on: &str| {
        let attribute = [
            ("InstanceId", master.instance.as_str()),
            ("DisableApiTermination.Value", on),
        ];
        env.account.ec2("ModifyInstanceAttribute", &attribute).unwrap();
    };
    protect("true");
    let before = env.rest();
    let _ = env.wipe(&[]).run().unwrap().success().stdout_has("outside any group");
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("given up: terminate")
        .stderr_has("still uses it")
        .stderr_has("--no-disable-api-termination --instance-id i-");
    protect("false");
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    env.assert_wiped();
    assert_eq!(env.rest(), before);
}
