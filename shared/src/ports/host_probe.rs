//! Who stands behind an address: asked by a plain TCP connection, through no proxy.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::model::liveness::PortState;

/// Knocks.
#[async_trait]
pub trait HostProbe: Send + Sync {
    /// Whether somebody accepts a connection at this port.
    async fn probe_port(&self, address: IpAddr, port: u16) -> PortState;

    /// Who answers at this address in their own words, at one of the ports that every master has: `ssh on port 22`.
    async fn service_at(&self, address: IpAddr) -> Option<String>;
}
