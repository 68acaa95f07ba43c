//! A cluster with three real masters, its AWS account, and an operator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use support::aws::Built;
use support::real_masters::{RealMasters, RealMastersOptions, Running};
use support::store::{CLUSTER, serve_state_store};
use support::{
    ApiClient, AwsAccount, Ca, Cmd, KeyKind, KopsCluster, LoadBalancer, Moto, S3, admin_kubeconfig, cmd, paths,
};
use tempfile::TempDir;

const BUCKET: &str = "kops-state";

pub struct World {
    pub masters: RealMasters,
    /// The API of each master.
    pub apis: Vec<ApiClient>,
    pub kubeconfig: PathBuf,
    aws: Moto,
    account: AwsAccount,
    kops: KopsCluster,
    built: Built,
    cluster_ca: Ca,
    etcd_ca: Ca,
    /// One for each API, and one for the API's name.
    balancers: Vec<LoadBalancer>,
    folder: TempDir,
}

impl World {
    /// Waits until all their API servers serve and all their kubelets have registered.
    pub fn come_up(&self) {
        self.come_up_with(3);
    }

    /// The same where so many Nodes are Ready then: those of masters that are gone look so, too.
    pub fn come_up_with(&self, count: usize) {
        for (at, api) in self.apis.iter().enumerate() {
            wait(&format!("the API of master {at} is ready"), || api.ready());
        }
        wait("all Nodes are Ready", || self.ready_nodes() == count);
    }

    /// The masters' daemons run; what their pods do is not waited for.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let aws = Moto::start_for_masters().unwrap();
        let account = AwsAccount::of(&aws);
        // API servers of a group of their own, and workers, do not play here.
        let kops = KopsCluster::of_masters(CLUSTER);
        let built = kops.build(&account).unwrap();
        serve_state_store(&aws, BUCKET, "kops-built/state").unwrap();
        let cluster_ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        keep_cluster_ca(&aws, &cluster_ca);
        let clients = paths::fixture("kops-built/state").join(CLUSTER);
        let clients = clients.join("pki/private/etcd-clients-ca/keyset.yaml");
        let etcd_ca = Ca::from_keyset(&std::fs::read_to_string(clients).unwrap()).unwrap();
        let balancers: Vec<LoadBalancer> = (0..4).map(|_| LoadBalancer::start().unwrap()).collect();
        let apis = balancers[..3]
            .iter()
            .map(|balancer| ApiClient::new(balancer.port(), &cluster_ca).unwrap())
            .collect();
        let kubeconfig = admin_kubeconfig(folder.path(), CLUSTER, &cluster_ca, balancers[3].port()).unwrap();
        let masters = start(&aws, &built, &cluster_ca, &etcd_ca);
        let world = Self {
            masters,
            apis,
            kubeconfig,
            aws,
            account,
            kops,
            built,
            cluster_ca,
            etcd_ca,
            balancers,
            folder,
        };
        world.lead_to_masters();
        world
    }

    /// The state store has another CA from now on.
    pub fn keep_cluster_ca(&self, ca: &Ca) {
        keep_cluster_ca(&self.aws, ca);
    }

    /// The state store has the CA of the API servers again.
    pub fn keep_own_cluster_ca(&self) {
        keep_cluster_ca(&self.aws, &self.cluster_ca);
    }

    fn lead_to_masters(&self) {
        let first = self.masters.all().take(1);
        for (balancer, master) in self.balancers.iter().zip(self.masters.all().chain(first)) {
            balancer.lead_to_address(format!("{}:443", master.address()).parse().unwrap());
        }
    }

    /// What `kops update cluster --yes` does after a wipe, whose instances end now.
    pub fn renew(&mut self) {
        for at in 0..3 {
            self.masters.terminate(at);
        }
        self.built = Built::default();
        self.kops.build_masters(&self.account, &mut self.built).unwrap();
        self.masters = start(&self.aws, &self.built, &self.cluster_ca, &self.etcd_ca);
        self.lead_to_masters();
    }

    /// AWS says that it is; its host goes on.
    pub fn terminate_in_aws(&self, at: usize) {
        let machine = &self.built.masters[at];
        self.account
            .ec2("TerminateInstances", &[("InstanceId.1", &machine.instance)])
            .unwrap();
    }

    /// A place for files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another plugin, with the same.
    pub fn plugin(&self, name: &str, arguments: &str) -> Cmd {
        let own = Path::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore"));
        self.cmd(&own.with_file_name(name), arguments)
    }

    /// The plugin, with this cluster, this account and this ssh.
    pub fn restore(&self, arguments: &str) -> Cmd {
        self.plugin("kubectl-etcd-restore", arguments)
    }

    fn cmd(&self, program: &Path, arguments: &str) -> Cmd {
        Cmd::new(program)
            .unwrap()
            .args(arguments.split_whitespace())
            .args(["--name", CLUSTER, "--state", &format!("s3://{BUCKET}")])
            .envs(self.aws.env())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", cmd::path_with(self.masters.path()))
    }

    /// The same with what finds the hosts.
    pub fn on_hosts(&self, arguments: &str) -> Cmd {
        self.restore(arguments)
            .args(["--ssh-address", "private", "--ssh-timeout", "5s"])
    }

    /// The containers of each master.
    pub fn containers(&self) -> Vec<Vec<Running>> {
        self.masters.all().map(|master| master.containers().unwrap()).collect()
    }

    /// The container of a pod.
    pub fn container(&self, at: usize, pod: &str) -> Option<Running> {
        let running = self.masters.get(at).unwrap().containers().unwrap();
        running.into_iter().find(|running| running.pod.starts_with(pod))
    }

    /// All Nodes, and whether each is Ready.
    pub fn nodes(&self) -> BTreeMap<String, bool> {
        let Ok(nodes) = self.apis[0].get("/api/v1/nodes") else {
            return BTreeMap::new();
        };
        let ready = |node: &serde_json::Value| {
            let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions
                .iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let name = |node: &serde_json::Value| node["metadata"]["name"].as_str().unwrap().to_owned();
        let nodes = nodes["items"].as_array().unwrap().iter();
        nodes.map(|node| (name(node), ready(node))).collect()
    }

    pub fn ready_nodes(&self) -> usize {
        self.nodes().values().filter(|ready| **ready).count()
    }

    /// Both etcds are backed up, now.
    pub fn back_up(&self) {
        self.masters.back_up().unwrap();
    }

    /// What the masters say, for a reader of a failure.
    pub fn show(&self) {
        for master in self.masters.all() {
            for log in [
                "/var/log/kubelet.log",
                "/var/log/etcd.log",
                "/var/log/kube-apiserver.log",
            ] {
                let text = master.read(log);
                let lines: Vec<&str> = text.lines().collect();
                println!(
                    "--- {} {log}\n{}",
                    master.node(),
                    lines[lines.len().saturating_sub(6)..].join("\n")
                );
            }
            println!(
                "{}",
                master
                    .sh("ctr -n k8s.io tasks ls; ps ax -o pid,etimes,args | cut -c1-150")
                    .unwrap_or_default()
            );
        }
    }
}

/// Waits for what comes by itself sooner or later; how soon is the machine's matter.
pub fn wait(what: &str, done: impl FnMut() -> bool) {
    wait_within(what, 300, done);
}

/// The same where more seconds would be a fault.
pub fn wait_within(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(seconds),
            "{what}: not within {seconds} s"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

fn start(aws: &Moto, built: &Built, cluster_ca: &Ca, etcd_ca: &Ca) -> RealMasters {
    RealMasters::start(&RealMastersOptions {
        cluster: CLUSTER,
        built,
        others: &[],
        cluster_ca,
        etcd_ca,
        s3: &aws.endpoint(),
        backups: &format!("s3://{BUCKET}/{CLUSTER}/backups/etcd"),
    })
    .unwrap()
}

fn keep_cluster_ca(aws: &Moto, ca: &Ca) {
    let keyset = support::pki::keyset("kubernetes-ca", &[("1", ca)], "1");
    let key = format!("{CLUSTER}/pki/private/kubernetes-ca/keyset.yaml");
    aws.put(BUCKET, &key, keyset.as_bytes()).unwrap();
}
