//! An etcd as with kops: TLS with client certificates.

use std::path::PathBuf;

use support::{Ca, Cmd, Etcd, EtcdVersion, KeyKind, Put, ServerTls, Usage};
use tempfile::TempDir;

pub struct Env {
    pub ca: Ca,
    /// etcd reads these files for each connection.
    _tls: ServerTls,
    pub etcd: Etcd,
    pub folder: TempDir,
}

pub const ENDPOINTS: &str = "/registry/services/endpoints/default/kubernetes";
pub const SLICE: &str = "/registry/endpointslices/default/kubernetes";

impl Env {
    /// An empty etcd.
    pub fn empty(version: EtcdVersion) -> Self {
        let ca = Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap();
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        let etcd = Etcd::start_tls(version, &tls).unwrap();
        let folder = tempfile::tempdir().unwrap();
        support::pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap();
        ca.issue(Usage::Client).unwrap().write(folder.path(), "client").unwrap();
        Self {
            ca,
            _tls: tls,
            etcd,
            folder,
        }
    }

    /// The etcd of a cluster: with a namespace kube-system.
    pub fn of_a_cluster(uid: &str) -> Self {
        let env = Self::empty(EtcdVersion::V3_6);
        let namespace = format!(r#"{{"kind":"Namespace","metadata":{{"name":"kube-system","uid":"{uid}"}}}}"#);
        env.put("/registry/namespaces/kube-system", namespace.as_bytes(), 0);
        env
    }

    pub fn put(&self, key: &str, value: &[u8], lease: i64) {
        let put = Put {
            lease,
            ..Put::new(key, value)
        };
        self.etcd.put(&[put]).unwrap();
    }

    /// A masterlease after a restore: without a lease.
    pub fn restored(&self, ip: &str) {
        self.put(&key(ip), &endpoints(&[ip]), 0);
    }

    /// A masterlease that is live during the whole test.
    pub fn live(&self, ip: &str) {
        let lease = self.etcd.grant_lease(600).unwrap();
        self.put(&key(ip), &endpoints(&[ip]), lease);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The plugin, with a certificate for this etcd, in this folder.
    pub fn cmd(&self, arguments: &str) -> Cmd {
        plugin(arguments)
            .env("ETCDCTL_ENDPOINTS", self.etcd.tls_endpoint().unwrap())
            .env("ETCDCTL_CACERT", self.path("ca.crt"))
            .env("ETCDCTL_CERT", self.path("client.crt"))
            .env("ETCDCTL_KEY", self.path("client.key"))
            .current_dir(self.folder.path())
    }

    /// The addresses in etcd's keys, sorted as text.
    pub fn names(&self) -> Vec<String> {
        let stored = self.etcd.keys(b"/registry/masterleases/").unwrap();
        let name = |key: Vec<u8>| String::from_utf8(key).unwrap().rsplit('/').next().unwrap().to_owned();
        stored.into_iter().map(|stored| name(stored.key)).collect()
    }

    pub fn undo_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.to_string_lossy().contains("masterleases-undo-"))
            .collect()
    }
}

pub fn plugin(arguments: &str) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kubectl-masterleases"))
        .unwrap()
        .args(arguments.split_whitespace())
}

pub fn key(ip: &str) -> String {
    format!("/registry/masterleases/{ip}")
}

pub fn endpoints(ips: &[&str]) -> Vec<u8> {
    let addresses: Vec<String> = ips.iter().map(|ip| format!(r#"{{"ip":"{ip}"}}"#)).collect();
    let addresses = addresses.join(",");
    format!(
        r#"{{"kind":"Endpoints","subsets":[{{"addresses":[{addresses}],"ports":[{{"name":"https","port":443}}]}}]}}"#
    )
    .into_bytes()
}

pub fn slice(ips: &[&str]) -> Vec<u8> {
    let endpoints: Vec<String> = ips.iter().map(|ip| format!(r#"{{"addresses":["{ip}"]}}"#)).collect();
    format!(r#"{{"kind":"EndpointSlice","endpoints":[{}]}}"#, endpoints.join(",")).into_bytes()
}
