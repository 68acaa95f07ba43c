//! The Kubernetes API, as kubectl reaches it.

mod by_address;
pub mod ca_match;
mod cluster_api;
mod cluster_objects;
mod error;
pub mod liveness;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::ports::cluster_api::KubeError;

/// Which cluster's API, in kubectl's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeOptions {
    /// `--kubeconfig`; else `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; else the current one.
    pub context: Option<String>,
    /// The limit of each request.
    pub timeout: Duration,
}

/// A connection to one API server.
#[derive(Clone)]
pub struct KubeClient {
    client: Client,
    server: String,
    timeout: Duration,
    /// The CAs, in DER, of which one has signed the server's certificate; empty where it is not verified, or by the system's CAs.
    roots: Vec<Vec<u8>>,
}

/// A pod, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRef {
    /// Its name.
    pub name: String,
    /// The node that it runs on.
    pub node: Option<String>,
    /// Whether its condition Ready is true.
    pub ready: bool,
}

impl KubeClient {
    /// Reads the kubeconfig; makes no request yet.
    ///
    /// # Errors
    /// Where there is none, or not the context, or credentials in it cannot be used.
    pub async fn connect(options: &KubeOptions) -> Result<Self, KubeError> {
        Self::of_config(Self::config(options).await?, options.timeout)
    }

    async fn config(options: &KubeOptions) -> Result<Config, KubeError> {
        let unusable = |error: kube::config::KubeconfigError| error::config(&error);
        let kubeconfig = match &options.kubeconfig {
            Some(file) => Kubeconfig::read_from(file).map_err(unusable)?,
            None => Kubeconfig::read().map_err(unusable)?,
        };
        let chosen = KubeConfigOptions {
            context: options.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &chosen)
            .await
            .map_err(unusable)?;
        if is_in_the_clear(&config.cluster_url) {
            return Err(error::in_the_clear(&config.cluster_url.to_string()));
        }
        config.connect_timeout = Some(options.timeout);
        // The limit of a request is ours: kube's own would cut a port-forward short, too.
        config.read_timeout = None;
        config.write_timeout = None;
        Ok(config)
    }

    fn of_config(config: Config, timeout: Duration) -> Result<Self, KubeError> {
        let server = config.cluster_url.to_string();
        let verified = config.cluster_url.scheme_str() == Some("https") && !config.accept_invalid_certs;
        let roots = config.root_cert.clone().filter(|_| verified).unwrap_or_default();
        let client = Client::try_from(config).map_err(|error| error::of("connect to", &server, error))?;
        Ok(Self {
            client,
            server,
            timeout,
            roots,
        })
    }

    /// The CAs, in DER, by which the server is verified; empty where it is not, or by the system's CAs.
    pub(in crate::adapters) fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// The API server's URL, as the kubeconfig has it.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The SDK's client, for the other adapters of the Kubernetes API.
    pub(in crate::adapters) fn sdk(&self) -> Client {
        self.client.clone()
    }

    /// Waits for an answer no longer than the limit.
    pub(in crate::adapters) async fn bounded<T>(
        &self,
        action: &str,
        asked: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, KubeError> {
        match timeout(self.timeout, asked).await {
            Ok(answer) => answer.map_err(|error| error::of(action, &self.server, error)),
            Err(_) => Err(error::timeout(action, &self.server, self.timeout)),
        }
    }

    /// The pods with a label, sorted by name.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<PodRef>, KubeError> {
        let pods: Api<Pod> = Api::namespaced(self.sdk(), namespace);
        let wanted = ListParams::default().labels(selector);
        let action = format!("list pods in {namespace}");
        let mut found: Vec<PodRef> = self
            .bounded(&action, pods.list(&wanted))
            .await?
            .into_iter()
            .filter_map(pod_ref)
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// A stream to a port of a pod, and a future that tells why it broke, if it does.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn port_forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<
        (
            impl AsyncRead + AsyncWrite + Send + Unpin + use<>,
            BoxFuture<'static, Option<String>>,
        ),
        KubeError,
    > {
        let pods: Api<Pod> = Api::namespaced(self.sdk(), namespace);
        let action = format!("port-forward to pod {namespace}/{pod}");
        let mut forwarder = self.bounded(&action, pods.portforward(pod, &[port])).await?;
        let (Some(stream), Some(why)) = (forwarder.take_stream(port), forwarder.take_error(port)) else {
            return Err(error::timeout(&action, &self.server, self.timeout));
        };
        Ok((stream, why.boxed()))
    }
}

/// Without TLS, credentials and answers are exposed on the network. `kubectl proxy` on this machine is allowed.
fn is_in_the_clear(url: &Uri) -> bool {
    let host = host_of(url);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme_str() != Some("https") && !here
}

/// Its host, an IPv6 address without the brackets.
fn host_of(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_matches(['[', ']'])
}

fn pod_ref(pod: Pod) -> Option<PodRef> {
    let status = pod.status.unwrap_or_default();
    let ready = status
        .conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    Some(PodRef {
        name: pod.metadata.name?,
        node: pod.spec.and_then(|spec| spec.node_name),
        ready,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        for (url, clear) in [
            ("https://api.k8s.example.com", false),
            ("https://203.0.113.9:8443/k8s", false),
            ("http://127.0.0.1:8001", false),
            ("http://[::1]:8001", false),
            ("http://localhost:8001", false),
            ("http://api.k8s.example.com", true),
            ("http://localhost.example.com", true),
            ("http://10.0.0.7:8080", true),
        ] {
            assert_eq!(is_in_the_clear(&url.parse().unwrap()), clear, "{url}");
        }
    }
}
