use proptest::prelude::*;
use runbook_kit::model::kubernetes::served::Served;
use serde_json::json;

use super::*;
use crate::rules::restore_objects::object::Owner;

fn served(group: &str, plural: &str, kind: &str, namespaced: bool) -> ServedResource {
    ServedResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced,
        verbs: ["create", "get", "list", "patch", "delete"].map(str::to_owned).to_vec(),
        preferred: true,
        ..ServedResource::default()
    }
}

fn living() -> Living {
    let resources = vec![
        served("", "namespaces", "Namespace", false),
        served("", "configmaps", "ConfigMap", true),
        served("", "persistentvolumeclaims", "PersistentVolumeClaim", true),
        served(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            false,
        ),
        served("example.com", "shops", "Shop", true),
    ];
    let mut living = Living {
        served: Served {
            resources,
            unknown: vec!["metrics.k8s.io/v1beta1".to_owned()],
        },
        ..Living::default()
    };
    living.found.insert(ObjectId::namespace("shop"), there(json!({})));
    living
}

fn there(mut object: Value) -> Found {
    let meta = json!({"metadata": {"uid": "u1", "resourceVersion": "7"}});
    runbook_kit::model::kubernetes::merge_patch::merge(&mut object, &meta);
    Found::There(object)
}

fn config_map(name: &str, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {"a": data}})
}

fn id(name: &str) -> ObjectId {
    ObjectId::new("", "configmaps", Some("shop"), name)
}

fn wanted(id: ObjectId, stage: Stage, object: Value) -> Wanted {
    Wanted {
        id,
        stage,
        implied: false,
        content: Content::Ready(Ready {
            object,
            ..Ready::default()
        }),
    }
}

fn map(name: &str, data: &str) -> Wanted {
    wanted(id(name), Stage::Foundations, config_map(name, data))
}

fn definition(plural: &str) -> Wanted {
    let name = format!("{plural}.example.org");
    let object = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": {"plural": plural, "kind": "Toy"},
            "versions": [{"name": "v1", "served": true}, {"name": "v0", "served": false}]},
    });
    let id = definition_of("example.org", plural);
    wanted(id, Stage::Definitions, object)
}

fn toy(version: &str) -> Wanted {
    let object = json!({"apiVersion": format!("example.org/{version}"), "kind": "Toy", "metadata": {"name": "t", "namespace": "shop"}});
    let id = ObjectId::new("example.org", "toys", Some("shop"), "t");
    wanted(id, Stage::CustomResources, object)
}

fn shown(items: &[Item]) -> Vec<String> {
    let shown = |item: &Item| {
        let action = match &item.action {
            Action::Create(_) => "create".to_owned(),
            Action::Overwrite(change) => format!("overwrite {}", change.fields.join(" ")),
            Action::Same => "same".to_owned(),
            Action::Differs(fields) => format!("differs {}", fields.join(" ")),
            Action::Cannot(why) => format!("cannot: {why}"),
            Action::LeftOut(why) => format!("left out: {why}"),
        };
        format!("{} {action}", item.id)
    };
    items.iter().map(shown).collect()
}

fn planned(wanted: Vec<Wanted>, living: &Living, overwrite: bool) -> Vec<String> {
    shown(&plan(wanted, living, &Along::default(), overwrite))
}

#[test]
fn what_exists_is_compared_and_never_changed_unasked() {
    let mut living = living();
    living.found.insert(id("absent"), Found::Absent);
    living.found.insert(id("same"), there(config_map("same", "1")));
    living.found.insert(id("differs"), there(config_map("differs", "2")));
    living
        .found
        .insert(id("secret"), Found::Unknown("not allowed to get it".to_owned()));
    let all = || {
        ["absent", "same", "differs", "secret"]
            .map(|name| map(name, "1"))
            .to_vec()
    };
    assert_eq!(
        planned(all(), &living, false),
        [
            "configmaps/shop/absent create",
            "configmaps/shop/differs differs /data/a",
            "configmaps/shop/same same",
            "configmaps/shop/secret cannot: not allowed to get it",
        ]
    );
    let items = plan(all(), &living, &Along::default(), true);
    assert_eq!(shown(&items)[1], "configmaps/shop/differs overwrite /data/a");
    let Action::Overwrite(change) = &items[1].action else {
        panic!()
    };
    assert_eq!(
        change.patch,
        json!({"data": {"a": "1"}, "metadata": {"uid": "u1", "resourceVersion": "7"}})
    );
}

#[test]
fn a_namespace_is_created_first_or_must_be_there() {
    let mut living = living();
    living.found.insert(id("a"), Found::Absent);
    living.found.insert(ObjectId::namespace("shop"), Found::Absent);
    assert_eq!(
        planned(vec![map("a", "1")], &living, false),
        ["configmaps/shop/a cannot: namespace shop does not exist"]
    );
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let mut namespace = wanted(ObjectId::namespace("shop"), Stage::Namespaces, object);
    namespace.implied = true;
    let both = || vec![map("a", "1"), namespace.clone()];
    let items = plan(both(), &living, &Along::default(), false);
    assert_eq!(shown(&items), ["namespaces/shop create", "configmaps/shop/a create"]);
    let Action::Create(creation) = &items[1].action else {
        panic!()
    };
    assert_eq!(creation.after, [ObjectId::namespace("shop")]);
    // It exists: only what was named is of interest.
    living.found.insert(ObjectId::namespace("shop"), there(json!({"x": 1})));
    assert_eq!(planned(both(), &living, false), ["configmaps/shop/a create"]);
    let going = json!({"status": {"phase": "Terminating"}, "spec": {"finalizers": ["kubernetes"]}});
    living.found.insert(ObjectId::namespace("shop"), there(going));
    assert_eq!(
        planned(vec![map("a", "1")], &living, false),
        [
            "configmaps/shop/a cannot: namespace shop is being deleted, and waits for kubernetes: repeat the command once it is gone"
        ]
    );
    // What cannot be read keeps what lies in it back.
    living.found.insert(ObjectId::namespace("shop"), Found::Absent);
    namespace.content = Content::Unreadable("it is encrypted".to_owned());
    assert_eq!(
        planned(vec![map("a", "1"), namespace], &living, false),
        [
            "namespaces/shop cannot: it is encrypted",
            "configmaps/shop/a cannot: namespace shop does not exist"
        ]
    );
}

#[test]
fn a_custom_resource_needs_its_definition() {
    let mut living = living();
    assert_eq!(
        planned(vec![toy("v1")], &living, false),
        ["toys.example.org/shop/t cannot: this cluster does not serve Toy of example.org/v1"]
    );
    let definition_id = definition_of("example.org", "toys");
    living.backup_has.insert(definition_id.clone());
    assert_eq!(
        planned(vec![toy("v1")], &living, false),
        [
            "toys.example.org/shop/t cannot: Toy is not defined in this cluster: the backup has it, restore `customresourcedefinitions/toys.example.org` first"
        ]
    );
    living.found.insert(definition_id.clone(), Found::Absent);
    let items = plan(vec![toy("v1"), definition("toys")], &living, &Along::default(), false);
    assert_eq!(
        shown(&items),
        [
            "customresourcedefinitions/toys.example.org create",
            "toys.example.org/shop/t create"
        ]
    );
    let Action::Create(creation) = &items[1].action else {
        panic!()
    };
    assert_eq!(creation.after, [definition_id]);
    assert_eq!(
        planned(vec![toy("v0"), definition("toys")], &living, false)[1],
        "toys.example.org/shop/t cannot: this cluster does not serve Toy of example.org/v0, only of example.org/v1"
    );
}

#[test]
fn what_needs_something_that_is_gone_says_where_it_is() {
    let mut living = living();
    let claim = ObjectId::new("", "persistentvolumeclaims", Some("shop"), "data");
    living.found.insert(claim.clone(), Found::Absent);
    let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"storageClassName": "gp3"}});
    let class = ObjectId::cluster("storage.k8s.io", "storageclasses", "gp3");
    let one = || vec![wanted(claim.clone(), Stage::Claims, object.clone())];
    for (presence, in_backup, expected) in [
        (
            Presence::Missing,
            false,
            "cannot: StorageClass gp3 does not exist, nor in the backup",
        ),
        (
            Presence::Missing,
            true,
            "cannot: StorageClass gp3 does not exist: the backup has it, restore `storageclasses/gp3` first",
        ),
        (Presence::There("u".to_owned()), true, "create"),
        (Presence::Unknown, true, "create"),
    ] {
        living.mentioned.insert(class.clone(), presence);
        living.backup_has = in_backup.then(|| class.clone()).into_iter().collect();
        assert_eq!(
            planned(one(), &living, false),
            [format!("persistentvolumeclaims/shop/data {expected}")]
        );
    }
}

#[test]
fn owners_come_first_and_are_those_of_today() {
    let mut living = living();
    let shop = ObjectId::new("example.com", "shops", Some("shop"), "s");
    let object =
        json!({"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"name": "s", "namespace": "shop"}});
    let owner = wanted(shop.clone(), Stage::CustomResources, object);
    let mut owned = map("a", "1");
    let whole = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "example.com/v1", "kind": "Shop", "name": "s", "uid": "old", "controller": true}]}});
    if let Content::Ready(ready) = &mut owned.content {
        ready.owners = Owner::all_of(&whole);
    }
    living.found.insert(id("a"), Found::Absent);
    living.found.insert(shop.clone(), Found::Absent);
    let items = plan(vec![owned.clone(), owner], &living, &Along::default(), false);
    assert_eq!(
        shown(&items),
        ["shops.example.com/shop/s create", "configmaps/shop/a create"]
    );
    // It is there, and not wanted.
    living.found.remove(&shop);
    living.mentioned.insert(shop.clone(), Presence::There("new".to_owned()));
    let items = plan(vec![owned.clone()], &living, &Along::default(), false);
    let Action::Create(creation) = &items[0].action else {
        panic!()
    };
    let (reference, target, uid) = &creation.owners[0];
    assert_eq!((target, uid.as_deref()), (&shop, Some("new")));
    assert_eq!(
        reference.with_uid("new"),
        json!({"apiVersion": "example.com/v1", "kind": "Shop", "name": "s", "uid": "new", "controller": true})
    );
    // It is nowhere.
    living.mentioned.insert(shop, Presence::Missing);
    let items = plan(vec![owned], &living, &Along::default(), false);
    assert_eq!(
        items[0].hints,
        ["is created without its owner Shop s, which is not there"]
    );
}

#[test]
fn hostile_values_are_refused() {
    let mut living = living();
    for name in ["a", "b"] {
        living.found.insert(id(name), Found::Absent);
    }
    let cannot = |one: Wanted| planned(vec![one], &living, false).remove(0);
    let mut other = map("a", "1");
    if let Content::Ready(ready) = &mut other.content {
        ready.object["metadata"]["namespace"] = json!("kube-system");
    }
    assert_eq!(
        cannot(other),
        "configmaps/shop/a cannot: its value names another object than its key"
    );
    let mut kind = map("a", "1");
    if let Content::Ready(ready) = &mut kind.content {
        ready.object["kind"] = json!("Namespace");
    }
    assert_eq!(
        cannot(kind),
        "configmaps/shop/a cannot: this cluster does not serve Namespace of v1, only of v1"
    );
    let twice = planned(vec![map("a", "1"), map("a", "2")], &living, false);
    assert_eq!(
        twice[1],
        "configmaps/shop/a cannot: the backup has it twice, under two keys"
    );
}

prop_compose! {
    fn any_wanted()(name in "[a-c]", data in "[12]", kind in 0..4_usize, version in "v[01]") -> Wanted {
        match kind {
            0 => toy(&version),
            1 => definition("toys"),
            2 => Wanted { content: Content::LeftOut("x".to_owned()), ..map(&name, &data) },
            _ => map(&name, &data),
        }
    }
}

prop_compose! {
    fn any_living()(
        maps in prop::collection::btree_map("[a-c]", prop::option::of("[12]"), 0..4),
        namespace in 0..3_usize,
        definition in 0..3_usize,
    ) -> Living {
        let mut living = living();
        for (name, data) in maps {
            let found = data.map_or(Found::Absent, |data| there(config_map(&name, &data)));
            living.found.insert(id(&name), found);
        }
        let state = [Found::Absent, there(json!({})), there(json!({"status": {"phase": "Terminating"}}))];
        living.found.insert(ObjectId::namespace("shop"), state[namespace].clone());
        let state = [Found::Absent, there(json!({})), Found::Unknown("no".to_owned())];
        living.found.insert(definition_of("example.org", "toys"), state[definition].clone());
        living
    }
}

proptest! {
    /// Whatever the backup and the cluster hold: what exists is only touched where it was asked for, in the version that was read, and every
    /// object is told about.
    #[test]
    fn nothing_that_exists_is_created_or_overwritten_unasked(
        wanted in prop::collection::vec(any_wanted(), 0..8), living in any_living(), overwrite: bool,
    ) {
        let count = wanted.len();
        let items = plan(wanted, &living, &Along::default(), overwrite);
        prop_assert_eq!(items.len(), count);
        let mut before: Vec<&ObjectId> = Vec::new();
        for item in &items {
            match &item.action {
                Action::Create(creation) => {
                    prop_assert!(!matches!(living.found.get(&item.id), Some(Found::There(_) | Found::Unknown(_))));
                    prop_assert!(!before.contains(&&item.id));
                    for needed in &creation.after {
                        prop_assert!(before.contains(&needed), "{} comes before {}", needed, item.id);
                    }
                    before.push(&item.id);
                }
                Action::Overwrite(change) => {
                    prop_assert!(overwrite);
                    prop_assert_eq!(&change.patch["metadata"]["resourceVersion"], "7");
                    prop_assert_eq!(&change.patch["metadata"]["uid"], "u1");
                }
                _ => {}
            }
        }
    }
}
