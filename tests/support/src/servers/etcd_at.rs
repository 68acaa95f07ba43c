//! Where the etcd of a real master is reached.

use std::net::Ipv4Addr;

use super::etcd_tls::ServerTls;

/// A member's name, addresses and certificates.
#[derive(Debug)]
pub struct EtcdAt {
    /// `etcd-a`.
    pub name: String,
    /// The master's.
    pub address: Ipv4Addr,
    /// For its peers.
    pub peer_port: u16,
    /// For its clients.
    pub tls: ServerTls,
}

impl EtcdAt {
    /// Where its peers find it.
    #[must_use]
    pub fn peer_url(&self) -> String {
        format!("http://{}:{}", self.address, self.peer_port)
    }
}
