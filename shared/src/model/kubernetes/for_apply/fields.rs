//! What the API server and its controllers own within an object.

use serde_json::{Map, Value};

use super::{Along, Remark, group_and_kind, list, text};

/// Of `metav1.ObjectMeta`.
const METADATA: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Annotations that controllers keep up to date.
const ANNOTATIONS: [&str; 12] = [
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "batch.kubernetes.io/job-tracking",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deprecated.daemonset.template.generation",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
];

/// Finalizers that Kubernetes puts on objects by itself; each waits for something of the old object.
const FINALIZERS: [&str; 9] = [
    "batch.kubernetes.io/job-tracking",
    "customresourcecleanup.apiextensions.k8s.io",
    "external-provisioner.volume.kubernetes.io/finalizer",
    "foregroundDeletion",
    "kubernetes.io/pv-protection",
    "kubernetes.io/pvc-protection",
    "orphan",
    "resource.kubernetes.io/delete-protection",
    "service.kubernetes.io/load-balancer-cleanup",
];

/// Labels that a Job's controller gives to its pods, and defaulting to the Job (`pkg/registry/batch/job/strategy.go`).
const JOB_LABELS: [&str; 4] = [
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];

/// Takes it all out of `object`.
pub(super) fn strip(object: &mut Value, along: &Along) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if !text(object, "/metadata/deletionTimestamp").is_empty() {
        remarks.push(Remark::WasBeingDeleted);
    }
    if !list(object, "/metadata/ownerReferences").is_empty() {
        remarks.push(Remark::OwnersLeftOut);
    }
    let (group, kind) = group_and_kind(object);
    let kind = (group.to_owned(), kind.to_owned());
    match (kind.0.as_str(), kind.1.as_str()) {
        ("", "Namespace") => {
            remove(object, "/spec", &["finalizers"]);
            drop_empty(object, "spec");
        }
        ("", "PersistentVolume") => remove(object, "/spec/claimRef", &["resourceVersion", "uid"]),
        ("", "PersistentVolumeClaim") => claim(object, along, &mut remarks),
        ("", "Pod") => pod(object, &mut remarks),
        ("", "Service") => service(object),
        ("", "ServiceAccount") => service_account(object),
        ("batch", "Job") => job(object),
        // The controller fills them (`pkg/controller/clusterroleaggregation`).
        ("rbac.authorization.k8s.io", "ClusterRole") if object.get("aggregationRule").is_some() => {
            remove(object, "", &["rules"]);
        }
        _ => {}
    }
    // Of custom resources, too: where it is no subresource a controller writes it all the same.
    remove(object, "", &["status"]);
    remove(object, "/metadata", &METADATA);
    remove(object, "/metadata/annotations", &ANNOTATIONS);
    retain(object, "/metadata/finalizers", |finalizer| {
        !finalizer
            .as_str()
            .is_some_and(|name| FINALIZERS.contains(&name) || name.starts_with("external-attacher/"))
    });
    for map in ["metadata/annotations", "metadata/finalizers"] {
        drop_empty(object, map);
    }
    remarks
}

/// Whether somebody asked for the Service's cluster IP, as kops does for the DNS of the cluster, rather than get the next free
/// one. The API server allocates after it has noted who set which fields (`pkg/registry/core/service/storage`), so an
/// allocated one is nobody's.
#[must_use]
pub fn asked_for_cluster_ip(service: &Value) -> bool {
    let of_manager = |manager: &Value| {
        let spec = manager.pointer("/fieldsV1/f:spec");
        spec.is_some_and(|spec| spec.get("f:clusterIP").is_some() || spec.get("f:clusterIPs").is_some())
    };
    let applied = || {
        let applied: Value = serde_json::from_str(super::meta(service, "annotations", LAST_APPLIED)?).ok()?;
        let address = text(&applied, "/spec/clusterIP");
        Some(!address.is_empty() && address == text(service, "/spec/clusterIP"))
    };
    text(service, "/spec/clusterIP") != "None"
        && (list(service, "/metadata/managedFields").iter().any(of_manager) || applied() == Some(true))
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn service(service: &mut Value) {
    let headless = text(service, "/spec/clusterIP") == "None";
    if !headless && !asked_for_cluster_ip(service) {
        remove(service, "/spec", &["clusterIP", "clusterIPs"]);
    }
}

/// A claim finds its volume again where that is applied, too; else it is a new claim.
fn claim(claim: &mut Value, along: &Along, remarks: &mut Vec<Remark>) {
    let volume = text(claim, "/spec/volumeName");
    let bound = !volume.is_empty();
    remove(
        claim,
        "/metadata/annotations",
        &["pv.kubernetes.io/bind-completed", "volume.kubernetes.io/selected-node"],
    );
    if bound && !along.has_volume(text(claim, "/spec/volumeName")) {
        remove(claim, "/spec", &["volumeName"]);
        remarks.push(Remark::VolumeLeftOut);
    }
}

/// The scheduler chose the node; admission plugins put in the token (`plugin/pkg/admission/serviceaccount`), the priority
/// (`…/priority`) and the overhead (`…/runtimeclass`), and refuse others' numbers.
fn pod(pod: &mut Value, remarks: &mut Vec<Remark>) {
    remove(pod, "/spec", &["nodeName", "priority"]);
    if !text(pod, "/spec/priorityClassName").is_empty() {
        remove(pod, "/spec", &["preemptionPolicy"]);
    }
    if !text(pod, "/spec/runtimeClassName").is_empty() {
        remove(pod, "/spec", &["overhead"]);
    }
    if !list(pod, "/spec/ephemeralContainers").is_empty() {
        remarks.push(Remark::EphemeralContainersLeftOut);
    }
    remove(pod, "/spec", &["ephemeralContainers"]);
    let mut tokens = Vec::new();
    retain(pod, "/spec/volumes", |volume| {
        let (name, secret) = (text(volume, "/name"), text(volume, "/secret/secretName"));
        // Before 1.21 it was a Secret.
        let token = (name.starts_with("kube-api-access-") && volume.get("projected").is_some())
            || (secret == name && is_token_of(secret, None));
        if token {
            tokens.push(name.to_owned());
        }
        !token
    });
    drop_empty(pod, "spec/volumes");
    for containers in ["containers", "initContainers"] {
        let containers = pod
            .pointer_mut(&format!("/spec/{containers}"))
            .and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            retain(container, "/volumeMounts", |mount| {
                !tokens.iter().any(|token| token == text(mount, "/name"))
            });
            drop_empty(container, "volumeMounts");
        }
    }
}

/// Up to 1.23 every account got a token's Secret, which is listed in it.
fn service_account(account: &mut Value) {
    let name = text(account, "/metadata/name").to_owned();
    retain(account, "/secrets", |secret| {
        !is_token_of(text(secret, "/name"), Some(&name))
    });
    drop_empty(account, "secrets");
}

/// Whether `secret` is named `<account>-token-<five letters or digits>`, of any account for `None`.
fn is_token_of(secret: &str, account: Option<&str>) -> bool {
    secret.rsplit_once("-token-").is_some_and(|(of, random)| {
        account.is_none_or(|account| account == of)
            && random.len() == 5
            && random.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// The API server makes the selector and its labels from the Job's new UID.
fn job(job: &mut Value) {
    if job.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    remove(job, "/spec", &["selector"]);
    for labels in ["metadata/labels", "spec/template/metadata/labels"] {
        remove(job, &format!("/{labels}"), &JOB_LABELS);
        drop_empty(job, labels);
    }
}

fn map_mut<'v>(object: &'v mut Value, pointer: &str) -> Option<&'v mut Map<String, Value>> {
    object.pointer_mut(pointer)?.as_object_mut()
}

fn remove(object: &mut Value, pointer: &str, fields: &[&str]) {
    if let Some(map) = map_mut(object, pointer) {
        map.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

fn retain(object: &mut Value, pointer: &str, keep: impl FnMut(&Value) -> bool) {
    if let Some(Value::Array(elements)) = object.pointer_mut(pointer) {
        elements.retain(keep);
    }
}

/// Removes the map or list at `path`, which has no slash at its start, where it is empty.
fn drop_empty(object: &mut Value, path: &str) {
    let (parent, field) = match path.rsplit_once('/') {
        Some((parent, field)) => (format!("/{parent}"), field),
        None => (String::new(), path),
    };
    let Some(map) = map_mut(object, &parent) else {
        return;
    };
    let empty = match map.get(field) {
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(elements)) => elements.is_empty(),
        _ => false,
    };
    if empty {
        map.remove(field);
    }
}
