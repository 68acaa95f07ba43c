//! How to reach a living etcd: the flags, the same in every plugin that does.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::duration;

/// Which way to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
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
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reaching etcd")]
pub struct EtcdAccessArgs {
    /// Way to etcd: auto (what flags and environment allow), direct, port-forward or ssh; TLS is always verified
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "WAY")]
    pub via: Via,
    /// etcd's client URLs, for --via direct; of several etcd clusters, each with its name: main=URL,events=URL
    #[arg(
        long,
        env = "ETCDCTL_ENDPOINTS",
        value_delimiter = ',',
        value_name = "URL,…",
        hide_env_values = true
    )]
    pub endpoints: Vec<String>,
    /// CA to verify etcd's certificate by
    #[arg(long, env = "ETCDCTL_CACERT", value_name = "FILE", hide_env_values = true)]
    pub cacert: Option<PathBuf>,
    /// Client certificate
    #[arg(long, env = "ETCDCTL_CERT", value_name = "FILE", hide_env_values = true)]
    pub cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, env = "ETCDCTL_KEY", value_name = "FILE", hide_env_values = true)]
    pub key: Option<PathBuf>,
    /// Control-plane node, for --via ssh; repeatable: tried in turn
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// User to log in as [default: as your ssh config says]
    #[arg(long, value_name = "USER")]
    pub ssh_user: Option<String>,
    /// Bastion to go through, as of `ssh -J` [default: as your ssh config says]
    #[arg(long, value_name = "[USER@]HOST")]
    pub ssh_jump: Option<String>,
    /// The program to run as ssh; by default the one on `PATH`. No flag: the user's own is the user's.
    #[arg(skip)]
    pub ssh_program: Option<PathBuf>,
    /// Limit of connecting and of each request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub etcd_timeout: Duration,
    /// etcd's client port on the node [default: main 4001, events 4002, cilium 4003, leases 4004]
    #[arg(long, value_name = "PORT")]
    pub etcd_port: Option<u16>,
    /// Talk plain HTTP to an etcd that has no TLS (kops' feature flag EtcdEventsHTTP)
    #[arg(long)]
    pub plain_http: bool,
}

impl Default for EtcdAccessArgs {
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

impl EtcdAccessArgs {
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
