//! Values that a field may take: which one it does take, the API server says.

use serde_json::{Value, json};

use crate::types::{Held, Types};

/// Texts that one format or another accepts.
const TEXTS: [&str; 17] = [
    "a",
    "10.245.9.9",
    "10.9.0.0/16",
    "https://example.com/a",
    "example.com/a",
    "/a",
    "1",
    "a.example.com",
    "100m",
    "*",
    "a=b",
    "true",
    "fd00::/64",
    "system:serviceaccount:default:default",
    "2026-01-02T03:04:05Z",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "1h",
];

/// What a field of this name is more likely to take.
fn likely(name: &str) -> &'static [&'static str] {
    match name {
        "apiVersion" => &["v1", "example.com/v1"],
        "kind" => &["ConfigMap", "User"],
        "namespace" => &["default"],
        "apiGroup" | "apiGroups" => &["example.com", "rbac.authorization.k8s.io"],
        "verbs" => &["get", "create"],
        "operator" => &["In", "Exists", "Equal"],
        "expression" | "matchConditions" | "messageExpression" => &["true", "'a'"],
        "timeZone" => &["Etc/UTC"],
        "schedule" => &["0 3 * * *"],
        "accessModes" | "volumeModes" => &["ReadWriteOnce"],
        "addressType" => &["IPv4"],
        "protocol" | "appProtocol" => &["TCP"],
        "serviceName" | "serviceAccountName" | "serviceAccount" => &["default"],
        "priorityClassName" => &["system-cluster-critical"],
        _ => &[],
    }
}

/// Candidates for one value of type `of`; none for an object, which begins empty.
pub fn of(types: &Types, name: &str, of: &str) -> Vec<Value> {
    match of {
        "string" => likely(name).iter().chain(&TEXTS).map(|text| json!(text)).collect(),
        "bool" => vec![json!(true), json!(false)],
        "int" => [1, 80, 8080, 2, 30_000, 600, 1000, 0, 200]
            .map(|number| json!(number))
            .to_vec(),
        "double" => vec![json!(0.5), json!(1)],
        "bytes" => vec![json!("YQ=="), json!("")],
        "meta/v1.Time" => vec![json!("2026-01-02T03:04:05Z")],
        "meta/v1.MicroTime" => vec![json!("2026-01-02T03:04:05.000600Z")],
        "api/resource.Quantity" => ["1", "1Gi", "100m", "1500m", "0"].map(|text| json!(text)).to_vec(),
        "util/intstr.IntOrString" => vec![json!("50%"), json!(1), json!("a")],
        "runtime.RawExtension" => vec![
            json!({"apiVersion": "example.com/v1", "kind": "A", "b": [1, 0.5, null, {"c": true}]}),
            json!({"a": "<b>&"}),
        ],
        "meta/v1.FieldsV1" => vec![json!({"f:a": {}})],
        other if types.fields(other).is_none() => {
            vec![
                json!({"type": "object"}),
                json!(true),
                json!(["a"]),
                json!("a"),
                json!({}),
            ]
        }
        _ => Vec::new(),
    }
}

/// A whole field around one value.
pub fn held(held: Held, value: Value, of: &str) -> Value {
    match held {
        Held::One => value,
        Held::List => json!([value]),
        Held::Map if of == "api/resource.Quantity" => json!({ "cpu": value }),
        Held::Map => json!({ "a": value }),
    }
}
