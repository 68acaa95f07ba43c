//! etcds that demand client certificates, and etcds of several members.

use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

use super::etcd::{Etcd, EtcdOptions, LARGE_QUOTA, Member};
use super::process::{folder, free_ports};
use crate::components::{self, EtcdVersion};
use crate::error::Error;
use crate::pki::{self, Ca, Issued, Usage};

/// What makes an etcd speak TLS and demand a certificate.
#[derive(Debug)]
pub struct ServerTls {
    folder: Option<TempDir>,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CAs whose clients it takes.
    pub clients: PathBuf,
}

impl ServerTls {
    /// A server certificate signed by `ca`, and the clients of all of `trusted`.
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn new(ca: &Ca, trusted: &[&Ca]) -> Result<Self, Error> {
        Self::showing(&ca.issue(Usage::Server)?, trusted)
    }

    /// This server certificate, and the clients of all of `trusted`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn showing(issued: &Issued, trusted: &[&Ca]) -> Result<Self, Error> {
        let folder = folder("tls")?;
        let (certificate, key) = issued.write(folder.path(), "server")?;
        let bundle: String = trusted.iter().map(|ca| ca.certificate()).collect();
        let clients = pki::write(folder.path(), "clients-ca.crt", &bundle)?;
        Ok(Self {
            folder: Some(folder),
            certificate,
            key,
            clients,
        })
    }

    /// Of files that are there already: `server.crt`, `server.key` and `clients-ca.crt`.
    #[must_use]
    pub fn found(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        Self {
            folder: None,
            certificate: at("server.crt"),
            key: at("server.key"),
            clients: at("clients-ca.crt"),
        }
    }

    /// Where the files are; gone with this value, unless they were found.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let of_files = self.certificate.parent().unwrap_or_else(|| Path::new("/"));
        self.folder.as_ref().map_or(of_files, TempDir::path)
    }
}

impl Etcd {
    /// Starts an empty one that demands a client certificate on [`Etcd::tls_endpoint`]. [`Etcd::endpoint`] stays plain, for
    /// this crate to drive it.
    ///
    /// # Errors
    /// When this version cannot be installed or does not start.
    pub fn start_tls(version: EtcdVersion, tls: &ServerTls) -> Result<Self, Error> {
        let data_dir = None;
        Self::start_tls_with(&EtcdOptions { version, data_dir }, tls)
    }

    /// The same, perhaps on existing data.
    ///
    /// # Errors
    /// See [`Etcd::start_tls`].
    pub fn start_tls_with(options: &EtcdOptions, tls: &ServerTls) -> Result<Self, Error> {
        let program = components::etcd(options.version)?;
        super::process::with_retries(|| {
            let [client, peer, secure] = free_ports()?;
            let mut member = Member::alone(client, peer).with_tls(secure, tls);
            member.data_dir.clone_from(&options.data_dir);
            Self::start_member(&program, &member)
        })
    }

    /// Starts a cluster of `count` members, of one by one `tls` each or none.
    ///
    /// # Errors
    /// When this version cannot be installed or does not start.
    pub fn start_cluster(version: EtcdVersion, count: usize, tls: Option<&ServerTls>) -> Result<Vec<Self>, Error> {
        Self::start_cluster_of_quota(version, count, tls, LARGE_QUOTA)
    }

    /// The same with databases of at most `quota` bytes.
    ///
    /// # Errors
    /// See [`Etcd::start_cluster`].
    pub fn start_cluster_of_quota(
        version: EtcdVersion,
        count: usize,
        tls: Option<&ServerTls>,
        quota: u64,
    ) -> Result<Vec<Self>, Error> {
        let names: Vec<String> = (0..count).map(|number| format!("m{number}")).collect();
        let members: Vec<(EtcdVersion, &str)> = names.iter().map(|name| (version, name.as_str())).collect();
        Self::start_cluster_of(&members, tls, quota)
    }

    /// The same with a version and a name for each member.
    ///
    /// # Errors
    /// See [`Etcd::start_cluster`].
    pub fn start_cluster_of(
        named: &[(EtcdVersion, &str)],
        tls: Option<&ServerTls>,
        quota: u64,
    ) -> Result<Vec<Self>, Error> {
        let programs: Vec<_> = named
            .iter()
            .map(|(version, _)| components::etcd(*version))
            .collect::<Result<_, _>>()?;
        super::process::with_retries(|| {
            let mut members = Vec::new();
            for (_, name) in named {
                let mut member = Member::anew(tls)?;
                member.name = (*name).to_owned();
                member.quota = quota;
                members.push(member);
            }
            let everybody: Vec<String> = members.iter().map(Member::peer_entry).collect();
            for member in &mut members {
                member.cluster = everybody.join(",");
            }
            // Each waits for a leader: so all have to start at once.
            thread::scope(|scope| {
                let starting: Vec<_> = members
                    .iter()
                    .zip(&programs)
                    .map(|(member, program)| scope.spawn(|| Self::start_member(program, member)))
                    .collect();
                starting
                    .into_iter()
                    .map(|thread| {
                        thread.join().unwrap_or_else(|_| {
                            Err(Error::Answer {
                                from: "a thread of ours".to_owned(),
                                answer: "it panicked".to_owned(),
                            })
                        })
                    })
                    .collect()
            })
        })
    }
}

impl Member {
    /// On free ports.
    pub(super) fn anew(tls: Option<&ServerTls>) -> Result<Self, Error> {
        let [client, peer, secure] = free_ports()?;
        let member = Self::alone(client, peer);
        Ok(match tls {
            Some(tls) => member.with_tls(secure, tls),
            None => member,
        })
    }
}
