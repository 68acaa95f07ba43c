//! `run` over an etcd that lives, with ssh: the leader is restarted, and nobody else.

use std::thread;
use std::time::Duration;

use harness::{ContainerRuntime, ControlLoopStandIn, MastersStandIn, command};

use crate::stand::{RESTORED, Stand};

const HOSTS: [&str; 3] = ["master-c", "master-a", "master-b"];
const ADDRESSES: [&str; 3] = ["10.0.0.3", "10.0.0.1", "10.0.0.2"];

#[test]
fn the_leader_is_restarted_over_ssh_when_a_command_would_lie_untouched() {
    let masters = MastersStandIn::start(&HOSTS, ContainerRuntime::Containerd).unwrap();
    let peers: Vec<(&str, &str)> = ADDRESSES.into_iter().zip(["c", "a", "b"]).collect();
    for (at, address) in ADDRESSES.iter().enumerate() {
        masters.host(at).unwrap().peer(address, &peers).unwrap();
    }
    let stopped = |at: usize| {
        let calls = masters.host(at).unwrap().calls();
        calls.iter().any(|call| call.contains("stop"))
    };
    let stand = Stand::new(RESTORED);
    let mut options = stand.manager("main");
    options.alive = true;
    let manager = ControlLoopStandIn::start(options).unwrap();
    let run = stand
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .args(HOSTS.iter().flat_map(|host| ["--host", host]))
        .env("PATH", command::path_with(&masters.path()));
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| run.run().unwrap());
        // What kubelet does with a container that was stopped.
        while !running.is_finished() && !stopped(1) {
            thread::sleep(Duration::from_millis(20));
        }
        manager.restart();
        running.join().unwrap()
    });
    ended
        .success()
        .stderr_has("$ kubectl etcd-restore restart-etcd --etcd main --yes")
        .stdout_has("main: restored from");
    assert!(stopped(1) && !stopped(0) && !stopped(2));
    assert_eq!(manager.trashed(), 1);
}
