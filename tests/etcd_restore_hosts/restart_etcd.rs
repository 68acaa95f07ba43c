//! `restart-etcd`: the right container of the right host, and no other.

use support::ContainerRuntime::{Containerd, Ctr, Docker, Unknown};
use support::store::CLUSTER;
use support::{AwsAccount, KopsCluster, MastersSimulator, Moto, S3, cmd};

use crate::env::{Env, HOSTS};

#[test]
fn the_leaders_container_is_stopped_and_no_other() {
    for (runtime, program, stop) in [
        (Containerd, "crictl", "crictl stop -t 20"),
        (Ctr, "ctr", "ctr -n k8s.io tasks kill -s SIGTERM"),
        (Docker, "docker", "docker stop -t 20"),
    ] {
        let env = Env::new(runtime);
        let plan = env.on_all("restart-etcd --etcd main -o json").run().unwrap().success();
        let rows = plan.stderr_has("pass --yes").json();
        let order: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (&row["member"], &row["action"]))
            .collect();
        assert_eq!(
            serde_json::json!(order),
            serde_json::json!([["etcd-a", "stop"], ["etcd-b", "leave"], ["etcd-c", "leave"]])
        );
        assert_eq!(
            (&rows[0]["host"], &rows[0]["runtime"]),
            (&HOSTS[1].into(), &program.into())
        );
        assert!((0..3).all(|at| env.calls(at).is_empty()));

        let done = env
            .on_all("restart-etcd --etcd main --yes -o json")
            .run()
            .unwrap()
            .success()
            .json();
        assert_eq!(done[0]["action"], "restarted");
        assert_eq!(env.calls(1), [format!("{stop} aaa111")]);
        assert!(env.calls(0).is_empty() && env.calls(2).is_empty());

        // Every etcd, every member, each in its turn; events by its own pod.
        env.on_all("restart-etcd --all --yes").run().unwrap().success();
        for at in 0..3 {
            let calls = env.calls(at);
            let last = &calls[calls.len() - 2..];
            assert!(last.contains(&format!("{stop} bbb222")), "{calls:?}");
            assert!(last.iter().any(|call| call.ends_with("aaa111")), "{calls:?}");
            assert!(calls.iter().all(|call| !call.contains("ccc333")), "{calls:?}");
        }
    }
}

#[test]
fn a_host_without_a_tool_is_an_error_that_says_so() {
    let env = Env::new(Unknown);
    let rows = env.on_all("restart-etcd --etcd main -o json").run().unwrap().code(1);
    let rows = rows
        .stderr_has("whether an etcd-manager container runs on master-a and master-b and master-c is not known")
        .json();
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .all(|row| row["action"] == "no-runtime" && row["reason"] == "none of crictl, ctr and docker works there"),
        "{rows}"
    );
}

#[test]
fn a_queued_command_and_a_living_etcd_want_the_clusters_name() {
    let env = Env::new(Containerd);
    env.queue();
    let restart = |more: &str| {
        env.on_all("restart-etcd --etcd main --yes")
            .args(more.split_whitespace())
            .run()
            .unwrap()
    };
    restart("")
        .code(3)
        .stderr_has("cannot be undone")
        .stderr_has("--confirm");
    restart("--confirm x.super.k8s.local")
        .code(3)
        .stderr_has("nothing was changed");
    assert!(env.calls(1).is_empty());
    restart(&format!("--confirm {CLUSTER}")).success();
    assert_eq!(env.calls(1), ["crictl stop -t 20 aaa111"]);
    // Nothing is queued for events, and its etcd does not serve: no data is at stake.
    env.on_all("restart-etcd --etcd events --yes").run().unwrap().success();
    for at in 0..3 {
        env.masters
            .host(at)
            .unwrap()
            .set("listen", "LISTEN 0 4096 127.0.0.1:4002 0.0.0.0:*\n")
            .unwrap();
    }
    env.on_all("restart-etcd --etcd events --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("--confirm");
}

#[test]
fn one_of_three_masters_is_down_and_the_others_go_on() {
    let mut env = Env::new(Containerd);
    env.masters.stop(0);
    let done = env
        .on_all("restart-etcd --etcd main --all --yes -o json")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap();
    // The name is wanted, since nobody knows whether etcd serves on master-c; nor is known that it is not the leader.
    let done = done
        .code(4)
        .stderr_has("ssh to master-c: unreachable")
        .stderr_has("does not answer");
    let rows = done.json();
    let actions: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["restarted", "restarted", "unreachable"]);
    assert_eq!((env.calls(1).len(), env.calls(2).len()), (1, 1));
    env.masters.stop(1);
    env.masters.stop(2);
    env.on_all("restart-etcd --etcd main --yes")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no host answers");
}

#[test]
fn a_container_that_does_not_come_back_is_said() {
    let env = Env::new(Containerd);
    env.masters.host(1).unwrap().set("no-kubelet", "").unwrap();
    let ended = env
        .on_all("restart-etcd --etcd main --yes --timeout 1s")
        .run()
        .unwrap()
        .code(4);
    ended
        .stderr_has("not started again by kubelet")
        .stderr_has("restart-kubelet");
}

#[test]
fn who_leads_is_not_guessed() {
    let env = Env::new(Containerd);
    for at in 0..3 {
        env.masters.host(at).unwrap().peer("10.9.9.9", &[]).unwrap();
    }
    let restart = |more: &str| {
        env.on_all("restart-etcd --etcd main --yes")
            .args(more.split_whitespace())
            .run()
            .unwrap()
    };
    restart("")
        .code(3)
        .stderr_has("is not known, so the leader is not known")
        .stderr_has("--all");
    assert!((0..3).all(|at| env.calls(at).is_empty()));
    restart("--all").success();
    // A single master leads, whatever its name.
    env.cmd("restart-etcd --etcd main --yes --host master-a")
        .run()
        .unwrap()
        .success();
    assert_eq!(env.calls(1).len(), 2);
}

#[test]
fn a_kubectl_context_names_no_cluster_for_this() {
    let env = Env::new(Containerd);
    crate::env::plugin("restart-etcd --host master-a")
        .env("PATH", support::cmd::path_with(&env.masters.path()))
        .run()
        .unwrap()
        .code(2)
        .stderr_has("--name");
}

#[test]
fn hosts_and_members_are_those_that_aws_has() {
    let env = Env::new(Containerd);
    let moto = Moto::start().unwrap();
    let account = AwsAccount::of(&moto);
    let built = KopsCluster::new(CLUSTER).build(&account).unwrap();
    let ips: Vec<&str> = built.masters.iter().map(|master| master.private_ip.as_str()).collect();
    let masters = MastersSimulator::start(&ips, Containerd).unwrap();
    let restart = |more: &str| {
        env.cmd("restart-etcd --etcd main --ssh-address private -o json")
            .args(more.split_whitespace())
            .envs(moto.env())
            .env("PATH", cmd::path_with(&masters.path()))
            .run()
            .unwrap()
    };
    let leader = built
        .etcd_volumes
        .iter()
        .find(|volume| volume.etcd == "main" && volume.member == "a")
        .unwrap();
    let rows = restart("--yes").success().json();
    assert_eq!(
        (&rows[0]["member"], &rows[0]["instance"], &rows[0]["action"]),
        (&"etcd-a".into(), &leader.instance.as_str().into(), &"restarted".into())
    );
    for (at, master) in built.masters.iter().enumerate() {
        let calls = masters.host(at).unwrap().calls();
        assert_eq!(
            calls.len(),
            usize::from(master.instance == leader.instance),
            "{calls:?}"
        );
    }
    for master in &built.masters {
        let group = [("AutoScalingGroupName", master.group.as_str()), ("ForceDelete", "true")];
        account.scaling("DeleteAutoScalingGroup", &group).unwrap();
    }
    restart("--yes")
        .code(1)
        .stderr_has("AWS has no running control-plane instance")
        .stderr_has("--host");
}
