//! The whole world of one cluster, real where it can be: AWS behind TLS, etcd, kube-apiserver, hosts with ssh.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::json;
use support::aws::Built;
use support::store::{self, CLUSTER};
use support::{
    AwsAccount, Ca, ContainerRuntime, Etcd, EtcdOptions, EtcdVersion, KeyKind, KopsCluster, KubeApiServer,
    KubeApiServerOptions, MastersSimulator, Moto, Proxy, Put, S3, ServerTls, backup, components, pki,
};
use tempfile::TempDir;

/// The bucket of the state store.
pub const BUCKET: &str = "kops-state";
/// Where the etcd of the world has keys that nobody changes.
pub const PREFIX: &str = "/shared";
/// An instance that AWS does not have.
pub const GONE: &str = "i-0aaaaaaaaaaaaaaaa";
/// The namespace of a backup that is restored.
const SHOP: &str = "/api/v1/namespaces/shop";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// moto as S3 and as all else, and what is in front of it.
pub struct Aws {
    pub moto: Moto,
    pub tls: Proxy,
}

pub struct World {
    /// What AWS holds before a trial. Nobody asks it for anything while there are trials.
    pub filled: Moto,
    /// For trials that change nothing in it.
    shared: OnceLock<Aws>,
    built: Built,
    /// A cluster with one master in an account of its own.
    pub small: (AwsAccount, Built),
    /// Signs the certificate of AWS' fronts.
    pub ca: Ca,
    pub etcd: Etcd,
    /// Another one like it, whose keys are changed.
    pub changed_etcd: Etcd,
    etcd_tls: ServerTls,
    _data: [TempDir; 2],
    pub api: KubeApiServer,
    pub api_ca: Ca,
    _api_etcd: Etcd,
    pub masters: MastersSimulator,
    /// The state store, to be copied from.
    store: TempDir,
    /// The CA of AWS, and the programs on `PATH`.
    folder: TempDir,
}

impl World {
    /// Everything running and healthy, but for one Node without a machine and what a restore leaves in etcd.
    pub fn new() -> Self {
        let ca = Ca::new("a-public-ca", KeyKind::Ec).unwrap();
        let filled = Moto::start().unwrap();
        let built = KopsCluster::new(CLUSTER).build(&AwsAccount::of(&filled)).unwrap();
        let other = AwsAccount::another(&filled, "900000000001").unwrap();
        let small = KopsCluster::of_one_master(CLUSTER).build(&other).unwrap();
        store::serve_state_store(&filled, BUCKET, "state-store-restored").unwrap();
        let store = tempfile::tempdir().unwrap();
        store::make_state_store(store.path(), &format!("s3://{BUCKET}"), "state-store-restored").unwrap();
        // Of a restored etcd: without leases, whose end would go on counting revisions.
        let healthy = "backups/etcd/main/2026-11-22T15:20:36Z-000001/etcd.backup.gz";
        let healthy = store.path().join(CLUSTER).join(healthy);
        let keyset = keyset_in(store.path());
        let clients_ca = Ca::from_keyset(&fs::read_to_string(keyset).unwrap()).unwrap();
        let etcd_tls = ServerTls::new(&clients_ca, &[&clients_ca]).unwrap();
        let version = EtcdVersion::V3_6;
        let start = || {
            let data = tempfile::tempdir().unwrap();
            let data_dir = Some(backup::restore(&healthy, data.path()).unwrap());
            (
                Etcd::start_tls_with(&EtcdOptions { version, data_dir }, &etcd_tls).unwrap(),
                data,
            )
        };
        let ((etcd, data), (changed_etcd, changed_data)) = (start(), start());
        let api_ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let api_etcd = Etcd::start(version).unwrap();
        let options = KubeApiServerOptions::plain(&api_ca, "10.245.21.57");
        let api = KubeApiServer::start(&api_etcd, &options).unwrap();
        // The masters, and the machine of the group of API servers.
        let machines = built.masters.iter().chain(built.others.get(1));
        let ips: Vec<&str> = machines.map(|machine| machine.private_ip.as_str()).collect();
        let masters = MastersSimulator::start(&ips, ContainerRuntime::Containerd).unwrap();
        let peers: Vec<(&str, &str)> = ips.iter().copied().zip(["a", "b", "c"]).collect();
        for (at, ip) in ips.iter().enumerate() {
            let host = masters.host(at).unwrap();
            host.peer(ip, &peers).unwrap();
            pki::write(
                &host.file("/var/log"),
                "etcd.log",
                "I1122 15:18:01.000000 7 a.go:1] a line\n",
            )
            .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(components::etcd(version).unwrap(), bin.join("etcd")).unwrap();
        symlink(components::etcdutl().unwrap(), bin.join("etcdutl")).unwrap();
        let world = Self {
            filled,
            shared: OnceLock::new(),
            built,
            small: (other, small),
            ca,
            etcd,
            changed_etcd,
            etcd_tls,
            _data: [data, changed_data],
            api,
            api_ca,
            _api_etcd: api_etcd,
            masters,
            store,
            folder,
        };
        make_keys(&world.etcd, PREFIX);
        for master in &world.built.masters {
            world.make_node(&master.instance);
        }
        world.make_node(GONE);
        world
    }

    /// The Node without an instance is there, again if need be.
    pub fn keep_gone_node(&self) {
        if !self.nodes().iter().any(|node| node == GONE) {
            self.make_node(GONE);
        }
    }

    /// An etcd without keys, which trusts the same certificates.
    pub fn empty_etcd(&self) -> Etcd {
        Etcd::start_tls(EtcdVersion::V3_6, &self.etcd_tls).unwrap()
    }

    /// AWS for one trial.
    pub fn aws(&self) -> Aws {
        let moto = self.filled.copy().unwrap();
        let tls = Proxy::start_tls(&moto, &self.ca).unwrap();
        Aws { moto, tls }
    }

    /// AWS for all trials that change nothing in it.
    pub fn shared(&self) -> &Aws {
        self.shared.get_or_init(|| self.aws())
    }

    /// A Node, whose instance AWS has or not.
    pub fn make_node(&self, name: &str) {
        let node = json!({
            "metadata": { "name": name, "labels": { "node-role.kubernetes.io/control-plane": "" } },
            "spec": { "providerID": format!("aws:///us-east-1a/{name}") },
        });
        self.api.create("/api/v1/nodes", &node).unwrap();
        let lease =
            json!({ "metadata": { "name": name, "namespace": "kube-node-lease" }, "spec": { "holderIdentity": name } });
        // It stays when its Node goes.
        drop(self.api.create(LEASES, &lease));
    }

    /// The names of the ConfigMaps that a trial restored.
    pub fn shop(&self) -> Vec<String> {
        let list = self.api.get(&format!("{SHOP}/configmaps")).unwrap();
        let maps = list["items"].as_array().unwrap().iter();
        maps.map(|map| map["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Deletes what an earlier trial restored, as the namespace's controller would.
    pub fn lose_the_shop(&self) {
        for name in self.shop() {
            self.api.delete(&format!("{SHOP}/configmaps/{name}")).unwrap();
        }
        if let Ok(mut namespace) = self.api.delete(SHOP) {
            namespace["spec"]["finalizers"] = json!([]);
            self.api.replace(&format!("{SHOP}/finalize"), &namespace).unwrap();
        }
    }

    /// The names of the Nodes.
    pub fn nodes(&self) -> Vec<String> {
        let list = self.api.get("/api/v1/nodes").unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The key of etcd's clients' CA, as the key store has it.
    pub fn keyset(&self) -> String {
        fs::read_to_string(keyset_in(self.store.path())).unwrap()
    }

    /// Where the CA of AWS' certificates lies.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// ssh to the hosts, etcd and etcdutl, before what the system has.
    pub fn path(&self) -> String {
        format!(
            "{}:{}:/usr/bin:/bin",
            self.masters.path().display(),
            self.folder.path().join("bin").display()
        )
    }
}

/// Makes a bucket that may hold private keys: encrypted, and closed to the public.
pub fn make_copies(server: &impl S3, bucket: &str) {
    server.create_bucket(bucket).unwrap();
    let xml = |name: &str, content: &str| {
        format!("<{name} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{content}</{name}>")
    };
    let encrypted = xml(
        "ServerSideEncryptionConfiguration",
        "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
         </ApplyServerSideEncryptionByDefault></Rule>",
    );
    let blocked = xml(
        "PublicAccessBlockConfiguration",
        "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
         <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>",
    );
    for (query, body) in [("encryption", encrypted), ("publicAccessBlock", blocked)] {
        let _ = server.bucket_request("PUT", bucket, query, body.as_bytes()).unwrap();
    }
}

/// What a restore leaves below a prefix: a masterlease that never expires beside a living one, and events of both kinds.
pub fn make_keys(etcd: &Etcd, prefix: &str) {
    let lease = etcd.grant_lease(3600).unwrap();
    let put = |path: &str, value: &str, lease: i64| Put {
        lease,
        ..Put::new(format!("{prefix}{path}"), value)
    };
    let both = r#"{"subsets":[{"addresses":[{"ip":"10.245.21.9"},{"ip":"10.245.21.57"}],"ports":[{"port":443}]}]}"#;
    let one = |ip: &str| format!(r#"{{"subsets":[{{"addresses":[{{"ip":"{ip}"}}]}}]}}"#);
    let mut puts = vec![
        put("/masterleases/10.245.21.9", &one("10.245.21.9"), 0),
        put("/masterleases/10.245.21.57", &one("10.245.21.57"), lease),
        put("/services/endpoints/default/kubernetes", both, 0),
    ];
    for number in 0..40 {
        let lease = if number % 4 == 0 { lease } else { 0 };
        puts.push(put(&format!("/events/shop/event-{number}"), "x", lease));
    }
    etcd.put(&puts).unwrap();
}

fn keyset_in(store: &std::path::Path) -> PathBuf {
    store.join(CLUSTER).join("pki/private/etcd-clients-ca/keyset.yaml")
}

/// The port of a URL.
pub fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}
