//! `export --for-apply` of what a real kube-apiserver had made, given to kubectl for a cluster that is empty.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Ca, Cmd, Ended, Etcd, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, backup, components};

use crate::env::{Env, RESTORED};

const NAME: &str = "2026-11-22T14:00:00Z-000001";
const BACKUP: &str = "main=2026-11-22T14";
const SHOP: &str = "/namespaces/shop";

/// The objects by where they are created: path of their collection, and the object. The order is one in which it works.
fn objects() -> Vec<(String, Value)> {
    let of = |api: &str, resource: &str| format!("/{api}{SHOP}/{resource}");
    let cluster = |api: &str, resource: &str| format!("/{api}/{resource}");
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"serviceAccountName": "web", "containers": [{"name": "web",
        "image": "registry.example.com/web:1.2", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "a"}}}],
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}, "ports": [{"containerPort": 8080}]}]}});
    let job_template = json!({"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}});
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]);
    vec![
        (
            cluster("apis/scheduling.k8s.io/v1", "priorityclasses"),
            json!({"metadata": {"name": "high"}, "value": 1000}),
        ),
        (
            cluster("apis/storage.k8s.io/v1", "storageclasses"),
            json!({"metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer"}),
        ),
        (
            cluster("apis/rbac.authorization.k8s.io/v1", "clusterroles"),
            json!({"metadata": {"name": "shop:Reader"}, "rules": rules}),
        ),
        (
            cluster("api/v1", "persistentvolumes"),
            json!({"metadata": {"name": "pv-1"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "storageClassName": "fast", "claimRef": {"namespace": "shop", "name": "data"},
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}}),
        ),
        (
            cluster("api/v1", "namespaces"),
            json!({"metadata": {"name": "shop", "labels": {"team": "shop"}}}),
        ),
        (of("api/v1", "serviceaccounts"), json!({"metadata": {"name": "web"}})),
        (
            of("api/v1", "configmaps"),
            json!({"metadata": {"name": "web", "labels": labels}, "data": {"a": "yes", "b": "two\nlines\n", "c": "1e3"}}),
        ),
        (
            of("api/v1", "configmaps"),
            json!({"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "old"}}),
        ),
        (
            of("api/v1", "secrets"),
            json!({"metadata": {"name": "web"}, "stringData": {"password": "correct horse battery staple"}}),
        ),
        (
            of("apis/rbac.authorization.k8s.io/v1", "roles"),
            json!({"metadata": {"name": "web"}, "rules": rules}),
        ),
        (
            of("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
            json!({"metadata": {"name": "web"}, "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"}}),
        ),
        (
            of("api/v1", "persistentvolumeclaims"),
            json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": "pv-1",
                "resources": {"requests": {"storage": "1Gi"}}}}),
        ),
        (
            of("api/v1", "services"),
            json!({"metadata": {"name": "web"}, "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}),
        ),
        (
            of("api/v1", "services"),
            json!({"metadata": {"name": "dns"}, "spec": {"clusterIP": "100.64.0.10", "ports": [{"port": 53, "protocol": "UDP"}]}}),
        ),
        (
            of("api/v1", "services"),
            json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 5432}]}}),
        ),
        (
            of("apis/apps/v1", "deployments"),
            json!({"metadata": {"name": "web", "labels": labels}, "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}}),
        ),
        (
            of("apis/apps/v1", "statefulsets"),
            json!({"metadata": {"name": "db"}, "spec": {"serviceName": "db", "selector": {"matchLabels": labels}, "template": template,
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}}}}]}}),
        ),
        (
            of("apis/apps/v1", "daemonsets"),
            json!({"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}),
        ),
        (
            of("apis/batch/v1", "jobs"),
            json!({"metadata": {"name": "migrate"}, "spec": {"suspend": true, "template": job_template}}),
        ),
        (
            of("apis/batch/v1", "cronjobs"),
            json!({"metadata": {"name": "report"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": job_template}}}}),
        ),
        (
            of("apis/autoscaling/v2", "horizontalpodautoscalers"),
            json!({"metadata": {"name": "web"}, "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}),
        ),
        (
            of("apis/policy/v1", "poddisruptionbudgets"),
            json!({"metadata": {"name": "web"}, "spec": {"minAvailable": "50%", "selector": {"matchLabels": labels}}}),
        ),
        (
            of("apis/networking.k8s.io/v1", "networkpolicies"),
            json!({"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
        ),
        (
            of("apis/networking.k8s.io/v1", "ingresses"),
            json!({"metadata": {"name": "web"}, "spec": {"rules": [{"host": "shop.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}),
        ),
        (
            of("api/v1", "limitranges"),
            json!({"metadata": {"name": "limits"}, "spec": {"limits": [{"type": "Container", "default": {"cpu": "200m"}}]}}),
        ),
        (
            of("api/v1", "events"),
            json!({"metadata": {"name": "e", "namespace": "shop"}, "involvedObject": {"kind": "Pod", "namespace": "shop"}}),
        ),
        (
            of("apis/coordination.k8s.io/v1", "leases"),
            json!({"metadata": {"name": "leader"}}),
        ),
        (of("apis/example.com/v1", "widgets"), widget()),
        // From here on nobody can create a ConfigMap in the namespace.
        (
            cluster(
                "apis/admissionregistration.k8s.io/v1",
                "validatingwebhookconfigurations",
            ),
            json!({"metadata": {"name": "refuse"}, "webhooks": [{"name": "refuse.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 1, "clientConfig": {"url": "https://127.0.0.1:1/"},
                "namespaceSelector": {"matchLabels": {"team": "shop"}},
                "rules": [{"apiGroups": ["", "apps"], "apiVersions": ["v1"], "resources": ["configmaps", "deployments"], "operations": ["CREATE"]}]}]}),
        ),
    ]
}

fn widget() -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w1"}, "spec": {"size": 7, "on": "yes"}})
}

fn definition() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}

struct Made {
    /// The files of the backup by their paths.
    backup: Vec<(PathBuf, Vec<u8>)>,
    /// The objects as the API showed them, by their paths.
    shown: Vec<(String, Value)>,
}

fn start() -> (Ca, Etcd, KubeApiServer) {
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let api = KubeApiServer::start(&etcd, &KubeApiServerOptions::plain(&ca, "10.245.21.57")).unwrap();
    (ca, etcd, api)
}

/// Made once: an API server takes its time.
static MADE: LazyLock<Made> = LazyLock::new(|| {
    let (_, etcd, api) = start();
    api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition())
        .unwrap();
    served(&api);
    let mut shown = vec![(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com".to_owned(),
        Value::Null,
    )];
    for (collection, object) in objects() {
        let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
        let made = api
            .create(&collection, &object)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        if path.ends_with("/deployments/web") {
            owned(&api, &made);
        }
        shown.push((path, Value::Null));
    }
    for (path, object) in &mut shown {
        *object = api.get(path).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    backup::write(&etcd, &folder.path().join(NAME)).unwrap();
    let files = support::store::tree(folder.path()).unwrap().into_iter();
    Made {
        backup: files
            .map(|(path, content)| (path.strip_prefix(folder.path()).unwrap().to_owned(), content))
            .collect(),
        shown,
    }
});

/// Waits until the custom resource is served.
fn served(api: &KubeApiServer) {
    let begun = Instant::now();
    while let Err(error) = api.get("/apis/example.com/v1/widgets") {
        assert!(begun.elapsed() < Duration::from_secs(240), "{error}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// What its controllers would have made of a Deployment.
fn owned(api: &KubeApiServer, deployment: &Value) {
    let owner = |object: &Value| {
        json!([{"apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
            "uid": object["metadata"]["uid"], "controller": true}])
    };
    let template = &deployment["spec"]["template"];
    let set = json!({"metadata": {"name": "web-1", "ownerReferences": owner(deployment)},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}});
    let set = api.create("/apis/apps/v1/namespaces/shop/replicasets", &set).unwrap();
    let pod = json!({"metadata": {"name": "web-1-abcde", "ownerReferences": owner(&set)}, "spec": template["spec"]});
    api.create("/api/v1/namespaces/shop/pods", &pod).unwrap();
    // Nobody makes it again: without its owner, which has another UID then, it is kept.
    let cached = json!({"metadata": {"name": "owned", "ownerReferences": owner(deployment)}, "data": {"a": "b"}});
    api.create("/api/v1/namespaces/shop/configmaps", &cached).unwrap();
}

fn store() -> Env {
    let env = Env::new(RESTORED);
    fs::remove_dir_all(env.base("main")).unwrap();
    for (path, content) in &MADE.backup {
        let target = env.base("main").join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, content).unwrap();
    }
    env
}

fn export(env: &Env, arguments: &[&str]) -> Ended {
    env.backups(&[&["export", BACKUP], arguments].concat()).run().unwrap()
}

fn kubectl(config: &Path, arguments: &[&str], stdin: &str) -> Ended {
    Cmd::new(components::kubectl().unwrap())
        .unwrap()
        .env("KUBECONFIG", config)
        .args(arguments)
        .stdin(stdin)
        .run()
        .unwrap()
}

/// Without what the API server owns.
fn without_its_own(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deprecated.daemonset.template.generation");
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    match object["kind"].as_str().unwrap() {
        "Service" if object["metadata"]["name"] == "web" => {
            for field in ["clusterIP", "clusterIPs"] {
                object["spec"].as_object_mut().unwrap().remove(field);
            }
        }
        "Job" => {
            object["spec"].as_object_mut().unwrap().remove("selector");
            for labels in ["/metadata", "/spec/template/metadata"] {
                object
                    .pointer_mut(labels)
                    .unwrap()
                    .as_object_mut()
                    .unwrap()
                    .remove("labels");
            }
        }
        "PersistentVolume" => {
            let claim = object["spec"]["claimRef"].as_object_mut().unwrap();
            claim.remove("uid");
            claim.remove("resourceVersion");
        }
        _ => {}
    }
    object
}

const NOT_APPLIED: [&str; 3] = ["/configmaps/kube-root-ca.crt", "/events/e", "/leases/leader"];

fn compare(api: &KubeApiServer) {
    for (path, before) in &MADE.shown {
        if NOT_APPLIED.iter().any(|not| path.ends_with(not)) {
            assert!(api.get(path).is_err(), "{path}");
            continue;
        }
        let after = api.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(without_its_own(&after), without_its_own(before), "{path}");
    }
    for absent in [
        "/apis/apps/v1/namespaces/shop/replicasets/web-1",
        "/api/v1/namespaces/shop/pods/web-1-abcde",
    ] {
        assert!(api.get(absent).is_err(), "{absent}");
    }
    let kept = api.get("/api/v1/namespaces/shop/configmaps/owned").unwrap();
    assert!(kept["metadata"].get("ownerReferences").is_none(), "{kept}");
}

#[test]
fn a_whole_cluster_is_applied_to_an_empty_one_and_applied_again() {
    let env = store();
    let (ca, _etcd, api) = start();
    let folder = tempfile::tempdir().unwrap();
    let config = api.kubeconfig(folder.path(), "c", &ca).unwrap();
    let definitions = export(&env, &["crd", "-A", "--for-apply"]).success().stdout;
    let _ = kubectl(&config, &["apply", "--server-side", "-f", "-"], &definitions).success();
    served(&api);
    let all = export(&env, &["--all", "-A", "--for-apply", "--with-secrets"]).success();
    let applied = kubectl(&config, &["apply", "--server-side", "-f", "-"], &all.stdout).success();
    assert!(
        applied.stdout.contains("deployment.apps/web serverside-applied"),
        "{}",
        applied.stdout
    );
    compare(&api);
    // Nothing of it was written for one server only.
    let _ = kubectl(&config, &["apply", "--server-side", "-f", "-"], &all.stdout).success();
    compare(&api);
    for told in [
        "left out 1 of replicasets: made again by its owner (shop/web-1)",
        "left out 1 of configmaps: made again by kube-controller-manager (shop/kube-root-ca.crt)",
        "check 1 of configmaps: written without its owner: an owner that is made again has another UID (shop/owned)",
    ] {
        assert!(all.stderr.contains(told), "{told}\n{}", all.stderr);
    }
    // A busy API server may have written others about the Services.
    let events = all
        .stderr
        .lines()
        .find(|line| line.contains("of events: of use only at its time"));
    assert!(
        events.is_some_and(|line| line.contains("shop/e)") || line.contains("shop/e,")),
        "{}",
        all.stderr
    );
}

#[test]
fn files_are_applied_in_the_order_of_their_names() {
    let env = store();
    let (ca, _etcd, api) = start();
    let folder = tempfile::tempdir().unwrap();
    let config = api.kubeconfig(folder.path(), "c", &ca).unwrap();
    let target = folder.path().join("export");
    let arguments = [
        "--all",
        "-A",
        "--for-apply",
        "--with-secrets",
        "--output-dir",
        target.to_str().unwrap(),
    ];
    let ended = export(&env, &arguments).success();
    assert_eq!(ended.stdout, "");
    let definitions = target.join("00-definitions");
    let _ = kubectl(&config, &["apply", "-R", "-f", definitions.to_str().unwrap()], "").success();
    served(&api);
    let _ = kubectl(&config, &["apply", "-R", "-f", target.to_str().unwrap()], "").success();
    compare(&api);
}

#[test]
fn one_namespace_is_applied_as_json_and_created_by_the_api() {
    let env = store();
    let (_, _etcd, api) = start();
    let exported = export(
        &env,
        &["--all", "-n", "shop", "--for-apply", "--with-secrets", "-o", "json"],
    )
    .success()
    .json();
    assert_eq!(exported["kind"], "List");
    let items = exported["items"].as_array().unwrap();
    assert_eq!(items[0]["kind"], "Namespace");
    assert_eq!(items.last().unwrap()["kind"], "Widget");
    for item in items.iter().filter(|item| item["kind"] != "Widget") {
        let path = collection(item);
        api.create(&path, item)
            .unwrap_or_else(|error| panic!("{path}: {error}\n{item}"));
    }
}

/// Where an object of one of the kinds here is created.
fn collection(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let plural = match kind.as_str() {
        "ingress" => "ingresses".to_owned(),
        "networkpolicy" => "networkpolicies".to_owned(),
        other => format!("{other}s"),
    };
    let api = if version.contains('/') { "apis" } else { "api" };
    match text(&object["metadata"]["namespace"]).as_str() {
        "" => format!("/{api}/{version}/{plural}"),
        namespace => format!("/{api}/{version}/namespaces/{namespace}/{plural}"),
    }
}

#[test]
fn what_is_exported_is_what_kubectl_shows() {
    let env = store();
    let mut different = Vec::new();
    for (path, object) in &MADE.shown {
        let kind = object["kind"].as_str().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        let argument = format!("{kind}/{name}");
        let mut exported = export(&env, &[&argument, "-n", "shop", "--with-secrets", "-o", "json"])
            .success()
            .json();
        // Two defaults that the API server does not store and fills in whenever it reads.
        match kind {
            "PersistentVolumeClaim" => exported["status"]["phase"] = "Pending".into(),
            "Job" => {
                exported["metadata"]["labels"] = exported["spec"]["template"]["metadata"]["labels"].clone();
            }
            _ => {}
        }
        if exported != *object {
            different.push(format!("{path}\n{exported}\n{object}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
    // The names of custom resources come from their definition.
    for arguments in [
        &["wd", "-n", "shop"][..],
        &["widget/w1", "-n", "shop"],
        &["all", "-n", "shop"],
    ] {
        let names = export(&env, &[arguments, &["-o", "name"]].concat()).success().stdout;
        assert!(names.contains("widgets.example.com/shop/w1"), "{arguments:?}: {names}");
    }
    let labelled = export(&env, &["deploy,cm", "-n", "shop", "-l", "app in (web)", "-o", "name"]).success();
    assert_eq!(labelled.stdout, "configmaps/shop/web\ndeployments/shop/web\n");
}
