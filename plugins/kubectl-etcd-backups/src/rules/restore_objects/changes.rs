//! What differs between an object of the backup and the living one, and between one object at two times.

use runbook_kit::model::kubernetes::for_apply::{Along, for_apply};
use runbook_kit::model::kubernetes::merge_patch;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::object::text;

/// Of the metadata, where nothing else is known of an object.
const OF_THE_API: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A living object without what the API and its controllers own, to be compared with one of a backup.
pub fn comparable(living: &Value, along: &Along) -> Value {
    match for_apply(living.clone(), along) {
        Ok(applicable) => applicable.object,
        // One that the API makes by itself, where the backup has more in it.
        Err(_) => {
            let mut bare = living.clone();
            if let Some(fields) = bare.as_object_mut() {
                fields.remove("status");
            }
            if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|field, _| !OF_THE_API.contains(&field.as_str()));
            }
            bare
        }
    }
}

/// The patch that gives a living object the content of `wanted`, but not what the API owns; `None` where it has it.
pub fn patch(living: &Value, wanted: &Value, along: &Along) -> Option<Value> {
    merge_patch::between(&comparable(living, along), wanted)
}

/// The same patch for exactly this version of this object.
pub fn guarded(mut patch: Value, uid: &str, resource_version: &str) -> Value {
    let guard = json!({"metadata": {"uid": uid, "resourceVersion": resource_version}});
    graft(&mut patch, &guard);
    patch
}

/// Puts fields into a patch, in which a `null` is a value like others.
fn graft(patch: &mut Value, fields: &Value) {
    let (Some(into), Some(fields)) = (patch.as_object_mut(), fields.as_object()) else {
        return;
    };
    for (field, value) in fields {
        match into.get_mut(field).filter(|there| there.is_object()) {
            Some(there) => graft(there, value),
            None => {
                into.insert(field.clone(), value.clone());
            }
        }
    }
}

/// Which fields a patch changes, as JSON pointers, sorted. Never their values: they may be secret.
pub fn fields(patch: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(patch, "", &mut found);
    found.sort();
    found
}

fn collect(patch: &Value, at: &str, found: &mut Vec<String>) {
    match patch {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let step = field.replace('~', "~0").replace('/', "~1");
                collect(value, &format!("{at}/{step}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// A number for what somebody may have put into an object: its content and its labels. Annotations, finalizers, status and the number of
/// replicas are left out, since controllers write them.
pub fn fingerprint(object: &Value) -> String {
    let mut content = comparable(object, &Along::default());
    let labels = content.pointer("/metadata/labels").cloned();
    if let Some(fields) = content.as_object_mut() {
        let mut metadata = Map::new();
        metadata.extend(labels.map(|labels| ("labels".to_owned(), labels)));
        fields.insert("metadata".to_owned(), Value::Object(metadata));
    }
    if let Some(spec) = content.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    // The UID, so that equal Secrets are not seen to be equal.
    let mut hash = Sha256::new();
    hash.update(text(object, "/metadata/uid"));
    hash.update([0]);
    hash.update(canonical(&content));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same text for the same content, whichever order its fields have.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_by_key(|(field, _)| *field);
            let sorted = sorted
                .iter()
                .map(|(field, value)| format!("{}:{}", json!(field), canonical(value)));
            format!("{{{}}}", sorted.collect::<Vec<_>>().join(","))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(data: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": data,
            "metadata": {"name": "a", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "managedFields": [{}]},
        })
    }

    #[test]
    fn only_content_differs() {
        let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a/b": "1"},
            "metadata": {"name": "a", "namespace": "shop"}});
        assert_eq!(
            patch(&config_map(&json!({"a/b": "1"})), &wanted, &Along::default()),
            None
        );
        let living = config_map(&json!({"a/b": "2", "c": "3"}));
        let found = patch(&living, &wanted, &Along::default()).unwrap();
        assert_eq!(fields(&found), ["/data/a~1b", "/data/c"]);
        let guarded = guarded(found, "u1", "7");
        assert_eq!(
            guarded,
            json!({"data": {"a/b": "1", "c": null}, "metadata": {"uid": "u1", "resourceVersion": "7"}})
        );
        let mut patched = living;
        merge_patch::merge(&mut patched, &guarded);
        assert_eq!(patch(&patched, &wanted, &Along::default()), None);
    }

    #[test]
    fn a_guard_does_not_hide_a_change_of_the_metadata() {
        let patch = guarded(json!({"metadata": {"labels": {"a": null}}}), "u1", "7");
        assert_eq!(
            patch,
            json!({"metadata": {"labels": {"a": null}, "uid": "u1", "resourceVersion": "7"}})
        );
    }

    #[test]
    fn a_fingerprint_is_of_what_people_write() {
        let object = |spec: Value, metadata: Value, status: &str| {
            let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec, "status": {"s": status},
                "metadata": {"name": "a", "uid": "u1"}});
            merge_patch::merge(&mut object, &json!({"metadata": metadata}));
            fingerprint(&object)
        };
        let first = object(
            json!({"replicas": 1, "paused": false}),
            json!({"resourceVersion": "1"}),
            "a",
        );
        let by_controllers = json!({"resourceVersion": "9", "generation": 3, "annotations": {"x": "y"}});
        assert_eq!(
            first,
            object(json!({"paused": false, "replicas": 3}), by_controllers, "b")
        );
        assert_ne!(first, object(json!({"paused": true}), json!({}), "a"));
        assert_ne!(
            first,
            object(json!({"paused": false}), json!({"labels": {"a": "b"}}), "a")
        );
        assert_ne!(first, object(json!({"paused": false}), json!({"uid": "u2"}), "a"));
        assert_eq!(first.len(), 64);
    }
}
