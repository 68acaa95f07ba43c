//! Whether the kubeconfig's cluster is the one whose state store makes our certificate.
//!
//! The server's name and its certificate prove nothing: tunnels and load balancers have others legitimately. What the cluster
//! itself tells its pods, the ConfigMap `kube-root-ca.crt`, does: kops keeps that CA in the key store.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;

use super::access::KeySource;
use super::port_forward::NAMESPACE;
use crate::adapters::kube::KubeClient;
use crate::domain::kops::keyset::{Keyset, keyset_place};

/// Each namespace has it. Source: kubernetes/kubernetes `pkg/controller/certificates/rootcacertpublisher`.
const CONFIG_MAP: &str = "kube-root-ca.crt";
/// The CA of the API servers. Source: kubernetes/kops `upup/pkg/fi/keystore.go`.
const CA: &str = "kubernetes-ca";
/// More than any keyset.
const LARGEST_KEYSET: u64 = 1 << 20;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It is the same cluster.
    Ours,
    /// Its CA is none of those in the key store.
    Others {
        /// The keyset that was compared.
        place: String,
    },
    /// It cannot be told, and this is why.
    Unknown(String),
}

/// Asks the API and the key store, and compares.
pub(super) async fn whose(kube: &KubeClient, keys: &KeySource<'_>) -> Whose {
    match compared(kube, keys).await {
        Ok(whose) => whose,
        Err(why) => Whose::Unknown(why),
    }
}

async fn compared(kube: &KubeClient, keys: &KeySource<'_>) -> Result<Whose, String> {
    let maps: Api<ConfigMap> = Api::namespaced(kube.sdk(), NAMESPACE);
    let action = format!("read ConfigMap {NAMESPACE}/{CONFIG_MAP}");
    let map = kube.bounded(&action, maps.get(CONFIG_MAP)).await;
    let served = map
        .map_err(|error| error.to_string())?
        .data
        .and_then(|mut data| data.remove("ca.crt"))
        .ok_or_else(|| format!("ConfigMap {NAMESPACE}/{CONFIG_MAP} has no ca.crt"))?;
    let place = keyset_place(&keys.key_store, CA);
    let content = keys.objects.get(&place, LARGEST_KEYSET).await;
    let content = content.map_err(|error| error.to_string())?;
    let keyset = Keyset::parse(&String::from_utf8_lossy(&content)).map_err(|error| format!("{place}: {error}"))?;
    Ok(if keyset.shares_a_certificate_with(&served) {
        Whose::Ours
    } else {
        Whose::Others {
            place: place.to_string(),
        }
    })
}
