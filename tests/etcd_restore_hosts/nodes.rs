//! `cleanup nodes` and `cleanup workers` on a real kube-apiserver, with moto as AWS.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::aws::Built;
use support::{
    AwsAccount, Ca, Cmd, Etcd, EtcdVersion, KeyKind, KopsCluster, KubeApiServer, KubeApiServerOptions, Moto, S3, pki,
};
use tempfile::TempDir;

use crate::env::plugin;

const CLUSTER: &str = "k8s.example.com";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

struct World {
    api: KubeApiServer,
    ca: Ca,
    moto: Moto,
    account: AwsAccount,
    built: Built,
    folder: TempDir,
    _etcd: Etcd,
}

/// In a while, so that what was made just now is old.
fn later(seconds: u64) -> String {
    let then = SystemTime::now() + Duration::from_secs(seconds);
    let since = then.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    jiff::Timestamp::from_second(i64::try_from(since).unwrap())
        .unwrap()
        .to_string()
}

impl World {
    fn new() -> Self {
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
        let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
        let api = KubeApiServer::start(&etcd, &options).unwrap();
        let moto = Moto::start().unwrap();
        let account = AwsAccount::of(&moto);
        let built = KopsCluster::new(CLUSTER).build(&account).unwrap();
        Self {
            api,
            ca,
            moto,
            account,
            built,
            folder: tempfile::tempdir().unwrap(),
            _etcd: etcd,
        }
    }

    fn node(&self, name: &str, provider: &str) {
        let node = json!({
            "metadata": { "name": name, "labels": { "node-role.kubernetes.io/control-plane": "" } },
            "spec": { "providerID": provider },
        });
        self.api.create("/api/v1/nodes", &node).unwrap();
        let lease =
            json!({ "metadata": { "name": name, "namespace": "kube-node-lease" }, "spec": { "holderIdentity": name } });
        self.api.create(LEASES, &lease).unwrap();
    }

    fn of_instance(&self, id: &str) {
        self.node(id, &format!("aws:///us-east-1a/{id}"));
    }

    fn renew(&self, name: &str, at: &str) {
        let path = format!("{LEASES}/{name}");
        let mut lease = self.api.get(&path).unwrap();
        let renewed: jiff::Timestamp = at.parse().unwrap();
        lease["spec"]["renewTime"] = renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string().into();
        self.api.replace(&path, &lease).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let list = self.api.get("/api/v1/nodes").unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn cmd(&self, arguments: &str, kubeconfig: PathBuf) -> Cmd {
        plugin(arguments)
            .args(["--name", CLUSTER])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .envs(self.moto.env())
            .now(&later(120))
    }

    fn admin(&self, arguments: &str) -> Cmd {
        self.cmd(
            arguments,
            self.api.kubeconfig(self.folder.path(), CLUSTER, &self.ca).unwrap(),
        )
    }
}

fn actions(rows: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (text(row, "name"), text(row, "action"))).collect()
}

const GONE: &str = "i-0aaaaaaaaaaaaaaaa";
const CLEAN: &str = "cleanup nodes --observe 1s";

#[test]
fn nodes_without_an_instance_go_and_no_other() {
    let world = World::new();
    let masters: Vec<&str> = world
        .built
        .masters
        .iter()
        .map(|machine| machine.instance.as_str())
        .collect();
    for id in &masters {
        world.of_instance(id);
    }
    world.of_instance(GONE);
    world.node("on-premises", "metal://rack/7");
    world.node("elsewhere", "aws:///eu-west-1a/i-0bbbbbbbbbbbbbbbb");
    // One is terminated, one is stopped, and one runs.
    world
        .account
        .ec2("TerminateInstances", &[("InstanceId.1", masters[0])])
        .unwrap();
    world
        .account
        .ec2("StopInstances", &[("InstanceId.1", masters[1])])
        .unwrap();
    let mut all = world.names();
    all.sort();

    let plan = world
        .admin(&format!("{CLEAN} -o json"))
        .run()
        .unwrap()
        .success()
        .stderr_has("pass --yes")
        .json();
    let mut deleted: Vec<String> = actions(&plan)
        .into_iter()
        .filter(|(_, action)| action == "delete")
        .map(|(name, _)| name)
        .collect();
    deleted.sort();
    let mut expected = vec![GONE.to_owned(), masters[0].to_owned()];
    expected.sort();
    assert_eq!(deleted, expected, "{plan}");
    assert_eq!(world.names().len(), all.len());

    // Within the grace nobody is deleted.
    let now = later(0);
    world.renew(GONE, &now);
    let young = world
        .admin(&format!("{CLEAN} --yes -o json"))
        .now(&now)
        .run()
        .unwrap()
        .success()
        .json();
    assert!(
        actions(&young).contains(&(GONE.to_owned(), "wait".to_owned())),
        "{young}"
    );
    assert!(world.names().contains(&GONE.to_owned()));

    let ended = world.admin(&format!("{CLEAN} --yes -o json")).run().unwrap().success();
    let ended = ended.stderr_has("kubectl masterleases").json();
    assert!(
        actions(&ended).contains(&(GONE.to_owned(), "deleted".to_owned())),
        "{ended}"
    );
    let left = world.names();
    assert_eq!(left.len(), all.len() - 2);
    assert!(!left.iter().any(|name| expected.contains(name)));
    world
        .admin(&format!("{CLEAN} --yes"))
        .run()
        .unwrap()
        .success()
        .stderr_has("no Node to delete");
}

#[test]
fn another_account_refuses_everything() {
    let world = World::new();
    world.of_instance(GONE);
    let refused = world.admin(&format!("{CLEAN} --yes")).run().unwrap().code(3);
    refused
        .stderr_has("looks like the wrong account or region")
        .stderr_has("--profile");
}

#[test]
fn a_living_kubelet_on_an_unknown_instance_stops_all() {
    let world = World::new();
    world.of_instance(&world.built.masters[0].instance);
    world.of_instance(GONE);
    world.of_instance("i-0cccccccccccccccc");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        let renewing = || {
            let mut at = 1;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                world.renew(GONE, &later(at));
                at += 1;
                thread::sleep(Duration::from_millis(100));
            }
        };
        scope.spawn(renewing);
        let ended = world.admin("cleanup nodes --observe 2s --yes").run();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        ended
    });
    ended
        .unwrap()
        .code(3)
        .stderr_has("its kubelet is alive")
        .stderr_has("no Node was deleted");
    assert_eq!(world.names().len(), 3);

    // An instance of another cluster behind a Node: this is the wrong kubeconfig.
    let other = KopsCluster {
        workers: false,
        masters: 1,
        ..KopsCluster::new("x.k8s.example.com")
    };
    let other = other.build(&world.account).unwrap();
    world.of_instance(&other.masters[0].instance);
    let ended = world.admin("cleanup nodes --observe 1s --yes").run().unwrap().code(3);
    ended
        .stderr_has("is not of cluster k8s.example.com")
        .stderr_has("--kubeconfig");
    assert_eq!(world.names().len(), 4);
}

#[test]
fn kubelets_that_renew_are_told_from_those_that_do_not() {
    let world = World::new();
    let (alive, silent) = (&world.built.masters[0].instance, &world.built.masters[1].instance);
    world.of_instance(alive);
    world.of_instance(silent);
    world.renew(alive, "2026-11-22T15:30:00Z");
    world.renew(silent, "2026-11-22T15:10:00Z");
    let ended = world
        .admin("cleanup workers --since 2026-11-22T15:20:00Z -o json")
        .run()
        .unwrap()
        .code(5);
    let ended = ended
        .stderr_has("1 of 2 kubelets renewed")
        .stderr_has("restart-kubelet --workers")
        .json();
    let renewed: Vec<_> = ended
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["renewed"] == true)
        .collect();
    assert_eq!((renewed.len(), renewed[0]["node"].as_str()), (1, Some(&**alive)));
}

#[test]
fn the_api_refuses_and_says_why() {
    let world = World::new();
    let folder = world.folder.path();
    let expired = world.api.kubeconfig_expired(folder, CLUSTER, &world.ca).unwrap();
    let ended = world.cmd(CLEAN, expired).run().unwrap().code(1);
    ended
        .stderr_has("does not accept the kubeconfig's credentials")
        .stderr_has("kops export kubeconfig --admin");
    let nobody = world.api.kubeconfig_of_nobody(folder, CLUSTER, &world.ca).unwrap();
    let ended = world.cmd(CLEAN, nobody).run().unwrap().code(1);
    ended
        .stderr_has("is not allowed to do this")
        .stderr_has("grant the user of this context to list leases in kube-node-lease");
    let stranger = Ca::new("another-ca", KeyKind::Ec).unwrap();
    let untrusted = world.api.kubeconfig(&folder.join("x"), CLUSTER, &stranger).unwrap();
    world
        .cmd(CLEAN, untrusted)
        .run()
        .unwrap()
        .code(1)
        .stderr_has("is not trusted")
        .stderr_has("--context");
    let text = fs::read_to_string(world.api.kubeconfig(&folder.join("z"), CLUSTER, &world.ca).unwrap()).unwrap();
    let in_the_clear = text.replace("https://127.0.0.1", "http://203.0.113.9");
    let in_the_clear = pki::write(folder, "in-the-clear", &in_the_clear).unwrap();
    let ended = world.cmd(CLEAN, in_the_clear).run().unwrap().code(1);
    ended
        .stderr_has("no request is sent without TLS")
        .stderr_has("kops export kubeconfig");
    // The current context is another cluster's: it is not taken for this one's.
    let other = world
        .api
        .kubeconfig(&folder.join("y"), "x.k8s.example.com", &world.ca)
        .unwrap();
    let ended = plugin(CLEAN)
        .args(["--name", CLUSTER])
        .env("KUBECONFIG", other)
        .envs(world.moto.env())
        .run()
        .unwrap();
    ended.code(1).stderr_has("--context");
}
