use serde_json::json;

use super::*;
use crate::rules::restore_objects::journal::{Event, Head, parse};

fn id(plural: &str, name: &str) -> ObjectId {
    match plural {
        "namespaces" => ObjectId::namespace(name),
        _ => ObjectId::new("", plural, Some("shop"), name),
    }
}

fn target(id: &ObjectId) -> Target {
    Target {
        id: id.clone(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
    }
}

fn object(name: &str, uid: &str, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": data}, "metadata": {
        "name": name, "namespace": "shop", "uid": uid, "resourceVersion": "5",
        "managedFields": [{"manager": "kubectl-etcd-backups"}],
    }})
}

/// A journal in which these were created with their content.
fn created(objects: &[Value]) -> Journal {
    let head = Head::new("2026-11-22T15:18:01Z".parse().unwrap(), "https://api", Some("uid"), "b");
    let mut lines = head.line().unwrap() + "\n";
    for object in objects {
        let id = id("configmaps", text(object, "/metadata/name"));
        let events = [
            Event::Creating { object: target(&id) },
            Event::Created {
                object: id,
                uid: text(object, "/metadata/uid").to_owned(),
                content: changes::fingerprint(object),
            },
        ];
        lines.extend(events.iter().map(|event| event.line().unwrap() + "\n"));
    }
    parse(lines.as_bytes()).unwrap()
}

fn actions(journal: &Journal, living: &[Value], even_if_changed: bool) -> Vec<String> {
    let mut found: BTreeMap<ObjectId, Found> = BTreeMap::new();
    for done in &journal.done {
        found.insert(done.target.id.clone(), Found::Absent);
    }
    for object in living {
        found.insert(
            id("configmaps", text(object, "/metadata/name")),
            Found::There(object.clone()),
        );
    }
    let shown = |item: UndoItem| match item.action {
        UndoAction::Delete { uid } => format!("delete {} {uid}", item.target.id.name),
        UndoAction::PutBack { patch } => format!("put back {} {patch}", item.target.id.name),
        UndoAction::Gone => format!("gone {}", item.target.id.name),
        UndoAction::Leave(why) => format!("leave {}: {why}", item.target.id.name),
    };
    plan(journal, &found, even_if_changed).into_iter().map(shown).collect()
}

#[test]
fn what_was_created_is_deleted_last_first() {
    let objects = [object("a", "u1", "1"), object("b", "u2", "1")];
    let journal = created(&objects);
    assert_eq!(actions(&journal, &objects, false), ["delete b u2", "delete a u1"]);
    assert_eq!(actions(&journal, &objects[..1], false), ["gone b", "delete a u1"]);
}

#[test]
fn another_object_of_the_name_is_left() {
    let journal = created(&[object("a", "u1", "1")]);
    for even_if_changed in [false, true] {
        let left = actions(&journal, &[object("a", "u9", "1")], even_if_changed);
        assert_eq!(left, ["leave a: is another object of the same name, created since"]);
        let mut foreign = object("a", "u1", "1");
        foreign["metadata"]["managedFields"] = json!([{"manager": "helm"}]);
        let left = actions(&journal, &[foreign], even_if_changed);
        assert_eq!(left, ["leave a: no field of it was written by kubectl-etcd-backups"]);
    }
}

#[test]
fn what_was_changed_since_is_deleted_only_if_asked_for() {
    let journal = created(&[object("a", "u1", "1")]);
    let changed = [object("a", "u1", "2")];
    let left = "leave a: was changed since; --even-if-changed includes it";
    assert_eq!(actions(&journal, &changed, false), [left]);
    assert_eq!(actions(&journal, &changed, true), ["delete a u1"]);
}

#[test]
fn what_was_overwritten_is_put_back_in_the_version_that_was_looked_at() {
    let (before, after) = (object("a", "u1", "old"), object("a", "u1", "new"));
    let mut journal = created(std::slice::from_ref(&after));
    let change = Changed::Overwritten {
        uid: "u1".to_owned(),
        content: changes::fingerprint(&after),
        before: Box::new(before.clone()),
    };
    journal.done[0].change = change;
    assert_eq!(
        actions(&journal, std::slice::from_ref(&after), false),
        [r#"put back a {"data":{"a":"old"},"metadata":{"resourceVersion":"5","uid":"u1"}}"#]
    );
    assert_eq!(
        actions(&journal, &[], false),
        ["leave a: was deleted since it was overwritten"]
    );
    let changed = actions(&journal, &[object("a", "u1", "third")], false);
    assert!(changed[0].contains("was changed since"), "{changed:?}");
    let undone = actions(&journal, &[before], true);
    assert_eq!(undone, ["gone a"]);
}

#[test]
fn what_is_in_doubt_is_left() {
    let mut journal = created(&[object("a", "u1", "1")]);
    for created in [true, false] {
        journal.done[0].change = Changed::InDoubt { created };
        let left = actions(&journal, &[object("a", "u1", "1")], true);
        assert!(left[0].starts_with("leave a: may have been "), "{left:?}");
    }
}

#[test]
fn a_namespace_with_others_in_it_is_left() {
    let namespace = id("namespaces", "shop");
    let item = || UndoItem {
        target: target(&namespace),
        action: UndoAction::Delete { uid: "n".to_owned() },
        hint: None,
    };
    let ours = BTreeSet::from(["u1".to_owned(), "n".to_owned()]);
    let place = |object: &Value| (id("configmaps", text(object, "/metadata/name")), object.clone());
    let owned = |uid: &str, owner: &str| {
        let mut object = object(uid, uid, "1");
        object["metadata"]["ownerReferences"] = json!([{"uid": owner}]);
        object
    };
    // Deployment u1, its ReplicaSet r, its pod p; and what every namespace has.
    let root = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "uid": "c"}});
    let follow = [object("a", "u1", "1"), owned("p", "r"), owned("r", "u1"), root];
    let follow: Vec<_> = follow.iter().map(place).collect();
    let decide = |objects: &[(ObjectId, Value)]| {
        let mut items = [item()];
        let others = BTreeMap::from([(namespace.clone(), Others::Known(others(objects, &ours)))]);
        spare_others(&mut items, &others);
        items[0].action.clone()
    };
    assert_eq!(decide(&follow), UndoAction::Delete { uid: "n".to_owned() });
    let foreign = [follow, vec![place(&object("theirs", "x", "1"))]].concat();
    assert_eq!(
        decide(&foreign),
        UndoAction::Leave("holds what is not deleted: configmaps/shop/theirs".to_owned())
    );
    // Nothing is known, so nothing is deleted.
    for others in [
        BTreeMap::new(),
        BTreeMap::from([(namespace.clone(), Others::Unknown("no".into()))]),
    ] {
        let mut items = [item()];
        spare_others(&mut items, &others);
        assert!(matches!(items[0].action, UndoAction::Leave(_)));
    }
}
