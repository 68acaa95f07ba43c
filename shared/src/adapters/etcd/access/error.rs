//! Why no etcd could be reached.

use crate::adapters::etcd::credentials::CredentialsError;
use crate::adapters::etcd::mint::MintError;
#[cfg(feature = "kube")]
use crate::adapters::etcd::port_forward::PortForwardError;
use crate::adapters::etcd::ssh::SshError;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ports::{EtcdError, StoreError};

/// No etcd could be reached.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No connection is configured.
    #[error("no connection to etcd is configured")]
    NoWay,
    /// A flag that the wanted way needs.
    #[error("{0}")]
    Missing(&'static str),
    /// Not an endpoint.
    #[error("`{0}` is not an endpoint like https://10.0.0.7:4001")]
    Endpoint(String),
    /// An etcd cluster whose port is not known.
    #[error("the client port of etcd {0} is not known")]
    NoPort(String),
    /// Certificates cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The state store did not give the CA.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CA could not be used to make a certificate.
    #[error("making a client certificate from {place}")]
    Mint {
        /// The keyset.
        place: String,
        /// Why not.
        #[source]
        source: MintError,
    },
    /// The Kubernetes API did not bring us there.
    #[cfg(feature = "kube")]
    #[error(transparent)]
    PortForward(#[from] PortForwardError),
    /// The kubeconfig is of another cluster than the named one.
    #[error("{server} is the API of another cluster: its CA is not in {place}")]
    OtherCluster {
        /// The API's URL, as the kubeconfig has it.
        server: String,
        /// The keyset of the named cluster.
        place: String,
    },
    /// ssh did not bring us there.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// etcd did not let us in.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// Several were tried.
    #[error("all {} ways to connect to etcd failed: {}", .0.len(), listed(.0))]
    Several(Vec<AccessError>),
}

fn listed(errors: &[AccessError]) -> String {
    let each: Vec<String> = errors.iter().map(|error| crate::failure::chain(error)).collect();
    each.join("; ")
}

impl AccessError {
    /// One error of several; `None` of none.
    pub(super) fn of(mut errors: Vec<Self>) -> Option<Self> {
        if errors.len() > 1 {
            return Some(Self::Several(errors));
        }
        errors.pop()
    }
}

/// What helps where not etcd but the Kubernetes API stood in the way.
#[cfg(feature = "kube")]
fn of_the_way(error: &EtcdError) -> Option<String> {
    let inner = error.source.as_ref()?.downcast_ref::<std::io::Error>()?.get_ref()?;
    inner.downcast_ref::<crate::ports::cluster_api::KubeError>()?.hint()
}

#[cfg(not(feature = "kube"))]
const fn of_the_way(_error: &EtcdError) -> Option<String> {
    None
}

impl Failure for AccessError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoWay | Self::Missing(_) | Self::Endpoint(_) | Self::NoPort(_) => Exit::Usage,
            Self::Credentials(CredentialsError::NoCa | CredentialsError::Half) => Exit::Usage,
            Self::OtherCluster { .. } => Exit::Refused,
            Self::Several(errors) if errors.iter().any(|error| error.exit() == Exit::Refused) => Exit::Refused,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoWay => Some(
                "pass --state and --name (for a port-forward with a temporary certificate), --host (for ssh), or --endpoints with --cacert, --cert and --key"
                    .to_owned(),
            ),
            Self::NoPort(_) => Some("pass --etcd-port".to_owned()),
            Self::Missing(_) | Self::Endpoint(_) => None,
            Self::Credentials(error) => error.hint().map(str::to_owned),
            Self::Store(error) => error.hint(),
            Self::Mint { .. } => Some("pass --cacert, --cert and --key instead, or --via ssh".to_owned()),
            #[cfg(feature = "kube")]
            Self::PortForward(error) => error.hint(),
            Self::OtherCluster { .. } => {
                Some("check --context and --kubeconfig, --name and --state: they must be of the same cluster".to_owned())
            }
            Self::Ssh(error) => error.hint(),
            Self::Etcd(error) => of_the_way(error).or_else(|| error.hint()),
            Self::Several(errors) => errors.iter().find_map(Failure::hint),
        }
    }
}
