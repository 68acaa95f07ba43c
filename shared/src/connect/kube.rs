//! Connects a plugin to the Kubernetes API.

use std::time::Duration;

use crate::adapters::kube::ca_match::{CaMatch, ca_match};
use crate::adapters::kube::{KubeClient, KubeOptions, liveness};
use crate::failure::chain;
use crate::model::liveness::ProbeResult;
use crate::ports::cluster_api::KubeError;
use crate::session::Session;

/// The API that the flags and the kubeconfig name. No request is made yet.
///
/// # Errors
/// Where the kubeconfig cannot be used.
pub async fn kube(session: &Session, timeout: Duration) -> Result<KubeClient, KubeError> {
    KubeClient::connect(&options(session, timeout)).await
}

/// Probes the cluster's API; a response counts where it is proven to be this cluster's.
pub async fn probe_api(session: &Session, cluster: &str, timeout: Duration) -> ProbeResult {
    let whose = async |client: &KubeClient| match session.key_store().await {
        Ok(Some(key_store)) => ca_match(client, session.objects(), &key_store).await,
        Ok(None) => CaMatch::Unknown("no state store is named".to_owned()),
        Err(error) => CaMatch::Unknown(chain(error.as_ref())),
    };
    let detail = |text: &str| session.ui.detail(text);
    liveness::liveness(options(session, timeout), cluster, whose, detail).await
}

fn options(session: &Session, timeout: Duration) -> KubeOptions {
    let (kubeconfig, context) = session.kube();
    KubeOptions {
        kubeconfig,
        context,
        timeout,
    }
}
