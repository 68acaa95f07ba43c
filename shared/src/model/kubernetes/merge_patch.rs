//! JSON merge patches (RFC 7386): what turns one object into another, and what a patch makes of an object.

use serde_json::{Map, Value};

/// The patch that makes `to` out of `from`; `None` where they are the same. Lists are replaced whole. A `null` in an object of `to` cannot
/// be said by such a patch: it removes the field.
#[must_use]
pub fn between(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return Some(to.clone());
    };
    let mut patch = Map::new();
    for field in before.keys().filter(|field| !after.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    for (field, value) in after {
        let changed = match before.get(field) {
            Some(old) => between(old, value),
            None => Some(value.clone()),
        };
        if let Some(changed) = changed {
            patch.insert(field.clone(), changed);
        }
    }
    Some(Value::Object(patch))
}

/// What the API makes of an object and a patch.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (field, change) in changes {
        if change.is_null() {
            fields.remove(field);
        } else {
            merge(fields.entry(field.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_named() {
        let from = json!({"a": 1, "b": {"c": [1, 2], "d": 2}, "e": 5});
        let to = json!({"a": 1, "b": {"c": [1], "d": 2}, "f": 6});
        let patch = between(&from, &to).unwrap();
        assert_eq!(patch, json!({"b": {"c": [1]}, "e": null, "f": 6}));
        assert_eq!(between(&to, &to), None);
    }

    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i32>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_one_of_the_other(from in objects(), to in objects()) {
            let mut patched = from.clone();
            if let Some(patch) = between(&from, &to) {
                merge(&mut patched, &patch);
            }
            prop_assert_eq!(patched, to);
        }
    }
}
