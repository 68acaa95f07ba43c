//! Objects of a backup that are to be restored.

use std::fmt;

use runbook_kit::model::kubernetes::builtin;
use runbook_kit::model::kubernetes::for_apply::Stage;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::served::ServedResource;
use runbook_kit::ports::cluster_objects::ObjectPlace;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One object, whichever version it is read in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub struct ObjectId {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// `deployments`.
    pub plural: String,
    /// `None` for a resource without namespaces.
    #[serde(default)]
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectId {
    pub fn new(group: &str, plural: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// A built-in one without a namespace.
    pub fn cluster(group: &str, plural: &str, name: &str) -> Self {
        Self::new(group, plural, None, name)
    }

    pub fn namespace(name: &str) -> Self {
        Self::cluster("", "namespaces", name)
    }

    /// The object that a key names.
    pub fn of_key(key: &ObjectKey<'_>) -> Self {
        Self::new(key.group, key.resource, key.namespace, &key.name)
    }

    pub fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// The resource as an operator types it: `deployments`, `certificates.cert-manager.io`.
    pub fn resource(&self) -> String {
        builtin::label(&self.plural, &self.group).into_owned()
    }

    /// As it is typed to select it within its namespace: `storageclasses/gp3`.
    pub fn selector(&self) -> String {
        format!("{}/{}", self.resource(), self.name)
    }

    /// Where it is in the cluster.
    pub fn place<'a>(&'a self, resource: &'a ServedResource) -> ObjectPlace<'a> {
        ObjectPlace {
            resource,
            namespace: self.namespace.as_deref(),
            name: &self.name,
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.resource())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An object of the backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub id: ObjectId,
    pub stage: Stage,
    /// Whether the user did not name it: the namespace of what he named. Only of interest where it does not exist.
    pub implied: bool,
    pub content: Content,
}

/// What the backup has of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// It can be created.
    Ready(Ready),
    /// Nobody has to create it, and why.
    LeftOut(String),
    /// It cannot be read, and why.
    Unreadable(String),
}

/// An object as it is sent to the API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    /// Without what the API and its controllers own.
    pub object: Value,
    /// Its owners. They get other UIDs when they are created again.
    pub owners: Vec<Owner>,
    /// What its reader should know of it.
    pub remarks: Vec<String>,
}

/// An owner, of the same namespace or without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    /// The reference, without the UID.
    pub reference: Value,
}

impl Owner {
    /// The owners of a whole object.
    pub fn all_of(object: &Value) -> Vec<Self> {
        let references = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let of_reference = |reference: &Value| {
            let mut reference = reference.clone();
            reference.as_object_mut()?.remove("uid");
            Some(Self {
                api_version: text(&reference, "/apiVersion").to_owned(),
                kind: text(&reference, "/kind").to_owned(),
                name: text(&reference, "/name").to_owned(),
                reference,
            })
        };
        references.into_iter().flatten().filter_map(of_reference).collect()
    }

    /// The same as the reference to an object with this UID.
    pub fn with_uid(&self, uid: &str) -> Value {
        let mut reference = self.reference.clone();
        if let Some(fields) = reference.as_object_mut() {
            fields.insert("uid".to_owned(), uid.into());
        }
        reference
    }
}

/// The text at a JSON pointer; empty where there is none.
pub fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list; none where there is no list.
pub fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
