//! Gathers what shows whether a control plane is alive, from the network and over ssh.

use jiff::Timestamp;

use crate::adapters::host_probe::TcpHostProbe;
use crate::adapters::ssh::{Ssh, SshOptions};
use crate::model::etcd_access::EtcdAccess;
use crate::usecases::liveness::{Evidence, Machines, OverSsh};

/// Probes the machines; hosts are asked over ssh only where the user names them.
pub async fn gather(machines: Machines, wiped: Option<Timestamp>, etcds: &[String], access: &EtcdAccess) -> Evidence {
    let ssh = Ssh::new(&SshOptions::from(access));
    let ssh = ssh.ok().filter(|_| !access.host.is_empty());
    let over = ssh.as_ref().map(|ssh| OverSsh {
        hosts: ssh,
        names: &access.host,
    });
    Evidence::gather(machines, wiped, etcds, access.etcd_port, &TcpHostProbe::default(), over).await
}
