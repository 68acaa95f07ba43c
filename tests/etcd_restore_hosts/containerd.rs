//! A master without crictl, on a real containerd: what `ctr` lists, what it ends, and what it leaves alone.

use support::ContainerRuntime::Unknown;
use support::{Cmd, Containerd, wait_for};

use crate::env::{Env, HOSTS};

const OLD: &str = "  3600 /usr/local/bin/kube-apiserver --x\n    60 /opt/etcd-v3.5.30/etcd\n";

/// The first host of an env has a real containerd, and no other tool for it than `ctr`.
struct Real {
    env: Env,
    containerd: Containerd,
}

impl Real {
    fn new() -> Self {
        let env = Env::new(Unknown);
        let containerd = Containerd::start().unwrap();
        let host = env.masters.host(0).unwrap();
        let ctr = format!("exec {} \"$@\"", containerd.ctr());
        host.sshd().add_program("ctr", &ctr).unwrap();
        host.set("processes", OLD).unwrap();
        for (id, name, pod) in [
            ("aaa111", "etcd-manager", "etcd-manager-main-i-0"),
            ("bbb222", "etcd-manager", "etcd-manager-events-i-0"),
            ("ccc333", "kube-apiserver", "kube-apiserver-i-0"),
            ("ddd444", "web", "etcd-manager-main-i-0"),
        ] {
            containerd.run(id, name, pod, true).unwrap();
        }
        Self { env, containerd }
    }

    fn cmd(&self, arguments: &str) -> Cmd {
        self.env.cmd(arguments).args(["--host", HOSTS[0]])
    }
}

#[test]
fn etcd_manager_is_ended_and_kubelets_next_one_is_seen() {
    let real = Real::new();
    let plan = real
        .cmd("restart-etcd --etcd main -o json")
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(
        (&plan[0]["runtime"], &plan[0]["container"], &plan[0]["action"]),
        (&"ctr".into(), &"aaa111".into(), &"stop".into())
    );
    let mut cmd = real.cmd("restart-etcd --etcd main --yes -o json");
    let mut child = cmd.spawn().unwrap();
    // The place of kubelet.
    wait_for("aaa111 is ended", || {
        !real.containerd.running().unwrap().contains(&"aaa111".to_owned())
    });
    real.containerd
        .run("eee555", "etcd-manager", "etcd-manager-main-i-0", true)
        .unwrap();
    let mut rows = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut rows).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rows}");
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows[0]["action"], "restarted");
    assert_eq!(
        real.containerd.running().unwrap(),
        ["bbb222", "ccc333", "ddd444", "eee555"]
    );
}

#[test]
fn an_api_server_that_kept_running_is_ended_even_where_it_does_not_listen() {
    let real = Real::new();
    let restart = || {
        real.cmd("restart-kubelet --yes --ready-timeout 0 -o json")
            .run()
            .unwrap()
            .success()
            .json()
    };
    assert_eq!(restart()[0]["apiServer"], "restarted");
    assert_eq!(real.containerd.running().unwrap(), ["aaa111", "bbb222", "ddd444"]);
    // It waits for the pods that it serves, say.
    real.containerd
        .run("fff666", "kube-apiserver", "kube-apiserver-i-0", false)
        .unwrap();
    assert_eq!(restart()[0]["apiServer"], "restarted");
    assert_eq!(real.containerd.running().unwrap(), ["aaa111", "bbb222", "ddd444"]);
    assert_eq!(
        real.env.calls(0),
        ["systemctl restart kubelet", "systemctl restart kubelet"]
    );
}
