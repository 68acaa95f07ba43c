//! The API of a kubeconfig by the address of one of its servers: its DNS name may not resolve, or resolve to a terminated master.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use kube::Config;
use tokio::time::timeout;

use super::{KubeClient, KubeOptions, host_of};
use crate::ports::cluster_api::{ApiEndpoint, KubeError, KubeErrorKind};

/// A name that every API server's certificate has; kops' have no address of the node.
const CERTIFIED: &str = "kubernetes.default.svc";

impl KubeClient {
    /// Host and port of the kubeconfig's API, and the addresses that the host resolves to.
    ///
    /// # Errors
    /// As of [`KubeClient::connect`].
    pub async fn endpoint(options: &KubeOptions) -> Result<ApiEndpoint, KubeError> {
        let config = Self::config(options).await?;
        let url = &config.cluster_url;
        let host = host_of(url).to_owned();
        let port = url.port_u16().unwrap_or(443);
        let found = timeout(options.timeout, tokio::net::lookup_host((host.clone(), port))).await;
        let addresses = match found {
            Ok(Ok(found)) => {
                let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
                addresses.sort();
                addresses.dedup();
                Ok(addresses)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", options.timeout.as_secs())),
        };
        Ok(ApiEndpoint { host, port, addresses })
    }

    /// The API server at this address, with the kubeconfig's CA and credentials. No request is made yet.
    ///
    /// # Errors
    /// As of [`KubeClient::connect`]; and where the kubeconfig does not verify the server: credentials are not sent to an
    /// address that may have been reassigned.
    pub async fn at(options: &KubeOptions, address: IpAddr, port: u16) -> Result<Self, KubeError> {
        let mut config = Self::config(options).await?;
        let server = format!("https://{}/", SocketAddr::new(address, port));
        let refused = |why: &str| KubeError {
            action: "connect to".to_owned(),
            server: server.clone(),
            kind: KubeErrorKind::Config(why.to_owned()),
        };
        if !verifies(&config) {
            return Err(refused("the kubeconfig does not verify the server's certificate"));
        }
        config.cluster_url = server.parse::<Uri>().map_err(|error| refused(&error.to_string()))?;
        config.tls_server_name = Some(CERTIFIED.to_owned());
        // A credential plugin would run for each address and take too long; an API server that does not know
        // us responds, too.
        config.auth_info.exec = None;
        config.auth_info.auth_provider = None;
        Self::of_config(config, options.timeout)
    }
}

fn verifies(config: &Config) -> bool {
    !config.accept_invalid_certs && config.cluster_url.scheme_str() == Some("https")
}
