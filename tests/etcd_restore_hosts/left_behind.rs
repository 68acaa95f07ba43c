//! kube-apiserver does not start without its events etcd: with a real one, on what the stand-ins restored.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;
use support::store::{CLUSTER, StateStore};
use support::{
    Ca, Cmd, ControlLoopOptions, ControlLoopSimulator, Ended, KeyKind, KubeApiServer, KubeApiServerOptions,
    LoadBalancer, ManagerStore,
};

use crate::env::plugin;

/// The backup that etcd-manager took of an events etcd to which nobody had ever written.
const EMPTY: &str = "2026-11-22T15:15:59Z-000001";

/// Masters after a wipe.
struct Wiped {
    store: StateStore,
    main: ControlLoopSimulator,
    events: ControlLoopSimulator,
    endpoints: [String; 2],
    ca: Ca,
    /// The API's name: nobody is behind it yet.
    api: LoadBalancer,
    kubeconfig: PathBuf,
}

impl Wiped {
    fn new() -> Self {
        let store = StateStore::new("state-store-restored").unwrap();
        for entry in fs::read_dir(store.base("events")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name != "control" && name != EMPTY {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        let address = ControlLoopSimulator::address();
        let start = |etcd: &str| {
            let folder = ManagerStore::Folder(store.base(etcd));
            ControlLoopSimulator::start(ControlLoopOptions::after_a_wipe(etcd, folder, address)).unwrap()
        };
        let (ca, api) = (
            Ca::new("kubernetes-ca", KeyKind::Ec).unwrap(),
            LoadBalancer::start().unwrap(),
        );
        Self {
            kubeconfig: support::admin_kubeconfig(store.root(), CLUSTER, &ca, api.port()).unwrap(),
            ca,
            api,
            main: start("main"),
            events: start("events"),
            endpoints: [format!("http://{address}:4001"), format!("http://{address}:4002")],
            store,
        }
    }

    fn run(&self, arguments: &str) -> Cmd {
        let [main, events] = &self.endpoints;
        plugin(arguments)
            .args(["--name", CLUSTER, "--state", &self.store.url(), "--via", "direct"])
            .args(["--endpoints", &format!("main={main},events={events}")])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY")
    }

    /// What a kubelet does: it starts the API server, and it comes to serve once both etcds do.
    fn kubelet(&self) -> KubeApiServer {
        while !self.main.serving() || !self.events.serving() {
            thread::sleep(Duration::from_millis(100));
        }
        let options = KubeApiServerOptions {
            events: Some(&self.endpoints[1]),
            ..KubeApiServerOptions::plain(&self.ca, "10.245.22.7")
        };
        let api = self
            .main
            .with_etcd(|etcd| KubeApiServer::start(etcd, &options))
            .unwrap()
            .unwrap();
        self.api.lead_to(api.port());
        api
    }

    /// `run` of everything, while a kubelet does its part.
    fn run_to_the_end(&self) -> (Ended, KubeApiServer) {
        thread::scope(|scope| {
            let run = self.run(&format!("run --yes --workers-timeout 0 --confirm {CLUSTER}"));
            let running = scope.spawn(|| run.run().unwrap());
            let api = self.kubelet();
            (running.join().unwrap(), api)
        })
    }
}

#[test]
fn events_with_only_empty_backups_after_a_wipe_are_restored_and_the_api_serves() {
    let wiped = Wiped::new();
    let (ended, api) = wiped.run_to_the_end();
    ended
        .success()
        .stdout_has("none is good; this is the newest intact one")
        .stdout_has(&format!("events: restored from {EMPTY}, it serves"))
        .stdout_has("main: restored from 2026-11-22T15:20:36Z-000001, it serves")
        .stdout_has("API: ready");
    // What the backup of main held is there again, and events can be written.
    assert!(api.get("/api/v1/namespaces/kube-system").is_ok());
    let event = json!({
        "metadata": { "name": "after-the-restore", "namespace": "default" },
        "involvedObject": { "kind": "Pod", "name": "x", "namespace": "default" },
    });
    assert!(api.create("/api/v1/namespaces/default/events", &event).is_ok());
    let kept = wiped
        .events
        .with_etcd(|etcd| etcd.keys(b"/registry/events/").unwrap())
        .unwrap();
    assert_eq!(kept.len(), 1);
}

#[test]
fn a_wait_for_the_api_names_the_etcd_that_holds_it_up() {
    let wiped = Wiped::new();
    let run = format!("run --etcd main --yes --confirm {CLUSTER} --api-timeout 4s");
    let held_up =
        "etcd events does not respond, and no command is queued for it: kube-apiserver does not start without it";
    wiped
        .run(&run)
        .run()
        .unwrap()
        .code(4)
        .stdout_has("not checked whether it has members")
        .stderr_has(&format!("kube-apiserver waits: {held_up}"))
        .stderr_has("every etcd is restored, and the API was not ready within 4 s")
        .stderr_has("`run` without --etcd");
    assert!(wiped.main.serving() && !wiped.events.serving());
    // That is the way out: main is not restored again.
    let (ended, _api) = wiped.run_to_the_end();
    ended.success().stdout_has("API: ready");
    assert_eq!(wiped.main.log().matches("got restore-backup command:").count(), 1);
    assert_eq!(wiped.events.log().matches("got restore-backup command:").count(), 1);
}
