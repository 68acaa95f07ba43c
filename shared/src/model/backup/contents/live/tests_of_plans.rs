//! What is compared at all.

use serde_json::json;

use super::testing::*;
use super::*;
use crate::model::backup::contents::diff::DiffOptions;
use crate::model::backup::contents::testing::Fake;
use crate::model::kubernetes::served::ServedResource;

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
