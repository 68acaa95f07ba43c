//! How a living etcd is reached, and where kops puts it.

use std::path::PathBuf;
use std::time::Duration;

/// Which way to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Whatever flags and environment allow: direct with --endpoints, ssh with --host, port-forward else
    #[default]
    Auto,
    /// Straight to --endpoints
    Direct,
    /// Through the Kubernetes API to an etcd-manager pod
    PortForward,
    /// Through ssh to a control-plane node, with its own certificates
    Ssh,
}

/// How to reach etcd.
#[derive(Clone, Debug)]
pub struct EtcdAccess {
    /// Way to etcd: auto (what flags and environment allow), direct, port-forward or ssh; TLS is always verified
    pub via: Via,
    /// etcd's client URLs, for --via direct; of several etcd clusters, each with its name: main=URL,events=URL
    pub endpoints: Vec<String>,
    /// CA to verify etcd's certificate by
    pub cacert: Option<PathBuf>,
    /// Client certificate
    pub cert: Option<PathBuf>,
    /// Its private key
    pub key: Option<PathBuf>,
    /// Control-plane node, for --via ssh; repeatable: tried in turn
    pub host: Vec<String>,
    /// User to log in as [default: as your ssh config says]
    pub ssh_user: Option<String>,
    /// Bastion to go through, as of `ssh -J` [default: as your ssh config says]
    pub ssh_jump: Option<String>,
    /// The program to run as ssh; by default the one on `PATH`. No flag: the user's own is the user's.
    pub ssh_program: Option<PathBuf>,
    /// Limit of connecting and of each request
    pub etcd_timeout: Duration,
    /// etcd's client port on the node [default: main 4001, events 4002, cilium 4003, leases 4004]
    pub etcd_port: Option<u16>,
    /// Talk plain HTTP to an etcd that has no TLS (kops' feature flag EtcdEventsHTTP)
    pub plain_http: bool,
}

impl Default for EtcdAccess {
    fn default() -> Self {
        Self {
            via: Via::default(),
            endpoints: Vec::new(),
            cacert: None,
            cert: None,
            key: None,
            host: Vec::new(),
            ssh_user: None,
            ssh_jump: None,
            ssh_program: None,
            etcd_timeout: Duration::from_secs(10),
            etcd_port: None,
            plain_http: false,
        }
    }
}

impl EtcdAccess {
    /// The URLs for one etcd cluster: those named for it, and those without a name.
    #[must_use]
    pub fn endpoints_of(&self, etcd: &str) -> Vec<&str> {
        let given = self.endpoints.iter().map(|text| named_endpoint(text));
        given
            .filter(|(name, url)| !url.is_empty() && name.is_none_or(|name| name == etcd))
            .map(|(_, url)| url)
            .collect()
    }
}

/// Takes `[ETCD=]URL` apart.
#[must_use]
pub fn named_endpoint(text: &str) -> (Option<&str>, &str) {
    match text.trim().split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => (Some(name), url),
        _ => (None, text.trim()),
    }
}

/// etcd-manager's client port of an etcd cluster; `None` for one that kops does not know.
/// Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
#[must_use]
pub fn client_port(etcd: &str) -> Option<u16> {
    Some(match etcd {
        "main" => 4001,
        "events" => 4002,
        "cilium" => 4003,
        "leases" => 4004,
        _ => return None,
    })
}
