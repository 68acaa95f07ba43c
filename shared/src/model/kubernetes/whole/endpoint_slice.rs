//! EndpointSlices. API servers before 1.34 store them as `discovery.k8s.io/v1beta1`, which none since 1.25 serves: they are
//! shown as v1, which is what kubectl shows and takes.
//!
//! Facts: kubernetes/kubernetes v1.29.6, `pkg/apis/discovery/v1beta1/conversion.go` and `install/install.go`. An endpoint's
//! zone is a key of its topology in v1beta1 and a field in v1; its node is both in v1beta1, and what is left of the topology
//! is called `deprecatedTopology` in v1.

use super::json::Json;

/// The version that they are stored at.
pub const STORED: (&str, &str) = ("discovery.k8s.io/v1beta1", "EndpointSlice");

/// Makes an EndpointSlice of v1beta1 one of v1.
pub fn as_served(object: &mut Json<'_>) {
    object.set("apiVersion", Json::Text("discovery.k8s.io/v1".into()));
    if let Some(Json::List(endpoints)) = object.field("endpoints") {
        endpoints.iter_mut().for_each(endpoint);
    }
}

fn endpoint(endpoint: &mut Json<'_>) {
    let Some(mut topology) = endpoint.take("topology") else {
        return;
    };
    if let Some(zone) = topology.take("topology.kubernetes.io/zone") {
        endpoint.set("zone", zone);
    }
    let node = text(endpoint.field("nodeName"));
    // A host that is not the node is a fact of its own.
    if node.is_some() && node == text(topology.field("kubernetes.io/hostname")) {
        topology.take("kubernetes.io/hostname");
    }
    if !matches!(&topology, Json::Object(fields) if fields.is_empty()) {
        endpoint.set("deprecatedTopology", topology);
    }
}

fn text<'v>(value: Option<&'v mut Json<'_>>) -> Option<&'v str> {
    match value {
        Some(Json::Text(text)) => Some(text),
        _ => None,
    }
}
