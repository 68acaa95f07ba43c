//! How the leading etcd-manager stand-in is started.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::manager_store::ManagerStore;
use crate::components::EtcdVersion;
use crate::servers::EtcdAt;

/// How to start one.
#[derive(Debug)]
pub struct ControlLoopOptions {
    /// Its backup store.
    pub store: ManagerStore,
    /// Which etcd it runs.
    pub version: EtcdVersion,
    /// The master's address, any of 127.0.0.0/8; see `ControlLoopSimulator::address`.
    pub address: Ipv4Addr,
    /// Where clients are served.
    pub client_port: u16,
    /// Where a restored etcd is kept from everybody.
    pub quarantine_port: u16,
    /// Between two looks.
    pub cycle: Duration,
    /// Whether it may delete objects of its store.
    pub may_delete: bool,
    /// Whether it starts with a living, empty etcd; else without any member, as after a wipe.
    pub alive: bool,
    /// Of one in a container of a real master, which goes on with what its volume holds; `None` for one in this process.
    pub place: Option<ControlLoopPlace>,
}

/// Where one in a container of a real master is.
#[derive(Debug)]
pub struct ControlLoopPlace {
    /// Its volume.
    pub volume: PathBuf,
    /// Where it logs.
    pub log: PathBuf,
    /// Its etcd, which demands client certificates.
    pub etcd: EtcdAt,
}

impl ControlLoopOptions {
    /// Of the etcd cluster `main` or `events`, after a wipe, at an address of its own.
    #[must_use]
    pub fn after_a_wipe(etcd: &str, store: ManagerStore, address: Ipv4Addr) -> Self {
        let (client_port, quarantine_port) = if etcd == "main" { (4001, 3994) } else { (4002, 3995) };
        Self {
            store,
            version: EtcdVersion::V3_5,
            address,
            client_port,
            quarantine_port,
            cycle: Duration::from_secs(2),
            may_delete: true,
            alive: false,
            place: None,
        }
    }
}
