//! A namespace with an object of each kind that a shop has, on a real API server, and a backup of it.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::store::CLUSTER;
use support::{Ca, Etcd, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, backup};
use tempfile::TempDir;

use crate::env::{Env, RESTORED};

pub const BACKUP: &str = "main=2026-11-22T15:00";
const NAME: &str = "2026-11-22T15:00:00Z-000001";
pub const PASSWORDS: [&str; 2] = ["correct horse battery staple", "tr0ub4dor and three"];

/// Secrets by aescbc first, by secretbox later.
fn configuration(first: &str, second: &str) -> String {
    format!(
        "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n- resources: [secrets]\n  providers:\n  \
         - {first}\n  - {second}\n  - identity: {{}}\n"
    )
}

fn providers() -> [String; 2] {
    let secret = |byte: u8| BASE64.encode([byte; 32]);
    [
        format!("aescbc: {{keys: [{{name: cbc, secret: {}}}]}}", secret(1)),
        format!("secretbox: {{keys: [{{name: box, secret: {}}}]}}", secret(2)),
    ]
}

/// A running cluster.
pub struct Cluster {
    pub api: KubeApiServer,
    pub etcd: Etcd,
    ca: Ca,
    folder: TempDir,
}

impl Cluster {
    /// One with nothing in it.
    pub fn empty() -> Self {
        let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
        Self::on(etcd, None)
    }

    fn on(etcd: Etcd, encryption: Option<&str>) -> Self {
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
        let options = KubeApiServerOptions { encryption, ..options };
        let api = KubeApiServer::start(&etcd, &options).unwrap();
        Self {
            api,
            etcd,
            ca,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The cluster that the backup is of, as it was then.
    pub fn with_the_shop() -> Self {
        let data = tempfile::tempdir().unwrap();
        let archive = data.path().join("etcd.backup.gz");
        let (_, content) = MADE.iter().find(|(path, _)| path.ends_with("etcd.backup.gz")).unwrap();
        fs::write(&archive, content).unwrap();
        let data_dir = backup::restore(&archive, data.path()).unwrap();
        let options = support::EtcdOptions {
            version: EtcdVersion::V3_6,
            data_dir: Some(data_dir),
        };
        let etcd = Etcd::start_with(&options).unwrap();
        let [first, second] = providers();
        let mut cluster = Self::on(etcd, Some(&configuration(&second, &first)));
        // The data lies in it.
        let folder = std::mem::replace(&mut cluster.folder, data);
        drop(folder);
        cluster
    }

    pub fn kubeconfig(&self) -> String {
        let file = self.api.kubeconfig(self.folder.path(), CLUSTER, &self.ca).unwrap();
        file.to_str().unwrap().to_owned()
    }

    pub fn kubeconfig_of_nobody(&self) -> String {
        let file = self
            .api
            .kubeconfig_of_nobody(self.folder.path(), CLUSTER, &self.ca)
            .unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// A file for the undo.
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.api.get(path).ok()
    }

    /// Deletes the namespace and all in it, as the garbage collector and the namespace's controller would.
    pub fn lose_the_shop(&self) {
        self.lose("/apis/apps/v1/namespaces/shop/replicasets/web-1");
        for path in PATHS.iter().rev() {
            if *path != NAMESPACE {
                self.lose(path);
            }
        }
        self.lose(NAMESPACE);
    }

    /// Deletes one object for good, whatever waits for it.
    pub fn lose(&self, path: &str) {
        let Some(object) = self.get(path) else { return };
        if path == NAMESPACE {
            let going = self.api.delete(path).unwrap();
            self.finalize(going);
        } else {
            let finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            self.api.delete(path).unwrap();
            if let (false, Some(mut going)) = (finalizers.is_empty(), self.get(path)) {
                going["metadata"]["finalizers"] = json!([]);
                self.api.replace(path, &going).unwrap();
            }
        }
        assert_eq!(self.get(path), None, "{path} is gone");
    }

    /// What the namespace's controller does when a namespace is empty.
    pub fn finalize(&self, mut namespace: Value) {
        namespace["spec"]["finalizers"] = json!([]);
        self.api.replace(&format!("{NAMESPACE}/finalize"), &namespace).unwrap();
    }

    /// All objects of the shop, as the API shows them, but for what it owns.
    pub fn shop(&self) -> Vec<(&'static str, Option<Value>)> {
        PATHS
            .iter()
            .map(|path| (*path, self.get(path).map(without_what_the_api_owns)))
            .collect()
    }
}

/// Written out here, not asked of the code under test.
fn without_what_the_api_owns(mut object: Value) -> Value {
    let fields = object.as_object_mut().unwrap();
    fields.remove("status");
    let metadata = fields["metadata"].as_object_mut().unwrap();
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        metadata.remove(field);
    }
    for owner in metadata
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        owner.as_object_mut().unwrap().remove("uid");
    }
    if let (Some("Service"), Some(spec)) = (
        object["kind"].as_str().map(str::to_owned).as_deref(),
        object["spec"].as_object_mut(),
    ) {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    object
}

pub const NAMESPACE: &str = "/api/v1/namespaces/shop";
pub const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";

/// What the shop has, in the order in which it was made.
pub const PATHS: [&str; 20] = [
    NAMESPACE,
    "/api/v1/namespaces/shop/configmaps/settings",
    "/api/v1/namespaces/shop/secrets/by-aescbc",
    "/api/v1/namespaces/shop/secrets/by-secretbox",
    "/api/v1/namespaces/shop/serviceaccounts/web",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/reader",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/reader",
    "/api/v1/namespaces/shop/persistentvolumeclaims/data",
    "/api/v1/namespaces/shop/services/web",
    "/api/v1/namespaces/shop/services/db",
    "/apis/apps/v1/namespaces/shop/deployments/web",
    "/apis/apps/v1/namespaces/shop/statefulsets/db",
    "/apis/batch/v1/namespaces/shop/cronjobs/report",
    "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web",
    "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/web",
    "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/web",
    "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/web",
    "/api/v1/namespaces/shop/limitranges/limits",
    "/apis/example.com/v1/namespaces/shop/widgets/w1",
    "/api/v1/namespaces/shop/configmaps/of-the-widget",
];

/// The files of the backup. Made once: an API server takes its time.
static MADE: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = providers();
    let cluster = Cluster::on(
        Etcd::start(EtcdVersion::V3_6).unwrap(),
        Some(&configuration(&first, &second)),
    );
    open(&cluster.api);
    secret(&cluster.api, "by-aescbc", PASSWORDS[0]);
    let Cluster { api, etcd, .. } = cluster;
    drop(api);
    let cluster = Cluster::on(etcd, Some(&configuration(&second, &first)));
    secret(&cluster.api, "by-secretbox", PASSWORDS[1]);
    for path in PATHS {
        assert!(cluster.get(path).is_some(), "{path}");
    }
    for (name, provider) in [
        ("by-aescbc", "k8s:enc:aescbc:v1:cbc:"),
        ("by-secretbox", "k8s:enc:secretbox:v1:box:"),
    ] {
        let stored = cluster
            .etcd
            .get(format!("/registry/secrets/shop/{name}").as_bytes())
            .unwrap()
            .unwrap();
        assert!(stored.value.starts_with(provider.as_bytes()), "{name}");
    }
    backup::write(&cluster.etcd, &folder.path().join(NAME)).unwrap();
    let files = support::store::tree(folder.path()).unwrap().into_iter();
    let relative = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_owned();
    files.map(|(path, content)| (relative(path), content)).collect()
});

/// A state store with the backup; with `keys` also with what decrypts it.
pub fn store(keys: bool) -> Env {
    let env = Env::new(RESTORED);
    fs::remove_dir_all(env.base("main")).unwrap();
    for (path, content) in MADE.iter() {
        let target = env.base("main").join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, content).unwrap();
    }
    if keys {
        let [first, second] = providers();
        let folder = env.root().join(CLUSTER).join("secrets");
        fs::create_dir_all(&folder).unwrap();
        let kept = json!({ "Data": BASE64.encode(configuration(&second, &first)) });
        fs::write(folder.join("encryptionconfig"), kept.to_string()).unwrap();
    }
    env
}

fn secret(api: &KubeApiServer, name: &str, password: &str) {
    let object = json!({"metadata": {"name": name}, "stringData": {"password": password}});
    api.create("/api/v1/namespaces/shop/secrets", &object).unwrap();
}

/// All but the Secrets.
fn open(api: &KubeApiServer) {
    let create = |path: &str, object: Value| api.create(path, &object).unwrap();
    let core = "/api/v1/namespaces/shop";
    let labels = json!({"app": "web"});
    let container = json!({"name": "web", "image": "shop/web:1", "env": [{"name": "PASSWORD", "valueFrom":
        {"secretKeyRef": {"name": "by-aescbc", "key": "password"}}}], "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}});
    let template = json!({"metadata": {"labels": labels}, "spec": {"serviceAccountName": "web", "containers": [container],
        "volumes": [{"name": "settings", "configMap": {"name": "settings"}}]}});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3", "resources": {"requests": {"storage": "1Gi"}}});
    create(
        "/apis/storage.k8s.io/v1/storageclasses",
        json!({"metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com"}),
    );
    create(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "shop", "labels": {"team": "sales"}}}),
    );
    create(
        &format!("{core}/configmaps"),
        json!({"metadata": {"name": "settings"}, "data": {"a": "b"}, "binaryData": {"c": "AAEC"}}),
    );
    create(
        &format!("{core}/serviceaccounts"),
        json!({"metadata": {"name": "web", "annotations": {"eks.amazonaws.com/role-arn": "arn"}}}),
    );
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop";
    create(
        &format!("{rbac}/roles"),
        json!({"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    );
    create(
        &format!("{rbac}/rolebindings"),
        json!({"metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]}),
    );
    create(
        &format!("{core}/persistentvolumeclaims"),
        json!({"metadata": {"name": "data"}, "spec": claim}),
    );
    create(
        &format!("{core}/services"),
        json!({"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80}]}}),
    );
    create(
        &format!("{core}/services"),
        json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "ports": [{"port": 5432}]}}),
    );
    let workload = |more: Value| {
        let mut spec = json!({"selector": {"matchLabels": labels}, "template": template, "replicas": 2});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    create(
        "/apis/apps/v1/namespaces/shop/deployments",
        json!({"metadata": {"name": "web"}, "spec": workload(json!({}))}),
    );
    let templates =
        json!({"serviceName": "db", "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]});
    create(
        "/apis/apps/v1/namespaces/shop/statefulsets",
        json!({"metadata": {"name": "db"}, "spec": workload(templates)}),
    );
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = "Never".into();
    create(
        "/apis/batch/v1/namespaces/shop/cronjobs",
        json!({"metadata": {"name": "report"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": once}}}}),
    );
    create(
        "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
        json!({"metadata": {"name": "web"}, "spec": {
        "maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}}),
    );
    let networking = "/apis/networking.k8s.io/v1/namespaces/shop";
    let path =
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}});
    create(
        &format!("{networking}/ingresses"),
        json!({"metadata": {"name": "web"}, "spec": {"ingressClassName": "nginx",
        "rules": [{"host": "shop.example.com", "http": {"paths": [path]}}]}}),
    );
    create(
        &format!("{networking}/networkpolicies"),
        json!({"metadata": {"name": "web"}, "spec": {"podSelector": {"matchLabels": labels},
        "ingress": [{"ports": [{"port": 80}]}]}}),
    );
    create(
        "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
        json!({"metadata": {"name": "web"},
        "spec": {"minAvailable": "50%", "selector": {"matchLabels": labels}}}),
    );
    create(
        &format!("{core}/limitranges"),
        json!({"metadata": {"name": "limits"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "512Mi"}}]}}),
    );
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}}),
    );
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w1"}, "size": 7});
    let begun = Instant::now();
    let widget = loop {
        match api.create("/apis/example.com/v1/namespaces/shop/widgets", &widget) {
            Ok(widget) => break widget,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(240), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let owner =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "w1", "uid": widget["metadata"]["uid"]});
    create(
        &format!("{core}/configmaps"),
        json!({"metadata": {"name": "of-the-widget", "ownerReferences": [owner]}, "data": {"x": "y"}}),
    );
    // What nobody has to restore.
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": true,
        "uid": api.get("/apis/apps/v1/namespaces/shop/deployments/web").unwrap()["metadata"]["uid"]});
    create(
        "/apis/apps/v1/namespaces/shop/replicasets",
        json!({"metadata": {"name": "web-1", "ownerReferences": [reference]},
        "spec": {"selector": {"matchLabels": labels}, "template": template}}),
    );
    create(
        &format!("{core}/events"),
        json!({"metadata": {"name": "opened"}, "reason": "Opened",
        "involvedObject": {"kind": "Namespace", "name": "shop", "namespace": "shop"}}),
    );
}
