//! A real kube-apiserver on a real etcd.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::api_client::{ApiClient, TOKEN};
use super::etcd::Etcd;
use super::process::{Server, folder, free_ports, with_retries};
use crate::components;
use crate::error::Error;
use crate::pki::{Ca, Usage};

/// How to start one.
#[derive(Clone, Copy, Debug)]
pub struct KubeApiServerOptions<'a> {
    /// The CA of the cluster, which signs the server's certificate.
    pub cluster_ca: &'a Ca,
    /// The CA of etcd's server and of its clients; `None` talks plain HTTP to etcd.
    pub etcd_ca: Option<&'a Ca>,
    /// The URL of the etcd that keeps events, as with kops; `None` keeps them with all else.
    pub events: Option<&'a str>,
    /// The address under which it announces itself. It need not be one of this machine, so one machine plays many masters;
    /// Kubernetes refuses loopback addresses.
    pub advertise: &'a str,
    /// The `EncryptionConfiguration` of `--encryption-provider-config`; `None` encrypts nothing.
    pub encryption: Option<&'a str>,
}

impl<'a> KubeApiServerOptions<'a> {
    /// On an etcd without TLS, which keeps the events, too.
    #[must_use]
    pub const fn plain(cluster_ca: &'a Ca, advertise: &'a str) -> Self {
        Self {
            cluster_ca,
            etcd_ca: None,
            events: None,
            advertise,
            encryption: None,
        }
    }

    /// The same with values encrypted at rest, as this `EncryptionConfiguration` says.
    #[must_use]
    pub const fn encrypted(self, configuration: &'a str) -> Self {
        Self {
            encryption: Some(configuration),
            ..self
        }
    }
}

/// A started kube-apiserver on 127.0.0.1. As with kops, anonymous requests are not allowed.
#[derive(Debug)]
pub struct KubeApiServer {
    server: Server,
    client: ApiClient,
    port: u16,
    advertise: String,
}

/// The token of somebody who may do nothing.
const NOBODY: &str = "a-token-of-nobody";

impl KubeApiServer {
    /// Starts one on `etcd`.
    ///
    /// # Errors
    /// When it cannot be built or does not become ready.
    pub fn start(etcd: &Etcd, options: &KubeApiServerOptions<'_>) -> Result<Self, Error> {
        Self::start_with(&components::kube_apiserver()?, etcd, options, &[])
    }

    /// Starts `program`, which may be of another version, with further flags.
    ///
    /// # Errors
    /// See [`KubeApiServer::start`].
    pub fn start_with(
        program: &Path,
        etcd: &Etcd,
        options: &KubeApiServerOptions<'_>,
        flags: &[&str],
    ) -> Result<Self, Error> {
        with_retries(|| Self::start_once(program, etcd, options, flags))
    }

    /// Starts one for each address at once: most of the time each one waits.
    ///
    /// # Errors
    /// See [`KubeApiServer::start`].
    pub fn start_all(etcd: &Etcd, options: &KubeApiServerOptions<'_>, advertise: &[&str]) -> Result<Vec<Self>, Error> {
        components::kube_apiserver()?;
        std::thread::scope(|scope| {
            let starting: Vec<_> = advertise
                .iter()
                .map(|advertise| {
                    scope.spawn(move || Self::start(etcd, &KubeApiServerOptions { advertise, ..*options }))
                })
                .collect();
            let panicked = |_| {
                Err(Error::Answer {
                    from: "a thread of ours".to_owned(),
                    answer: "it panicked".to_owned(),
                })
            };
            starting
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(panicked))
                .collect()
        })
    }

    fn start_once(
        program: &Path,
        etcd: &Etcd,
        options: &KubeApiServerOptions<'_>,
        flags: &[&str],
    ) -> Result<Self, Error> {
        let [port] = free_ports()?;
        let folder = folder("kube-apiserver")?;
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, content: &str| {
            let path = at(name);
            fs::write(&path, content).map_err(Error::file("write", &path))?;
            Ok::<_, Error>(path)
        };
        let (certificate, key) = options
            .cluster_ca
            .issue(Usage::ApiServer)?
            .write(folder.path(), "apiserver")?;
        // Any key pair will do for service accounts: a certificate stands for its public key.
        let (account, account_key) = options.cluster_ca.issue(Usage::Client)?.write(folder.path(), "sa")?;
        let tokens = write(
            "tokens.csv",
            &format!("{TOKEN},admin,admin,system:masters\n{NOBODY},nobody,nobody\n"),
        )?;

        let mut command = Command::new(program);
        command.args([
            &format!("--advertise-address={}", options.advertise),
            "--bind-address=127.0.0.1",
            &format!("--secure-port={port}"),
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=100.64.0.0/13",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
        ]);
        command.args(flags);
        let mut file = |flag: &str, path: &Path| {
            command.arg(format!("--{flag}={}", path.display()));
        };
        file("cert-dir", folder.path());
        file("tls-cert-file", &certificate);
        file("tls-private-key-file", &key);
        file("service-account-key-file", &account);
        file("service-account-signing-key-file", &account_key);
        file("token-auth-file", &tokens);
        if let Some(configuration) = options.encryption {
            file("encryption-provider-config", &write("encryption.yaml", configuration)?);
        }
        match (options.etcd_ca, etcd.tls_endpoint()) {
            (Some(ca), Some(endpoint)) => {
                let (certificate, key) = ca.issue(Usage::Client)?.write(folder.path(), "etcd-client")?;
                file("etcd-cafile", &write("etcd-ca.crt", ca.certificate())?);
                file("etcd-certfile", &certificate);
                file("etcd-keyfile", &key);
                command.arg(format!("--etcd-servers={endpoint}"));
            }
            _ => {
                command.arg(format!("--etcd-servers={}", etcd.endpoint()));
            }
        }

        if let Some(events) = options.events {
            command.arg(format!("--etcd-servers-overrides=/events#{events}"));
        }

        let client = ApiClient::new(port, options.cluster_ca)?;
        let ready = || client.ready();
        Ok(Self {
            server: Server::start("kube-apiserver", folder, &mut command, ready)?,
            client: client.clone(),
            port,
            advertise: options.advertise.to_owned(),
        })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The address under which it announces itself.
    #[must_use]
    pub fn advertised(&self) -> &str {
        &self.advertise
    }

    /// Writes a kubeconfig for an administrator, whose only context is `context`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig(&self, folder: &Path, context: &str, ca: &Ca) -> Result<PathBuf, Error> {
        self.kubeconfig_of(folder, context, ca, TOKEN)
    }

    /// The same for a user who may do nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_of_nobody(&self, folder: &Path, context: &str, ca: &Ca) -> Result<PathBuf, Error> {
        self.kubeconfig_of(folder, context, ca, NOBODY)
    }

    /// The same with credentials that the server does not know, or no longer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_expired(&self, folder: &Path, context: &str, ca: &Ca) -> Result<PathBuf, Error> {
        self.kubeconfig_of(folder, context, ca, "a-token-of-yesterday")
    }

    fn kubeconfig_of(&self, folder: &Path, context: &str, ca: &Ca, token: &str) -> Result<PathBuf, Error> {
        let authority = crate::pki::write(folder, "api-ca.crt", ca.certificate())?;
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\nclusters:\n- name: {context}\n  cluster:\n    \
             server: https://127.0.0.1:{port}\n    certificate-authority: {authority}\nusers:\n- name: {context}\n  user:\n    \
             token: {token}\ncontexts:\n- name: {context}\n  context:\n    cluster: {context}\n    user: {context}\n",
            port = self.port,
            authority = authority.display()
        );
        crate::pki::write(folder, &format!("kubeconfig-{token}"), &text)
    }
}

impl Deref for KubeApiServer {
    type Target = ApiClient;

    fn deref(&self) -> &ApiClient {
        &self.client
    }
}

/// Writes a kubeconfig of an administrator for the API at `https://127.0.0.1:port`, whose only context is `context`, as
/// `kops export kubeconfig --admin` names it.
///
/// # Errors
/// When the folder cannot be written.
pub fn admin_kubeconfig(folder: &Path, context: &str, cluster_ca: &Ca, port: u16) -> Result<std::path::PathBuf, Error> {
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(cluster_ca.certificate());
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
         clusters:\n- name: {context}\n  cluster:\n    server: https://127.0.0.1:{port}\n    certificate-authority-data: {ca}\n\
         users:\n- name: {context}\n  user:\n    token: {TOKEN}\n\
         contexts:\n- name: {context}\n  context:\n    cluster: {context}\n    user: {context}\n"
    );
    crate::pki::write(folder, "kubeconfig", &text)
}
