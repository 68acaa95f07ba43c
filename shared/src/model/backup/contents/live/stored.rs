//! What the backup has, by resource.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NotCompared, Reason};
use crate::model::backup::contents::Snapshot;
use crate::model::backup::contents::diff::DiffOptions;
use crate::model::kubernetes::builtin::{self, Builtin};
use crate::model::kubernetes::key::{DEFAULT_PREFIX, ObjectKey, Origin};
use crate::model::kubernetes::metadata;
use crate::model::kubernetes::value::Encoding;
use crate::model::snapshot::{LiveKey, Problem};

/// Enough of a protobuf value to have its `apiVersion`.
const HEAD: u32 = 300;

/// A resource by its group and plural. What is stored without its group, for a Kubernetes newer than the table of built-ins, has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceName {
    /// `apps`; empty for the core group.
    pub group: String,
    /// `deployments`.
    pub plural: String,
}

impl ResourceName {
    /// The resource of a key.
    #[must_use]
    pub fn of(key: &ObjectKey<'_>) -> Self {
        Self::new(key.group, key.resource)
    }

    /// The resource of these names.
    #[must_use]
    pub fn new(group: &str, plural: &str) -> Self {
        Self {
            group: group.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// The built-in of these names.
    #[must_use]
    pub fn builtin(&self) -> Option<&'static Builtin> {
        let named = |found: &&Builtin| found.group == self.group && found.plural == self.plural;
        builtin::all().iter().find(named)
    }

    /// Says why it is not compared.
    #[must_use]
    pub fn not_compared(&self, reason: Reason, objects: u64, why: impl Into<String>) -> NotCompared {
        NotCompared {
            reason,
            resource: self.plural.clone(),
            group: self.group.clone(),
            objects,
            why: why.into(),
        }
    }
}

/// The keys of a backup that are wanted, by resource.
pub struct Stored<'a> {
    /// The backup.
    pub snapshot: Snapshot<'a>,
    /// What is compared and listed.
    pub options: DiffOptions<'a>,
    /// Whether this etcd holds namespaces, and so all that has no etcd of its own.
    pub is_main: bool,
    /// Keys that are no object of Kubernetes.
    pub others: u64,
    prefix: String,
    /// Indexes of the wanted keys, and whether the backup has any.
    resources: BTreeMap<ResourceName, Vec<usize>>,
}

impl<'a> Stored<'a> {
    /// Sorts the keys. No value is read.
    #[must_use]
    pub fn of(snapshot: Snapshot<'a>, options: DiffOptions<'a>) -> Self {
        let mut stored = Self {
            snapshot,
            options,
            is_main: false,
            others: 0,
            prefix: DEFAULT_PREFIX.to_owned(),
            resources: BTreeMap::new(),
        };
        for (at, live) in snapshot.content.keys.iter().enumerate() {
            let key = ObjectKey::parse(&live.key);
            if !key.is_kubernetes() {
                stored.others += 1;
                continue;
            }
            if key.is("namespaces") && !stored.is_main {
                stored.is_main = true;
                stored.prefix = key.prefix.to_owned();
            }
            let name = ResourceName::of(&key);
            let keys = match stored.resources.get_mut(&name) {
                Some(keys) => keys,
                None => stored.resources.entry(name).or_default(),
            };
            if options.wants(&live.key, &key) {
                keys.push(at);
            }
        }
        stored
    }

    /// The resources of which the backup has objects, wanted ones or not.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceName> {
        self.resources.keys()
    }

    /// Whether the backup has any object of a resource, wanted or not.
    #[must_use]
    pub fn has(&self, name: &ResourceName) -> bool {
        self.resources.contains_key(name)
    }

    /// The indexes of the wanted keys of a resource.
    #[must_use]
    pub fn keys_of(&self, name: &ResourceName) -> &[usize] {
        self.resources.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many wanted objects of a resource there are.
    #[must_use]
    pub fn count(&self, name: &ResourceName) -> u64 {
        self.keys_of(name).len() as u64
    }

    /// The name under which the backup has a resource that the API serves.
    #[must_use]
    pub fn name_of(&self, group: &str, plural: &str) -> ResourceName {
        let name = ResourceName::new(group, plural);
        let without_group = ResourceName::new("", plural);
        let is_newer = !self.has(&name) && name.builtin().is_none() && without_group.builtin().is_none();
        if is_newer && self.has(&without_group) {
            without_group
        } else {
            name
        }
    }

    /// The key under which an object is stored.
    #[must_use]
    pub fn raw_key(&self, name: &ResourceName, namespace: Option<&str>, object: &str) -> Vec<u8> {
        let folder = match name.builtin() {
            Some(builtin) => builtin.stored.to_owned(),
            None if name.group.is_empty() => name.plural.clone(),
            None => format!("{}/{}", name.group, name.plural),
        };
        let prefix = &self.prefix;
        match namespace {
            Some(namespace) => format!("{prefix}/{folder}/{namespace}/{object}"),
            None => format!("{prefix}/{folder}/{object}"),
        }
        .into_bytes()
    }

    /// The index of a key.
    #[must_use]
    pub fn find(&self, raw: &[u8]) -> Option<usize> {
        let keys = &self.snapshot.content.keys;
        keys.binary_search_by(|live| live.key.as_slice().cmp(raw)).ok()
    }

    /// In which versions the wanted objects of a resource are stored, with how many each, the most common first. What cannot be read
    /// counts for none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn versions(&self, name: &ResourceName) -> Result<Vec<String>, Problem> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for live in self
            .keys_of(name)
            .iter()
            .filter_map(|at| self.snapshot.content.keys.get(*at))
        {
            if let Some(version) = self.version(live)? {
                *counts.entry(version).or_default() += 1;
            }
        }
        let mut versions: Vec<(u64, String)> = counts.into_iter().map(|(version, count)| (count, version)).collect();
        versions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        Ok(versions.into_iter().map(|(_, version)| version).collect())
    }

    fn version(&self, live: &LiveKey) -> Result<Option<String>, Problem> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct TypeMeta {
            api_version: String,
        }
        let head = self.snapshot.head(live, HEAD)?;
        if Encoding::of_head(&head) == Encoding::Protobuf {
            return Ok(metadata::api_version_in_head(&head).map(str::to_owned));
        }
        let value = self.snapshot.value(live)?;
        if let Some(version) = metadata::api_version_in_head(&value) {
            return Ok(Some(version.to_owned()));
        }
        let json: Option<TypeMeta> = serde_json::from_slice(&value).ok();
        Ok(json.map(|found| found.api_version))
    }

    /// Whether an object belongs to what is compared.
    #[must_use]
    pub fn wants(&self, raw: &[u8]) -> bool {
        self.options.wants(raw, &ObjectKey::parse(raw))
    }

    /// Whether the resource is one of the custom ones.
    #[must_use]
    pub fn is_custom(&self, name: &ResourceName) -> bool {
        let live = self
            .keys_of(name)
            .first()
            .and_then(|at| self.snapshot.content.keys.get(*at));
        live.is_some_and(|live| ObjectKey::parse(&live.key).origin == Origin::Custom) && !name.group.is_empty()
    }
}
