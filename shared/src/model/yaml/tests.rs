use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn yaml(value: &Value) -> String {
    let mut out = Vec::new();
    document(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_object_looks_as_kubectl_prints_it() {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "annotations": {"note": "two\nlines", "ends": "one\n", "many\tkeys": "x\n\n", "version": "1.34.2", "yes": "no"},
            "creationTimestamp": "2026-11-22T15:18:01Z", "labels": {}, "name": "web", "resourceVersion": "290"},
        "spec": {
            "replicas": 2, "share": 0.5, "paused": false, "nothing": null,
            "template": {"spec": {
                "containers": [
                    {"args": ["--port=80", "-v", "a: b", "#x", "", " x"], "image": "registry.example.com/web:1.2", "name": "web",
                        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}},
                    {"name": "side", "ports": [{"containerPort": 80}], "volumeMounts": []}
                ],
                "matrix": [[1, 2], [[]], {}]
            }}
        }
    });
    insta::assert_snapshot!(yaml(&object));
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml(&object)).unwrap(), object);
}

#[test]
fn texts_that_look_like_something_else_are_quoted() {
    for text in [
        "",
        "true",
        "Yes",
        "NO",
        "on",
        "y",
        "N",
        "null",
        "~",
        "1",
        "-1",
        "1.5",
        "1e3",
        "0x1f",
        "0o7",
        "1_000",
        ".inf",
        "2001-01-01",
        "12:30",
        "-",
        "- x",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "{}",
        "[]",
        "?",
        " a",
        "a ",
        "a\tb",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{1b}[2J",
        "a\r\nb",
        "<<",
        "=",
        "\\",
        "\"",
    ] {
        let written = yaml(&json!({ "k": text }));
        assert!(written.starts_with("k: \""), "{text:?} is written as {written}");
        assert_eq!(serde_saphyr::from_str::<Value>(&written).unwrap(), json!({ "k": text }));
    }
    for text in [
        "web",
        "a b",
        "apps/v1",
        "/var/run",
        "a:b",
        "10.0.0.1",
        "1.34.2",
        "100m",
        "64Mi",
        "nginx:1.2",
        "Deployment has (2) x, y.",
    ] {
        assert_eq!(yaml(&json!({ "k": text })), format!("k: {text}\n"));
    }
}

#[test]
fn what_has_no_form_in_json_is_refused() {
    let mut out = Vec::new();
    let map = std::collections::BTreeMap::from([(vec![1], 2)]);
    assert_eq!(document(&map, &mut out).unwrap_err().to_string(), "a key is no text");
    assert!(document(&std::collections::BTreeMap::from([(1, 'x')]), &mut out).is_ok());
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-c \n\t:#-]{0,12}",
        "(true|no|Null|[0-9.e_-]{1,6}|[0-9]{1,3}(m|Mi|x))",
        "[ -~\u{80}-\u{ff}\u{2020}-\u{2030}\n]{0,12}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(texts(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(value in proptest::collection::btree_map(texts(), values(), 0..4)) {
        let value = Value::Object(value.into_iter().collect());
        let written = yaml(&value);
        let back: Value = serde_saphyr::from_str(&written).map_err(|error| TestCaseError::fail(format!("{error}\n{written}")))?;
        prop_assert_eq!(back, value.clone(), "{}", written);
    }
}
