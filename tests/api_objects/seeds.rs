//! A small valid object of each resource: what the API server wants before it takes one at all.

use serde_json::{Value, json};

/// The namespace of most objects, and that of those which limit what is created beside them.
pub const NAMESPACE: &str = "default";
const LIMITED: &str = "limited";

/// A certificate signing request of a throwaway key, as the API takes it.
const REQUEST: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIR01HNENBUUF3RERFS01BZ0dBMVVFQXd3QllUQlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQQpCRmtsWXVBbzZJcm9kWFpQTTlocTZRZGI1TWxZdGp0ZjNyTmtqZlpiTGkvR1d4elV0aWVpOUYxSTh4NGo4eWpzCjF2dTlnZ2t1cVJ0dUNrcGNGMldKNTMyZ0FEQUtCZ2dxaGtqT1BRUURBZ05JQURCRkFpRUEzTUNrMzAxa25JYXoKOHVydnY2bEVOMXZPWG5FVEYxVyt2cXdHeVU2RmVSUUNJSGdZMFNvV3F4SGQ3eU9WbmhzYS9Ta1dsZEFvbVMycQo3R2R3RVord2MwcUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";
/// A certificate authority that signs nothing.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBcDCCARWgAwIBAgIUMDSGMcy09oyB4Exo0E4BLH3vGMAwCgYIKoZIzj0EAwIw\nDDEKMAgGA1UEAwwBYTAgFw0yNjExMzAwMDU4NDRaGA8yMTI2MTEwNjAwNTg0NFow\nDDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGZ5IRGmjYhs\nk63iXOLQ1WyDlxY/XSUAOM6PfQNudvYDjMSmeVeskWYKLVr7ZBPm7KVRSdaC3Q12\nE9COlUp8uYujUzBRMB0GA1UdDgQWBBQza43iv7ZNI2+mixFvczeGj4SexjAfBgNV\nHSMEGDAWgBQza43iv7ZNI2+mixFvczeGj4SexjAPBgNVHRMBAf8EBTADAQH/MAoG\nCCqGSM49BAMCA0kAMEYCIQCEmcOFOukY/uYZuSfYHxuS+TOqCPbi/OrEv3jhhux/\nLQIhAN6lB9Blw8J7haQlucp/KnHyXUs1Q+PfKQ4gNU6qT36I\n-----END CERTIFICATE-----\n";
/// A throwaway Ed25519 key, and its signature of the UID below.
const PUBLIC_KEY: &str = "MCowBQYDK2VwAyEAFBpwtb0hgFutSP83JGOx+u2NecEBz+amhA4S1yLQtDM=";
const SIGNATURE: &str = "l4AGEZfjiqKilhaTOyVUZYnTTEWF4ob9eDy224Yznp2Mj3XtcfIT/xX30EBgoF9jZcKmWbF61lTJ/+JdfdtHDg==";
const UID: &str = "0b5a4ff6-0000-4000-8000-000000000002";

/// A seed of a resource by its name (`deployments.apps`), as it is named the `n`th time; `None` for one without a seed.
pub fn of(resource: &str, n: usize) -> Option<Value> {
    let container = json!({"name": "a", "image": "example.com/a:1"});
    let pod = json!({"containers": [container]});
    let job_pod = json!({"containers": [container], "restartPolicy": "Never"});
    let labels = json!({"app": "a"});
    let selector = json!({"matchLabels": labels});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    // The class is that of 1.29, of which newer servers know no more.
    let devices = json!({"resourceClassName": "a", "devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "a.example.com"}}]}});
    let webhook = json!({
        "name": "a.example.com", "clientConfig": {"url": "https://example.com/a"}, "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}],
    });
    let constraints = json!({"resourceRules": [{
        "apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"],
    }]});
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let subjects = json!([{"kind": "User", "name": "a", "apiGroup": "rbac.authorization.k8s.io"}]);
    let role_ref = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "a"});
    let event = json!({"involvedObject": {"namespace": NAMESPACE}, "reason": "A", "type": "Normal"});
    let mut object = match resource {
        "bindings" => return None,
        "configmaps" | "secrets" | "serviceaccounts" | "endpoints" | "namespaces" | "nodes" => json!({}),
        "events" => event,
        "events.events.k8s.io" => json!({
            "eventTime": "2026-01-02T03:04:05.000006Z", "reportingController": "example.com/a", "reportingInstance": "a",
            "action": "A", "reason": "A", "type": "Normal",
        }),
        "limitranges" => json!({"spec": {"limits": [{"type": "Container"}]}}),
        "resourcequotas" => json!({"spec": {"hard": {"pods": "5"}}}),
        "persistentvolumeclaims" => json!({"spec": claim}),
        "persistentvolumes" => json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "a"},
        }}),
        "pods" => json!({"spec": pod}),
        "podtemplates" => json!({"template": template}),
        "replicationcontrollers" => json!({"spec": {"selector": labels, "template": template}}),
        "services" => json!({"spec": {"ports": [{"port": 80}]}}),
        "controllerrevisions.apps" => json!({"revision": 1, "data": {"spec": {"template": {"a": 1}}}}),
        "daemonsets.apps" | "deployments.apps" | "replicasets.apps" => {
            json!({"spec": {"selector": selector, "template": template}})
        }
        "statefulsets.apps" => json!({"spec": {
            "serviceName": "a", "selector": selector, "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "a"}, "spec": claim}],
        }}),
        "horizontalpodautoscalers.autoscaling" => json!({"spec": {
            "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
        }}),
        "jobs.batch" => json!({"spec": {"template": {"spec": job_pod}}}),
        "cronjobs.batch" => {
            json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": job_pod}}}}})
        }
        "certificatesigningrequests.certificates.k8s.io" => json!({"spec": {
            "request": REQUEST, "signerName": "example.com/a", "usages": ["client auth"],
        }}),
        "clustertrustbundles.certificates.k8s.io" => json!({"spec": {"trustBundle": CERTIFICATE}}),
        "podcertificaterequests.certificates.k8s.io" => json!({"spec": {
            "signerName": "example.com/a", "podName": "a", "podUID": UID, "serviceAccountName": "a", "serviceAccountUID": UID,
            "nodeName": "a", "nodeUID": UID, "maxExpirationSeconds": 86400, "pkixPublicKey": PUBLIC_KEY,
            "proofOfPossession": SIGNATURE,
        }}),
        "leases.coordination.k8s.io" => json!({"spec": {}}),
        "leasecandidates.coordination.k8s.io" => json!({"spec": {
            "leaseName": "a", "binaryVersion": "1.34.0", "emulationVersion": "1.34.0", "strategy": "OldestEmulationVersion",
            "preferredStrategies": ["OldestEmulationVersion"],
        }}),
        "endpointslices.discovery.k8s.io" => {
            json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.245.9.9"]}]})
        }
        "flowschemas.flowcontrol.apiserver.k8s.io" => json!({"spec": {"priorityLevelConfiguration": {"name": "a"}}}),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => json!({"spec": {
            "type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}},
        }}),
        "storageversions.internal.apiserver.k8s.io" => json!({"spec": {}}),
        "clustercidrs.networking.k8s.io" => json!({"spec": {"perNodeHostBits": 8, "ipv4": "10.77.0.0/16"}}),
        "ingressclasses.networking.k8s.io" => json!({"spec": {"controller": "example.com/a"}}),
        "ingresses.networking.k8s.io" => {
            json!({"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}})
        }
        "ipaddresses.networking.k8s.io" => {
            json!({"spec": {"parentRef": {"resource": "services", "namespace": NAMESPACE, "name": "a"}}})
        }
        "networkpolicies.networking.k8s.io" => json!({"spec": {"podSelector": {}}}),
        "servicecidrs.networking.k8s.io" => json!({"spec": {"cidrs": [format!("10.{}.0.0/24", 100 + n)]}}),
        "runtimeclasses.node.k8s.io" => json!({"handler": "a"}),
        "poddisruptionbudgets.policy" => json!({"spec": {"selector": selector}}),
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => json!({"rules": rules}),
        "rolebindings.rbac.authorization.k8s.io" => json!({"roleRef": role_ref("Role"), "subjects": subjects}),
        "clusterrolebindings.rbac.authorization.k8s.io" => {
            json!({"roleRef": role_ref("ClusterRole"), "subjects": subjects})
        }
        "deviceclasses.resource.k8s.io" => json!({"spec": {}}),
        "devicetaintrules.resource.k8s.io" => {
            json!({"spec": {"taint": {"key": "example.com/a", "effect": "NoSchedule"}}})
        }
        "resourceclaims.resource.k8s.io" => json!({"spec": devices}),
        "resourceclaimtemplates.resource.k8s.io" => json!({"spec": {"spec": devices}}),
        "resourceclasses.resource.k8s.io" => json!({"driverName": "a.example.com"}),
        "podschedulingcontexts.resource.k8s.io" => json!({"spec": {"selectedNode": "a"}}),
        "resourceslices.resource.k8s.io" => json!({"spec": {
            "driver": "a.example.com", "nodeName": "a", "pool": {"name": "a", "resourceSliceCount": 1, "generation": 1},
            "devices": [{"name": "a"}],
        }}),
        "priorityclasses.scheduling.k8s.io" => json!({"value": 7}),
        "csidrivers.storage.k8s.io" => json!({"spec": {}}),
        "csinodes.storage.k8s.io" => json!({"spec": {"drivers": [{"name": "a.example.com", "nodeID": "a"}]}}),
        "csistoragecapacities.storage.k8s.io" => json!({"storageClassName": "a"}),
        "storageclasses.storage.k8s.io" => json!({"provisioner": "example.com/a"}),
        "volumeattachments.storage.k8s.io" => json!({"spec": {
            "attacher": "a.example.com", "nodeName": "a", "source": {"persistentVolumeName": "a"},
        }}),
        "volumeattributesclasses.storage.k8s.io" => json!({"driverName": "a.example.com", "parameters": {"a": "b"}}),
        "storageversionmigrations.storagemigration.k8s.io" => json!({"spec": {
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        }}),
        "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        | "validatingwebhookconfigurations.admissionregistration.k8s.io" => {
            json!({"webhooks": [webhook]})
        }
        "validatingadmissionpolicies.admissionregistration.k8s.io" => json!({"spec": {
            "matchConstraints": constraints, "validations": [{"expression": "true"}],
        }}),
        "mutatingadmissionpolicies.admissionregistration.k8s.io" => json!({"spec": {
            "matchConstraints": constraints, "reinvocationPolicy": "Never", "failurePolicy": "Fail",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}],
        }}),
        "validatingadmissionpolicybindings.admissionregistration.k8s.io" => json!({"spec": {
            "policyName": "none.example.com", "validationActions": ["Deny"],
        }}),
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io" => {
            json!({"spec": {"policyName": "none.example.com"}})
        }
        "customresourcedefinitions.apiextensions.k8s.io" => json!({"spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": format!("as{n}"), "singular": format!("a{n}"), "kind": format!("A{n}"), "listKind": format!("A{n}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }}),
        "apiservices.apiregistration.k8s.io" => json!({"spec": {
            "group": format!("g{n}.example.com"), "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
            "service": {"namespace": NAMESPACE, "name": "a"}, "insecureSkipTLSVerify": true,
        }}),
        _ => return None,
    };
    let name = match resource {
        "ipaddresses.networking.k8s.io" => format!("10.245.77.{}", n + 1),
        "customresourcedefinitions.apiextensions.k8s.io" => format!("as{n}.example.com"),
        "apiservices.apiregistration.k8s.io" => format!("v1.g{n}.example.com"),
        // Stored where those of the other group are.
        "events.events.k8s.io" => format!("b{n}"),
        "storageversions.internal.apiserver.k8s.io" => format!("example.com.a{n}"),
        "clustertrustbundles.certificates.k8s.io" => format!("a{n}"),
        "csidrivers.storage.k8s.io" | "deviceclasses.resource.k8s.io" => format!("a{n}.example.com"),
        _ => format!("a{n}"),
    };
    let mut metadata = json!({
        "name": name, "labels": {"app": "a"}, "annotations": {"example.com/note": "<two>\nlines & \"quotes\" é"},
        "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "0b5a4ff6-0000-4000-8000-000000000001", "controller": true,
            "blockOwnerDeletion": false,
        }],
        "finalizers": ["example.com/wait"],
    });
    if resource == "namespaces" {
        metadata.as_object_mut().unwrap().remove("ownerReferences");
    }
    object["metadata"] = metadata;
    Some(object)
}

/// Where the objects of a namespaced resource are.
pub fn namespace(resource: &str) -> &'static str {
    match resource {
        "limitranges" | "resourcequotas" => LIMITED,
        _ => NAMESPACE,
    }
}
