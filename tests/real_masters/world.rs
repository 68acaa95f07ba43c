//! A cluster with three real masters, its AWS account, and an operator.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use support::real_masters::{RealMaster, RealMasters, RealMastersOptions, Running};
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
    _folder: TempDir,
}

impl World {
    /// Waits until all their API servers serve and all their kubelets have registered.
    pub fn come_up(&self) {
        for (at, api) in self.apis.iter().enumerate() {
            wait(&format!("the API of master {at} is ready"), 180, || api.ready());
        }
        wait("all Nodes are Ready", 60, || self.ready_nodes() == 3);
    }

    /// The masters' daemons run; what their pods do is not waited for.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let aws = Moto::start_for_masters().unwrap();
        let account = AwsAccount::of(&aws);
        // API servers of a group of their own, and workers, do not play here.
        let kops = KopsCluster {
            workers: false,
            ..KopsCluster::new(CLUSTER)
        };
        let built = kops.build(&account).unwrap();
        serve_state_store(&aws, BUCKET, "kops-built/state").unwrap();
        let cluster_ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let keyset = support::pki::keyset("kubernetes-ca", &[("1", &cluster_ca)], "1");
        let key = format!("{CLUSTER}/pki/private/kubernetes-ca/keyset.yaml");
        aws.put(BUCKET, &key, keyset.as_bytes()).unwrap();
        let clients = paths::fixture("kops-built/state").join(CLUSTER);
        let clients = clients.join("pki/private/etcd-clients-ca/keyset.yaml");
        let etcd_ca = Ca::from_keyset(&std::fs::read_to_string(clients).unwrap()).unwrap();
        let masters = RealMasters::start(&RealMastersOptions {
            cluster: CLUSTER,
            built: &built,
            others: &[],
            cluster_ca: &cluster_ca,
            etcd_ca: &etcd_ca,
            s3: &aws.endpoint(),
            backups: &format!("s3://{BUCKET}/{CLUSTER}/backups/etcd"),
        })
        .unwrap();
        let leading_to = |master: &RealMaster| {
            let balancer = LoadBalancer::start().unwrap();
            balancer.lead_to_address(format!("{}:443", master.address()).parse().unwrap());
            balancer
        };
        let apis = masters
            .all()
            .map(|master| ApiClient::new(leading_to(master).port(), &cluster_ca).unwrap())
            .collect();
        let balancer = leading_to(masters.get(0).unwrap());
        let kubeconfig = admin_kubeconfig(folder.path(), CLUSTER, &cluster_ca, balancer.port()).unwrap();
        Self {
            masters,
            apis,
            kubeconfig,
            aws,
            _folder: folder,
        }
    }

    /// The plugin, with this cluster, this account and this ssh.
    pub fn restore(&self, arguments: &str) -> Cmd {
        Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore"))
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

    pub fn ready_nodes(&self) -> usize {
        let Ok(nodes) = self.apis[0].get("/api/v1/nodes") else {
            return 0;
        };
        let ready = |node: &&serde_json::Value| {
            let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions
                .iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        nodes["items"].as_array().unwrap().iter().filter(ready).count()
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

pub fn wait(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(seconds),
            "{what}: not within {seconds} s"
        );
        thread::sleep(Duration::from_millis(200));
    }
}
