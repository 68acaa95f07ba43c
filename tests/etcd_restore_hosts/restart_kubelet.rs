//! `restart-kubelet`: kubelets, and the API servers that are older than their etcd.

use std::io::{BufRead, BufReader};

use support::ContainerRuntime::{Containerd, Ctr, Docker, Unknown};
use support::store::CLUSTER;
use support::{Ca, Etcd, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, LoadBalancer, admin_kubeconfig};

use crate::env::Env;

const OLD: &str = "  3600 /usr/local/bin/kube-apiserver --x\n    60 /opt/etcd-v3.5.30/etcd\n";
const YOUNG: &str = "    30 /usr/local/bin/kube-apiserver --x\n    60 /opt/etcd-v3.5.30/etcd\n";

const NONE: &str = "    60 /opt/etcd-v3.5.30/etcd\n";

#[test]
fn kubelet_is_restarted_everywhere_and_an_old_api_server_with_it() {
    for (runtime, stop) in [
        (Containerd, "crictl stop -t 10"),
        (Ctr, "ctr -n k8s.io tasks kill -s SIGTERM"),
        (Docker, "docker stop -t 10"),
    ] {
        an_old_api_server_is_stopped(&Env::new(runtime), stop);
    }
}

fn an_old_api_server_is_stopped(env: &Env, stop: &str) {
    for (at, processes) in [OLD, YOUNG, NONE].into_iter().enumerate() {
        env.masters.host(at).unwrap().set("processes", processes).unwrap();
    }
    env.masters
        .host(2)
        .unwrap()
        .set("containers", "aaa111 etcd-manager etcd-manager-main-i-0\n")
        .unwrap();
    let plan = env.on_all("restart-kubelet -o json").run().unwrap().success().json();
    let words: Vec<_> = plan
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["apiServer"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["restart", "leave", "none"]);
    assert!((0..3).all(|at| env.calls(at).is_empty()));

    let ended = env
        .on_all("restart-kubelet --yes --ready-timeout 0 -o json")
        .run()
        .unwrap()
        .success();
    assert!(
        ended
            .json()
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["kubelet"] == "restarted")
    );
    assert_eq!(
        env.calls(0),
        [format!("{stop} ccc333"), "systemctl restart kubelet".to_owned()]
    );
    assert_eq!(env.calls(1), ["systemctl restart kubelet"]);
    assert_eq!(env.calls(2), ["systemctl restart kubelet"]);
}

#[test]
fn an_api_server_that_could_not_be_looked_for_is_not_said_to_be_absent() {
    let env = Env::new(Unknown);
    let restart = |more: &str| {
        env.on_all("restart-kubelet --yes --ready-timeout 0 -o json")
            .args(more.split_whitespace())
            .run()
            .unwrap()
    };
    let rows = restart("")
        .code(1)
        .stderr_has("0 of 3 kubelets were restarted")
        .stderr_has("--api-server never")
        .json();
    for row in rows.as_array().unwrap() {
        assert_eq!(
            (&row["kubelet"], &row["apiServer"]),
            (&"no-runtime".into(), &"unknown".into())
        );
        assert_eq!(row["reason"], "none of crictl, ctr and docker works there");
    }
    assert!((0..3).all(|at| env.calls(at).is_empty()));
    restart("--api-server never").success();
    assert!((0..3).all(|at| env.calls(at) == ["systemctl restart kubelet"]));
}

#[test]
fn one_that_fails_or_is_down_does_not_stop_the_others() {
    let mut env = Env::new(Containerd);
    env.masters.host(1).unwrap().set("no-systemctl", "").unwrap();
    env.masters.stop(0);
    let ended = env
        .on_all("restart-kubelet --yes --ready-timeout 0 -o json")
        .run()
        .unwrap()
        .code(4);
    let ended = ended
        .stderr_has("1 of 3 kubelets")
        .stderr_has("Unit kubelet.service not found");
    let rows = ended.json();
    let words: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["kubelet"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["unreachable", "failed", "restarted"]);
}

#[test]
fn workers_are_restarted_without_their_pods() {
    let env = Env::new(Containerd);
    env.on_all("restart-kubelet --workers --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("cleanup workers");
    for at in 0..3 {
        assert_eq!(env.calls(at), ["systemctl restart kubelet"]);
    }
}

#[test]
fn an_api_that_never_comes_up_shows_its_last_lines() {
    let env = Env::new(Containerd);
    let log = env.masters.host(1).unwrap().file("/var/log/kube-apiserver.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "E1122 15:20:00.000000 1 run.go:1] cannot reach etcd\n").unwrap();
    let kubeconfig = env.masters.folder().join("config");
    let config = r#"{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":
        {"cluster":"c","user":"u"}}],"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
        "users":[{"name":"u","user":{"token":"t"}}]}"#;
    std::fs::write(&kubeconfig, config).unwrap();
    let ended = env
        .on_all("restart-kubelet --yes --ready-timeout 3s")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .run()
        .unwrap()
        .code(4);
    ended
        .stderr_has("cannot reach etcd")
        .stderr_has("was not ready 3 times in a row")
        .stderr_has("logs kube-apiserver");
}

#[test]
fn the_api_is_waited_for_until_it_is_ready_so_many_times_in_a_row() {
    let env = Env::new(Containerd);
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
    let api = KubeApiServer::start(&etcd, &options).unwrap();
    // Nobody behind it at first, as while the masters start.
    let balancer = LoadBalancer::start().unwrap();
    let kubeconfig = admin_kubeconfig(env.masters.folder(), CLUSTER, &ca, balancer.port()).unwrap();
    let mut cmd = env
        .on_all("restart-kubelet --yes --ready-times 4 --ready-timeout 2m -o json")
        .arg("--kubeconfig")
        .arg(kubeconfig);
    let mut child = cmd.spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("API: ") && !line.contains("API: ready") {
            balancer.lead_to(api.port());
        }
        said.push(line);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said:?}");
    let has = |text: &str| said.iter().any(|line| line.contains(text));
    assert!(has("is ready 4 times in a row"), "{said:?}");
    assert!(has("unreachable") && has("API: ready"), "{said:?}");
    assert!(has("next: `kubectl etcd-restore cleanup workers`"), "{said:?}");
    for at in 0..3 {
        assert!(env.calls(at).contains(&"systemctl restart kubelet".to_owned()));
    }
}

#[test]
fn an_api_server_that_loses_its_etcd_is_not_ready() {
    let env = Env::new(Containerd);
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
    let api = KubeApiServer::start(&etcd, &options).unwrap();
    drop(etcd);
    let kubeconfig = admin_kubeconfig(env.masters.folder(), CLUSTER, &ca, api.port()).unwrap();
    let restart = || {
        env.on_all("restart-kubelet --yes --ready-timeout 12s")
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .run()
            .unwrap()
    };
    restart()
        .code(4)
        .stderr_has("was not ready 3 times in a row")
        .stderr_has("etcd");
}
