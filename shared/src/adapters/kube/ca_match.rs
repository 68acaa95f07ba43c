//! Whether an API belongs to the cluster of the state store.
//!
//! The server's name proves nothing: tunnels and load balancers have others legitimately. The cluster's CA does, which kops keeps in the key
//! store: what the cluster tells its pods of it, the ConfigMap `kube-root-ca.crt`; or, where we may not read that, the CA that the kubeconfig
//! trusts alone, by which the server was verified.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;

use super::KubeClient;
use crate::model::kops::keyset::{Keyset, keyset_place};
use crate::model::store_url::StoreUrl;
use crate::ports::ObjectStore;

const NAMESPACE: &str = "kube-system";
/// Each namespace has it. Source: kubernetes/kubernetes `pkg/controller/certificates/rootcacertpublisher`.
const CONFIG_MAP: &str = "kube-root-ca.crt";
/// The CA of the API servers. Source: kubernetes/kops `upup/pkg/fi/keystore.go`.
const CA: &str = "kubernetes-ca";
/// More than any keyset.
const LARGEST_KEYSET: u64 = 1 << 20;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaMatch {
    /// It is the same cluster.
    Same,
    /// Its CA is none of those in the key store.
    Different {
        /// The keyset that was compared.
        place: String,
    },
    /// It cannot be determined, for this reason.
    Unknown(String),
}

/// Compares the CA of the API with the one in the key store.
pub async fn ca_match(kube: &KubeClient, objects: &dyn ObjectStore, key_store: &StoreUrl) -> CaMatch {
    let (served, keyset) = tokio::join!(served(kube), keyset(objects, key_store));
    let (keyset, place) = match (keyset, &served) {
        (Ok(found), _) => found,
        (Err(why), Ok(_)) => return CaMatch::Unknown(why),
        // Both could not be read: one of them has to be fixed.
        (Err(why), Err(other)) => return CaMatch::Unknown(format!("{other}; {why}")),
    };
    match served {
        Ok(served) if keyset.shares_a_certificate_with(&served) => CaMatch::Same,
        Ok(_) => CaMatch::Different { place },
        Err(_) if is_trusted_by(&keyset, kube.roots()) => CaMatch::Same,
        Err(why) => CaMatch::Unknown(why),
    }
}

async fn served(kube: &KubeClient) -> Result<String, String> {
    let maps: Api<ConfigMap> = Api::namespaced(kube.sdk(), NAMESPACE);
    let action = format!("read ConfigMap {NAMESPACE}/{CONFIG_MAP}");
    let map = kube.bounded(&action, maps.get(CONFIG_MAP)).await;
    map.map_err(|error| error.to_string())?
        .data
        .and_then(|mut data| data.remove("ca.crt"))
        .ok_or_else(|| format!("ConfigMap {NAMESPACE}/{CONFIG_MAP} has no ca.crt"))
}

async fn keyset(objects: &dyn ObjectStore, key_store: &StoreUrl) -> Result<(Keyset, String), String> {
    let place = keyset_place(key_store, CA);
    let content = objects.get(&place, LARGEST_KEYSET).await;
    let content = content.map_err(|error| error.to_string())?;
    let keyset = Keyset::parse(&String::from_utf8_lossy(&content)).map_err(|error| format!("{place}: {error}"))?;
    Ok((keyset, place.to_string()))
}

/// Whether the server was verified by nothing but CAs of the keyset.
fn is_trusted_by(keyset: &Keyset, roots: &[Vec<u8>]) -> bool {
    let is_ours = |der: &Vec<u8>| {
        let body = STANDARD.encode(der);
        keyset.shares_a_certificate_with(&format!(
            "-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        ))
    };
    !roots.is_empty() && roots.iter().all(is_ours)
}
