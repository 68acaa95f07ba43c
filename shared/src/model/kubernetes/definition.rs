//! CustomResourceDefinitions: kube-apiserver stores them as `v1beta1` to this day, and has not served that since 1.22.
//!
//! What differs between the two: kubernetes/kubernetes,
//! `staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/{v1beta1/types.go,v1/conversion.go}`.

use serde_json::{Map, Value, json};

/// As it is stored.
const STORED: &str = "apiextensions.k8s.io/v1beta1";
/// As it is served.
const SERVED: &str = "apiextensions.k8s.io/v1";

/// Makes of a CustomResourceDefinition as it is stored what the API serves; leaves everything else alone.
pub fn as_served(object: &mut Value) {
    if object.get("apiVersion").and_then(Value::as_str) != Some(STORED) {
        return;
    }
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let version = spec.remove("version");
    let mut of_all = Map::new();
    for (stored, served) in [
        ("validation", "schema"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
    ] {
        if let Some(value) = spec.remove(stored) {
            of_all.insert(served.to_owned(), value);
        }
    }
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.remove("preserveUnknownFields");
    }
    // Before 1.11 there was only one version.
    if let (None, Some(name)) = (spec.get("versions"), version) {
        spec.insert(
            "versions".to_owned(),
            json!([{"name": name, "served": true, "storage": true}]),
        );
    }
    let versions = spec.get_mut("versions").and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
        for (field, value) in &of_all {
            version.entry(field.clone()).or_insert_with(|| value.clone());
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
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
        webhook_as_served(conversion);
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), SERVED.into());
    }
}

/// The fields of a conversion webhook have a place of their own.
fn webhook_as_served(conversion: &mut Map<String, Value>) {
    let client = conversion.remove("webhookClientConfig");
    let reviews = conversion.remove("conversionReviewVersions");
    if let Some(client) = client {
        let mut webhook = Map::from_iter([("clientConfig".to_owned(), client)]);
        webhook.extend(reviews.map(|reviews| ("conversionReviewVersions".to_owned(), reviews)));
        conversion.insert("webhook".to_owned(), webhook.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(spec: Value) -> Value {
        let mut object = json!({"apiVersion": STORED, "kind": "CustomResourceDefinition", "spec": spec});
        as_served(&mut object);
        assert_eq!(object["apiVersion"], SERVED);
        object["spec"].clone()
    }

    #[test]
    fn what_is_of_all_versions_is_given_to_each() {
        let spec = json!({
            "group": "example.com", "preserveUnknownFields": false, "version": "v1",
            "validation": {"openAPIV3Schema": {"type": "object"}}, "subresources": {"status": {}},
            "additionalPrinterColumns": [{"name": "Age", "type": "date", "JSONPath": ".metadata.creationTimestamp"}],
            "versions": [{"name": "v1", "served": true, "storage": true}, {"name": "v2", "served": true, "storage": false}]
        });
        let version = |name: &str, storage: bool| {
            json!({"name": name, "served": true, "storage": storage,
                "schema": {"openAPIV3Schema": {"type": "object"}}, "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]})
        };
        assert_eq!(
            served(spec),
            json!({"group": "example.com", "versions": [version("v1", true), version("v2", false)]})
        );
    }

    #[test]
    fn versions_keep_their_own_and_one_alone_is_listed() {
        let own = json!([{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}},
            "additionalPrinterColumns": [{"JSONPath": ".a", "name": "A"}]}]);
        assert_eq!(
            served(json!({"versions": own}))["versions"][0]["additionalPrinterColumns"][0],
            json!({"jsonPath": ".a", "name": "A"})
        );
        assert_eq!(
            served(json!({"version": "v1"})),
            json!({"versions": [{"name": "v1", "served": true, "storage": true}]})
        );
        assert_eq!(
            served(
                json!({"conversion": {"strategy": "Webhook", "conversionReviewVersions": ["v1"],
                "webhookClientConfig": {"url": "https://x"}}})
            ),
            json!({"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]}}})
        );
    }

    #[test]
    fn anything_else_is_left_alone() {
        for object in [
            json!(null),
            json!({"apiVersion": "v1", "spec": {"version": "v1"}}),
            json!({"apiVersion": SERVED, "spec": {"version": "v1"}}),
            json!({"apiVersion": STORED, "spec": 1}),
        ] {
            let mut same = object.clone();
            as_served(&mut same);
            assert_eq!(same, object);
        }
    }
}
