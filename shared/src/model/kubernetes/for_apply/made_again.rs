//! Objects that nobody has to apply: somebody makes them by himself.

use serde_json::Value;

use super::{Along, LeftOut, group_and_kind, list, meta, text};

/// The plurals of [`MAKERS`]' owners.
const OWNERS: [&str; 7] = [
    "cronjobs",
    "daemonsets",
    "deployments",
    "jobs",
    "replicasets",
    "replicationcontrollers",
    "statefulsets",
];

/// Group and kind of what is made, and the kinds whose controllers make it.
const MAKERS: [(&str, &str, &[&str]); 3] = [
    (
        "",
        "Pod",
        &["DaemonSet", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"],
    ),
    ("apps", "ReplicaSet", &["Deployment"]),
    ("batch", "Job", &["CronJob"]),
];

/// Whether objects of this resource may be owners that make others.
pub(super) fn is_owner(plural: &str) -> bool {
    OWNERS.contains(&plural)
}

/// Why an object is not for applying, if so.
pub(super) fn left_out(object: &Value, along: &Along) -> Option<LeftOut> {
    of_kind(object).or_else(|| of_owner(object, along))
}

fn of_owner(object: &Value, along: &Along) -> Option<LeftOut> {
    let (group, kind) = group_and_kind(object);
    let owners = list(object, "/metadata/ownerReferences");
    let makers = MAKERS
        .iter()
        .find(|(of, made, _)| (*of, *made) == (group, kind))
        .map_or(&[][..], |(_, _, makers)| makers);
    let made = |owner: &&Value| {
        owner.get("controller") == Some(&Value::Bool(true))
            && makers.contains(&text(owner, "/kind"))
            && along.has_owner(text(owner, "/uid"))
    };
    if owners.iter().any(|owner| made(&owner)) {
        return Some(LeftOut::MadeByOwner);
    }
    let fleeting = |owner: &Value| text(owner, "/apiVersion") == "v1" && matches!(text(owner, "/kind"), "Node" | "Pod");
    owners.iter().any(fleeting).then_some(LeftOut::OfPodOrNode)
}

fn of_kind(object: &Value) -> Option<LeftOut> {
    let (group, kind) = group_and_kind(object);
    match (group, kind) {
        ("" | "events.k8s.io", "Event")
        | ("coordination.k8s.io", "Lease" | "LeaseCandidate")
        | ("certificates.k8s.io", "CertificateSigningRequest" | "PodCertificateRequest") => Some(LeftOut::OfAMoment),
        ("", "Node") | ("storage.k8s.io", "CSINode") => Some(LeftOut::MadeByKubelet),
        ("storage.k8s.io", "VolumeAttachment") => Some(LeftOut::MadeByController),
        ("storage.k8s.io", "CSIStorageCapacity") | ("resource.k8s.io", "ResourceSlice") => Some(LeftOut::MadeByDriver),
        // Its owner's, whichever that was: without it it is of no use.
        ("apps", "ControllerRevision") => Some(LeftOut::MadeByOwner),
        ("internal.apiserver.k8s.io", _) => Some(LeftOut::MadeByApiServer),
        ("", "Pod") => pod(object),
        ("batch", "Job") => job(object),
        ("", "Secret") => (text(object, "/type") == "kubernetes.io/service-account-token").then_some(LeftOut::Token),
        ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice") => endpoints(object, kind),
        ("", "ConfigMap" | "Namespace" | "ServiceAccount") => by_controller(object, kind),
        _ => by_api_server(object, group, kind).then_some(LeftOut::MadeByApiServer),
    }
}

fn pod(pod: &Value) -> Option<LeftOut> {
    if meta(pod, "annotations", "kubernetes.io/config.mirror").is_some() {
        return Some(LeftOut::MadeByKubelet);
    }
    // One with an owner is told by that.
    let alone = list(pod, "/metadata/ownerReferences").is_empty();
    (alone && matches!(text(pod, "/status/phase"), "Failed" | "Succeeded")).then_some(LeftOut::Finished)
}

fn job(job: &Value) -> Option<LeftOut> {
    let ended = |condition: &Value| {
        matches!(text(condition, "/type"), "Complete" | "Failed") && text(condition, "/status") == "True"
    };
    list(job, "/status/conditions")
        .iter()
        .any(ended)
        .then_some(LeftOut::Finished)
}

/// Of Services with a selector (`pkg/controller/endpoint`, `pkg/controller/endpointslice*`), and of the API servers
/// (`pkg/controlplane/reconcilers`).
fn endpoints(object: &Value, kind: &str) -> Option<LeftOut> {
    let in_default = text(object, "/metadata/namespace") == "default";
    if in_default && text(object, "/metadata/name") == "kubernetes" {
        return Some(LeftOut::MadeByApiServer);
    }
    let by_controller = if kind == "EndpointSlice" {
        meta(object, "labels", "endpointslice.kubernetes.io/managed-by").is_some_and(|by| by.ends_with(".k8s.io"))
    } else {
        let subsets = list(object, "/subsets");
        let of_pods = |subset: &Value| {
            ["/addresses", "/notReadyAddresses"]
                .into_iter()
                .flat_map(|addresses| list(subset, addresses))
                .any(|address| text(address, "/targetRef/kind") == "Pod")
        };
        // Without any address it says nothing, whoever made it; leader election used to be done with such.
        meta(object, "labels", "endpoints.kubernetes.io/managed-by").is_some()
            || subsets.is_empty()
            || subsets.iter().any(of_pods)
    };
    by_controller.then_some(LeftOut::MadeByController)
}

/// What is in every cluster or namespace, unless somebody put something of his own on it.
fn by_controller(object: &Value, kind: &str) -> Option<LeftOut> {
    let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    match kind {
        // `pkg/controller/certificates/rootcacertpublisher`; it holds the CA of the old cluster.
        "ConfigMap" if name == "kube-root-ca.crt" => Some(LeftOut::MadeByController),
        // `pkg/controlplane/controller/{clusterauthenticationtrust,legacytokentracking}`.
        "ConfigMap" if namespace == "kube-system" => [
            "extension-apiserver-authentication",
            "kube-apiserver-legacy-service-account-token-tracking",
        ]
        .contains(&name)
        .then_some(LeftOut::MadeByApiServer),
        // `pkg/controller/serviceaccount/serviceaccounts_controller.go`
        "ServiceAccount" => {
            let own = ["imagePullSecrets", "automountServiceAccountToken"]
                .iter()
                .any(|field| object.get(field).is_some())
                || has_own(object, "annotations", &[])
                || has_own(object, "labels", &[]);
            (name == "default" && !own).then_some(LeftOut::MadeByController)
        }
        // `pkg/controlplane/controller/systemnamespaces`
        "Namespace" => {
            let own =
                has_own(object, "annotations", &[]) || has_own(object, "labels", &["kubernetes.io/metadata.name"]);
            let system = ["default", "kube-node-lease", "kube-public", "kube-system"].contains(&name);
            (system && !own).then_some(LeftOut::MadeByApiServer)
        }
        _ => None,
    }
}

fn has_own(object: &Value, map: &str, but: &[&str]) -> bool {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get(map)?.as_object())
        .is_some_and(|map| map.keys().any(|key| !but.contains(&key.as_str())))
}

fn by_api_server(object: &Value, group: &str, kind: &str) -> bool {
    let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    match (group, kind) {
        ("", "Service") => (namespace, name) == ("default", "kubernetes"),
        // `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`: older rules would take rights from a newer control plane.
        ("rbac.authorization.k8s.io", _) => {
            meta(object, "labels", "kubernetes.io/bootstrapping") == Some("rbac-defaults")
        }
        // `pkg/registry/flowcontrol/ensurer`
        ("flowcontrol.apiserver.k8s.io", _) => {
            meta(object, "annotations", "apf.kubernetes.io/autoupdate-spec") == Some("true")
        }
        // The prefix is reserved: `pkg/apis/scheduling/validation`.
        ("scheduling.k8s.io", "PriorityClass") => name.starts_with("system-"),
        // Those of the API server's own groups and of CRDs: `pkg/controlplane/apiserver/aggregator.go`.
        ("apiregistration.k8s.io", "APIService") => object.pointer("/spec/service").is_none_or(Value::is_null),
        // `pkg/registry/core/service/ipallocator`, `pkg/controlplane/controller/defaultservicecidr`
        ("networking.k8s.io", "IPAddress") => meta(object, "labels", "ipaddress.kubernetes.io/managed-by").is_some(),
        ("networking.k8s.io", "ServiceCIDR") => name == "kubernetes",
        _ => false,
    }
}
