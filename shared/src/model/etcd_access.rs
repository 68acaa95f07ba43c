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
    /// How to connect to etcd: auto (by flags and environment), direct, port-forward or ssh; TLS is always verified
    pub via: Via,
    /// etcd client URLs, for --via direct; for several etcd clusters: main=URL,events=URL
    pub endpoints: Vec<String>,
    /// CA certificate to verify etcd's certificate
    pub cacert: Option<PathBuf>,
    /// Client certificate
    pub cert: Option<PathBuf>,
    /// Private key of the client certificate
    pub key: Option<PathBuf>,
    /// Control-plane node, for --via ssh; repeatable, tried in order
    pub host: Vec<String>,
    /// SSH user [default: from your ssh config]
    pub ssh_user: Option<String>,
    /// SSH jump host, as in `ssh -J` [default: from your ssh config]
    pub ssh_jump: Option<String>,
    /// The program to run as ssh; by default the one on `PATH`. No flag: the user's own is the user's.
    pub ssh_program: Option<PathBuf>,
    /// Timeout for connecting and for each request
    pub etcd_timeout: Duration,
    /// etcd's client port on the node [default: main 4001, events 4002, cilium 4003, leases 4004]
    pub etcd_port: Option<u16>,
    /// Use plain HTTP for an etcd without TLS (kops feature flag EtcdEventsHTTP)
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
