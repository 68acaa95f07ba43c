//! The leading etcd-manager stand-in of a real master.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::stand_in::{Orders, missing, say, variable};
use crate::components::EtcdVersion;
use crate::error::Error;
use crate::servers::{EtcdAt, ServerTls};
use crate::simulators::{ControlLoopOptions, ControlLoopPlace, ControlLoopSimulator, ManagerStore};

/// The volume of this etcd in the container.
pub(super) const VOLUME: &str = "/rootfs/mnt/data";
/// Where kops' manifest puts etcd-manager's certificates.
pub(super) const PKI: &str = "/etc/kubernetes/pki/etcd-manager";

/// A file on the volume that asks for a backup, now.
pub(super) const TAKE_BACKUP: &str = "take-a-backup";

/// How this master's etcd is reached.
pub(super) fn place(orders: &Orders, address: Ipv4Addr) -> Result<EtcdAt, Error> {
    Ok(EtcdAt {
        name: variable("STAND_IN_MEMBER")?,
        address,
        peer_port: orders.port("peer-urls")?,
        tls: ServerTls::found(Path::new(PKI)),
    })
}

pub(super) fn address(variable_name: &str) -> Result<Ipv4Addr, Error> {
    variable(variable_name)?.parse().map_err(|_| missing(variable_name))
}

/// Leads until the container is ended. Followers learn on etcd-manager's port how etcd stands.
pub(super) fn lead(orders: &Orders) -> Result<(), Error> {
    let address = address("STAND_IN_ADDRESS")?;
    let url = orders.flag("backup-store")?;
    let (bucket, prefix) = url
        .strip_prefix("s3://")
        .and_then(|path| path.split_once('/'))
        .ok_or_else(|| missing("backup-store"))?;
    let listener = TcpListener::bind((address, orders.port("grpc-port")?)).map_err(|source| Error::Start {
        program: "the port of etcd-manager".to_owned(),
        source,
    })?;
    let simulator = ControlLoopSimulator::start(ControlLoopOptions {
        store: ManagerStore::Bucket {
            endpoint: variable("S3_ENDPOINT")?,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        },
        version: EtcdVersion::V3_5,
        address,
        client_port: orders.port("client-urls")?,
        quarantine_port: orders.port("quarantine-client-urls")?,
        cycle: Duration::from_secs(2),
        may_delete: true,
        alive: false,
        place: Some(ControlLoopPlace {
            volume: PathBuf::from(VOLUME),
            log: PathBuf::from("/dev/stdout"),
            etcd: place(orders, address)?,
        }),
    })?;
    thread::scope(|scope| {
        scope.spawn(|| back_up_when_asked(&simulator));
        answer_followers(&listener, &simulator);
    });
    Ok(())
}

fn back_up_when_asked(simulator: &ControlLoopSimulator) {
    let asked = Path::new(VOLUME).join(TAKE_BACKUP);
    loop {
        if asked.exists() {
            match simulator.take_backup() {
                Ok(()) => drop(fs::remove_file(&asked)),
                Err(error) => say(&format!("error taking a backup: {error}")),
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn answer_followers(listener: &TcpListener, simulator: &ControlLoopSimulator) {
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let state = match simulator.cluster_id() {
            Some(id) if simulator.serving() => format!("serving {id}\n"),
            Some(_) | None => "closed\n".to_owned(),
        };
        // A follower that went away asks again.
        drop(connection.write_all(state.as_bytes()));
    }
}
