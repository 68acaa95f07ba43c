use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::judge::Judge;
use super::*;
use crate::model::backup::contents::diff::DiffOptions;
use crate::model::backup::contents::testing::Fake;
use crate::model::kubernetes::served::{Served, ServedResource};

fn served(api_version: &str, plural: &str, kind: &str) -> ServedResource {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    ServedResource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced: !["nodes", "namespaces", "apiservices"].contains(&plural),
        verbs: ["get", "list"].map(str::to_owned).into(),
        preferred: true,
        ..ServedResource::default()
    }
}

fn older(resource: ServedResource) -> ServedResource {
    ServedResource {
        preferred: false,
        ..resource
    }
}

fn namespaces() -> ServedResource {
    served("v1", "namespaces", "Namespace")
}

fn config_maps() -> ServedResource {
    served("v1", "configmaps", "ConfigMap")
}

/// A cluster: what it serves, and its objects in every version that it serves.
struct World {
    served: Served,
    aggregated: Option<BTreeSet<String>>,
    objects: Vec<(ServedResource, Json)>,
    lineage: Option<&'static str>,
}

impl World {
    fn of(objects: impl IntoIterator<Item = (ServedResource, Json)>) -> Self {
        let objects: Vec<_> = objects.into_iter().collect();
        let mut resources: Vec<_> = objects.iter().map(|(resource, _)| resource.clone()).collect();
        resources.sort();
        resources.dedup();
        Self {
            served: Served {
                resources,
                unknown: Vec::new(),
            },
            aggregated: Some(BTreeSet::new()),
            objects,
            lineage: Some("uid-1"),
        }
    }

    fn serving(mut self, resources: impl IntoIterator<Item = ServedResource>) -> Self {
        self.served.resources.extend(resources);
        self.served.resources.sort();
        self.served.resources.dedup();
        self
    }

    fn plan(&self, stored: &Stored<'_>) -> Plan {
        let survey = Survey {
            served: &self.served,
            aggregated: self.aggregated.as_ref(),
        };
        Plan::of(stored, survey, &|_| true).unwrap()
    }

    fn compare(&self, fake: &Fake, options: DiffOptions<'_>) -> LiveDiff {
        let side = LiveSide {
            server: "https://api".to_owned(),
            lineage: self.lineage.map(str::to_owned),
        };
        let stored = Stored::of(fake.snapshot(), options);
        let plan = self.plan(&stored);
        let mut outcome = Outcome::new(&stored);
        plan.not_compared.into_iter().for_each(|one| outcome.not_compared(one));
        for listing in &plan.listings {
            let judge = Judge::new(&stored, listing, &side).unwrap();
            let of_listing = self
                .objects
                .iter()
                .filter(|(resource, _)| *resource == listing.resource);
            let verdicts = of_listing
                .filter_map(|(_, object)| judge.judge(object).unwrap())
                .collect();
            outcome.listed(listing, verdicts);
        }
        outcome.end(side).unwrap()
    }
}

fn names(list: &[ObjectName]) -> Vec<&str> {
    list.iter().map(|name| name.object.as_str()).collect()
}

fn changed(diff: &LiveDiff) -> Vec<&str> {
    diff.changed.iter().map(|one| one.name.object.as_str()).collect()
}

fn reasons(diff: &LiveDiff) -> Vec<(Reason, String, u64)> {
    let row = |one: &NotCompared| (one.reason, one.resource.clone(), one.objects);
    diff.not_compared.iter().map(row).collect()
}

fn kube_system() -> (&'static str, Json) {
    (
        "/registry/namespaces/kube-system",
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kube-system", "uid": "uid-1" } }),
    )
}

fn object(api_version: &str, kind: &str, name: &str, data: Json) -> Json {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": "shop", "uid": "u",
        "managedFields": [{ "manager": "m", "time": "2026-11-22T15:00:00Z" }] }, "data": data })
}

fn config_map(name: &str, data: Json) -> Json {
    object("v1", "ConfigMap", name, data)
}

fn fake(objects: &[(&str, Json)]) -> Fake {
    let kube_system = kube_system();
    let mut texts: Vec<(&str, Vec<u8>)> = objects
        .iter()
        .chain([&kube_system])
        .map(|(key, object)| match object {
            Json::String(text) => (*key, text.clone().into_bytes()),
            object => (*key, object.to_string().into_bytes()),
        })
        .collect();
    texts.sort();
    let entries: Vec<(&str, i64, &[u8])> = texts.iter().map(|(key, text)| (*key, 0, text.as_slice())).collect();
    Fake::of(&entries)
}

fn same_namespace() -> (ServedResource, Json) {
    (namespaces(), kube_system().1)
}

const C: &str = "/registry/configmaps/shop/c";

#[test]
fn lost_made_and_changed_are_told_whatever_the_revisions() {
    let fake = fake(&[
        ("/registry/configmaps/shop/gone", config_map("gone", json!({}))),
        (
            "/registry/configmaps/shop/same",
            config_map("same", json!({ "a": "1" })),
        ),
        (
            "/registry/configmaps/shop/other",
            config_map("other", json!({ "a": "1" })),
        ),
    ]);
    // As after a restore: all revisions are other ones, and one of them is by chance what it was.
    let with_version = |mut object: Json, version: &str| {
        object["metadata"]["resourceVersion"] = version.into();
        object
    };
    let world = World::of([
        same_namespace(),
        (
            config_maps(),
            with_version(config_map("same", json!({ "a": "1" })), "9000"),
        ),
        (
            config_maps(),
            with_version(config_map("other", json!({ "a": "2" })), "4"),
        ),
        (config_maps(), with_version(config_map("made", json!({})), "5")),
    ]);
    let diff = world.compare(
        &fake,
        DiffOptions {
            fields: true,
            ..DiffOptions::default()
        },
    );
    assert_eq!(names(&diff.gone), ["configmaps/shop/gone"]);
    assert_eq!(names(&diff.new), ["configmaps/shop/made"]);
    assert_eq!(changed(&diff), ["configmaps/shop/other"]);
    let json = serde_json::to_value(&diff).unwrap();
    assert_eq!(
        json["changed"][0]["fields"],
        json!([{ "pointer": "/data/a", "old": "1", "new": "2" }])
    );
    assert_eq!(
        (&json["sameLineage"], &json["live"], &json["counts"][0]["gone"]),
        (
            &json!(true),
            &json!({ "server": "https://api", "lineage": "uid-1" }),
            &json!(1)
        )
    );
    assert!(
        !diff.is_partial() && diff.not_compared.is_empty(),
        "{:?}",
        diff.not_compared
    );
}

#[test]
fn another_cluster_is_told() {
    let fake = fake(&[]);
    let mut world = World::of([same_namespace()]);
    for (lineage, same) in [(Some("uid-2"), Some(false)), (None, None), (Some("uid-1"), Some(true))] {
        world.lineage = lineage;
        assert_eq!(world.compare(&fake, DiffOptions::default()).same_lineage, same);
    }
}

#[test]
fn what_the_server_adds_when_it_reads_is_no_change() {
    let stored = config_map("c", json!({ "a": "1", "empty": {} }));
    let mut live = config_map("c", json!({ "a": "1", "added": true, "null": null }));
    let fields = DiffOptions {
        fields: true,
        ..DiffOptions::default()
    };
    let compare = |live: &Json| {
        let fake = fake(&[(C, stored.clone())]);
        World::of([same_namespace(), (config_maps(), live.clone())]).compare(&fake, fields)
    };
    let diff = compare(&live);
    assert_eq!((changed(&diff), diff.defaulted), (vec![], 1));
    assert_eq!(
        diff.defaulted_fields[0].fields.as_ref().unwrap().len(),
        2,
        "with fields they are told"
    );
    // Somebody wrote it: now the same difference is a change.
    live["metadata"]["managedFields"][0]["time"] = "2026-11-22T16:00:00Z".into();
    assert_eq!(
        (changed(&compare(&live)), compare(&live).defaulted),
        (vec!["configmaps/shop/c"], 0)
    );
    // Nobody did, says the object, and yet it has another value, another label, or lacks something.
    for (pointer, value) in [
        ("/data/a", json!("2")),
        ("/metadata/labels", json!({ "a": "b" })),
        ("/data", json!({})),
    ] {
        let mut other = stored.clone();
        let (above, field) = pointer.rsplit_once('/').unwrap();
        other.pointer_mut(above).unwrap()[field] = value;
        assert_eq!(changed(&compare(&other)), ["configmaps/shop/c"], "{pointer}");
    }
}

#[test]
fn without_managed_fields_the_resource_version_tells_of_the_same_cluster_only() {
    let bare =
        |data: Json| json!({ "apiVersion": "v1", "metadata": { "name": "c", "namespace": "shop" }, "data": data });
    let fake = fake(&[(C, bare(json!({ "a": "1" })))]);
    let revision = fake.content.find(C.as_bytes()).unwrap().mod_revision;
    let live = |version: i64| {
        let mut live = bare(json!({ "a": "1", "added": 1 }));
        live["metadata"]["resourceVersion"] = version.to_string().into();
        World::of([same_namespace(), (config_maps(), live)])
    };
    let mut same = live(revision);
    assert_eq!(same.compare(&fake, DiffOptions::default()).defaulted, 1);
    same.lineage = Some("uid-2");
    assert_eq!(
        changed(&same.compare(&fake, DiffOptions::default())),
        ["configmaps/shop/c"]
    );
    assert_eq!(
        changed(&live(revision + 1).compare(&fake, DiffOptions::default())),
        ["configmaps/shop/c"]
    );
}

#[test]
fn null_is_nothing() {
    let fake = fake(&[(C, config_map("c", json!({ "a": null })))]);
    let world = World::of([same_namespace(), (config_maps(), config_map("c", json!({ "b": null })))]);
    let diff = world.compare(&fake, DiffOptions::default());
    assert!(diff.is_empty() && diff.defaulted == 0);
}

#[test]
fn every_object_is_compared_in_the_version_that_it_is_stored_in() {
    let (v1, v2, v3) = (
        older(served("autoscaling/v1", "horizontalpodautoscalers", "H")),
        served("autoscaling/v2", "horizontalpodautoscalers", "H"),
        older(served("autoscaling/v3", "horizontalpodautoscalers", "H")),
    );
    let key = |name: &str| format!("/registry/horizontalpodautoscalers/shop/{name}");
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let at = |version: &str, name: &str, data: &str| object(&format!("autoscaling/{version}"), "H", name, json!(data));
    let fake = fake(&[
        (&a, at("v1", "a", "in v1")),
        (&b, at("v1", "b", "in v1")),
        (&c, at("v2", "c", "in v2")),
    ]);
    let mut world = World::of([same_namespace()]).serving([v1.clone(), v2.clone(), v3]);
    for name in ["a", "b", "c", "new"] {
        let old = if name == "b" { "other" } else { "in v1" };
        world.objects.push((v1.clone(), at("v1", name, old)));
        world.objects.push((v2.clone(), at("v2", name, "in v2")));
    }
    let diff = world.compare(&fake, DiffOptions::default());
    assert_eq!(changed(&diff), ["horizontalpodautoscalers/shop/b"]);
    assert_eq!(names(&diff.new), ["horizontalpodautoscalers/shop/new"]);
    assert_eq!((diff.gone.as_slice(), diff.not_compared.as_slice()), (&[][..], &[][..]));
    let listed: Vec<String> = world
        .plan(&Stored::of(fake.snapshot(), DiffOptions::default()))
        .listings
        .iter()
        .map(|listing| listing.resource.api_version())
        .collect();
    assert_eq!(listed, ["v1", "autoscaling/v1", "autoscaling/v2"]);
}

#[test]
fn a_version_that_is_not_served_any_more_leaves_the_metadata_to_compare() {
    let key = |name: &str| format!("/registry/poddisruptionbudgets/shop/{name}");
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let at = |version: &str, name: &str, data: &str| object(&format!("policy/{version}"), "P", name, json!(data));
    let fake = fake(&[
        (&a, at("v1beta1", "a", "old")),
        (&b, at("v1beta1", "b", "old")),
        (&c, at("v1beta1", "c", "old")),
    ]);
    let v1 = served("policy/v1", "poddisruptionbudgets", "P");
    let mut with_label = at("v1", "b", "new");
    with_label["metadata"]["labels"] = json!({ "a": "b" });
    let world = World::of([same_namespace(), (v1.clone(), at("v1", "a", "new")), (v1, with_label)]);
    let diff = world.compare(&fake, DiffOptions::default());
    assert_eq!(changed(&diff), ["poddisruptionbudgets/shop/b"]);
    assert_eq!(names(&diff.gone), ["poddisruptionbudgets/shop/c"]);
    assert_eq!(
        reasons(&diff),
        [(Reason::VersionNotServed, "poddisruptionbudgets".to_owned(), 2)]
    );
    assert!(diff.not_compared[0].why.contains("policy/v1beta1") && !diff.is_partial());
}

#[test]
fn what_cannot_be_read_is_compared_by_presence() {
    let fake = fake(&[
        ("/registry/configmaps/shop/broken", json!("7")),
        ("/registry/secrets/shop/gone", json!("k8s:enc:aescbc:v1:key1:x")),
        ("/registry/secrets/shop/there", json!("k8s:enc:aescbc:v1:key1:y")),
    ]);
    let secrets = served("v1", "secrets", "Secret");
    let world = World::of([
        same_namespace(),
        (config_maps(), config_map("broken", json!({}))),
        (secrets.clone(), object("v1", "Secret", "there", json!({}))),
        (secrets, object("v1", "Secret", "made", json!({}))),
    ]);
    let diff = world.compare(&fake, DiffOptions::default());
    assert_eq!(
        (names(&diff.gone), names(&diff.new)),
        (vec!["secrets/shop/gone"], vec!["secrets/shop/made"])
    );
    assert_eq!(changed(&diff), [""; 0]);
    assert_eq!(
        reasons(&diff),
        [
            (Reason::Encrypted, "secrets".to_owned(), 1),
            (Reason::Undecodable, "configmaps".to_owned(), 1)
        ]
    );
    assert!(diff.not_compared[0].why.contains("key1"));
}

#[test]
fn heartbeats_and_the_status_of_nodes_are_counted() {
    let node = |status: &str| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "i-1" }, "status": { "a": status } });
    let lease = |name: &str, at: i32| object("coordination.k8s.io/v1", "Lease", name, json!(at));
    let fake = fake(&[
        ("/registry/leases/shop/gone", lease("gone", 1)),
        ("/registry/leases/shop/l", lease("l", 1)),
        ("/registry/minions/i-1", node("a")),
    ]);
    let leases = served("coordination.k8s.io/v1", "leases", "Lease");
    let world = World::of([
        same_namespace(),
        (leases.clone(), lease("l", 2)),
        (leases, lease("new", 2)),
        (served("v1", "nodes", "Node"), node("b")),
    ]);
    let diff = world.compare(&fake, DiffOptions::default());
    assert!(diff.is_empty());
    let counts: Vec<String> = diff
        .heartbeats
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {}",
                one.resource, one.tally.gone, one.tally.new, one.tally.changed
            )
        })
        .collect();
    assert_eq!(counts, ["leases 1 1 1", "nodes (status) 0 0 1"]);
    let all = world.compare(
        &fake,
        DiffOptions {
            heartbeats: true,
            ..DiffOptions::default()
        },
    );
    assert_eq!(changed(&all), ["leases/shop/l", "nodes/i-1"]);
    assert_eq!(names(&all.new), ["leases/shop/new"]);
}

#[test]
fn what_is_not_in_both_places_is_told_and_not_compared() {
    let fake = fake(&[
        ("/registry/masterleases/10.0.0.1", json!({})),
        ("/registry/podsecuritypolicy/p", json!({})),
        ("/registry/shops.example.com/shops/shop/s", json!({})),
        ("/registry/stale.example.com/things/shop/t", json!({})),
        ("compact_rev_key", json!("7")),
    ]);
    let mut world = World::of([same_namespace()]).serving([
        served("metrics.k8s.io/v1beta1", "pods", "PodMetrics"),
        served("v1", "componentstatuses", "ComponentStatus"),
        served("v1", "events", "Event"),
        served("events.k8s.io/v1", "events", "Event"),
        ServedResource {
            verbs: vec!["create".to_owned()],
            ..served("authorization.k8s.io/v1", "selfsubjectreviews", "S")
        },
    ]);
    world.aggregated = Some(["metrics.k8s.io/v1beta1".to_owned()].into());
    world.served.unknown = vec!["stale.example.com/v1".to_owned()];
    let diff = world.compare(&fake, DiffOptions::default());
    let expected = [
        (Reason::Unavailable, "things", 1),
        (Reason::NotServed, "masterleases", 1),
        (Reason::NotServed, "podsecuritypolicies", 1),
        (Reason::NotStored, "componentstatuses", 0),
        (Reason::NotStored, "pods", 0),
        (Reason::OtherEtcd, "events", 0),
        (Reason::NotKubernetes, "(other)", 1),
    ];
    assert_eq!(
        reasons(&diff),
        expected.map(|(reason, name, count)| (reason, name.to_owned(), count))
    );
    assert!(diff.is_partial(), "one API server does not answer");
    let stored = Stored::of(fake.snapshot(), DiffOptions::default());
    let plan = world.plan(&stored);
    assert_eq!(plan.unserved, [ResourceName::new("shops.example.com", "shops")]);
    let mut outcome = Outcome::new(&stored);
    outcome.gone(&plan.unserved[0]);
    assert_eq!(
        names(&outcome.end(LiveSide::default()).unwrap().gone),
        ["shops.shops.example.com/shop/s"]
    );
    // Where the APIServices cannot be read, nobody knows what of the groups that the backup does not have is stored.
    world.aggregated = None;
    let refused: Vec<_> = reasons(&world.compare(&fake, DiffOptions::default()))
        .into_iter()
        .filter(|(reason, ..)| *reason == Reason::Refused)
        .collect();
    assert_eq!(refused, [(Reason::Refused, "pods".to_owned(), 0)]);
}

#[test]
fn an_etcd_of_its_own_is_compared_with_its_own_resources() {
    let fake = Fake::of(&[(
        "/registry/events/shop/e1",
        7,
        br#"{"apiVersion":"v1","metadata":{"name":"e1"}}"#,
    )]);
    let world = World::of([same_namespace(), (config_maps(), config_map("c", json!({})))]).serving([
        served("v1", "events", "Event"),
        served("events.k8s.io/v1", "events", "Event"),
    ]);
    let diff = world.compare(&fake, DiffOptions::default());
    assert_eq!(
        (diff.heartbeats[0].resource.as_str(), diff.heartbeats[0].tally.gone),
        ("events", 1)
    );
    assert!(diff.is_empty() && diff.not_compared.is_empty() && diff.same_lineage.is_none());
}

#[test]
fn a_built_in_of_a_newer_kubernetes_is_found_where_it_is_stored() {
    let future = served("resource.k8s.io/v9", "futures", "Future");
    let fake = fake(&[(
        "/registry/futures/shop/f",
        object("resource.k8s.io/v9", "Future", "f", json!(1)),
    )]);
    let world = World::of([
        same_namespace(),
        (future.clone(), object("resource.k8s.io/v9", "Future", "f", json!(2))),
        (future, object("resource.k8s.io/v9", "Future", "new", json!(2))),
    ]);
    let diff = world.compare(&fake, DiffOptions::default());
    assert_eq!(
        (changed(&diff), names(&diff.new)),
        (vec!["futures/shop/f"], vec!["futures/shop/new"])
    );
}

#[test]
fn only_wanted_objects_are_compared() {
    let fake = fake(&[
        ("/registry/configmaps/shop/gone", config_map("gone", json!({}))),
        ("/registry/configmaps/shop/wanted", config_map("wanted", json!({}))),
    ]);
    let wanted = |_: &[u8], key: &ObjectKey<'_>| key.name == "wanted" || key.name == "made";
    let options = DiffOptions {
        wanted: Some(&wanted),
        ..DiffOptions::default()
    };
    let world = World::of([
        same_namespace(),
        (config_maps(), config_map("made", json!({}))),
        (config_maps(), config_map("other", json!({}))),
    ]);
    let diff = world.compare(&fake, options);
    assert_eq!(
        (names(&diff.gone), names(&diff.new)),
        (vec!["configmaps/shop/wanted"], vec!["configmaps/shop/made"])
    );
}

proptest! {
    #[test]
    fn an_object_that_is_the_same_never_differs_and_another_value_always_does(
        data in proptest::collection::btree_map("[a-z]{1,3}", "[a-z]{0,3}", 1..4),
        version in 0..20_i64,
        written: bool,
    ) {
        let fake = fake(&[(C, config_map("c", json!(data)))]);
        let mut live = config_map("c", json!(data));
        live["metadata"]["resourceVersion"] = version.to_string().into();
        if written {
            live["metadata"]["managedFields"] = json!([]);
        }
        let compare = |live: Json| World::of([same_namespace(), (config_maps(), live)]).compare(&fake, DiffOptions::default());
        prop_assert!(compare(live.clone()).is_empty());
        let first = data.keys().next().unwrap();
        live["data"][first] = "another value".into();
        let diff = compare(live);
        prop_assert_eq!(changed(&diff), ["configmaps/shop/c"]);
    }
}
