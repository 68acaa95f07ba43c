use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn lines(old: &Value, new: &Value) -> Vec<String> {
    let side = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
    compare(old, new, &BOOKKEEPING)
        .iter()
        .map(|change| {
            let path = if change.path == change.pointer {
                String::new()
            } else {
                format!(" ({})", change.path)
            };
            format!("{}{path}: {} > {}", change.pointer, side(change.old), side(change.new))
        })
        .collect()
}

fn pod(containers: &Value) -> Value {
    json!({ "metadata": { "name": "web" }, "spec": { "containers": containers } })
}

#[test]
fn fields_are_named_by_their_pointers() {
    let old = json!({ "data": { "a/b": "1", "c~d": "x", "same": "s" }, "immutable": true, "n": null });
    let new = json!({ "data": { "a/b": "2", "e": { "f": [1] }, "same": "s" }, "immutable": "yes", "n": null });
    assert_eq!(
        lines(&old, &new),
        [
            r#"/data/a~1b: "1" > "2""#,
            r#"/data/c~0d: "x" > -"#,
            r#"/data/e: - > {"f":[1]}"#,
            r#"/immutable: true > "yes""#,
        ]
    );
    assert_eq!(lines(&json!([]), &json!({})), [": [] > {}"]);
}

#[test]
fn an_inserted_element_that_has_a_name_is_one_difference() {
    let old = pod(&json!([
        { "name": "gone", "image": "g:1" },
        { "name": "web", "image": "w:1", "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }] },
    ]));
    let new = pod(&json!([
        { "name": "sidecar", "image": "s:1" },
        { "name": "init", "image": "i:1" },
        { "name": "web", "image": "w:2", "env": [{ "name": "NEW", "value": "0" }, { "name": "A", "value": "1" }, { "name": "B", "value": "3" }] },
    ]));
    assert_eq!(
        lines(&old, &new),
        [
            r#"/spec/containers/0 (/spec/containers/[gone]): {"image":"g:1","name":"gone"} > -"#,
            r#"/spec/containers/0 (/spec/containers/[sidecar]): - > {"image":"s:1","name":"sidecar"}"#,
            r#"/spec/containers/1 (/spec/containers/[init]): - > {"image":"i:1","name":"init"}"#,
            r#"/spec/containers/2/env/0 (/spec/containers/[web]/env/[NEW]): - > {"name":"NEW","value":"0"}"#,
            r#"/spec/containers/2/env/2/value (/spec/containers/[web]/env/[B]/value): "2" > "3""#,
            r#"/spec/containers/2/image (/spec/containers/[web]/image): "w:1" > "w:2""#,
        ]
    );
}

#[test]
fn conditions_and_ports_are_told_apart_as_well() {
    let conditions =
        |status: &str| json!([{ "type": "Ready", "status": status }, { "type": "Disk", "status": "False" }]);
    assert_eq!(
        lines(&conditions("True"), &conditions("False")),
        [r#"/0/status (/[Ready]/status): "True" > "False""#]
    );
    assert_eq!(
        lines(
            &json!([{ "port": 80 }]),
            &json!([{ "port": 70 }, { "port": 80, "nodePort": 1 }])
        ),
        [
            r#"/0 (/[70]): - > {"port":70}"#,
            r#"/1/nodePort (/[80]/nodePort): - > 1"#
        ]
    );
}

#[test]
fn other_lists_are_compared_by_index() {
    // Scalars; two elements of one name; another order, which counts for the variables of a container.
    assert_eq!(
        lines(&json!(["a", "b"]), &json!(["b"])),
        [r#"/1: "b" > -"#, r#"/0: "a" > "b""#]
    );
    assert_eq!(
        lines(
            &json!([{ "name": "a" }, { "name": "a", "x": 1 }]),
            &json!([{ "name": "a" }, { "name": "a", "x": 2 }])
        ),
        ["/1/x: 1 > 2"]
    );
    assert_eq!(
        lines(
            &json!([{ "name": "a" }, { "name": "b" }]),
            &json!([{ "name": "b" }, { "name": "a" }])
        ),
        [r#"/0/name: "a" > "b""#, r#"/1/name: "b" > "a""#]
    );
    assert_eq!(
        lines(&json!([]), &json!([{ "name": "a" }])),
        [r#"/0: - > {"name":"a"}"#]
    );
}

#[test]
fn bookkeeping_is_left_out_of_the_metadata_only() {
    let old =
        json!({ "metadata": { "managedFields": [1], "resourceVersion": "1" }, "spec": { "resourceVersion": "1" } });
    let new = json!({ "metadata": { "managedFields": [2] }, "spec": { "resourceVersion": "2" } });
    assert_eq!(lines(&old, &new), [r#"/spec/resourceVersion: "1" > "2""#]);
    assert!(!same(&old, &new, &BOOKKEEPING));
    assert_eq!(compare(&old, &new, &[]).len(), 3);
    let template = json!({ "spec": { "metadata": { "managedFields": 1 } } });
    assert_eq!(lines(&template, &json!({ "spec": { "metadata": {} } })).len(), 1);
}

/// Does to `old` what was found, and so makes the other state: first takes away, from behind, then sets, from the front.
fn applied(mut old: Value, changes: &[FieldChange<'_>]) -> Value {
    let parted = |pointer: &str| {
        let (above, token) = pointer.rsplit_once('/').unwrap();
        (above.to_owned(), token.replace("~1", "/").replace("~0", "~"))
    };
    for change in changes.iter().rev().filter(|change| change.new.is_none()) {
        let (above, token) = parted(&change.pointer);
        match old.pointer_mut(&above).unwrap() {
            Value::Object(fields) => assert_eq!(fields.remove(&token).as_ref(), change.old),
            Value::Array(list) => assert_eq!(Some(&list.remove(token.parse().unwrap())), change.old),
            other => panic!("{other}"),
        }
    }
    for change in changes.iter().filter(|change| change.new.is_some()) {
        let new = change.new.unwrap().clone();
        if change.pointer.is_empty() {
            return new;
        }
        let (above, token) = parted(&change.pointer);
        match old.pointer_mut(&above).unwrap() {
            Value::Object(fields) => {
                assert_eq!(fields.insert(token, new).as_ref(), change.old);
            }
            Value::Array(list) => {
                let at: usize = token.parse().unwrap();
                match change.old {
                    Some(was) => assert_eq!(was, &std::mem::replace(&mut list[at], new)),
                    None => list.insert(at, new),
                }
            }
            other => panic!("{other}"),
        }
    }
    old
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        "[ab~/é]{0,2}".prop_map(Value::from),
    ]
}

/// Small words, so that two of them often have something in common.
fn object() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 48, 5, |inner| {
        let named = ("[abcd]", inner.clone()).prop_map(|(name, value)| json!({ "name": name, "value": value }));
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec(named, 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[ab~/é]{0,2}|metadata|name", inner, 0..5).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn a_difference_applied_makes_the_other_state((old, new) in (object(), object())) {
        let changes = compare(&old, &new, &[]);
        prop_assert_eq!(applied(old.clone(), &changes), new.clone(), "{:?}", changes);
        prop_assert_eq!(changes.is_empty(), old == new);
        for change in &changes {
            prop_assert_ne!(change.old, change.new);
            let state = if change.new.is_some() { &new } else { &old };
            prop_assert_eq!(state.pointer(&change.pointer), change.new.or(change.old));
        }
    }

    #[test]
    fn nothing_differs_from_itself(value in object()) {
        prop_assert_eq!(compare(&value, &value, &[]), []);
    }

    #[test]
    fn the_other_way_round_old_and_new_change_places((old, new) in (object(), object())) {
        let there = compare(&old, &new, &[]);
        let back = compare(&new, &old, &[]);
        let count = |changes: &[FieldChange<'_>]| changes.len();
        prop_assert_eq!(count(&there), count(&back));
        for change in &there {
            prop_assert!(back.iter().any(|other| (other.old, other.new) == (change.new, change.old)));
        }
    }
}
