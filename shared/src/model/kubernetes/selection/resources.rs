//! The resources that a backup may hold, and what kubectl calls them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::kubernetes::builtin;
use crate::model::kubernetes::key::{ObjectKey, Origin};
use crate::model::kubernetes::object_ref::is_plural_of;

/// What `all` means to kubectl: the built-in resources of this category (`pkg/registry/*/*/storage`, `Categories()`).
const ALL: [&str; 10] = [
    "cronjobs",
    "daemonsets",
    "deployments",
    "horizontalpodautoscalers",
    "jobs",
    "pods",
    "replicasets",
    "replicationcontrollers",
    "services",
    "statefulsets",
];

/// A resource, as keys tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The plural: `deployments`.
    pub plural: String,
    /// The API group; empty for the core group.
    pub group: String,
}

impl Resource {
    /// Whether a key is of this resource.
    #[must_use]
    pub fn is_of(&self, key: &ObjectKey<'_>) -> bool {
        key.is_kubernetes() && key.resource == self.plural && key.group == self.group
    }

    /// As an operator types it: `deployments`, `certificates.cert-manager.io`.
    #[must_use]
    pub fn label(&self) -> String {
        builtin::label(&self.plural, &self.group).into_owned()
    }
}

/// The names of a custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Custom {
    resource: Resource,
    /// What kubectl accepts for it beside the plural, in lower case. Empty without a definition.
    words: Vec<String>,
    categories: Vec<String>,
    defined: bool,
}

/// The resources by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources(Vec<Custom>);

/// Why a word is no resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// Neither built in nor defined in this backup, and nothing of it in there.
    #[error("there is no resource type `{0}`, neither built in nor in this backup")]
    Unknown(String),
    /// Several groups have it.
    #[error("`{word}` is more than one resource: {}", found.join(", "))]
    Ambiguous {
        /// What was requested.
        word: String,
        /// The resources, each by an unambiguous name.
        found: Vec<String>,
    },
}

impl Resources {
    /// Adds those that `definitions` (CustomResourceDefinitions as `kubectl get` shows them) define, and those of which there
    /// are only objects among `keys`. What Kubernetes compiles in is always known.
    pub fn add<'k>(&mut self, definitions: &[Value], keys: impl Iterator<Item = &'k [u8]>) {
        let defined = definitions.iter().filter_map(Custom::of_definition);
        self.0.extend(defined);
        let mut undefined = BTreeSet::new();
        let mut last = None;
        for key in keys {
            let key = ObjectKey::parse(key);
            if key.origin == Origin::Custom && last != Some((key.group, key.resource)) {
                last = Some((key.group, key.resource));
                undefined.insert(last);
            }
        }
        for (group, plural) in undefined.into_iter().flatten() {
            self.0.push(Custom {
                resource: Resource {
                    plural: plural.to_owned(),
                    group: group.to_owned(),
                },
                words: Vec::new(),
                categories: Vec::new(),
                defined: false,
            });
        }
        // Of a resource what is defined comes first, and stays.
        self.0
            .sort_by(|a, b| (&a.resource, !a.defined).cmp(&(&b.resource, !b.defined)));
        self.0.dedup_by(|later, first| later.resource == first.resource);
    }

    /// What kubectl means by `word`: a plural, singular, kind or short name with or without `.GROUP` or `.VERSION.GROUP`, or a
    /// category. Without a group built-in resources win.
    ///
    /// # Errors
    /// Where it is none, or more than one.
    pub fn find(&self, word: &str) -> Result<Vec<Resource>, ResourceError> {
        let wanted = word.to_ascii_lowercase();
        let (name, groups) = match wanted.split_once('.') {
            Some((name, rest)) => (name, Some(groups(rest))),
            None => (wanted.as_str(), None),
        };
        if groups.is_none() {
            if let Some(known) = builtin::of_word(name) {
                return Ok(vec![Resource::of_builtin(known)]);
            }
            let category = self.category(name);
            if !category.is_empty() {
                return Ok(category);
            }
        }
        for exact in [true, false] {
            let in_group = |group: &str| match &groups {
                None => exact,
                Some(groups) if exact => groups.contains(&group),
                // kubectl takes the beginning of a group, too.
                Some(groups) => groups
                    .iter()
                    .any(|wanted| !wanted.is_empty() && group.starts_with(wanted)),
            };
            let found = self.named(name, &in_group);
            match found.len() {
                0 => {}
                1 => return Ok(found),
                _ => {
                    return Err(ResourceError::Ambiguous {
                        word: word.to_owned(),
                        found: found.iter().map(Resource::label).collect(),
                    });
                }
            }
        }
        Err(ResourceError::Unknown(word.to_owned()))
    }

    fn named(&self, name: &str, in_group: &dyn Fn(&str) -> bool) -> Vec<Resource> {
        let builtins = builtin::of_word(name)
            .filter(|known| !known.group.is_empty() && in_group(known.group))
            .map(Resource::of_builtin);
        let customs = || {
            self.0
                .iter()
                .filter(|custom| in_group(&custom.resource.group) && custom.is_named(name))
                .map(|custom| custom.resource.clone())
        };
        builtins.map_or_else(|| customs().collect(), |known| vec![known])
    }

    fn category(&self, name: &str) -> Vec<Resource> {
        let builtins = ALL
            .iter()
            .filter(|_| name == "all")
            .filter_map(|plural| builtin::of_word(plural))
            .map(Resource::of_builtin);
        let customs = self
            .0
            .iter()
            .filter(|custom| custom.categories.iter().any(|category| category == name))
            .map(|custom| custom.resource.clone());
        builtins.chain(customs).collect()
    }
}

/// What stands behind the first dot is a group, or a version and a group.
fn groups(rest: &str) -> Vec<&str> {
    let is_version = |text: &str| {
        text.strip_prefix('v')
            .is_some_and(|text| text.starts_with(|digit: char| digit.is_ascii_digit()) && !text.contains('-'))
    };
    let behind = rest.split_once('.').filter(|(version, _)| is_version(version));
    [Some(rest), behind.map(|(_, group)| group)]
        .into_iter()
        .flatten()
        .collect()
}

impl Resource {
    fn of_builtin(known: &builtin::Builtin) -> Self {
        Self {
            plural: known.plural.to_owned(),
            group: known.group.to_owned(),
        }
    }
}

impl Custom {
    fn of_definition(definition: &Value) -> Option<Self> {
        let text = |pointer: &str| Some(definition.pointer(pointer)?.as_str()?.to_ascii_lowercase());
        let texts = |pointer: &str| {
            let list = definition.pointer(pointer).and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let singular_and_kind = ["/spec/names/singular", "/spec/names/kind"]
            .into_iter()
            .filter_map(text);
        Some(Self {
            resource: Resource {
                plural: text("/spec/names/plural")?,
                group: text("/spec/group")?,
            },
            words: singular_and_kind.chain(texts("/spec/names/shortNames")).collect(),
            categories: texts("/spec/names/categories"),
            defined: true,
        })
    }

    fn is_named(&self, name: &str) -> bool {
        if self.defined {
            name == self.resource.plural || self.words.iter().any(|word| word == name)
        } else {
            is_plural_of(&self.resource.plural, name)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resources() -> Resources {
        let definition = |group: &str, plural: &str, kind: &str, short: &[&str], categories: &[&str]| {
            json!({"spec": {"group": group, "names": {"plural": plural, "singular": kind.to_ascii_lowercase(),
                "kind": kind, "shortNames": short, "categories": categories}}})
        };
        let definitions = [
            definition(
                "cert-manager.io",
                "certificates",
                "Certificate",
                &["cert", "certs"],
                &["cert-manager"],
            ),
            definition("cert-manager.io", "issuers", "Issuer", &[], &["cert-manager", "all"]),
            definition("a.example.com", "clusters", "Cluster", &[], &[]),
            definition("b.example.com", "clusters", "Cluster", &[], &[]),
            definition("serving.knative.dev", "services", "Service", &["ksvc"], &[]),
            json!({"spec": 1}),
        ];
        let keys = [
            &b"/registry/cert-manager.io/certificates/shop/web"[..],
            b"/registry/gone.example.com/policies/shop/web",
            b"/registry/gone.example.com/policies/shop/web2",
            b"/registry/pods/shop/web",
            b"compact_rev_key",
        ];
        let mut resources = Resources::default();
        resources.add(&definitions, keys.into_iter());
        resources
    }

    fn labels(word: &str) -> Vec<String> {
        resources().find(word).unwrap().iter().map(Resource::label).collect()
    }

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        for (word, label) in [
            ("deploy", "deployments"),
            ("Deployment", "deployments"),
            ("deployments.apps", "deployments"),
            ("deployments.v1.apps", "deployments"),
            ("services", "services"),
            ("services.serving.knative.dev", "services.serving.knative.dev"),
            ("services.serving", "services.serving.knative.dev"),
            ("ksvc", "services.serving.knative.dev"),
            ("certificate", "certificates.cert-manager.io"),
            ("cert", "certificates.cert-manager.io"),
            ("Certificate.v1.cert-manager.io", "certificates.cert-manager.io"),
            ("certificates.cert-manager", "certificates.cert-manager.io"),
            ("clusters.b.example.com", "clusters.b.example.com"),
            ("policy", "policies.gone.example.com"),
            ("policies.gone.example.com", "policies.gone.example.com"),
            ("ing.networking", "ingresses"),
        ] {
            assert_eq!(labels(word), [label], "{word}");
        }
    }

    #[test]
    fn categories_are_many() {
        let all = labels("all");
        assert_eq!(all.len(), ALL.len() + 1);
        assert!(
            all.contains(&"issuers.cert-manager.io".to_owned()) && all.contains(&"jobs".to_owned()),
            "{all:?}"
        );
        assert_eq!(labels("cert-manager").len(), 2);
    }

    #[test]
    fn what_is_none_or_many_is_refused() {
        for word in [
            "",
            ".",
            "nothing",
            "pods.",
            "deployments.example.com",
            "certificates.other.io",
        ] {
            assert_eq!(resources().find(word), Err(ResourceError::Unknown(word.to_owned())));
        }
        let error = resources().find("cluster").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`cluster` is more than one resource: clusters.a.example.com, clusters.b.example.com"
        );
    }
}
