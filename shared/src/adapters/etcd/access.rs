//! From flags and environment to a connected etcd: direct, through the Kubernetes API, or over ssh.

mod error;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::client::EtcdClient;
use super::connection::Target;
use super::credentials::{Credentials, CredentialsError};
use super::dial::{Dial, Tcp};
use super::mint::mint;
use super::ssh::{self, SshError};
use super::tls::Tls;
use crate::adapters::ssh::{Ssh, SshOptions};
use crate::model::etcd_access::{EtcdAccess, Via, client_port};
use crate::model::kops::keyset::{Keyset, clients_ca_name, keyset_place};
use crate::model::store_url::StoreUrl;
use crate::ports::hosts::HostError;
use crate::ports::{EtcdKv, ObjectStore};

pub use error::AccessError;

/// What etcd's certificate is checked for where we come out of a tunnel on its own host: kops' have always this address.
const ON_ITS_HOST: &str = "127.0.0.1";
/// More than any keyset.
const LARGEST_KEYSET: u64 = 1 << 20;

/// Everything that a way to etcd may need.
pub struct Ways<'a> {
    /// The flags.
    pub args: &'a EtcdAccess,
    /// `main`, `events`, …
    pub etcd: &'a str,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// Where the clients CA lies, where a state store is known: to make a certificate from.
    pub keys: Option<KeySource<'a>>,
}

/// The key store of a kops cluster.
#[derive(Clone)]
pub struct KeySource<'a> {
    /// Reads it.
    pub objects: &'a dyn ObjectStore,
    /// `<keyStore>`, by default `<state>/<cluster>/pki`.
    pub key_store: StoreUrl,
}

/// An etcd that answers.
pub struct Connected {
    /// To work with.
    pub kv: Box<dyn EtcdKv>,
    /// The way that was taken, as text for the user, with whose certificate.
    pub way: String,
    /// What was tried before and failed, as text for the user.
    pub passed_over: Vec<String>,
    /// What could not be made sure of, as text for the user.
    pub doubts: Vec<String>,
}

/// Connects by the wanted way; with `--via auto` by the first that answers of those that flags and environment allow:
/// direct where endpoints are given, ssh where a host is, and port-forward else.
///
/// # Errors
/// [`AccessError`]: why each of them failed.
pub async fn connect(ways: &Ways<'_>) -> Result<Connected, AccessError> {
    let mut connected = ways.go(Wanted::One).await?;
    connected.pop().ok_or(AccessError::NoWay)
}

/// The same to every member that the way leads to and that answers: every endpoint, host or pod. At least one.
///
/// # Errors
/// [`AccessError`]: why none answers.
pub async fn connect_each(ways: &Ways<'_>) -> Result<Vec<Connected>, AccessError> {
    ways.go(Wanted::Each).await
}

/// How many members are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The first that answers.
    One,
    /// All that answer.
    Each,
}

/// What answered of those that were tried one after the other, and what did not.
struct Tried {
    wanted: Wanted,
    connected: Vec<Connected>,
    failed: Vec<AccessError>,
}

impl Tried {
    const fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            connected: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Takes one result; tells whether there is enough.
    fn enough(&mut self, result: Result<Connected, AccessError>) -> bool {
        match result {
            Ok(connected) => self.connected.push(connected),
            Err(error) => self.failed.push(error),
        }
        self.wanted == Wanted::One && !self.connected.is_empty()
    }

    fn end(mut self) -> Result<Vec<Connected>, AccessError> {
        match self.connected.first_mut() {
            Some(first) => {
                first.passed_over = self.failed.iter().map(ToString::to_string).collect();
                Ok(self.connected)
            }
            None => Err(AccessError::of(self.failed).unwrap_or(AccessError::NoWay)),
        }
    }
}

impl Ways<'_> {
    async fn go(&self, wanted: Wanted) -> Result<Vec<Connected>, AccessError> {
        match self.args.via {
            Via::Direct => self.direct(wanted).await,
            Via::Ssh => self.ssh(wanted).await,
            Via::PortForward => self.port_forward(wanted).await,
            Via::Auto => self.auto(wanted).await,
        }
    }

    async fn auto(&self, wanted: Wanted) -> Result<Vec<Connected>, AccessError> {
        let mut failed = Vec::new();
        let found = 'found: {
            if !self.endpoints().is_empty() {
                match self.direct(wanted).await {
                    Ok(connected) => break 'found Some(connected),
                    Err(error) => failed.push(error),
                }
            }
            if !self.args.host.is_empty() {
                match self.ssh(wanted).await {
                    Ok(connected) => break 'found Some(connected),
                    Err(error) => failed.push(error),
                }
            }
            // Without a certificate no pod would talk to us: then there is nothing to be tried.
            if self.args.plain_http || self.args.cert.is_some() || self.keys.is_some() {
                match self.port_forward(wanted).await {
                    Ok(connected) => break 'found Some(connected),
                    Err(error) => failed.push(error),
                }
            }
            None
        };
        match found {
            Some(mut connected) => {
                if let Some(first) = connected.first_mut() {
                    first.passed_over.splice(0..0, failed.iter().map(ToString::to_string));
                }
                Ok(connected)
            }
            None => Err(AccessError::of(failed).unwrap_or(AccessError::NoWay)),
        }
    }

    async fn direct(&self, wanted: Wanted) -> Result<Vec<Connected>, AccessError> {
        let endpoints = self.endpoints();
        if endpoints.is_empty() {
            return Err(AccessError::Missing(
                "--via direct needs --endpoints or ETCDCTL_ENDPOINTS",
            ));
        }
        let endpoints: Vec<Endpoint> = endpoints
            .into_iter()
            .map(|text| Endpoint::parse(text, self.args.plain_http))
            .collect::<Result<_, _>>()?;
        let credentials = if endpoints.iter().any(|endpoint| endpoint.tls) {
            Some(self.credentials().await?)
        } else {
            None
        };
        let mut tried = Tried::new(wanted);
        for endpoint in endpoints {
            let dial = Box::new(Tcp {
                host: endpoint.host.clone(),
                port: endpoint.port,
            });
            let credentials = credentials.as_ref().filter(|_| endpoint.tls);
            let way = format!("direct to {}", endpoint.shown());
            let result = self
                .try_one(dial, &endpoint.host, endpoint.shown(), way, credentials)
                .await;
            if tried.enough(result) {
                break;
            }
        }
        tried.end()
    }

    async fn ssh(&self, wanted: Wanted) -> Result<Vec<Connected>, AccessError> {
        if self.args.host.is_empty() {
            return Err(AccessError::Missing("--via ssh needs --host"));
        }
        let port = self.port()?;
        let found = Ssh::new(&SshOptions::from(self.args));
        let mut tried = Tried::new(wanted);
        for host in &self.args.host {
            let unusable = |kind| {
                SshError::from(HostError {
                    host: host.clone(),
                    kind,
                })
            };
            let ssh = found.clone().map_err(unusable)?;
            if tried.enough(self.ssh_to(ssh, host, port).await) {
                break;
            }
        }
        tried.end()
    }

    async fn ssh_to(&self, ssh: Ssh, host: &str, port: u16) -> Result<Connected, AccessError> {
        let credentials = match self.files().await? {
            _ if self.args.plain_http => None,
            Some(files) => Some(files),
            None => Some(ssh::credentials(&ssh, host, self.etcd).await?),
        };
        let way = format!("ssh to {host}");
        let at = format!("{host} port {port} over ssh");
        let dial = Box::new(ssh::tunnel(ssh, host, port));
        self.try_one(dial, ON_ITS_HOST, at, way, credentials.as_ref()).await
    }

    #[cfg(feature = "kube")]
    async fn port_forward(&self, wanted: Wanted) -> Result<Vec<Connected>, AccessError> {
        use super::port_forward::{PortForward, pods};
        use crate::adapters::kube::ca_match::{CaMatch, ca_match};
        use crate::adapters::kube::{KubeClient, KubeOptions};

        let port = self.port()?;
        let credentials = if self.args.plain_http {
            None
        } else {
            Some(self.credentials().await?)
        };
        let options = KubeOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            timeout: self.args.etcd_timeout,
        };
        let kube = KubeClient::connect(&options)
            .await
            .map_err(super::port_forward::PortForwardError::from)?;
        let doubt = match &self.keys {
            Some(keys) => match ca_match(&kube, keys.objects, &keys.key_store).await {
                CaMatch::Same => None,
                CaMatch::Different { place } => {
                    return Err(AccessError::OtherCluster {
                        server: kube.server().to_owned(),
                        place,
                    });
                }
                CaMatch::Unknown(why) => Some(format!(
                    "could not verify that {} is the API of this cluster: {why}",
                    kube.server()
                )),
            },
            None => None,
        };
        let mut tried = Tried::new(wanted);
        let (ready, others) = pods(&kube, self.etcd).await?;
        let count = ready.len();
        for (number, pod) in ready.into_iter().chain(others).enumerate() {
            // After a restore those that are called ready may be of masters that are gone, and those that run not be ready yet.
            if number >= count && !tried.connected.is_empty() {
                break;
            }
            let at = format!("pod {} port {port}", pod.name);
            let way = format!("port-forward to pod {} through {}", pod.name, kube.server());
            let dial = Box::new(PortForward {
                kube: kube.clone(),
                pod: pod.name,
                port,
            });
            if tried.enough(self.try_one(dial, ON_ITS_HOST, at, way, credentials.as_ref()).await) {
                break;
            }
        }
        let mut connected = tried.end()?;
        if let Some(first) = connected.first_mut() {
            first.doubts.extend(doubt);
        }
        Ok(connected)
    }

    #[cfg(not(feature = "kube"))]
    #[expect(clippy::unused_async, reason = "with the feature kube it waits")]
    async fn port_forward(&self, _wanted: Wanted) -> Result<Vec<Connected>, AccessError> {
        Err(AccessError::Missing(
            "this program does not support port-forward: use --via direct or ssh",
        ))
    }

    async fn try_one(
        &self,
        dial: Box<dyn Dial>,
        host: &str,
        at: String,
        way: String,
        credentials: Option<&Credentials>,
    ) -> Result<Connected, AccessError> {
        let tls = credentials.map(|credentials| Tls::new(credentials, host)).transpose()?;
        let whose = credentials.map_or_else(
            || "plain HTTP".to_owned(),
            |credentials| format!("certificate {}", credentials.origin()),
        );
        let target = Target {
            dial,
            tls,
            at,
            timeout: self.args.etcd_timeout.max(Duration::from_secs(1)),
        };
        Ok(Connected {
            kv: Box::new(EtcdClient::connect(target).await?),
            way: format!("{way}, {whose}"),
            passed_over: Vec::new(),
            doubts: Vec::new(),
        })
    }

    /// Those of files, else made from the state store.
    async fn credentials(&self) -> Result<Credentials, AccessError> {
        if let Some(files) = self.files().await? {
            return Ok(files);
        }
        let Some(keys) = &self.keys else {
            return Err(CredentialsError::NoCa.into());
        };
        let place = keyset_place(&keys.key_store, &clients_ca_name(self.etcd));
        let content = keys.objects.get(&place, LARGEST_KEYSET).await?;
        let unusable = |source| AccessError::Mint {
            place: place.to_string(),
            source,
        };
        let text = String::from_utf8_lossy(&content);
        let keyset = Keyset::parse(&text).map_err(|error| unusable(error.into()))?;
        mint(&keyset, &place.to_string(), SystemTime::now()).map_err(unusable)
    }

    /// What the flags name; `None` where they name nothing.
    async fn files(&self) -> Result<Option<Credentials>, AccessError> {
        let args = self.args;
        let identity = match (&args.cert, &args.key) {
            (Some(cert), Some(key)) => Some((cert.as_path(), key.as_path())),
            (None, None) => None,
            _ => return Err(CredentialsError::Half.into()),
        };
        match &args.cacert {
            Some(ca) => Ok(Some(Credentials::from_files(ca, identity).await?)),
            None if identity.is_some() => Err(CredentialsError::NoCa.into()),
            None => Ok(None),
        }
    }

    /// Those of this etcd cluster: one may be given with its name before it, as where several are asked.
    fn endpoints(&self) -> Vec<&str> {
        self.args.endpoints_of(self.etcd)
    }

    fn port(&self) -> Result<u16, AccessError> {
        let port = self.args.etcd_port.or_else(|| client_port(self.etcd));
        port.ok_or_else(|| AccessError::NoPort(self.etcd.to_owned()))
    }
}

/// One of `--endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    host: String,
    port: u16,
    tls: bool,
}

impl Endpoint {
    /// `https://host:port`, `http://host:port` or `host:port`, which means TLS unless `plain`.
    fn parse(text: &str, plain: bool) -> Result<Self, AccessError> {
        let wrong = || AccessError::Endpoint(text.to_owned());
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(wrong()),
            None => (!plain, text),
        };
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() || (bare.is_none() && host.contains(':')) || host.contains(['/', '@']) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| wrong())?,
            tls,
        })
    }

    fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_endpoints_as_etcdctl_does_but_means_tls() {
        for (text, plain, shown) in [
            ("https://10.0.0.7:4001", false, "https://10.0.0.7:4001"),
            ("https://10.0.0.7:4001/", true, "https://10.0.0.7:4001"),
            ("http://127.0.0.1:2379", false, "http://127.0.0.1:2379"),
            ("etcd-a.internal:4001", false, "https://etcd-a.internal:4001"),
            ("etcd-a.internal:4001", true, "http://etcd-a.internal:4001"),
            ("[::1]:4001", false, "https://[::1]:4001"),
        ] {
            assert_eq!(Endpoint::parse(text, plain).unwrap().shown(), shown);
        }
        for text in [
            "",
            "host",
            "unix://x:1",
            "https://:1",
            "::1:4001",
            "a:b",
            "https://u@h:1",
            "h:70000",
        ] {
            assert!(Endpoint::parse(text, false).is_err(), "{text}");
        }
    }

    fn ways(args: &EtcdAccess) -> Ways<'_> {
        Ways {
            args,
            etcd: "main",
            kubeconfig: None,
            context: None,
            keys: None,
        }
    }

    #[tokio::test]
    async fn says_what_is_missing_before_anything_is_tried() {
        let mut args = EtcdAccess::default();
        let error = |result: Result<Connected, AccessError>| result.err().unwrap().to_string();
        assert!(error(connect(&ways(&args)).await).contains("no connection to etcd"));
        args.via = Via::Direct;
        assert!(error(connect(&ways(&args)).await).contains("--endpoints"));
        args.endpoints = vec!["events=https://10.0.0.7:4002".to_owned()];
        assert!(
            error(connect(&ways(&args)).await).contains("--endpoints"),
            "it is another's"
        );
        args.endpoints = vec!["main=127.0.0.1:1".to_owned()];
        assert!(error(connect(&ways(&args)).await).contains("no CA"));
        args.cert = Some("x".into());
        assert!(error(connect(&ways(&args)).await).contains("both --cert and --key"));
        args.via = Via::Ssh;
        assert!(error(connect(&ways(&args)).await).contains("--host"));
    }
}
