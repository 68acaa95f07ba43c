//! An etcd cluster of three that demands client certificates, and the plugin that is to reach it.

use serde_json::Value;
use support::{Ca, Cmd, Etcd, EtcdVersion, KeyKind, ServerTls, Usage, pki};
use tempfile::TempDir;

pub struct Env {
    /// `m0`, `m1`, `m2`; taken out of here, one is killed.
    pub members: Vec<Etcd>,
    endpoints: String,
    folder: TempDir,
    tls: ServerTls,
}

impl Env {
    pub fn new(version: EtcdVersion, quota: u64) -> Self {
        Self::of(&["m0", "m1", "m2"].map(|name| (version, name)), quota)
    }

    /// Members of these versions and names.
    pub fn of(named: &[(EtcdVersion, &str)], quota: u64) -> Self {
        let ca = Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap();
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        let members = Etcd::start_cluster_of(named, Some(&tls), quota).unwrap();
        let endpoints: Vec<&str> = members.iter().map(|member| member.tls_endpoint().unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap();
        ca.issue(Usage::Client).unwrap().write(folder.path(), "client").unwrap();
        Self {
            endpoints: endpoints.join(","),
            members,
            folder,
            tls,
        }
    }

    /// A new member of this name on an empty disk; etcd-manager adds it where a master has an empty volume.
    pub fn join(&mut self, version: EtcdVersion, name: &str, learner: bool) {
        let joined = self.members[0].join(version, name, learner, Some(&self.tls)).unwrap();
        self.endpoints = format!("{},{}", self.endpoints, joined.tls_endpoint().unwrap());
        self.members.push(joined);
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

/// The steps of a plan.
pub fn steps(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().unwrap().iter();
    steps.map(|step| step.as_str().unwrap()).collect()
}
