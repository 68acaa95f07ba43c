//! The API by its masters' addresses, where its name leads elsewhere: a real kube-apiserver, and a kubeconfig that does not lead there.

use std::fs;
use std::path::PathBuf;

use support::store::{CLUSTER, StateStore};
use support::{
    AwsAccount, Ca, Cmd, ControlLoopOptions, ControlLoopSimulator, Etcd, EtcdVersion, KeyKind, KubeApiServer,
    KubeApiServerOptions, ManagerStore, Moto, S3,
};

use crate::env::plugin;

/// A store, an etcd-manager that waits for a command, and an API server that serves.
pub struct World {
    pub store: StateStore,
    pub api: KubeApiServer,
    pub ca: Ca,
    manager: ControlLoopSimulator,
    endpoints: String,
    _etcd: Etcd,
}

impl World {
    pub fn new() -> Self {
        let store = StateStore::new("state-store-restored").unwrap();
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
        let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
        let api = KubeApiServer::start(&etcd, &options).unwrap();
        // As kops keeps it: by it the API is known to be this cluster's.
        let keyset = store.root().join(CLUSTER).join("pki/private/kubernetes-ca/keyset.yaml");
        fs::create_dir_all(keyset.parent().unwrap()).unwrap();
        fs::write(keyset, support::pki::keyset("kubernetes-ca", &[("1", &ca)], "1")).unwrap();
        let address = ControlLoopSimulator::address();
        let manager = ManagerStore::Folder(store.base("main"));
        let manager = ControlLoopSimulator::start(ControlLoopOptions::after_a_wipe("main", manager, address)).unwrap();
        Self {
            store,
            api,
            ca,
            manager,
            endpoints: format!("main=http://{address}:4001"),
            _etcd: etcd,
        }
    }

    /// A kubeconfig of the cluster in which the API is at `host`.
    pub fn kubeconfig(&self, host: &str) -> PathBuf {
        let file = self.api.kubeconfig(self.store.root(), CLUSTER, &self.ca).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let server = format!("https://{host}:{}", self.api.port());
        let text = text.replace(&format!("https://127.0.0.1:{}", self.api.port()), &server);
        fs::write(&file, text).unwrap();
        file
    }

    /// On a machine from which the master is reached by its address.
    fn seeing(&self, arguments: &str, host: &str) -> Cmd {
        self.with(arguments, self.kubeconfig(host))
    }

    /// The same with a kubeconfig of one's own.
    pub fn with(&self, arguments: &str, kubeconfig: PathBuf) -> Cmd {
        plugin(arguments)
            .args(["--etcd", "main", "--via", "direct", "--host", "127.0.0.1"])
            .args(["--name", CLUSTER, "--state", &self.store.url()])
            .args(["--endpoints", &self.endpoints])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY")
    }
}

/// Nobody listens there: the old master.
const OLD: &str = "127.0.0.9";

#[test]
fn a_name_that_leads_to_an_old_master_is_told_from_an_api_that_is_down() {
    let world = World::new();
    let ended = world.seeing("status", OLD).run().unwrap().success();
    ended
        .stdout_has("Connection refused")
        .stdout_has(&format!("the kubeconfig points to {OLD}, not a running master"))
        .stdout_has("master 127.0.0.1 serves")
        .stdout_has(&format!(
            "kubectl --server https://127.0.0.1:{} --tls-server-name kubernetes.default.svc",
            world.api.port()
        ));
    let rows = world.seeing("status -o json", OLD).run().unwrap().success().json();
    assert_eq!(rows[0]["api"], "elsewhere");
    // A name without a record.
    let nowhere = world.seeing("status", "api.super.k8s.invalid").run().unwrap().success();
    nowhere
        .stdout_has("api.super.k8s.invalid does not resolve")
        .stdout_has("kops' dns-controller, which runs on the masters, updates the record");
    // With the right one nobody asks by address.
    let ready = world.seeing("status", "127.0.0.1").run().unwrap().success();
    ready.stdout_has("API: ready\n");
    // What is alive is not wiped because its name is wrong.
    let plan = world.seeing("plan", OLD).run().unwrap().success();
    plan.stdout_has("IT IS ALIVE: THE API SERVES");
}

#[test]
fn the_addresses_come_from_aws_where_no_host_is_named() {
    let world = World::new();
    let moto = Moto::start().unwrap();
    let mut parameters = vec![
        ("ImageId", "ami-12c6146b"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("PrivateIpAddress", "127.0.0.1"),
        ("TagSpecification.1.ResourceType", "instance"),
    ];
    parameters.extend([
        ("TagSpecification.1.Tag.1.Key", "KubernetesCluster"),
        ("TagSpecification.1.Tag.1.Value", CLUSTER),
        ("TagSpecification.1.Tag.2.Key", "k8s.io/role/control-plane"),
        ("TagSpecification.1.Tag.2.Value", "1"),
    ]);
    let made = AwsAccount::of(&moto).ec2("RunInstances", &parameters).unwrap();
    let id = made.at(&["instancesSet", "item"]).unwrap().text_at(&["instanceId"]);
    let status = plugin("status --etcd main --via direct")
        .args([
            "--name",
            CLUSTER,
            "--state",
            &world.store.url(),
            "--endpoints",
            &world.endpoints,
        ])
        .arg("--kubeconfig")
        .arg(world.kubeconfig(OLD))
        .envs(moto.env());
    let status = status.run().unwrap().success();
    status
        .stdout_has(&format!("master {id} (127.0.0.1) serves"))
        .stdout_has("not a running master");
}

#[test]
fn another_clusters_server_at_that_address_is_no_api_of_ours() {
    let world = World::new();
    let kubeconfig = world.kubeconfig(OLD);
    let text = fs::read_to_string(&kubeconfig).unwrap();
    let stranger = Ca::new("another-ca", KeyKind::Ec).unwrap();
    let authority = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("certificate-authority: "));
    fs::write(authority.unwrap(), stranger.certificate()).unwrap();
    let of = |arguments: &str| world.with(arguments, kubeconfig.clone());
    let rows = of("status -o json").run().unwrap().success().json();
    assert_eq!(rows[0]["api"], "silent");
    // Nor are credentials shown to somebody who cannot be verified.
    let text = text
        .lines()
        .map(|line| match line.trim().starts_with("certificate-authority: ") {
            true => "    insecure-skip-tls-verify: true".to_owned(),
            false => line.to_owned(),
        });
    fs::write(&kubeconfig, text.collect::<Vec<_>>().join("\n")).unwrap();
    let rows = of("status -o json").run().unwrap().success().json();
    assert_eq!(rows[0]["api"], "silent");
}

#[test]
fn run_waits_for_the_name_and_says_where_the_api_serves_meanwhile() {
    let world = World::new();
    let run = format!("run --yes --confirm {CLUSTER} --api-timeout 3s");
    let ended = world.seeing(&run, OLD).run().unwrap().code(4);
    ended
        .stderr_has("every etcd is restored, and the API was not ready within 3 s")
        .stderr_has("master 127.0.0.1 serves");
    assert!(world.manager.log().contains("Setting quarantined state to false"));
    // With the name mended the same command ends.
    let again = world.seeing(&run, "127.0.0.1").run().unwrap().success();
    again.stdout_has("API: ready");
}
