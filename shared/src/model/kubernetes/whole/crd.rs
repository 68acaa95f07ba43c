//! CustomResourceDefinitions. Every API server stores them as JSON of `apiextensions.k8s.io/v1beta1`, which none since 1.22
//! serves: they are shown as v1, which is what kubectl shows and takes.
//!
//! Facts: kubernetes/kubernetes v1.34, `staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions`:
//! `v1beta1/types.go`, `v1/types.go`, `v1/conversion.go`. What all versions have in common stands beside the list of versions
//! in v1beta1, and in each of them in v1.

use super::json::Json;

/// Beside the versions in v1beta1; in each version in v1, by this name.
const SHARED: [(&str, &str); 4] = [
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
    ("subresources", "subresources"),
    ("validation", "schema"),
];

/// Makes a CRD of v1beta1 one of v1, and leaves all else as it is.
pub fn as_served(object: &mut Json<'_>) {
    let is = |value: Option<&mut Json<'_>>, wanted: &str| matches!(value, Some(Json::Text(text)) if text == wanted);
    if !is(object.field("kind"), "CustomResourceDefinition")
        || !is(object.field("apiVersion"), "apiextensions.k8s.io/v1beta1")
    {
        return;
    }
    object.set("apiVersion", Json::Text("apiextensions.k8s.io/v1".into()));
    let Some(spec) = object.field("spec") else { return };
    let only = spec.take("version");
    let shared = SHARED.map(|(old, new)| (new, spec.take(old)));
    if let (None, Some(name)) = (spec.field("versions"), only) {
        // Before there was a list of them.
        let mut version = Json::Object(Vec::new());
        version.set("name", name);
        version.set("served", Json::Bool(true));
        version.set("storage", Json::Bool(true));
        spec.set("versions", Json::List(vec![version]));
    }
    if let Some(Json::List(versions)) = spec.field("versions") {
        for version in versions {
            for (name, value) in &shared {
                if let (None, Some(value)) = (version.field(name), value) {
                    version.set(name, value.clone());
                }
            }
            if let Some(Json::List(columns)) = version.field("additionalPrinterColumns") {
                columns
                    .iter_mut()
                    .for_each(|column| column.rename("JSONPath", "jsonPath"));
            }
        }
    }
    // Go leaves out what is false.
    if matches!(spec.field("preserveUnknownFields"), Some(Json::Bool(false))) {
        spec.take("preserveUnknownFields");
    }
    if let Some(conversion) = spec.field("conversion") {
        let config = conversion.take("webhookClientConfig");
        let versions = conversion.take("conversionReviewVersions");
        if config.is_some() || versions.is_some() {
            let mut webhook = Json::Object(Vec::new());
            if let Some(config) = config {
                webhook.set("clientConfig", config);
            }
            webhook.set("conversionReviewVersions", versions.unwrap_or(Json::Null));
            conversion.set("webhook", webhook);
        }
    }
}
