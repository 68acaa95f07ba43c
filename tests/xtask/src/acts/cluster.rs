//! A whole cluster on this machine: what kops makes of it in AWS, and the control plane that runs on its masters.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use support::aws::{Built, Machine};
use support::real_masters::{RealMasters, RealMastersOptions, namespaces};
use support::store::{CLUSTER, serve_state_store};
use support::{
    ApiClient, AwsAccount, Ca, ContainerRuntime, ControlLoopOptions, ControlLoopSimulator, KeyKind, KopsCluster,
    KubeApiServer, KubeApiServerOptions, LoadBalancer, ManagerStore, MastersSimulator, Moto, S3, Usage,
    admin_kubeconfig,
};

const BUCKET: &str = "kops-state";

type Done = Result<(), Box<dyn Error>>;

/// What is in AWS, and what the operator has.
pub struct Cluster {
    /// The masters and others of the beginning.
    pub built: Built,
    aws: Moto,
    account: AwsAccount,
    kops: KopsCluster,
    ca: Ca,
    balancer: LoadBalancer,
    kubeconfig: PathBuf,
    /// The operator's own folder for what is kept between commands.
    state: PathBuf,
    /// Where etcd is served by a stand-in in this process.
    address: Ipv4Addr,
    /// Whether its masters are real.
    real: bool,
}

impl Cluster {
    /// As `kops create cluster` leaves it: everything is there, and no etcd was seeded yet.
    pub fn new(folder: &Path) -> Result<Self, Box<dyn Error>> {
        // Masters in namespaces of their own reach it by the bridge.
        let real = namespaces::within();
        let aws = if real {
            Moto::start_for_masters()?
        } else {
            Moto::start()?
        };
        let account = AwsAccount::of(&aws);
        let kops = KopsCluster::new(CLUSTER);
        let built = kops.build(&account)?;
        serve_state_store(&aws, BUCKET, "kops-built/state")?;
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec)?;
        // By it whoever answers is known to be this cluster's API.
        let keyset = support::pki::keyset("kubernetes-ca", &[("1", &ca)], "1");
        let key = format!("{CLUSTER}/pki/private/kubernetes-ca/keyset.yaml");
        aws.put(BUCKET, &key, keyset.as_bytes())?;
        let balancer = LoadBalancer::start()?;
        let kubeconfig = admin_kubeconfig(folder, CLUSTER, &ca, balancer.port())?;
        Ok(Self {
            built,
            account,
            aws,
            kops,
            ca,
            balancer,
            kubeconfig,
            state: folder.join("state"),
            address: ControlLoopSimulator::address(),
            real,
        })
    }

    /// The environment of the operator.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let address = self.address;
        let mut variables = self.aws.env();
        if !self.real {
            let (main, events) = (
                format!("main=http://{address}:4001"),
                format!("events=http://{address}:4002"),
            );
            variables.push(("ETCDCTL_ENDPOINTS", format!("{main},{events}")));
        }
        variables.extend([
            ("KOPS_STATE_STORE", format!("s3://{BUCKET}")),
            ("KOPS_CLUSTER_NAME", CLUSTER.to_owned()),
            ("KUBECONFIG", self.kubeconfig.display().to_string()),
            ("XDG_STATE_HOME", self.state.display().to_string()),
        ]);
        variables
    }

    /// What kube-controller-manager does, which does not play here.
    pub fn publish_root_ca(&self, server: &ApiClient) -> Done {
        let map = json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": self.ca.certificate() } });
        server.create("/api/v1/namespaces/kube-system/configmaps", &map)?;
        Ok(())
    }

    /// What users have in it: one Deployment, one Secret, one event.
    pub fn deploy_the_shop(&self, server: &ApiClient) -> Done {
        let pods = json!({
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "image": "shop/web:1" }] },
        });
        for (path, object) in [
            (
                "/api/v1/namespaces".to_owned(),
                json!({ "metadata": { "name": "shop" } }),
            ),
            (
                of_shop("/apis/apps/v1", "deployments"),
                json!({
                    "metadata": { "name": "web" },
                    "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": pods },
                }),
            ),
            (
                of_shop("/api/v1", "secrets"),
                json!({ "metadata": { "name": "payment" }, "stringData": { "key": "value" } }),
            ),
            (
                of_shop("/api/v1", "events"),
                json!({
                    "metadata": { "name": "opened" }, "reason": "Opened",
                    "involvedObject": { "kind": "Namespace", "name": "shop", "namespace": "shop" },
                }),
            ),
        ] {
            server.create(&path, &object)?;
        }
        Ok(())
    }

    /// Insists on it.
    pub fn the_shop_is_there(&self, server: &ApiClient) -> Done {
        for path in [
            of_shop("/apis/apps/v1", "deployments/web"),
            of_shop("/api/v1", "secrets/payment"),
            of_shop("/api/v1", "events/opened"),
        ] {
            server.get(&path)?;
        }
        Ok(())
    }

    /// From now on the API's name leads there.
    pub fn api_is_at(&self, server: &KubeApiServer) {
        self.balancer.lead_to(server.port());
    }

    /// From now on it leads to the first of these masters.
    pub fn api_is_on(&self, built: &Built) -> Done {
        let first = built.masters.first().ok_or("no master")?;
        self.balancer
            .lead_to_address(SocketAddr::new(first.private_ip.parse()?, 443));
        Ok(())
    }

    /// How an operator who reaches the masters reaches the etcds of the first of these.
    pub fn etcds_of(&self, built: &Built, folder: &Path) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
        let first = &built.masters.first().ok_or("no master")?.private_ip;
        let ca = self.etcd_ca()?;
        let (certificate, key) = ca.issue(Usage::Client)?.write(folder, "etcd-client")?;
        let authority = support::pki::write(folder, "etcd-ca.crt", ca.certificate())?;
        Ok(vec![
            (
                "ETCDCTL_ENDPOINTS",
                format!("main=https://{first}:4001,events=https://{first}:4002"),
            ),
            ("ETCDCTL_CACERT", authority.display().to_string()),
            ("ETCDCTL_CERT", certificate.display().to_string()),
            ("ETCDCTL_KEY", key.display().to_string()),
        ])
    }

    fn etcd_ca(&self) -> Result<Ca, Box<dyn Error>> {
        let keyset = format!("{CLUSTER}/pki/private/etcd-clients-ca/keyset.yaml");
        let keyset = String::from_utf8(self.aws.get(BUCKET, &keyset)?)?;
        Ok(Ca::from_keyset(&keyset).ok_or("no CA of etcd's clients")?)
    }

    /// An administrator who asks it by its name.
    pub fn api(&self) -> Result<ApiClient, support::Error> {
        ApiClient::new(self.balancer.port(), &self.ca)
    }

    /// Starts real masters.
    pub fn start_masters(&self, built: &Built) -> Result<RealMasters, Box<dyn Error>> {
        let etcd_ca = self.etcd_ca()?;
        Ok(RealMasters::start(&RealMastersOptions {
            cluster: CLUSTER,
            built,
            others: &[],
            cluster_ca: &self.ca,
            etcd_ca: &etcd_ca,
            s3: &self.aws.endpoint(),
            backups: &format!("s3://{BUCKET}/{CLUSTER}/backups/etcd"),
        })?)
    }

    /// From now on the API's name leads nowhere.
    pub fn nobody_answers(&self) {
        self.balancer.lead_to(0);
    }

    /// Somebody's mistake.
    pub fn delete_volumes_of_main(&self, members: &[&str]) -> Done {
        let of_main = self.built.etcd_volumes.iter().filter(|volume| volume.etcd == "main");
        for volume in of_main.filter(|volume| members.contains(&volume.member.as_str())) {
            self.account.lose_volume(volume)?;
        }
        Ok(())
    }

    /// What `kops update cluster --yes` does after a wipe.
    pub fn make_new_masters(&self) -> Result<Built, Box<dyn Error>> {
        let mut built = Built::default();
        self.kops.build_masters(&self.account, &mut built)?;
        Ok(built)
    }
}

fn of_shop(group: &str, resource: &str) -> String {
    format!("{group}/namespaces/shop/{resource}")
}

const NODE_LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// What a kubelet does first: its Node, and its Lease.
pub fn register(server: &ApiClient, role: &str, machine: &Machine) -> Done {
    let Machine { instance, zone, .. } = machine;
    let node = json!({
        "metadata": { "name": instance, "labels": { format!("node-role.kubernetes.io/{role}"): "" } },
        "spec": { "providerID": format!("aws:///{zone}/{instance}") },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": machine.private_ip }],
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }],
        },
    });
    server.create("/api/v1/nodes", &node)?;
    let lease = json!({
        "metadata": { "name": instance, "namespace": "kube-node-lease" },
        "spec": { "holderIdentity": instance, "renewTime": micro(Timestamp::now()) },
    });
    server.create(NODE_LEASES, &lease)?;
    Ok(())
}

/// Plays kubelets that live: they renew their Leases over and over, until this is dropped.
pub struct Kubelets {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelets {
    /// Those of these machines, as far as they are registered.
    pub fn of(server: &ApiClient, machines: &[&Machine]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (server, stopped) = (server.clone(), Arc::clone(&stop));
        let names: Vec<String> = machines.iter().map(|machine| machine.instance.clone()).collect();
        let thread = Some(thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for name in &names {
                    // One that is not registered yet has no Lease.
                    drop(renew(&server, name));
                }
                thread::sleep(Duration::from_secs(1));
            }
        }));
        Self { stop, thread }
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn renew(server: &ApiClient, name: &str) -> Result<(), support::Error> {
    let path = format!("{NODE_LEASES}/{name}");
    let mut lease = server.get(&path)?;
    if let Some(spec) = lease.get_mut("spec").and_then(serde_json::Value::as_object_mut) {
        spec.insert("renewTime".to_owned(), micro(Timestamp::now()).into());
    }
    server.replace(&path, &lease).map(drop)
}

fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The masters' control plane: it ends when it is dropped, and what etcd had with it.
pub struct Control {
    /// Hosts to log in to, under their addresses.
    pub hosts: MastersSimulator,
    main: ControlLoopSimulator,
    events: ControlLoopSimulator,
    addresses: Vec<String>,
}

impl Control {
    /// etcd-manager and the hosts of these masters.
    pub fn start(cluster: &Cluster, built: &Built) -> Result<Self, Box<dyn Error>> {
        let manager = |etcd: &str| {
            let store = ManagerStore::Bucket {
                endpoint: cluster.aws.endpoint(),
                bucket: BUCKET.to_owned(),
                prefix: format!("{CLUSTER}/backups/etcd/{etcd}"),
            };
            ControlLoopSimulator::start(ControlLoopOptions::after_a_wipe(etcd, store, cluster.address))
        };
        let addresses: Vec<String> = built.masters.iter().map(|master| master.private_ip.clone()).collect();
        let names: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let control = Self {
            hosts: MastersSimulator::start(&names, ContainerRuntime::Containerd)?,
            main: manager("main")?,
            events: manager("events")?,
            addresses: addresses.clone(),
        };
        // One etcd-manager plays the leader for all; the others only wait for it.
        for (at, _) in names.iter().enumerate() {
            let Some(host) = control.hosts.host(at) else { continue };
            let log = host.file("/var/log/etcd.log");
            if let Some(folder) = log.parent() {
                fs::create_dir_all(folder)?;
            }
            match at {
                0 => symlink(control.main.log_file(), log)?,
                _ => fs::write(log, "I1122 00:00:00.000000 etcd-manager stand-in] we are not leader\n")?,
            }
        }
        Ok(control)
    }

    /// Both etcds are backed up, now.
    pub fn back_up(&self) -> Done {
        self.main.take_backup()?;
        self.events.take_backup()?;
        Ok(())
    }

    /// Waits until both etcds let clients in.
    pub fn wait_until_serving(&self) -> Result<(), String> {
        let begun = Instant::now();
        while !(self.main.serving() && self.events.serving()) {
            if begun.elapsed() > Duration::from_secs(120) {
                return Err("etcd did not come up".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Starts the API servers of some of the masters, by number, as soon as both etcds serve, as kubelet does.
    pub fn serve(&self, cluster: &Cluster, masters: Range<usize>) -> Result<Vec<Arc<KubeApiServer>>, String> {
        self.wait_until_serving()?;
        let events = self.events.endpoint();
        let options = KubeApiServerOptions {
            cluster_ca: &cluster.ca,
            etcd_ca: None,
            events: Some(&events),
            advertise: "",
            encryption: None,
        };
        let addresses: Vec<&str> = self
            .addresses
            .get(masters)
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
            .collect();
        let started = self
            .main
            .with_etcd(|etcd| KubeApiServer::start_all(etcd, &options, &addresses));
        let servers = started.ok_or("etcd is gone")?.map_err(|error| error.to_string())?;
        Ok(servers.into_iter().map(Arc::new).collect())
    }

    /// How many keys of the backup `archive` are not there now, and how many it has.
    pub fn missing(&self, etcd: &str, archive: &Path) -> Result<(usize, usize), Box<dyn Error>> {
        let manager = if etcd == "main" { &self.main } else { &self.events };
        let live = manager.with_etcd(|etcd| etcd.keys(b"")).ok_or("no etcd")??;
        let live: BTreeSet<Vec<u8>> = live.into_iter().map(|stored| stored.key).collect();
        let wanted = support::backup::keys(archive)?;
        let missing = wanted.iter().filter(|stored| !live.contains(&stored.key)).count();
        Ok((missing, wanted.len()))
    }
}
