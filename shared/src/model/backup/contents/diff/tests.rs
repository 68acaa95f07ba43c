use super::*;
use crate::model::backup::contents::testing::Fake;
use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

fn node(spec: &[u8], status: &[u8]) -> Vec<u8> {
    let meta = object_meta("i-1", "", "u", 1);
    unknown(
        "v1",
        "Node",
        &[bytes_field(1, &meta), bytes_field(2, spec), bytes_field(3, status)].concat(),
    )
}

fn namespace(uid: &str) -> Vec<u8> {
    unknown(
        "v1",
        "Namespace",
        &bytes_field(1, &object_meta("kube-system", "", uid, 1)),
    )
}

fn before() -> Fake {
    Fake::of(&[
        ("/registry/configmaps/shop/same", 0, b"{1}"),
        ("/registry/configmaps/shop/same-length", 0, b"{1}"),
        ("/registry/events/shop/e1", 7, b"{1}"),
        ("/registry/leases/kube-node-lease/i-1", 0, b"{1}"),
        ("/registry/masterleases/10.0.0.1", 8, b"{1}"),
        ("/registry/minions/i-1", 0, &node(b"spec", b"a")),
        ("/registry/minions/i-2", 0, &node(b"spec", b"a")),
        ("/registry/namespaces/kube-system", 0, &namespace("uid-1")),
        ("/registry/secrets/billing/s1", 0, b"{1}"),
        ("/registry/secrets/billing/s2", 0, b"{1}"),
    ])
}

fn after() -> Fake {
    Fake::of(&[
        ("/registry/apps.example.com/shops/shop/new", 0, b"{1}"),
        ("/registry/configmaps/shop/same", 0, b"{1}"),
        ("/registry/configmaps/shop/same-length", 0, b"{2}"),
        ("/registry/events/shop/e2", 7, b"{1}"),
        ("/registry/leases/kube-node-lease/i-1", 0, b"{2}"),
        ("/registry/masterleases/10.0.0.1", 0, b"{1}"),
        ("/registry/minions/i-1", 0, &node(b"spec", b"b")),
        ("/registry/minions/i-2", 0, &node(b"cordoned", b"a")),
        ("/registry/namespaces/kube-system", 0, &namespace("uid-1")),
        ("/registry/secrets/billing/s1", 0, b"{1, longer}"),
    ])
}

fn listing() -> DiffOptions<'static> {
    DiffOptions {
        heartbeats: true,
        ..DiffOptions::default()
    }
}

fn changed_names(list: &[Changed]) -> Vec<&str> {
    list.iter().map(|one| one.name.object.as_str()).collect()
}

fn names(list: &[ObjectName]) -> Vec<&str> {
    list.iter().map(|name| name.object.as_str()).collect()
}

#[test]
fn lists_what_matters_and_sums_up_heartbeats() {
    let (before, after) = (before(), after());
    let diff = Diff::between(before.snapshot(), after.snapshot(), DiffOptions::default()).unwrap();
    assert_eq!(names(&diff.gone), ["secrets/billing/s2"]);
    assert_eq!(names(&diff.new), ["shops.apps.example.com/shop/new"]);
    assert_eq!(
        changed_names(&diff.changed),
        ["configmaps/shop/same-length", "nodes/i-2", "secrets/billing/s1"]
    );
    assert_eq!(
        (diff.leases_lost, diff.leases_gained, diff.same_lineage),
        (1, 0, Some(true))
    );
    let rows = |rows: &[serde_json::Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let json = serde_json::to_value(&diff).unwrap();
    insta::assert_snapshot!(rows(json["counts"].as_array().unwrap()));
    insta::assert_snapshot!(rows(json["heartbeats"].as_array().unwrap()));
}

#[test]
fn lists_heartbeats_when_asked() {
    let (before, after) = (before(), after());
    let diff = Diff::between(before.snapshot(), after.snapshot(), listing()).unwrap();
    assert_eq!(names(&diff.gone), ["events/shop/e1", "secrets/billing/s2"]);
    assert_eq!(
        changed_names(&diff.changed),
        [
            "configmaps/shop/same-length",
            "leases/kube-node-lease/i-1",
            "nodes/i-1",
            "nodes/i-2",
            "secrets/billing/s1"
        ]
    );
    assert_eq!(diff.heartbeats, []);
}

#[test]
fn the_other_way_round_new_and_gone_change_places() {
    let (before, after) = (before(), after());
    let there = Diff::between(before.snapshot(), after.snapshot(), DiffOptions::default()).unwrap();
    let back = Diff::between(after.snapshot(), before.snapshot(), DiffOptions::default()).unwrap();
    assert_eq!(
        (&there.gone, &there.new, &there.changed),
        (&back.new, &back.gone, &back.changed)
    );
    assert_eq!((back.leases_lost, back.leases_gained), (0, 1));
}

#[test]
fn nothing_differs_from_itself() {
    let fake = before();
    let diff = Diff::between(fake.snapshot(), fake.snapshot(), listing()).unwrap();
    assert!(diff.is_empty() && diff.counts.is_empty());
}

#[test]
fn another_cluster_is_told_and_an_etcd_without_namespaces_is_not() {
    let (one, other) = (namespace("uid-1"), namespace("uid-2"));
    let one = Fake::of(&[("/registry/namespaces/kube-system", 0, &one)]);
    let other = Fake::of(&[("/kubernetes.io/namespaces/kube-system", 0, &other)]);
    let none = Fake::of(&[]);
    let same = |a: &Fake, b: &Fake| {
        Diff::between(a.snapshot(), b.snapshot(), DiffOptions::default())
            .unwrap()
            .same_lineage
    };
    assert_eq!(same(&one, &one), Some(true));
    assert_eq!(same(&one, &other), Some(false));
    assert_eq!(same(&one, &none), None);
}

#[test]
fn fields_are_told_where_they_can_be_read() {
    let before = Fake::of(&[
        (
            "/registry/a.example.com/shops/shop/s",
            0,
            br#"{"kind":"Shop","metadata":{"name":"s","managedFields":[1]},"spec":{"size":1}}"#,
        ),
        ("/registry/configmaps/shop/broken", 0, b"7"),
        ("/registry/secrets/shop/enc", 0, b"k8s:enc:aescbc:v1:key1:\x00\x01"),
        (
            "/registry/secrets/shop/s",
            0,
            br#"{"kind":"Secret","metadata":{"name":"s"},"data":{"k":"aHVudGVyMg=="}}"#,
        ),
        (
            "/registry/services/specs/shop/web",
            0,
            br#"{"kind":"Service","metadata":{"managedFields":[1]}}"#,
        ),
    ]);
    let after = Fake::of(&[
        (
            "/registry/a.example.com/shops/shop/s",
            0,
            br#"{"kind":"Shop","metadata":{"name":"s","managedFields":[2]},"spec":{"size":2}}"#,
        ),
        ("/registry/configmaps/shop/broken", 0, b"8"),
        ("/registry/secrets/shop/enc", 0, b"k8s:enc:aescbc:v1:key1:\x00\x02"),
        (
            "/registry/secrets/shop/s",
            0,
            br#"{"kind":"Secret","metadata":{"name":"s"},"data":{"k":"bmV3"}}"#,
        ),
        (
            "/registry/services/specs/shop/web",
            0,
            br#"{"kind":"Service","metadata":{"managedFields":[2]}}"#,
        ),
    ]);
    let options = DiffOptions {
        fields: true,
        ..DiffOptions::default()
    };
    let diff = Diff::between(before.snapshot(), after.snapshot(), options).unwrap();
    let json = serde_json::to_value(&diff.changed).unwrap();
    let told = |at: usize| {
        (
            json[at]["object"].as_str().unwrap(),
            &json[at]["fields"],
            json[at]["unread"].as_str(),
        )
    };
    let none = serde_json::json!([]);
    assert_eq!(
        told(0),
        (
            "shops.a.example.com/shop/s",
            &serde_json::json!([{ "pointer": "/spec/size", "old": 1, "new": 2 }]),
            None
        )
    );
    let (object, fields, unread) = told(1);
    assert!(object == "configmaps/shop/broken" && fields.is_null() && unread.is_some());
    let (object, fields, unread) = told(2);
    assert!(object == "secrets/shop/enc" && fields.is_null() && unread.unwrap().contains("key1"));
    let hashes =
        serde_json::json!([{ "pointer": "/data/k", "old": "sha256:f52fbd32b2b3", "new": "sha256:11507a0e2f5e" }]);
    assert_eq!(told(3), ("secrets/shop/s", &hashes, None));
    assert_eq!(told(4), ("services/shop/web", &none, None), "nothing but managedFields");
    let plain = Diff::between(before.snapshot(), after.snapshot(), DiffOptions::default()).unwrap();
    assert_eq!(changed_names(&plain.changed), changed_names(&diff.changed));
    assert!(plain.changed.iter().all(|one| one == &Changed::plain(one.name.clone())));
}

#[test]
fn only_wanted_objects_are_compared() {
    let (before, after) = (before(), after());
    let wanted = |_: &[u8], key: &ObjectKey<'_>| key.namespace == Some("billing");
    let options = DiffOptions {
        wanted: Some(&wanted),
        ..listing()
    };
    let diff = Diff::between(before.snapshot(), after.snapshot(), options).unwrap();
    assert_eq!(names(&diff.gone), ["secrets/billing/s2"]);
    assert_eq!(changed_names(&diff.changed), ["secrets/billing/s1"]);
    assert_eq!(
        (diff.new.as_slice(), diff.leases_lost, diff.counts.len()),
        (&[][..], 0, 1)
    );
}
