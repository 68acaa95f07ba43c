//! How single objects compare.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::testing::*;
use super::*;
use crate::model::backup::contents::diff::DiffOptions;

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
