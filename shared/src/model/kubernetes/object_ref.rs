//! How an operator names one object of a backup: `secrets/billing/s1`, `deploy/shop/web`, `nodes/i-1`,
//! `cert-manager.io/certificates/shop/web`, `certificates.cert-manager.io/shop/web`, or a key of etcd as it is.

use std::fmt;

use super::builtin::{self, Builtin};
use super::key::{ObjectKey, Origin};

/// One object, as named. A name can be read in more than one way (`a.b/c/d` is a custom resource `c` of group `a.b`, or
/// `a` of group `b` in namespace `c`): every reading matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    text: String,
    readings: Vec<Reading>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    resource: Resource,
    namespace: Option<String>,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Resource {
    Builtin(&'static Builtin),
    /// The plural or the singular, in lower case; the group where it was given.
    Custom {
        word: String,
        group: Option<String>,
    },
}

/// Why a text names no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectRefError {
    /// Nothing, or only a resource.
    #[error("`{0}` names no object: write RESOURCE/NAMESPACE/NAME, RESOURCE/NAME or a key of etcd")]
    Incomplete(String),
    /// Two slashes in a row, or one at the end.
    #[error("`{0}` has an empty part between its slashes")]
    EmptyPart(String),
}

impl ObjectRef {
    /// Reads what an operator typed.
    ///
    /// # Errors
    /// When it names no object.
    pub fn parse(text: &str) -> Result<Self, ObjectRefError> {
        let text = text.trim();
        if text.starts_with('/') && text.len() > 1 {
            return Ok(Self {
                text: text.to_owned(),
                readings: Vec::new(),
            });
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 1 && parts.contains(&"") {
            return Err(ObjectRefError::EmptyPart(text.to_owned()));
        }
        let mut readings = Vec::new();
        match parts.as_slice() {
            [] | [_] => return Err(ObjectRefError::Incomplete(text.to_owned())),
            [word, name] => readings.push(Reading::new(Resource::of(word), None, name)),
            [word, namespace, name] => {
                readings.push(Reading::new(Resource::of(word), Some(namespace), name));
                readings.extend(Resource::of_group(word, namespace).map(|resource| Reading::new(resource, None, name)));
            }
            [group, word, namespace, name] => {
                readings
                    .extend(Resource::of_group(group, word).map(|found| Reading::new(found, Some(namespace), name)));
            }
            // Deeper paths exist outside Kubernetes only, where the whole text is the key.
            _ => {}
        }
        readings.extend(Reading::of_stored_path(text).filter(|reading| !readings.contains(reading)));
        Ok(Self {
            text: text.to_owned(),
            readings,
        })
    }

    /// Whether `key`, which was read from the raw key `raw`, is the object meant.
    #[must_use]
    pub fn matches(&self, raw: &[u8], key: &ObjectKey<'_>) -> bool {
        raw == self.text.as_bytes() || self.readings.iter().any(|reading| reading.matches(key))
    }

    /// Whether it may be an object of this resource.
    #[must_use]
    pub fn may_be_of(&self, plural: &str, group: &str) -> bool {
        let is_of = |key: &ObjectKey<'_>| key.resource == plural && key.group == group;
        let of_word = |resource: &Resource| match resource {
            Resource::Builtin(builtin) => builtin.plural == plural && builtin.group == group,
            Resource::Custom { word, group: wanted } => {
                wanted.as_deref().is_none_or(|wanted| wanted == group) && is_plural_of(plural, word)
            }
        };
        is_of(&ObjectKey::parse(self.text.as_bytes())) || self.readings.iter().any(|reading| of_word(&reading.resource))
    }

    /// The objects most alike, best first, at most `limit`: the same name elsewhere, then nearly the same name of the same
    /// resource.
    pub fn near_misses<'k>(&self, keys: impl Iterator<Item = &'k [u8]>, limit: usize) -> Vec<String> {
        let mut found: Vec<(usize, String)> = keys
            .filter_map(|raw| {
                let key = ObjectKey::parse(raw);
                Some((self.distance(&key)?, key.to_string()))
            })
            .collect();
        found.sort_unstable();
        found.truncate(limit);
        found.into_iter().map(|(_, text)| text).collect()
    }

    /// How far off a key is; `None` where it is not worth a mention.
    fn distance(&self, key: &ObjectKey<'_>) -> Option<usize> {
        if self.readings.is_empty() {
            let printed = key.to_string();
            let close = edits(&self.text, &printed, self.text.len() / 4)?;
            return (!key.is_kubernetes()).then_some(close);
        }
        self.readings.iter().filter_map(|reading| reading.distance(key)).min()
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Resource {
    fn of(word: &str) -> Self {
        if let Some(builtin) = builtin::of_word(word) {
            return Self::Builtin(builtin);
        }
        let word = word.to_ascii_lowercase();
        match word.split_once('.') {
            Some((word, group)) => Self::Custom {
                word: word.to_owned(),
                group: Some(group.to_owned()),
            },
            None => Self::Custom { word, group: None },
        }
    }

    /// `apps` and `deployments`, `cert-manager.io` and `certificates`; `None` where the first is no group.
    fn of_group(group: &str, word: &str) -> Option<Self> {
        let known = builtin::of_word(&format!("{word}.{group}")).map(Self::Builtin);
        let custom = || Self::Custom {
            word: word.to_ascii_lowercase(),
            group: Some(group.to_ascii_lowercase()),
        };
        known.or_else(|| group.contains('.').then(custom))
    }

    fn matches(&self, key: &ObjectKey<'_>) -> bool {
        match (self, key.origin) {
            (Self::Builtin(wanted), Origin::Builtin(found)) => wanted.stored == found.stored,
            (Self::Custom { word, group }, Origin::Custom) => {
                group.as_deref().is_none_or(|group| group == key.group) && is_plural_of(key.resource, word)
            }
            _ => false,
        }
    }
}

/// Whether `plural` is `word`, or its regular English plural: custom resources do not tell their singular in their keys.
pub(super) fn is_plural_of(plural: &str, word: &str) -> bool {
    match plural.strip_prefix(word) {
        Some(ending) => ["", "s", "es"].contains(&ending),
        None => matches!((plural.strip_suffix("ies"), word.strip_suffix('y')), (Some(a), Some(b)) if a == b),
    }
}

impl Reading {
    fn new(resource: Resource, namespace: Option<&str>, name: &str) -> Self {
        Self {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// A key without its prefix: `minions/i-1`, `services/specs/default/kubernetes`.
    fn of_stored_path(path: &str) -> Option<Self> {
        let (builtin, rest) = builtin::of_path(path)?;
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) if builtin.namespaced => (Some(namespace), name),
            _ => (None, rest),
        };
        Some(Self::new(Resource::Builtin(builtin), namespace, name))
    }

    fn matches(&self, key: &ObjectKey<'_>) -> bool {
        self.resource.matches(key) && self.namespace.as_deref() == key.namespace && self.name == key.name
    }

    fn distance(&self, key: &ObjectKey<'_>) -> Option<usize> {
        let same_resource = self.resource.matches(key);
        if self.name == key.name {
            return Some(usize::from(!same_resource));
        }
        let wanted = path(self.namespace.as_deref(), &self.name);
        let found = path(key.namespace, &key.name);
        let close = same_resource
            .then(|| edits(&wanted, &found, wanted.len() / 3 + 1))
            .flatten();
        close.map(|edits| edits + 2)
    }
}

fn path(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// The number of inserted, removed and replaced bytes between two texts; `None` above `limit`.
fn edits(left: &str, right: &str, limit: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.bytes().enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right.bytes()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            last = replaced.min(*cell + 1).min(last + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().filter(|edits| *edits <= limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(text: &str, key: &str) -> bool {
        ObjectRef::parse(text)
            .unwrap()
            .matches(key.as_bytes(), &ObjectKey::parse(key.as_bytes()))
    }

    #[test]
    fn every_way_to_write_an_object_finds_it() {
        for (key, texts) in [
            (
                "/registry/deployments/shop/web",
                &[
                    "deployments/shop/web",
                    "deployment/shop/web",
                    "deploy/shop/web",
                    "Deployment/shop/web",
                    "deployments.apps/shop/web",
                    "apps/deployments/shop/web",
                    "/registry/deployments/shop/web",
                    " deploy/shop/web ",
                ][..],
            ),
            (
                "/registry/minions/i-1",
                &["nodes/i-1", "node/i-1", "no/i-1", "minions/i-1"],
            ),
            (
                "/registry/services/specs/default/kubernetes",
                &[
                    "svc/default/kubernetes",
                    "services/default/kubernetes",
                    "services/specs/default/kubernetes",
                ],
            ),
            (
                "/registry/clusterroles/system:node",
                &[
                    "clusterrole/system:node",
                    "rbac.authorization.k8s.io/clusterroles/system:node",
                ],
            ),
            (
                "/registry/cert-manager.io/certificates/shop/web",
                &[
                    "certificates/shop/web",
                    "certificate/shop/web",
                    "certificates.cert-manager.io/shop/web",
                    "cert-manager.io/certificates/shop/web",
                    "cert-manager.io/Certificate/shop/web",
                ],
            ),
            (
                "/registry/cilium.io/ciliumidentities/123",
                &[
                    "ciliumidentity/123",
                    "cilium.io/ciliumidentities/123",
                    "ciliumidentities.cilium.io/123",
                ],
            ),
            ("/registry/masterleases/10.0.0.1", &["masterleases/10.0.0.1"]),
            ("cilium/state/nodes/v1/c1/i-1", &["cilium/state/nodes/v1/c1/i-1"]),
            ("cilium/.heartbeat", &["cilium/.heartbeat"]),
        ] {
            for text in texts {
                assert!(finds(text, key), "{text} is {key}");
            }
        }
    }

    #[test]
    fn other_objects_are_not_meant() {
        for (text, key) in [
            ("deployments/shop/web", "/registry/replicasets/shop/web"),
            ("deployments/web", "/registry/deployments/shop/web"),
            ("nodes/default/i-1", "/registry/minions/i-1"),
            (
                "certificates.other.io/shop/web",
                "/registry/cert-manager.io/certificates/shop/web",
            ),
            ("secrets/billing/s1", "/registry/secrets/billing/s10"),
            (
                "services/default/kubernetes",
                "/registry/serving.knative.dev/services/default/kubernetes",
            ),
        ] {
            assert!(!finds(text, key), "{text} is not {key}");
        }
    }

    #[test]
    fn refuses_what_names_no_object() {
        for text in ["", "secrets", "/"] {
            assert!(ObjectRef::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            ObjectRef::parse("a//b"),
            Err(ObjectRefError::EmptyPart("a//b".to_owned()))
        );
        assert_eq!(
            ObjectRef::parse("secrets/"),
            Err(ObjectRefError::EmptyPart("secrets/".to_owned()))
        );
    }

    #[test]
    fn suggests_the_same_name_elsewhere_before_a_typing_error() {
        let keys = [
            "/registry/secrets/billing/s1",
            "/registry/secrets/billing/s10",
            "/registry/configmaps/billing/s1",
            "/registry/minions/i-1",
            "/registry/secrets/far-away-namespace/other",
        ];
        let near = |text: &str| {
            ObjectRef::parse(text)
                .unwrap()
                .near_misses(keys.iter().map(|key| key.as_bytes()), 3)
        };
        assert_eq!(near("secrets/s1"), ["secrets/billing/s1", "configmaps/billing/s1"]);
        assert_eq!(near("secrets/biling/s2"), ["secrets/billing/s1", "secrets/billing/s10"]);
        assert_eq!(near("nodes/default/i-1"), ["nodes/i-1"]);
        assert_eq!(
            near("secrets/far-away-namespace/o"),
            ["secrets/far-away-namespace/other"]
        );
        assert_eq!(near("pods/x/y"), [""; 0]);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("kitten", "sitting", 3), Some(3));
        assert_eq!(edits("kitten", "sitting", 2), None);
        assert_eq!(edits("", "", 0), Some(0));
        assert_eq!(edits("abc", "", 3), Some(3));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_matches_something(text: String, key: Vec<u8>) {
            if let Ok(reference) = ObjectRef::parse(&text) {
                let _ = reference.matches(&key, &ObjectKey::parse(&key));
                let _ = reference.near_misses([key.as_slice()].into_iter(), 3);
                prop_assert!(reference.matches(text.trim().as_bytes(), &ObjectKey::parse(text.trim().as_bytes())));
            }
        }

        #[test]
        fn what_is_printed_can_be_typed(path in "(minions|secrets/[a-z]{1,5}|clusterroles|[a-z]{1,5}[.][a-z]{1,5}/[a-z]{1,9}(/[a-z]{1,5})?)/[a-z0-9:.-]{1,9}") {
            let key = format!("/registry/{path}");
            let object = ObjectKey::parse(key.as_bytes());
            prop_assert!(ObjectRef::parse(&object.to_string()).unwrap().matches(key.as_bytes(), &object));
        }
    }
}
