//! What the living cluster has of it.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::kubernetes::served::{Served, ServedResource};
use serde_json::Value;

use super::object::{Content, ObjectId, Wanted, list, text};

/// What is known of the cluster that the objects go to.
#[derive(Clone, Debug, Default)]
pub struct Living {
    pub served: Served,
    /// The wanted objects, and the namespaces that they lie in.
    pub found: BTreeMap<ObjectId, Found>,
    /// What they need or belong to, and is not wanted itself.
    pub mentioned: BTreeMap<ObjectId, Presence>,
    /// Those of the mentioned ones that the backup has, and the definitions of custom resources in it.
    pub backup_has: BTreeSet<ObjectId>,
}

/// One object that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Absent,
    There(Value),
    /// It could not be read, and why.
    Unknown(String),
}

/// The same without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Missing,
    /// With this UID.
    There(String),
    Unknown,
}

impl Living {
    /// The object, where it is there.
    pub fn object(&self, id: &ObjectId) -> Option<&Value> {
        match self.found.get(id)? {
            Found::There(object) => Some(object),
            Found::Absent | Found::Unknown(_) => None,
        }
    }

    /// Its UID, where it is known to be there.
    pub fn uid(&self, id: &ObjectId) -> Option<&str> {
        match (self.object(id), self.mentioned.get(id)) {
            (Some(object), _) => Some(text(object, "/metadata/uid")),
            (None, Some(Presence::There(uid))) => Some(uid),
            _ => None,
        }
    }
}

/// The definition of a custom resource.
pub fn definition_of(group: &str, plural: &str) -> ObjectId {
    ObjectId::cluster(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &format!("{plural}.{group}"),
    )
}

/// The resources that wanted definitions will serve.
pub fn defined_by(wanted: &[Wanted]) -> Vec<ServedResource> {
    let definitions = wanted
        .iter()
        .filter(|one| one.id.is("apiextensions.k8s.io", "customresourcedefinitions"));
    definitions.flat_map(defined_by_one).collect()
}

fn defined_by_one(definition: &Wanted) -> Vec<ServedResource> {
    let Content::Ready(ready) = &definition.content else {
        return Vec::new();
    };
    let object = &ready.object;
    let versions = list(object, "/spec/versions").iter();
    let served = versions.filter(|version| version.get("served") == Some(&Value::Bool(true)));
    served
        .map(|version| ServedResource {
            group: text(object, "/spec/group").to_owned(),
            version: text(version, "/name").to_owned(),
            plural: text(object, "/spec/names/plural").to_owned(),
            singular: text(object, "/spec/names/singular").to_owned(),
            kind: text(object, "/spec/names/kind").to_owned(),
            namespaced: text(object, "/spec/scope") == "Namespaced",
            short: Vec::new(),
            verbs: ["create", "delete", "get", "list", "patch"].map(str::to_owned).to_vec(),
            preferred: false,
        })
        .collect()
}

/// Why nothing can be created in a namespace, or an object not be touched: it is on its way out.
pub fn going(object: &Value) -> Option<String> {
    let terminating = text(object, "/status/phase") == "Terminating";
    if text(object, "/metadata/deletionTimestamp").is_empty() && !terminating {
        return None;
    }
    let finalizers = list(object, "/metadata/finalizers")
        .iter()
        .chain(list(object, "/spec/finalizers"));
    let finalizers: Vec<&str> = finalizers.filter_map(Value::as_str).collect();
    Some(match finalizers.as_slice() {
        [] => "is being deleted".to_owned(),
        waits => format!("is being deleted, and waits for {}", waits.join(", ")),
    })
}
