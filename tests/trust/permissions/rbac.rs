//! Roles in the cluster, on a real API server that enforces them: enough for their commands, and no rule of them too many.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::store::CLUSTER;
use support::{KubeApi, Pod, paths};

use crate::commands::{ROWS, Row};
use crate::place::Place;
use crate::world::{World, port};

/// Somebody who may do nothing by himself.
const NOBODY: &str = "nobody";

/// The role that a command needs, where it asks the API.
pub fn role_of(command: &str) -> Option<&'static str> {
    match command {
        "etcd-backups diff --live" => Some("etcd-backups-live"),
        _ if command.starts_with("etcd-backups restore-objects") => Some("etcd-backups-restore-objects"),
        "etcd-restore cleanup nodes" => Some("etcd-restore"),
        "etcd-restore"
        | "etcd-restore plan"
        | "etcd-restore run"
        | "etcd-restore queue"
        | "etcd-restore status"
        | "etcd-restore cleanup workers"
        | "etcd-restore member list" => Some("etcd-restore-read"),
        "etcd-backups take" | "etcd-restore cleanup events" | "etcd-restore member replace" | "etcd-restore space" => {
            Some("port-forward")
        }
        _ if command.starts_with("masterleases ") => Some("port-forward"),
        _ => None,
    }
}

/// The objects of a file, with nobody in the place of the operator.
fn objects(role: &str) -> Vec<Value> {
    let path = paths::root()
        .join("krew-manifests/permissions")
        .join(format!("{role}.yaml"));
    let text = fs::read_to_string(&path).unwrap().replace("OPERATOR", NOBODY);
    text.split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

/// Where the API keeps objects of this one's kind.
fn folder(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let group = "/apis/rbac.authorization.k8s.io/v1";
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{kind}s"),
        None => format!("{group}/{kind}s"),
    }
}

fn path(object: &Value) -> String {
    format!("{}/{}", folder(object), object["metadata"]["name"].as_str().unwrap())
}

/// What came of a command: its code and its result.
type Outcome = (Option<i32>, String);

fn run(world: &World, row: &'static Row, token_of_nobody: bool) -> Outcome {
    let place = Place::new(world, row);
    let mut command = place.command(&place.lines());
    if token_of_nobody {
        let file = world
            .api
            .kubeconfig_of_nobody(place.home.path(), CLUSTER, &world.api_ca)
            .unwrap();
        command = command.env("KUBECONFIG", file);
    }
    let ended = command.run().unwrap();
    (ended.exit_code(), ended.stdout)
}

/// The first of these commands of which something else comes for nobody than for an admin. What a busy machine made of an admin's run once is
/// no measure: where they differ, the admin runs it again.
fn differs(world: &World, rows: &[&'static Row], admins: &[Outcome]) -> Option<(&'static str, Outcome, Outcome)> {
    rows.iter().zip(admins).find_map(|(row, admins)| {
        let nobodys = run(world, row, true);
        let again = (nobodys != *admins).then(|| run(world, row, false))?;
        (nobodys != again).then_some((row.name, nobodys, again))
    })
}

/// The API server learns of a role a moment after it was written.
fn soon(mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(250));
    }
    true
}

#[test]
fn roles_are_enough_and_none_of_their_rules_is_too_many() {
    let world = World::new();
    let groups: [(&str, &[&str]); 4] = [
        ("etcd-backups-live", &["etcd-backups diff --live"]),
        ("etcd-backups-restore-objects", &["etcd-backups restore-objects"]),
        (
            "etcd-restore-read",
            &["etcd-restore cleanup workers", "etcd-restore status", "etcd-restore"],
        ),
        ("etcd-restore", &["etcd-restore cleanup nodes"]),
    ];
    for (role, names) in groups {
        let rows: Vec<&'static Row> = names
            .iter()
            .map(|name| ROWS.iter().find(|row| row.name == *name).unwrap())
            .collect();
        let admins: Vec<Outcome> = rows.iter().map(|row| run(&world, row, false)).collect();
        let as_admins = || differs(&world, &rows, &admins).is_none();
        assert!(!as_admins(), "{role}: it does without");
        let objects = objects(role);
        for object in &objects {
            world.api.create(&folder(object), object).unwrap();
        }
        let difference = || differs(&world, &rows, &admins);
        assert!(soon(as_admins), "{role} is not enough: {:#?}", difference());
        for object in objects.iter().filter(|object| object["rules"].is_array()) {
            for at in 0..object["rules"].as_array().unwrap().len() {
                let mut less = object.clone();
                let rule = less["rules"].as_array_mut().unwrap().remove(at);
                world.api.replace(&path(object), &less).unwrap();
                assert!(soon(|| !as_admins()), "{role} does without {rule}");
                world.api.replace(&path(object), object).unwrap();
                assert!(soon(as_admins), "{role} is not enough any more: {:#?}", difference());
            }
        }
        for object in &objects {
            world.api.delete(&path(object)).unwrap();
        }
    }
}

/// What a way through the API asks of it, as RBAC sees it: verb, resource and name.
fn asked(request: &str) -> (&'static str, &'static str, Option<&'static str>) {
    match request {
        "GET /api/v1/namespaces/kube-system/pods" => ("list", "pods", None),
        "GET /api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt" => {
            ("get", "configmaps", Some("kube-root-ca.crt"))
        }
        _ if request.starts_with("GET ") && request.ends_with("/portforward") => ("get", "pods/portforward", None),
        _ => panic!("{request}"),
    }
}

#[test]
fn a_port_forward_asks_for_what_its_role_allows() {
    let world = World::new();
    let pod = Pod {
        name: "etcd-manager-main-i-0".into(),
        app: "etcd-manager-main".into(),
        ready: true,
        ports: vec![(4001, port(world.etcd.tls_endpoint().unwrap()))],
    };
    let api = KubeApi::start(vec![pod]).unwrap();
    let row = ROWS.iter().find(|row| row.name == "masterleases list").unwrap();
    let place = Place::new(&world, row);
    let words = "list --observe 0 --etcd-prefix {prefix} --via port-forward --etcd-timeout 10s".split(' ');
    let _ = place
        .cmd(words.map(str::to_owned), &place.lines())
        .env("KUBECONFIG", api.kubeconfig(place.home.path(), CLUSTER).unwrap())
        .run()
        .unwrap()
        .success();
    let asked: BTreeSet<_> = api.asked().iter().map(|request| asked(request)).collect();
    let objects = objects("port-forward");
    for object in &objects {
        world.api.create(&folder(object), object).unwrap();
    }
    let may = |verb: &str, resource: &str, name: Option<&str>| {
        let (resource, below) = resource.split_once('/').unwrap_or((resource, ""));
        let attributes = json!({
            "namespace": "kube-system", "verb": verb, "resource": resource, "subresource": below, "name": name.unwrap_or_default(),
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": { "user": NOBODY, "resourceAttributes": attributes },
        });
        let answer = world
            .api
            .create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review)
            .unwrap();
        answer["status"]["allowed"] == true
    };
    for (verb, resource, name) in &asked {
        assert!(soon(|| may(verb, resource, *name)), "{verb} {resource}");
    }
    for (verb, resource) in [
        ("delete", "pods"),
        ("list", "secrets"),
        ("get", "configmaps"),
        ("create", "pods/exec"),
    ] {
        assert!(!may(verb, resource, None), "{verb} {resource}");
    }
    // And nothing that is not asked, but for the verb that newer API servers want of the same request.
    let role = objects.iter().find(|object| object["kind"] == "Role").unwrap();
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in rule["resources"].as_array().unwrap() {
            for verb in rule["verbs"].as_array().unwrap() {
                granted.insert((verb.as_str().unwrap().to_owned(), resource.as_str().unwrap().to_owned()));
            }
        }
    }
    assert!(granted.remove(&("create".to_owned(), "pods/portforward".to_owned())));
    let asked: BTreeSet<_> = asked
        .iter()
        .map(|(verb, resource, _)| ((*verb).to_owned(), (*resource).to_owned()))
        .collect();
    assert_eq!(granted, asked);
}
