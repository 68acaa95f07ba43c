//! Objects made by hand: what Go's rules do with fields that are there, empty or missing. That whole objects of every kind
//! are as an API server shows them is held by `tests/api_objects`.

use proptest::prelude::*;
use serde_json::json;

use super::reading::JsonBy;
use super::*;
use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown, varint_field};

fn text(number: u64, text: &str) -> Vec<u8> {
    bytes_field(number, text.as_bytes())
}

fn message(number: u64, fields: &[Vec<u8>]) -> Vec<u8> {
    bytes_field(number, &fields.concat())
}

fn entry(number: u64, key: &str, value: &[u8]) -> Vec<u8> {
    message(number, &[text(1, key), bytes_field(2, value)])
}

fn meta() -> Vec<u8> {
    bytes_field(1, &object_meta("a", "shop", "u-1", 1_795_360_681))
}

fn decoded(api_version: &str, kind: &str, fields: &[Vec<u8>]) -> Result<Whole, ValueError> {
    let stored = unknown(api_version, kind, &fields.concat());
    whole(&Value::decode(&stored).unwrap(), Some(42))
}

fn object(api_version: &str, kind: &str, fields: &[Vec<u8>]) -> serde_json::Value {
    let whole = decoded(api_version, kind, fields).unwrap();
    assert_eq!(whole.unknown, [""; 0]);
    whole.object
}

#[test]
fn what_is_empty_is_shown_as_go_shows_it() {
    let metadata = json!({"name": "a", "namespace": "shop", "uid": "u-1", "creationTimestamp": "2026-11-22T15:18:01Z",
        "resourceVersion": "42"});
    // Structs are there, be they empty; pointers, lists and maps are not.
    assert_eq!(
        object("v1", "Pod", &[meta(), bytes_field(2, b""), bytes_field(3, b"")]),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": null}, "status": {}})
    );
    let container = message(2, &[text(1, "c"), text(2, ""), bytes_field(8, b"")]);
    let pod = object("v1", "Pod", &[meta(), bytes_field(2, &container), bytes_field(3, b"")]);
    assert_eq!(pod["spec"], json!({"containers": [{"name": "c", "resources": {}}]}));
    // The server that wrote it does not know of a status.
    assert_eq!(object("v1", "Pod", &[meta(), bytes_field(2, b"")]).get("status"), None);
    // A list without `omitempty`.
    assert_eq!(
        object("rbac.authorization.k8s.io/v1", "Role", &[meta()]),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": null})
    );
}

#[test]
fn a_secret_is_in_base64() {
    let secret = object(
        "v1",
        "Secret",
        &[
            meta(),
            entry(2, "b", b"\xff\x00"),
            entry(2, "a", b""),
            entry(2, "b", b"x"),
            text(3, "Opaque"),
        ],
    );
    assert_eq!(secret["data"], json!({"a": "", "b": "eA=="}));
    assert_eq!(secret["type"], "Opaque");
}

#[test]
fn fields_are_sorted_and_the_resource_version_is_in_its_place() {
    let stored = unknown(
        "v1",
        "ConfigMap",
        &[meta(), entry(2, "b", b"2"), entry(2, "a", b"1")].concat(),
    );
    let mut line = Vec::new();
    let unknown = write_json(&Value::decode(&stored).unwrap(), Some(7), &mut line).unwrap();
    assert_eq!(unknown, [""; 0]);
    insta::assert_snapshot!(String::from_utf8(line).unwrap(), @r#"{"apiVersion":"v1","data":{"a":"1","b":"2"},"kind":"ConfigMap","metadata":{"creationTimestamp":"2026-11-22T15:18:01Z","name":"a","namespace":"shop","resourceVersion":"7","uid":"u-1"}}"#);
    let without = whole(&Value::decode(&stored).unwrap(), None).unwrap().object;
    assert_eq!(without["metadata"].get("resourceVersion"), None);
}

#[test]
fn inlined_messages_and_special_types() {
    // A volume's source is inlined; a port is a number or a text; requests are quantities.
    let secret_volume = message(
        1,
        &[
            text(1, "v"),
            message(2, &[message(6, &[text(1, "s"), varint_field(3, 420)])]),
        ],
    );
    let probe = message(
        10,
        &[message(
            1,
            &[message(
                2,
                &[text(1, "/"), message(2, &[varint_field(1, 1), text(3, "http")])],
            )],
        )],
    );
    let requests = message(8, &[entry(2, "cpu", &text(1, "100m"))]);
    let container = message(2, &[text(1, "c"), probe, requests]);
    let pod = object("v1", "Pod", &[meta(), message(2, &[secret_volume, container])]);
    assert_eq!(
        pod["spec"]["volumes"],
        json!([{"name": "v", "secret": {"secretName": "s", "defaultMode": 420}}])
    );
    let container = &pod["spec"]["containers"][0];
    assert_eq!(
        container["livenessProbe"],
        json!({"httpGet": {"path": "/", "port": "http"}})
    );
    assert_eq!(container["resources"], json!({"requests": {"cpu": "100m"}}));
}

#[test]
fn the_json_within_is_handed_on() {
    let raw = br#"{"spec":{"b":1,"a":[0.5,1.0,null,"x",-3,18446744073709551615,{"c":true}]}}"#;
    let revision = object(
        "apps/v1",
        "ControllerRevision",
        &[meta(), message(2, &[bytes_field(1, raw)]), varint_field(3, 2)],
    );
    assert_eq!(
        revision["data"],
        json!({"spec": {"b": 1, "a": [0.5, 1, null, "x", -3, u64::MAX, {"c": true}]}})
    );
    let none = object("apps/v1", "ControllerRevision", &[meta(), bytes_field(2, b"")]);
    assert_eq!(none.get("data"), Some(&json!(null)));
    let broken = decoded(
        "apps/v1",
        "ControllerRevision",
        &[meta(), message(2, &[bytes_field(1, b"k8s\0")])],
    );
    assert!(matches!(broken, Err(ValueError::Field { path, .. }) if path == "data"));
}

#[test]
fn what_is_not_known_is_told_by_its_place() {
    let container = message(2, &[text(1, "c"), text(99, "new")]);
    let labels = message(1, &[text(77, "x")]);
    let whole = decoded("v1", "Pod", &[labels, bytes_field(2, &container), varint_field(55, 1)]).unwrap();
    assert_eq!(
        whole.unknown,
        ["field 55", "metadata: field 77", "spec.containers[0]: field 99"]
    );
    assert_eq!(whole.object["spec"]["containers"][0]["name"], "c");
    // In a time, and in a struct that is left out where it is empty.
    let times = [
        bytes_field(8, &varint_field(9, 1)),
        bytes_field(9, &[varint_field(1, 1), varint_field(3, 1)].concat()),
    ];
    let unknown = decoded("v1", "Pod", &[message(1, &times)]).unwrap().unknown;
    assert_eq!(
        unknown,
        [
            "metadata.creationTimestamp: field 9",
            "metadata.deletionTimestamp: field 3"
        ]
    );
    let many: Vec<Vec<u8>> = (100..200).map(|number| varint_field(number, 1)).collect();
    let unknown = decoded("v1", "Pod", &many).unwrap().unknown;
    assert_eq!((unknown.len(), unknown.last().unwrap().as_str()), (51, "and 50 more"));
    assert_eq!(
        decoded("v7", "Gadget", &[]),
        Err(ValueError::UnknownKind {
            api_version: "v7".to_owned(),
            kind: "Gadget".to_owned(),
        })
    );
}

#[test]
fn what_is_stored_as_json_keeps_all_of_it() {
    let stored =
        br#"{"apiVersion":"example.com/v1","kind":"A","metadata":{"name":"a","x":1},"spec":{"share":0.5,"none":null}}"#;
    let whole = whole(&Value::decode(stored).unwrap(), Some(9)).unwrap();
    assert_eq!(
        whole.object,
        json!({"apiVersion": "example.com/v1", "kind": "A", "metadata": {"name": "a", "x": 1, "resourceVersion": "9"},
            "spec": {"share": 0.5, "none": null}})
    );
    assert_eq!(whole.unknown, [""; 0]);
}

#[test]
fn a_custom_resource_definition_is_shown_as_v1() {
    let shown = |spec: serde_json::Value| {
        let stored = json!({"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "as.example.com"}, "spec": spec})
        .to_string();
        let shown = whole(&Value::decode(stored.as_bytes()).unwrap(), None).unwrap().object;
        assert_eq!(shown["apiVersion"], "apiextensions.k8s.io/v1");
        shown["spec"].clone()
    };
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let other = json!({"openAPIV3Schema": {"type": "object", "nullable": true}});
    assert_eq!(
        shown(json!({
            "group": "example.com", "version": "v1", "preserveUnknownFields": false, "validation": schema,
            "additionalPrinterColumns": [{"name": "A", "type": "string", "JSONPath": ".a"}],
            "versions": [{"name": "v1", "served": true, "storage": true}, {"name": "v2", "served": true, "storage": false, "schema": other}],
            "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "https://example.com"}, "conversionReviewVersions": ["v1"]},
        })),
        json!({
            "group": "example.com",
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": schema,
                    "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".a"}]},
                {"name": "v2", "served": true, "storage": false, "schema": other,
                    "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".a"}]},
            ],
            "conversion": {"strategy": "Webhook",
                "webhook": {"clientConfig": {"url": "https://example.com"}, "conversionReviewVersions": ["v1"]}},
        })
    );
    assert_eq!(
        shown(json!({"version": "v1", "preserveUnknownFields": true, "conversion": {"strategy": "None"}})),
        json!({"preserveUnknownFields": true, "conversion": {"strategy": "None"},
            "versions": [{"name": "v1", "served": true, "storage": true}]})
    );
}

#[test]
fn an_endpoint_slice_is_shown_as_v1() {
    let shown = |node: Option<&str>, topology: &[(&str, &str)]| {
        let mut endpoint = vec![text(1, "10.0.0.1")];
        endpoint.extend(topology.iter().map(|(key, value)| entry(5, key, value.as_bytes())));
        endpoint.extend(node.map(|node| text(6, node)));
        let fields = [meta(), message(2, &endpoint), text(4, "IPv4")];
        let mut object = object("discovery.k8s.io/v1beta1", "EndpointSlice", &fields);
        assert_eq!(object["apiVersion"], "discovery.k8s.io/v1");
        assert_eq!(object["kind"], "EndpointSlice");
        let mut endpoint = object["endpoints"][0].take();
        endpoint.as_object_mut().unwrap().remove("addresses");
        endpoint.as_object_mut().unwrap().remove("conditions");
        endpoint
    };
    let (host, zone) = ("kubernetes.io/hostname", "topology.kubernetes.io/zone");
    assert_eq!(shown(None, &[]), json!({}));
    assert_eq!(
        shown(Some("n"), &[(host, "n"), (zone, "z")]),
        json!({"nodeName": "n", "zone": "z"})
    );
    assert_eq!(
        shown(Some("n"), &[(host, "m"), (zone, "z"), ("rack", "1")]),
        json!({"nodeName": "n", "zone": "z", "deprecatedTopology": {host: "m", "rack": "1"}})
    );
    assert_eq!(shown(None, &[(host, "m")]), json!({"deprecatedTopology": {host: "m"}}));
}

#[test]
fn other_encodings_are_told() {
    let told = |stored: &[u8]| whole(&Value::decode(stored).unwrap(), None).unwrap_err();
    assert_eq!(
        told(b"\xd9\xd9\xf7\xa1"),
        ValueError::ContentType("application/cbor".to_owned())
    );
    let mut wrapped = unknown("example.com/v1", "A", b"\xd9\xd9\xf7");
    wrapped.extend(text(4, "application/cbor"));
    assert_eq!(told(&wrapped), ValueError::ContentType("application/cbor".to_owned()));
    assert!(matches!(told(b"k8s:enc:aescbc:v1:key1:x"), ValueError::Encrypted(_)));
    assert_eq!(told(b"7"), ValueError::NotAnObject);
    assert!(matches!(told(b"[]"), ValueError::NotAnObject));
    assert!(matches!(told(b"{"), ValueError::Json(_)));
}

#[test]
fn what_is_damaged_is_an_error_and_no_half_of_an_object() {
    for fields in [
        // Cut off, and numbers and texts in each other's place.
        vec![b"\x0a\x05a".to_vec()],
        vec![varint_field(1, 1)],
        vec![meta(), message(2, &[varint_field(2, 1)])],
        vec![bytes_field(1, &varint_field(1, 1))],
        vec![bytes_field(1, &bytes_field(7, b"\x01"))],
    ] {
        assert!(decoded("v1", "Pod", &fields).is_err(), "{fields:?}");
    }
    // No time: the year 300,000,000.
    let time = bytes_field(8, &varint_field(1, u64::MAX / 4));
    let error = decoded("v1", "Pod", &[bytes_field(1, &time)]).unwrap_err();
    assert!(matches!(error, ValueError::Field { path, .. } if path == "metadata.creationTimestamp"));
}

#[test]
fn no_depth_is_too_deep_for_the_stack() {
    let mut schema = Vec::new();
    while schema.len() < 20_000 {
        // JSONSchemaProps.not
        schema = bytes_field(28, &schema);
    }
    let version = message(7, &[text(1, "v1"), message(4, &[bytes_field(1, &schema)])]);
    let crd = decoded(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &[meta(), bytes_field(2, &version)],
    );
    assert_eq!(crd, Err(ValueError::TooDeep));
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let revision = decoded("apps/v1", "ControllerRevision", &[message(2, &[bytes_field(1, &deep)])]);
    assert!(matches!(revision, Err(ValueError::Field { .. })));
}

#[test]
fn nothing_is_appended_of_what_cannot_be_written() {
    for stored in [
        unknown("v1", "Pod", b"\x0a\x05a"),
        br#"{"kind":"Web","spec":{"a":["#.to_vec(),
    ] {
        let value = Value::decode(&stored).unwrap();
        let mut out = b"before".to_vec();
        assert!(write_json(&value, None, &mut out).is_err());
        assert!(write_yaml(&value, None, &mut out).is_err());
        assert_eq!(out, b"before");
    }
}

/// One line of JSON, made in this way.
fn line_by(json_by: JsonBy, stored: &[u8]) -> Result<String, ValueError> {
    let value = Value::decode(stored).unwrap();
    read(&value, Some(7), json_by, |stored| {
        serde_json::to_string(stored).map_err(json_error)
    })
    .map(|(line, _)| line)
}

#[test]
fn sorted_json_is_streamed_with_its_resource_version() {
    for (stored, shown) in [
        (
            r#"{"kind":"Web","metadata":{"name":"a","uid":"u"}}"#,
            r#"{"kind":"Web","metadata":{"name":"a","resourceVersion":"7","uid":"u"}}"#,
        ),
        (
            r#"{"kind":"Web","metadata":{"name":"a","resourceVersion":"","uid":"u"}}"#,
            r#"{"kind":"Web","metadata":{"name":"a","resourceVersion":"7","uid":"u"}}"#,
        ),
        (
            r#"{"kind":"Web","metadata":{}}"#,
            r#"{"kind":"Web","metadata":{"resourceVersion":"7"}}"#,
        ),
        (
            r#"{"kind":"Web","metadata":null,"spec":{"kind":"CustomResourceDefinition","metadata":{}}}"#,
            r#"{"kind":"Web","metadata":null,"spec":{"kind":"CustomResourceDefinition","metadata":{}}}"#,
        ),
        (
            r#"{"\u0061":1.0,"b":[1e-7,-0.5,18446744073709551615,"\"",true,null,{}]}"#,
            r#"{"a":1,"b":[1e-7,-0.5,18446744073709551615,"\"",true,null,{}]}"#,
        ),
    ] {
        assert_eq!(line_by(JsonBy::Streaming, stored.as_bytes()).as_deref(), Ok(shown));
        assert_eq!(line_by(JsonBy::Tree, stored.as_bytes()).as_deref(), Ok(shown));
    }
}

#[test]
fn json_that_is_not_sorted_or_to_be_converted_is_not_streamed() {
    for stored in [
        r#"{"metadata":{"name":"a"},"kind":"Web"}"#,
        r#"{"kind":"Web","spec":{"b":1,"a":2}}"#,
        r#"{"kind":"Web","spec":[{"a":1,"a":2}]}"#,
        r#"{"kind":1}"#,
        r#"{"apiVersion":"apiextensions.k8s.io/v1beta1","kind":"CustomResourceDefinition","spec":{}}"#,
    ] {
        assert!(line_by(JsonBy::Streaming, stored.as_bytes()).is_err(), "{stored}");
        let mut line = Vec::new();
        write_json(&Value::decode(stored.as_bytes()).unwrap(), Some(7), &mut line).unwrap();
        assert_eq!(line, line_by(JsonBy::Tree, stored.as_bytes()).unwrap().into_bytes());
    }
}

#[test]
fn every_type_of_the_table_is_known() {
    assert!(kinds().len() > 150, "{}", kinds().len());
    Table::get().check();
}

proptest! {
    #[test]
    fn any_bytes_of_any_kind_end(raw: Vec<u8>, at: prop::sample::Index) {
        let (api_version, kind) = *at.get(&kinds());
        let _ = decoded(api_version, kind, &[raw]);
    }

    #[test]
    fn a_flipped_byte_is_no_panic(at in 0_usize..200, byte: u8) {
        let container = message(2, &[text(1, "c"), message(8, &[entry(2, "cpu", &text(1, "1"))])]);
        let mut raw = [meta(), bytes_field(2, &container)].concat();
        let length = raw.len();
        raw[at % length] = byte;
        let stored = unknown("v1", "Pod", &raw);
        let value = Value::decode(&stored).unwrap();
        let mut line = Vec::new();
        match (whole(&value, Some(1)), write_json(&value, Some(1), &mut line)) {
            (Ok(whole), Ok(unknown)) => {
                prop_assert_eq!(&whole.unknown, &unknown);
                prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&line).unwrap(), whole.object);
            }
            (Err(a), Err(b)) => prop_assert_eq!(a, b),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn streamed_json_is_what_its_tree_is(fields in prop::collection::vec((name(), json_value()), 0..6), cut in 0_usize..2000) {
        let text = object_text(&fields);
        let text = text.get(..cut).unwrap_or(&text);
        if let Ok(streamed) = line_by(JsonBy::Streaming, text.as_bytes()) {
            prop_assert_eq!(streamed, line_by(JsonBy::Tree, text.as_bytes()).unwrap());
        }
        let mut line = Vec::new();
        let written = write_json(&Value::decode(text.as_bytes()).unwrap(), Some(7), &mut line);
        prop_assert_eq!(written.map(|_| String::from_utf8(line).unwrap()), line_by(JsonBy::Tree, text.as_bytes()));
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,2}", "metadata|kind|resourceVersion|spec", "[\"\\\\é\n]{1,2}"].boxed()
}

/// Texts of JSON, whose objects have any order, and names twice.
fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        prop::num::f64::NORMAL.prop_map(|value| serde_json::to_string(&value).unwrap()),
        ".{0,5}".prop_map(|value| serde_json::to_string(&value).unwrap()),
        Just("\"CustomResourceDefinition\"".to_owned()),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec((name(), inner), 0..4).prop_map(|fields| object_text(&fields)),
        ]
    })
}

fn object_text(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap()))
        .collect();
    format!("{{{}}}", fields.join(", "))
}
