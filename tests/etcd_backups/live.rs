//! `diff --live`: a backup against a real kube-apiserver.

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{
    Ca, Cmd, Ended, Etcd, EtcdOptions, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, Put, backup, wait_for,
};
use tempfile::TempDir;

use crate::env::{Env, RESTORED};

/// Of the moment before the fixed clock.
const NAME: &str = "2026-11-22T15:21:00Z-000001";
const TAKEN: &str = "main=2026-11-22T15:21:00Z";
const HEALTHY: &str = "main=2026-11-22T15:18";
/// More objects than the API lists at once.
const MANY: usize = 1_100;
const PASSWORD: &str = "hunter2-canary";

struct Living {
    env: Env,
    ca: Ca,
    etcd: Etcd,
    api: KubeApiServer,
    folder: TempDir,
}

impl Living {
    fn fresh() -> Self {
        Self::on(EtcdOptions {
            version: EtcdVersion::V3_6,
            data_dir: None,
        })
    }

    /// A cluster as a backup of the fixture has it.
    fn of_backup(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = Env::new(RESTORED);
        let archive = env.file("main", name, "etcd.backup.gz");
        let data_dir = backup::restore(&archive, folder.path()).unwrap();
        let mut living = Self::on(EtcdOptions {
            version: EtcdVersion::V3_6,
            data_dir: Some(data_dir),
        });
        living.folder = folder;
        living
    }

    fn on(options: EtcdOptions) -> Self {
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let etcd = Etcd::start_with(&options).unwrap();
        let api = KubeApiServer::start(&etcd, &KubeApiServerOptions::plain(&ca, "10.245.21.57")).unwrap();
        Self {
            env: Env::new(RESTORED),
            ca,
            etcd,
            api,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn take(&self) {
        backup::write(&self.etcd, &self.env.base("main").join(NAME)).unwrap();
    }

    fn cmd(&self, kubeconfig: PathBuf, backup: &str, arguments: &[&str]) -> Cmd {
        self.env
            .backups(&["diff", backup, "--live"])
            .args(arguments)
            .arg("--kubeconfig")
            .arg(kubeconfig)
    }

    fn diff(&self, backup: &str, arguments: &[&str]) -> Ended {
        let kubeconfig = self.api.kubeconfig(self.folder.path(), "super.k8s.local", &self.ca);
        self.cmd(kubeconfig.unwrap(), backup, arguments).run().unwrap()
    }

    fn json(&self, backup: &str, arguments: &[&str]) -> Value {
        let rows = self
            .diff(backup, &[arguments, &["-o", "json"]].concat())
            .success()
            .json();
        assert_eq!(rows.as_array().unwrap().len(), 1);
        rows[0].clone()
    }

    fn nobodys(&self, arguments: &[&str]) -> Ended {
        let kubeconfig = self
            .api
            .kubeconfig_of_nobody(self.folder.path(), "super.k8s.local", &self.ca);
        self.cmd(kubeconfig.unwrap(), TAKEN, arguments).run().unwrap()
    }

    fn apply(&self, path: &str, object: Value) {
        self.api.create(path, &object).unwrap();
    }

    fn change(&self, path: &str, change: impl Fn(&mut Value)) {
        let mut object = self.api.get(path).unwrap();
        change(&mut object);
        self.api.replace(path, &object).unwrap();
    }
}

fn names<'v>(diff: &'v Value, list: &str) -> Vec<&'v str> {
    let list = diff[list].as_array().unwrap().iter();
    list.map(|one| one["object"].as_str().unwrap()).collect()
}

fn in_shop<'v>(diff: &'v Value, list: &str) -> Vec<&'v str> {
    // The APIService of a CustomResourceDefinition comes and goes by a controller of the API server.
    let of_shop =
        |name: &&str| name.contains("/shop/") || (name.contains("example.com") && !name.starts_with("apiservices/"));
    names(diff, list).into_iter().filter(of_shop).collect()
}

fn fields(diff: &Value, object: &str) -> Value {
    let mut changed = diff["changed"].as_array().unwrap().iter();
    changed.find(|one| one["object"] == object).unwrap()["fields"].clone()
}

fn config_map(name: &str, value: &str) -> Value {
    json!({ "metadata": { "name": name }, "data": { "key": value } })
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "web", "image": "nginx:1", "env": [{ "name": "A", "value": "1" }] }] },
            },
        },
    })
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "shops.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "shops", "singular": "shop", "kind": "Shop", "listKind": "ShopList", "shortNames": ["sh"] },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "properties": { "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } } } }],
        },
    })
}

fn shop(name: &str, size: i32) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Shop", "metadata": { "name": name }, "spec": { "size": size } })
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const SHOPS: &str = "/apis/example.com/v1/namespaces/shop/shops";

/// A cluster with a shop in it.
fn with_a_shop() -> Living {
    let living = Living::fresh();
    living.apply("/api/v1/namespaces", json!({ "metadata": { "name": "shop" } }));
    living.apply(CONFIG_MAPS, config_map("changed", "1"));
    living.apply(CONFIG_MAPS, config_map("gone", "1"));
    living.apply(CONFIG_MAPS, config_map("same", "1"));
    living.apply(
        SECRETS,
        json!({ "metadata": { "name": "changed" }, "stringData": { "password": PASSWORD } }),
    );
    living.apply(
        SECRETS,
        json!({ "metadata": { "name": "same" }, "stringData": { "password": PASSWORD } }),
    );
    living.apply(DEPLOYMENTS, deployment("changed"));
    living.apply(DEPLOYMENTS, deployment("gone"));
    living.apply(DEPLOYMENTS, deployment("same"));
    living.apply(
        "/api/v1/namespaces/shop/services",
        json!({
        "metadata": { "name": "same" }, "spec": { "selector": { "app": "same" }, "ports": [{ "port": 80 }] } }),
    );
    living.apply(DEFINITIONS, definition());
    wait_for("the API serves shops", || living.api.get(SHOPS).is_ok());
    living.apply(SHOPS, shop("changed", 1));
    living.apply(SHOPS, shop("gone", 1));
    living.apply(SHOPS, shop("same", 1));
    let many: Vec<Put> = (0..MANY)
        .map(|n| {
            let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("many-{n}"), "namespace": "shop",
                "uid": format!("uid-{n}"), "creationTimestamp": "2026-11-22T15:00:00Z" }, "data": { "n": n.to_string() } });
            Put::new(format!("/registry/configmaps/shop/many-{n}"), map.to_string())
        })
        .collect();
    living.etcd.put(&many).unwrap();
    living
}

fn live_on(living: &Living) {
    living.change(&format!("{CONFIG_MAPS}/changed"), |map| map["data"]["key"] = "2".into());
    living.change(&format!("{SECRETS}/changed"), |secret| {
        secret["data"]["password"] = "bmV3".into()
    });
    living.change(&format!("{DEPLOYMENTS}/changed"), |deployment| {
        deployment["spec"]["replicas"] = 5.into();
        let spec = &mut deployment["spec"]["template"]["spec"];
        spec["containers"][0]["env"] = json!([{ "name": "NEW", "value": "0" }, { "name": "A", "value": "1" }]);
    });
    living.change(&format!("{SHOPS}/changed"), |shop| shop["spec"]["size"] = 2.into());
    for gone in [CONFIG_MAPS, DEPLOYMENTS, SHOPS] {
        living.api.delete(&format!("{gone}/gone")).unwrap();
    }
    living.apply(CONFIG_MAPS, config_map("made", "1"));
    living.apply(SHOPS, shop("made", 1));
}

const GONE: [&str; 3] = [
    "configmaps/shop/gone",
    "deployments/shop/gone",
    "shops.example.com/shop/gone",
];
const MADE: [&str; 2] = ["configmaps/shop/made", "shops.example.com/shop/made"];
const CHANGED: [&str; 4] = [
    "configmaps/shop/changed",
    "deployments/shop/changed",
    "secrets/shop/changed",
    "shops.example.com/shop/changed",
];

#[test]
fn the_living_cluster_is_compared_object_by_object() {
    let living = with_a_shop();
    living.take();
    let same = living.json(TAKEN, &[]);
    assert_eq!(
        (same["sameLineage"].clone(), in_shop(&same, "changed")),
        (json!(true), vec![])
    );
    assert_eq!((in_shop(&same, "gone"), in_shop(&same, "new")), (vec![], vec![]));

    live_on(&living);
    let diff = living.json(TAKEN, &[]);
    assert_eq!(in_shop(&diff, "gone"), GONE);
    assert_eq!(in_shop(&diff, "new"), MADE);
    assert_eq!(in_shop(&diff, "changed"), CHANGED);
    assert!(diff["changed"][0].get("fields").is_none());
    let reasons = |reason: &str| {
        let all = diff["notCompared"].as_array().unwrap().iter();
        let of_reason = all.filter(|one| one["reason"] == reason);
        of_reason
            .map(|one| one["resource"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(reasons("notServed").contains(&"masterleases"), "{diff}");
    assert_eq!(
        (reasons("notStored"), reasons("otherEtcd")),
        (vec!["componentstatuses"], vec!["events"])
    );
    for reason in ["versionNotServed", "refused", "unavailable", "undecodable", "encrypted"] {
        assert_eq!(reasons(reason), [""; 0]);
    }

    shown_by_field(&living);
    selected(&living);
    as_a_person_reads_it(&living);
    refused(&living);
    after_a_restore(living);
}

fn shown_by_field(living: &Living) {
    let ended = living.diff(TAKEN, &["--fields", "-n", "shop", "-o", "json"]).success();
    assert!(
        !ended.stdout.contains("bmV3") && !ended.stdout.contains(PASSWORD),
        "{}",
        ended.stdout
    );
    let diff = &ended.json()[0];
    let of = |object: &str| {
        let fields = fields(diff, object);
        let without_times = fields.as_array().unwrap().iter();
        without_times
            .filter(|field| !field["pointer"].as_str().unwrap().starts_with("/metadata/generation"))
            .cloned()
            .collect::<Vec<Value>>()
    };
    assert_eq!(
        of("configmaps/shop/changed"),
        [json!({ "pointer": "/data/key", "old": "1", "new": "2" })]
    );
    assert_eq!(
        of("deployments/shop/changed"),
        [
            json!({ "pointer": "/spec/replicas", "old": 1, "new": 5 }),
            json!({ "pointer": "/spec/template/spec/containers/0/env/0", "new": { "name": "NEW", "value": "0" } }),
        ]
    );
    assert_eq!(
        of("shops.example.com/shop/changed"),
        [json!({ "pointer": "/spec/size", "old": 1, "new": 2 })]
    );
    let secret = of("secrets/shop/changed");
    assert_eq!((secret.len(), &secret[0]["pointer"]), (1, &json!("/data/password")));
    assert!(secret[0]["old"].as_str().unwrap().starts_with("sha256:") && secret[0]["old"] != secret[0]["new"]);
}

fn selected(living: &Living) {
    let deployments = living.json(TAKEN, &["deploy", "-n", "shop"]);
    assert_eq!(names(&deployments, "gone"), ["deployments/shop/gone"]);
    assert_eq!(names(&deployments, "changed"), ["deployments/shop/changed"]);
    assert_eq!(
        (names(&deployments, "new"), &deployments["notCompared"]),
        (vec![], &json!([]))
    );
    let one = living.json(TAKEN, &["sh/made", "cm/gone"]);
    assert_eq!(
        (names(&one, "gone"), names(&one, "new")),
        (vec![GONE[0]], vec![MADE[1]])
    );
    let _ = living
        .diff(TAKEN, &["widgets"])
        .code(2)
        .stderr_has("no resource type `widgets`");
    let names = living.diff(TAKEN, &["-n", "shop", "-o", "name"]).success();
    let expected = [&GONE[..], &MADE, &CHANGED].concat();
    assert_eq!(names.stdout.lines().collect::<Vec<_>>(), expected);
}

fn as_a_person_reads_it(living: &Living) {
    let ended = living.diff(TAKEN, &["deploy,cm", "-n", "shop", "--fields"]).success();
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| !line.starts_with("Live ")).collect();
    let lines: Vec<String> = lines.iter().map(|line| without_numbers(line)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// The keys and the revision are not those of the next run.
fn without_numbers(line: &str) -> String {
    match line.split_once(" old: ") {
        Some((before, _)) => format!("{before} old: (keys and revision)"),
        None => line.to_owned(),
    }
}

fn refused(living: &Living) {
    let nothing = living.nobodys(&[]).code(1).stderr_has("not allowed");
    let _ = nothing.stdout_has("No differences in what could be compared");
    let role = json!({ "metadata": { "name": "reader" }, "rules": [
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] } ] });
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop";
    living.apply(&format!("{rbac}/roles"), role);
    living.apply(
        &format!("{rbac}/rolebindings"),
        json!({ "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody" }] }),
    );
    let may = || living.nobodys(&["cm", "-n", "shop"]).exit_code() == Some(0);
    wait_for("the role is enforced", may);
    let maps = living.nobodys(&["cm", "-n", "shop", "-o", "json"]).success().json()[0].clone();
    assert_eq!(
        (names(&maps, "gone"), &maps["sameLineage"]),
        (vec![GONE[0]], &Value::Null)
    );
    let both = living.nobodys(&["cm,secret", "-n", "shop", "-o", "json"]).code(1);
    let both = both.stderr_has("not compared: secrets (2)");
    let both = &both.json()[0];
    assert_eq!(
        (names(both, "gone"), names(both, "new")),
        (vec![GONE[0]], vec![MADE[0]])
    );
    assert_eq!(both["notCompared"][0]["reason"], "refused");
}

/// The same objects with other revisions, and one CustomResourceDefinition less.
fn after_a_restore(living: Living) {
    living.api.delete(&format!("{DEFINITIONS}/shops.example.com")).unwrap();
    wait_for("shops are not served", || living.api.get(SHOPS).is_err());
    let diff = living.json(TAKEN, &[]);
    let lost: Vec<&str> = in_shop(&diff, "gone")
        .into_iter()
        .filter(|name| name.contains("example.com"))
        .collect();
    assert_eq!(
        lost,
        [
            "customresourcedefinitions/shops.example.com",
            "shops.example.com/shop/changed",
            "shops.example.com/shop/gone",
            "shops.example.com/shop/same"
        ]
    );
    let Living {
        env,
        ca,
        etcd,
        api,
        folder,
    } = living;
    drop(api);
    // As etcd-manager restores: key by key, so that all revisions are new ones.
    let keys = backup::keys(&env.file("main", NAME, "etcd.backup.gz")).unwrap();
    let other = Etcd::start(EtcdVersion::V3_6).unwrap();
    let puts: Vec<Put> = keys
        .into_iter()
        .rev()
        .map(|stored| Put::new(stored.key, stored.value))
        .collect();
    other.put(&puts).unwrap();
    drop(etcd);
    let api = KubeApiServer::start(&other, &KubeApiServerOptions::plain(&ca, "10.245.21.58")).unwrap();
    let living = Living {
        env,
        ca,
        etcd: other,
        api,
        folder,
    };
    let diff = living.json(TAKEN, &[]);
    for list in ["gone", "new", "changed"] {
        assert_eq!(in_shop(&diff, list), [""; 0], "{list}");
    }
    assert_eq!(diff["sameLineage"], true);
}

#[test]
fn the_accident_is_what_the_living_cluster_lacks() {
    let living = Living::of_backup("2026-11-22T15:19:01Z-000002");
    let diff = living.json(HEALTHY, &["-n", "billing"]);
    let mut secrets: Vec<String> = (1..=15).map(|number| format!("secrets/billing/s{number}")).collect();
    secrets.sort();
    assert_eq!(names(&diff, "gone"), secrets);
    let diff = living.json(HEALTHY, &["-n", "shop"]);
    assert_eq!(names(&diff, "gone"), ["deployments/shop/web"]);
    assert_eq!(names(&diff, "new"), ["configmaps/shop/after-accident"]);
    assert_eq!(names(&diff, "changed"), [""; 0]);
    assert_eq!(diff["sameLineage"], true);
}

#[test]
fn another_cluster_is_told_loudly() {
    let living = Living::fresh();
    let ended = living.diff(HEALTHY, &["--summary"]).success();
    let _ = ended
        .stdout_has("ANOTHER CLUSTER")
        .stderr_has("ANOTHER CLUSTER")
        .stderr_has("--context");
}

#[test]
fn without_an_api_there_is_nothing_to_compare_with() {
    let env = Env::new(RESTORED);
    let _ = env
        .backups(&["diff", HEALTHY, "--live"])
        .arg("--kubeconfig")
        .arg(env.root().join("none"))
        .run()
        .unwrap()
        .code(1)
        .stderr_has("kubeconfig");
    let _ = env.backups(&["diff", HEALTHY]).run().unwrap().code(2);
}
