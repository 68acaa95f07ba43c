//! Kubernetes objects that say something about masterleases. They are read from etcd, so that they are available while no API server runs,
//! and never come from another cluster.

use runbook_kit::model::observed::Observed;
use std::net::IpAddr;

use runbook_kit::model::kubernetes::config_map;
use runbook_kit::model::kubernetes::metadata::ObjectMeta;
use runbook_kit::model::kubernetes::service_addresses::{self, Endpoints};
use runbook_kit::model::kubernetes::value::{Value, ValueError};
use runbook_kit::ports::{EtcdError, EtcdKv};

use crate::rules::endpoints::Published;

/// Reads what `default/kubernetes` publishes.
pub async fn published(etcd: &dyn EtcdKv, prefix: &str) -> Result<Published, EtcdError> {
    let (endpoints, slice) = tokio::try_join!(
        value(etcd, prefix, service_addresses::KUBERNETES_ENDPOINTS),
        value(etcd, prefix, service_addresses::KUBERNETES_SLICE),
    )?;
    let endpoints = decoded(endpoints, "Endpoints default/kubernetes", Endpoints::of_value);
    let port = endpoints.known().and_then(|endpoints| endpoints.https_port);
    let sorted = |mut addresses: Vec<IpAddr>| {
        addresses.sort_unstable();
        addresses
    };
    Ok(Published {
        endpoints: match endpoints {
            Observed::Known(endpoints) => Observed::Known(sorted(endpoints.addresses)),
            Observed::Unknown(why) => Observed::Unknown(why),
        },
        slice: match decoded(slice, "EndpointSlice default/kubernetes", service_addresses::of_slice) {
            Observed::Known(addresses) => Observed::Known(sorted(addresses)),
            Observed::Unknown(why) => Observed::Unknown(why),
        },
        port,
    })
}

/// The UID of namespace `kube-system`, which tells one cluster from another; `None` if this etcd has none.
pub async fn cluster_uid(etcd: &dyn EtcdKv, prefix: &str) -> Result<Option<String>, EtcdError> {
    let stored = value(etcd, prefix, "/namespaces/kube-system").await?;
    let uid = stored.and_then(|value| Some(ObjectMeta::of_value(&Value::decode(&value).ok()?).ok()?.uid));
    Ok(uid.filter(|uid| !uid.is_empty()))
}

/// The CA of the API servers (PEM), as pods get it.
pub async fn root_ca(etcd: &dyn EtcdKv, prefix: &str) -> Result<Observed<String>, EtcdError> {
    let what = "ConfigMap kube-system/kube-root-ca.crt";
    let stored = value(etcd, prefix, config_map::ROOT_CA).await?;
    Ok(
        match decoded(stored, what, |value| config_map::text(value, config_map::ROOT_CA_KEY)) {
            Observed::Known(Some(pem)) => Observed::Known(pem),
            Observed::Known(None) => Observed::Unknown(format!("{what} has no {}", config_map::ROOT_CA_KEY)),
            Observed::Unknown(why) => Observed::Unknown(why),
        },
    )
}

async fn value(etcd: &dyn EtcdKv, prefix: &str, path: &str) -> Result<Option<Vec<u8>>, EtcdError> {
    let key = format!("{prefix}{path}");
    Ok(etcd.get(key.as_bytes()).await?.map(|found| found.value))
}

fn decoded<T>(stored: Option<Vec<u8>>, what: &str, decode: impl FnOnce(&[u8]) -> Result<T, ValueError>) -> Observed<T> {
    let Some(stored) = stored else {
        return Observed::Unknown(format!("{what} does not exist"));
    };
    match decode(&stored) {
        Ok(found) => Observed::Known(found),
        Err(error) => Observed::Unknown(format!("{what}: {error}")),
    }
}
