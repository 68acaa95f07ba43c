//! `restart-kubelet`: kubelets, and the API servers that are older than their etcd.

use harness::ContainerRuntime::Containerd;

use crate::stand::Stand;

const OLD: &str = "  3600 /usr/local/bin/kube-apiserver --x\n    60 /opt/etcd-v3.5.30/etcd\n";
const YOUNG: &str = "    30 /usr/local/bin/kube-apiserver --x\n    60 /opt/etcd-v3.5.30/etcd\n";

#[test]
fn kubelet_is_restarted_everywhere_and_an_old_api_server_with_it() {
    let stand = Stand::new(Containerd);
    for (at, processes) in [OLD, YOUNG, YOUNG].into_iter().enumerate() {
        stand.masters.host(at).unwrap().set("processes", processes).unwrap();
    }
    stand
        .masters
        .host(2)
        .unwrap()
        .set("containers", "aaa111 etcd-manager etcd-manager-main-i-0\n")
        .unwrap();
    let plan = stand.on_all("restart-kubelet -o json").run().unwrap().success().json();
    let words: Vec<_> = plan
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["apiServer"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["restart", "leave", "none"]);
    assert!((0..3).all(|at| stand.calls(at).is_empty()));

    let ended = stand
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
    assert_eq!(stand.calls(0), ["crictl stop ccc333", "systemctl restart kubelet"]);
    assert_eq!(stand.calls(1), ["systemctl restart kubelet"]);
    assert_eq!(stand.calls(2), ["systemctl restart kubelet"]);
}

#[test]
fn one_that_fails_or_is_down_does_not_stop_the_others() {
    let mut stand = Stand::new(Containerd);
    stand.masters.host(1).unwrap().set("no-systemctl", "").unwrap();
    stand.masters.stop(0);
    let ended = stand
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
    let stand = Stand::new(Containerd);
    stand
        .on_all("restart-kubelet --workers --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("cleanup workers");
    for at in 0..3 {
        assert_eq!(stand.calls(at), ["systemctl restart kubelet"]);
    }
}

#[test]
fn an_api_that_never_comes_up_shows_its_last_lines() {
    let stand = Stand::new(Containerd);
    let log = stand.masters.host(1).unwrap().file("/var/log/kube-apiserver.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "E1122 15:20:00.000000 1 run.go:1] cannot reach etcd\n").unwrap();
    let kubeconfig = stand.masters.folder().join("config");
    let config = r#"{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":
        {"cluster":"c","user":"u"}}],"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
        "users":[{"name":"u","user":{"token":"t"}}]}"#;
    std::fs::write(&kubeconfig, config).unwrap();
    let ended = stand
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
