//! `run` over an etcd that lives, with ssh: the leader is restarted, and nobody else.

use std::thread;
use std::time::Duration;

use support::{ContainerRuntime, ControlLoopSimulator, HoldAt, MastersSimulator, cmd, wait_for};

use crate::env::{Env, MAIN, RESTORED};

const HOSTS: [&str; 3] = ["master-c", "master-a", "master-b"];
const ADDRESSES: [&str; 3] = ["10.0.0.3", "10.0.0.1", "10.0.0.2"];

fn masters() -> MastersSimulator {
    let masters = MastersSimulator::start(&HOSTS, ContainerRuntime::Containerd).unwrap();
    let peers: Vec<(&str, &str)> = ADDRESSES.into_iter().zip(["c", "a", "b"]).collect();
    for (at, address) in ADDRESSES.iter().enumerate() {
        masters.host(at).unwrap().peer(address, &peers).unwrap();
    }
    masters
}

#[test]
fn the_leader_is_restarted_over_ssh_when_a_command_would_lie_untouched() {
    let masters = masters();
    let stopped = |at: usize| {
        let calls = masters.host(at).unwrap().calls();
        calls.iter().any(|call| call.contains("stop"))
    };
    let env = Env::new(RESTORED);
    let mut options = env.manager("main");
    options.alive = true;
    let manager = ControlLoopSimulator::start(options).unwrap();
    let run = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .args(HOSTS.iter().flat_map(|host| ["--host", host]))
        .env("PATH", cmd::path_with(&masters.path()));
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

#[test]
fn the_log_on_the_master_tells_why_it_loops() {
    let masters = masters();
    let env = Env::new(RESTORED);
    let mut options = env.manager("main");
    // Time for a line to come from the host before etcd has come up empty thrice.
    options.cycle = Duration::from_secs(5);
    let manager = ControlLoopSimulator::start(options).unwrap();
    // The leader's log, as it would lie on its host.
    let log = masters.host(1).unwrap().file("/var/log/etcd.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(manager.log_file(), log).unwrap();
    let sshd = masters.host(1).unwrap().sshd();
    let followed = sshd.programs().join("followed");
    let tail = "touch $(dirname $0)/followed; exec /usr/bin/tail \"$@\"";
    sshd.add_program("tail", tail).unwrap();
    manager.hold(HoldAt::BeforeTaking);
    let run = env
        .seeing("run --etcd main --yes --confirm super.k8s.local")
        .args(["--host", HOSTS[1]])
        .env("PATH", cmd::path_with(&masters.path()));
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| run.run().unwrap());
        wait_for("it is queued", || !env.queued("main").is_empty());
        wait_for("the log is followed", || followed.exists());
        std::fs::remove_dir_all(env.base("main").join(MAIN)).unwrap();
        manager.release();
        running.join().unwrap()
    });
    ended
        .code(4)
        .stderr_has("main is looping: etcd-manager cannot read the backup")
        .stderr_has("error reading backup info in");
}

#[test]
fn an_api_that_never_gets_ready_shows_what_its_servers_said_last() {
    let masters = masters();
    for (at, words) in [(0, "etcd is unreachable"), (1, "cannot bind 443")] {
        let log = masters.host(at).unwrap().file("/var/log/kube-apiserver.log");
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        std::fs::write(log, format!("E1122 15:20:00.000000 1 run.go:1] {words}\n")).unwrap();
    }
    let env = Env::new(RESTORED);
    let _main = env.start("main");
    let kubeconfig = env.root().join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters:\n- name: x\n  cluster: {server: 'http://127.0.0.1:1'}\n\
         users:\n- name: x\n  user: {token: t}\ncontexts:\n- name: x\n  context: {cluster: x, user: x}\n";
    std::fs::write(&kubeconfig, text).unwrap();
    let run = |more: &[&str]| {
        let cmd = env.seeing("run --etcd main --yes --confirm super.k8s.local --api-timeout 2s");
        let cmd = cmd.arg("--kubeconfig").arg(&kubeconfig);
        cmd.args(more)
            .env("PATH", cmd::path_with(&masters.path()))
            .run()
            .unwrap()
    };
    let hosts: Vec<&str> = HOSTS.iter().flat_map(|host| ["--host", host]).collect();
    run(&hosts)
        .code(4)
        .stderr_has("master-c  E1122 15:20:00.000000 1 run.go:1] etcd is unreachable")
        .stderr_has("master-a  E1122 15:20:00.000000 1 run.go:1] cannot bind 443")
        .stderr_has("master-b  no /var/log/kube-apiserver.log");
    // Without a way to the hosts the command that shows them is named.
    let blind = run(&[]).code(4);
    assert!(!blind.stderr.contains("run.go"), "{}", blind.stderr);
    blind.stderr_has("kubectl etcd-restore logs kube-apiserver --name super.k8s.local");
}
