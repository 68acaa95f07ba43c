//! Asking an address whether an API server of this cluster is there.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::model::kubernetes::masterlease::Probe;

/// Asks one address.
#[async_trait]
pub trait ApiProbe: Send + Sync {
    /// Connects to `ip`, verifies the certificate as `kubernetes.default.svc` against the PEM certificates of `ca`, and asks
    /// for `/livez` without credentials. Always answers within the adapter's time limit.
    async fn livez(&self, ip: IpAddr, port: u16, ca: &str) -> Probe;
}
