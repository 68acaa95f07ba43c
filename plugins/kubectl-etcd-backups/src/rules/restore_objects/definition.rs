//! CustomResourceDefinitions as the API takes them. API servers store them as `apiextensions.k8s.io/v1beta1`, which none serves since 1.22.
//!
//! What moved where: kubernetes/kubernetes, `staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/conversion.go`.

use serde_json::{Map, Value, json};

const STORED: &str = "apiextensions.k8s.io/v1beta1";

/// The same definition as `apiextensions.k8s.io/v1`; any other object as it is.
pub fn as_served(mut object: Value) -> Value {
    if object.get("apiVersion").and_then(Value::as_str) != Some(STORED) {
        return object;
    }
    let Some(fields) = object.as_object_mut() else {
        return object;
    };
    fields.insert("apiVersion".to_owned(), "apiextensions.k8s.io/v1".into());
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
        move_to_versions(spec);
        move_webhook(spec);
        if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
            spec.remove("preserveUnknownFields");
        }
    }
    object
}

/// What was said once for all versions is said of each.
fn move_to_versions(spec: &mut Map<String, Value>) {
    let only = spec.remove("version");
    let versions = spec.entry("versions").or_insert_with(|| json!([]));
    if let (Some(only), Some([])) = (only, versions.as_array().map(Vec::as_slice)) {
        *versions = json!([{ "name": only, "served": true, "storage": true }]);
    }
    let common = [
        ("validation", "schema"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
    ];
    let common = common.map(|(from, to)| (to, spec.remove(from)));
    let versions = spec.get_mut("versions").and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
        for (field, value) in &common {
            if let (Some(value), false) = (value, version.contains_key(*field)) {
                version.insert((*field).to_owned(), value.clone());
            }
        }
        let columns = version
            .get_mut("additionalPrinterColumns")
            .and_then(Value::as_array_mut);
        for column in columns.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(path) = column.remove("JSONPath") {
                column.insert("jsonPath".to_owned(), path);
            }
        }
    }
}

fn move_webhook(spec: &mut Map<String, Value>) {
    let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) else {
        return;
    };
    let client = conversion.remove("webhookClientConfig");
    let reviews = conversion.remove("conversionReviewVersions");
    if conversion.get("strategy").and_then(Value::as_str) == Some("Webhook") {
        let mut webhook = Map::new();
        webhook.extend(client.map(|client| ("clientConfig".to_owned(), client)));
        webhook.extend(reviews.map(|reviews| ("conversionReviewVersions".to_owned(), reviews)));
        conversion.insert("webhook".to_owned(), Value::Object(webhook));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_all_versions_is_said_of_each() {
        let stored = json!({"apiVersion": STORED, "kind": "CustomResourceDefinition", "spec": {
            "group": "example.com", "version": "v1", "preserveUnknownFields": false,
            "validation": {"openAPIV3Schema": {"type": "object"}}, "subresources": {"status": {}},
            "versions": [{"name": "v1", "served": true}, {"name": "v2", "schema": {"openAPIV3Schema": {"type": "string"}},
                "additionalPrinterColumns": [{"name": "a", "JSONPath": ".spec.a"}]}],
            "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v1"]},
        }});
        let served = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {
            "group": "example.com",
            "versions": [
                {"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object"}}, "subresources": {"status": {}}},
                {"name": "v2", "schema": {"openAPIV3Schema": {"type": "string"}}, "subresources": {"status": {}},
                    "additionalPrinterColumns": [{"name": "a", "jsonPath": ".spec.a"}]},
            ],
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v1"]}},
        }});
        assert_eq!(as_served(stored), served);
        let other = json!({"apiVersion": "v1", "spec": {"version": 3}});
        assert_eq!(as_served(other.clone()), other);
        let oldest =
            as_served(json!({"apiVersion": STORED, "spec": {"version": "v1", "conversion": {"strategy": "None"}}}));
        assert_eq!(
            oldest["spec"],
            json!({"versions": [{"name": "v1", "served": true, "storage": true}], "conversion": {"strategy": "None"}})
        );
    }
}
