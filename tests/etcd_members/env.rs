//! An etcd cluster of three that demands client certificates, and the plugin that is to reach it.

use std::thread;
use std::time::{Duration, Instant};

use support::{Ca, Cmd, Etcd, EtcdVersion, KeyKind, ServerTls, Usage, pki};
use tempfile::TempDir;

pub struct Env {
    /// `m0`, `m1`, `m2`; taken out of here, one is killed.
    pub members: Vec<Etcd>,
    endpoints: String,
    folder: TempDir,
    _tls: ServerTls,
}

impl Env {
    pub fn new(version: EtcdVersion, quota: u64) -> Self {
        let ca = Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap();
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        let members = Etcd::start_cluster_of_quota(version, 3, Some(&tls), quota).unwrap();
        let endpoints: Vec<&str> = members.iter().map(|member| member.tls_endpoint().unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap();
        ca.issue(Usage::Client).unwrap().write(folder.path(), "client").unwrap();
        Self {
            endpoints: endpoints.join(","),
            members,
            folder,
            _tls: tls,
        }
    }

    /// The plugin, with the endpoints of all members.
    pub fn cmd(&self, arguments: &str) -> Cmd {
        let at = |name: &str| self.folder.path().join(name);
        Cmd::new(env!("CARGO_BIN_EXE_kubectl-etcd-restore"))
            .unwrap()
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY")
            .args(arguments.split_whitespace())
            .env("ETCDCTL_ENDPOINTS", &self.endpoints)
            .env("ETCDCTL_CACERT", at("ca.crt"))
            .env("ETCDCTL_CERT", at("client.crt"))
            .env("ETCDCTL_KEY", at("client.key"))
    }
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what}");
        thread::sleep(Duration::from_millis(100));
    }
}
