//! What fills an etcd: the keys and values of a snapshot, by resource and namespace.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::snapshot::Content;
use serde::Serialize;

/// The objects of one resource in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpaceUse {
    /// As kubectl takes it: `secrets`, `certificates.cert-manager.io`.
    pub resource: String,
    /// `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    pub objects: u64,
    /// Bytes of their keys and present values; earlier values are history.
    pub bytes: u64,
}

/// The largest first, at most `most`.
#[must_use]
pub fn largest(content: &Content, most: usize) -> Vec<SpaceUse> {
    let mut places: BTreeMap<(String, Option<&str>), (u64, u64)> = BTreeMap::new();
    for live in &content.keys {
        let key = ObjectKey::parse(&live.key);
        let place = (key.resource_label().into_owned(), key.namespace);
        let (objects, bytes) = places.entry(place).or_default();
        *objects += 1;
        *bytes += live.key.len() as u64 + u64::from(live.value.length);
    }
    let uses = places
        .into_iter()
        .map(|((resource, namespace), (objects, bytes))| SpaceUse {
            resource,
            namespace: namespace.map(str::to_owned),
            objects,
            bytes,
        });
    let mut uses: Vec<SpaceUse> = uses.collect();
    // Stable: equal ones stay sorted by name.
    uses.sort_by_key(|one| Reverse(one.bytes));
    uses.truncate(most);
    uses
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::snapshot::{LiveKey, ValueAt};

    use super::*;

    #[test]
    fn the_largest_comes_first_and_namespaces_are_apart() {
        let live = |key: &str, length| LiveKey {
            key: key.as_bytes().to_vec(),
            create_revision: 1,
            mod_revision: 1,
            version: 1,
            lease: 0,
            encrypted: false,
            value: ValueAt { offset: 0, length },
        };
        let content = Content {
            revision: 9,
            applied_index: None,
            hash: 0,
            records: 4,
            db_size: 0,
            storage_version: None,
            lease_count: 0,
            keys: vec![
                live("/registry/cert-manager.io/certificates/shop/web", 10),
                live("/registry/minions/i-1", 100),
                live("/registry/secrets/a/x", 300),
                live("/registry/secrets/b/x", 200),
                live("/registry/secrets/b/y", 200),
            ],
        };
        let seen: Vec<(String, Option<String>, u64, u64)> = largest(&content, 3)
            .into_iter()
            .map(|one| (one.resource, one.namespace, one.objects, one.bytes))
            .collect();
        let named = |resource: &str, namespace: Option<&str>, objects, bytes| {
            (resource.to_owned(), namespace.map(str::to_owned), objects, bytes)
        };
        assert_eq!(
            seen,
            [
                named("secrets", Some("b"), 2, 442),
                named("secrets", Some("a"), 1, 321),
                named("nodes", None, 1, 121),
            ]
        );
    }
}
