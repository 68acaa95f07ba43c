use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What is applied of an object when nothing else is.
fn alone(object: Value) -> Value {
    for_apply(object, &Along::default()).unwrap().object
}

fn left_out_alone(object: Value) -> Option<LeftOut> {
    for_apply(object, &Along::default()).err()
}

fn owned(api_version: &str, kind: &str, uid: &str) -> Value {
    json!([{"apiVersion": api_version, "kind": kind, "name": "owner", "uid": uid, "controller": true}])
}

#[test]
fn what_the_api_server_owns_is_left_out() {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-11-22T15:18:01Z", "selfLink": "/x", "managedFields": [{"manager": "kubectl"}],
            "labels": {"app": "web"},
            "annotations": {
                "deployment.kubernetes.io/revision": "4", "team": "shop",
                "kubectl.kubernetes.io/last-applied-configuration": "{}\n"
            },
            "finalizers": ["example.com/wait", "foregroundDeletion"]
        },
        "spec": {"replicas": 2}, "status": {"replicas": 2}
    });
    assert_eq!(
        alone(object),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "labels": {"app": "web"},
                "annotations": {"team": "shop", "kubectl.kubernetes.io/last-applied-configuration": "{}\n"},
                "finalizers": ["example.com/wait"]
            },
            "spec": {"replicas": 2}
        })
    );
}

#[test]
fn owners_and_deletions_are_told() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "deletionTimestamp": "2026-11-22T15:18:01Z", "deletionGracePeriodSeconds": 0,
            "ownerReferences": owned("example.com/v1", "Widget", "u-1"), "finalizers": ["kubernetes.io/pvc-protection"]}
    });
    let applied = for_apply(object, &Along::default()).unwrap();
    assert_eq!(applied.remarks, [Remark::WasBeingDeleted, Remark::OwnersLeftOut]);
    assert_eq!(
        applied.object,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    );
}

#[test]
fn what_an_owner_makes_is_left_out_with_the_owner_only() {
    let mut along = Along::default();
    along.note("deployments", "web", "u-deployment");
    along.note("replicasets", "web-1", "u-replicaset");
    along.note("configmaps", "c", "u-configmap");
    for (object, why) in [
        (
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"ownerReferences": owned("apps/v1", "Deployment", "u-deployment")}}),
            Some(LeftOut::MadeByOwner),
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"ownerReferences": owned("apps/v1", "ReplicaSet", "u-replicaset")}}),
            Some(LeftOut::MadeByOwner),
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"ownerReferences": owned("apps/v1", "ReplicaSet", "u-elsewhere")}}),
            None,
        ),
        (
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"ownerReferences": owned("v1", "Pod", "u-pod")}}),
            Some(LeftOut::OfPodOrNode),
        ),
        (
            json!({"apiVersion": "cilium.io/v2", "kind": "CiliumEndpoint", "metadata": {"ownerReferences": owned("v1", "Pod", "u-pod")}}),
            Some(LeftOut::OfPodOrNode),
        ),
        // A database's volume, and the password that an operator made once, are not made again by their owners.
        (
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"ownerReferences": owned("apps/v1", "StatefulSet", "u-deployment")}}),
            None,
        ),
        (
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"ownerReferences": owned("example.com/v1", "Database", "u-deployment")}}),
            None,
        ),
    ] {
        assert_eq!(for_apply(object.clone(), &along).err(), why, "{object}");
    }
}

#[test]
fn what_every_cluster_makes_is_left_out() {
    use LeftOut::*;
    for (why, object) in [
        (OfAMoment, json!({"apiVersion": "v1", "kind": "Event"})),
        (
            OfAMoment,
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}),
        ),
        (MadeByKubelet, json!({"apiVersion": "v1", "kind": "Node"})),
        (
            MadeByDriver,
            json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice"}),
        ),
        (
            MadeByOwner,
            json!({"apiVersion": "apps/v1", "kind": "ControllerRevision"}),
        ),
        (
            Token,
            json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"}),
        ),
        (
            MadeByController,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": "shop"}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"}}),
        ),
        (
            MadeByController,
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}, "secrets": [{"name": "default-token-abcde"}]}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "labels": {"kubernetes.io/metadata.name": "kube-system"}}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default"}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "kubernetes", "namespace": "default"}, "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}),
        ),
        (
            MadeByController,
            json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}, "subsets": [{"notReadyAddresses": [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod"}}]}]}),
        ),
        (
            MadeByController,
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "system-node-critical"}}),
        ),
        (
            MadeByApiServer,
            json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "spec": {"version": "v1"}}),
        ),
        (
            MadeByKubelet,
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}),
        ),
        (
            Finished,
            json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Succeeded"}}),
        ),
        (
            Finished,
            json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}}),
        ),
    ] {
        assert_eq!(left_out_alone(object.clone()), Some(why), "{object}");
    }
}

#[test]
fn what_somebody_made_for_himself_is_kept() {
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}, "imagePullSecrets": [{"name": "r"}]}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "annotations": {"eks.amazonaws.com/role-arn": "x"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}),
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db"}, "subsets": [{"addresses": [{"ip": "192.0.2.1"}]}]}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "db", "labels": {"kubernetes.io/service-name": "db"}}}),
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "spec": {"service": {"name": "metrics-server"}}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": [{"type": "Suspended", "status": "True"}]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}),
    ] {
        assert_eq!(left_out_alone(object.clone()), None, "{object}");
    }
}

#[test]
fn addresses_of_services_stay_where_somebody_asked_for_them() {
    let service = |spec: &Value, metadata: &Value| {
        let mut metadata = metadata.clone();
        metadata["name"] = json!("web");
        alone(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))["spec"].clone()
    };
    let none = json!({});
    let allocated = json!({"clusterIP": "100.64.0.9", "clusterIPs": ["100.64.0.9"], "ports": [{"port": 80, "nodePort": 30080}],
        "healthCheckNodePort": 30081});
    assert_eq!(
        service(&allocated, &none),
        json!({"ports": [{"port": 80, "nodePort": 30080}], "healthCheckNodePort": 30081})
    );
    let headless = json!({"clusterIP": "None", "clusterIPs": ["None"]});
    assert_eq!(service(&headless, &none), headless);
    let by_manager = json!({"managedFields": [{"fieldsV1": {"f:spec": {"f:clusterIP": {}}}}]});
    assert_eq!(service(&allocated, &by_manager), allocated);
    let applied = json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": r#"{"spec":{"clusterIP":"100.64.0.9"}}"#}});
    assert_eq!(service(&allocated, &applied), allocated);
}

#[test]
fn a_claim_keeps_its_volume_only_where_that_comes_along() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"volumeName": "pv-1", "storageClassName": "gp3"}, "status": {"phase": "Bound"}});
    let applied = for_apply(claim.clone(), &Along::default()).unwrap();
    assert_eq!(applied.remarks, [Remark::VolumeLeftOut]);
    assert_eq!(applied.object["spec"], json!({"storageClassName": "gp3"}));
    let mut along = Along::default();
    along.note("persistentvolumes", "pv-1", "u-pv");
    let applied = for_apply(claim, &along).unwrap();
    assert_eq!(applied.remarks, []);
    assert_eq!(applied.object["spec"]["volumeName"], "pv-1");
    assert!(applied.object["metadata"].get("annotations").is_none());

    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1",
        "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com", "pv.kubernetes.io/bound-by-controller": "yes"},
        "finalizers": ["kubernetes.io/pv-protection", "external-attacher/ebs-csi-aws-com"]},
        "spec": {"claimRef": {"name": "data", "namespace": "shop", "uid": "u", "resourceVersion": "1"}}});
    assert_eq!(
        alone(volume),
        json!({"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": "pv-1", "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}},
            "spec": {"claimRef": {"name": "data", "namespace": "shop"}}})
    );
}

#[test]
fn pods_lose_their_node_and_their_token() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "nodeName": "i-1", "priority": 0, "serviceAccountName": "app",
        "containers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-abcde"}, {"name": "data"}]}],
        "initContainers": [{"name": "i", "volumeMounts": [{"name": "app-token-abcde"}]}],
        "ephemeralContainers": [{"name": "debug"}],
        "volumes": [{"name": "kube-api-access-abcde", "projected": {}}, {"name": "data", "emptyDir": {}},
            {"name": "app-token-abcde", "secret": {"secretName": "app-token-abcde"}},
            {"name": "mine", "secret": {"secretName": "app-token-abcde"}}]}});
    let applied = for_apply(pod, &Along::default()).unwrap();
    assert_eq!(applied.remarks, [Remark::EphemeralContainersLeftOut]);
    assert_eq!(
        applied.object["spec"],
        json!({"serviceAccountName": "app",
            "containers": [{"name": "c", "volumeMounts": [{"name": "data"}]}],
            "initContainers": [{"name": "i"}],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "mine", "secret": {"secretName": "app-token-abcde"}}]})
    );
}

#[test]
fn generated_selectors_and_listed_tokens_go() {
    let labels = json!({"controller-uid": "u", "batch.kubernetes.io/job-name": "j", "app": "x"});
    let job = |manual: bool| {
        alone(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "labels": labels}, "spec": {
            "manualSelector": manual, "selector": {"matchLabels": {"controller-uid": "u"}},
            "template": {"metadata": {"labels": labels}}}}),
        )
    };
    assert_eq!(
        job(false),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "labels": {"app": "x"}}, "spec": {
            "manualSelector": false, "template": {"metadata": {"labels": {"app": "x"}}}}})
    );
    assert_eq!(job(true)["spec"]["template"]["metadata"]["labels"], labels);

    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"},
        "secrets": [{"name": "app-token-x1y2z"}, {"name": "mine"}]});
    assert_eq!(alone(account)["secrets"], json!([{"name": "mine"}]));

    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"},
        "aggregationRule": {}, "rules": [{"verbs": ["get"]}]});
    assert!(alone(role).get("rules").is_none());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}, "spec": {"finalizers": ["kubernetes"]}});
    assert_eq!(
        alone(namespace),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}})
    );
}

proptest! {
    /// Fields of the wrong type, as a damaged or foreign object may have them, are left alone.
    #[test]
    fn any_shape_is_taken(kind in "Pod|Job|Service|ServiceAccount|PersistentVolumeClaim|Namespace|Endpoints",
                          spec in prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!([1])), Just(json!({"volumes": 1, "containers": [1, {"volumeMounts": 2}]}))]) {
        for version in ["v1", "batch/v1"] {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": spec, "spec": spec, "status": spec});
            let _ = for_apply(object, &Along::default());
        }
        let _ = for_apply(spec, &Along::default());
    }

    /// What was applied once can be exported and applied again.
    #[test]
    fn once_is_enough(node in "[a-z]{0,3}", volume in "[a-z]{0,3}") {
        for (version, kind) in [("v1", "Pod"), ("v1", "PersistentVolumeClaim"), ("batch/v1", "Job"), ("v1", "Service")] {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "n", "uid": "u"},
                "spec": {"nodeName": node, "volumeName": volume, "clusterIP": "10.0.0.1", "selector": {}}, "status": {}});
            let once = alone(object);
            prop_assert_eq!(alone(once.clone()), once);
        }
    }
}
