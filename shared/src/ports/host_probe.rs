//! Probes of ports by plain TCP connections, without a proxy.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::model::liveness::PortState;

/// Probes ports.
#[async_trait]
pub trait HostProbe: Send + Sync {
    /// Whether this port accepts connections.
    async fn probe_port(&self, address: IpAddr, port: u16) -> PortState;

    /// A service that responds with its own protocol on one of the ports that every master has: `ssh on port 22`.
    async fn service_at(&self, address: IpAddr) -> Option<String>;
}
