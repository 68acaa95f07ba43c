//! The resources that an API server serves, read from its discovery documents.
//!
//! Formats from kubernetes/kubernetes: `apidiscovery.k8s.io/v2` and `v2beta1` (one document for all groups, Kubernetes 1.26 and
//! later), and `APIGroupList`, `APIVersions` and `APIResourceList` of `meta/v1` before that.

use serde::Deserialize;
use serde_json::Value;

use super::builtin;

/// The media types of one document for all groups, best first. A server that knows none of them answers with the older lists.
pub const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// One resource in one version of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServedResource {
    /// The API group; empty for the core group.
    pub group: String,
    /// `v1`, `v2beta2`.
    pub version: String,
    /// The plural of its path: `deployments`.
    pub plural: String,
    /// The singular in lower case; may be empty.
    pub singular: String,
    /// `Deployment`.
    pub kind: String,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What kubectl accepts for short.
    pub short: Vec<String>,
    /// `create`, `delete`, `get`, `list`, `patch`, …
    pub verbs: Vec<String>,
    /// Whether this is the version of its group that the server prefers: the one that `kubectl get` prints.
    pub preferred: bool,
}

impl ServedResource {
    /// As in `apiVersion`: `v1`, `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether the server knows this verb for it.
    #[must_use]
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// As an operator types it: `deployments`, `certificates.cert-manager.io`.
    #[must_use]
    pub fn label(&self) -> String {
        builtin::label(&self.plural, &self.group).into_owned()
    }
}

/// What a server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// All resources in all served versions, without subresources, sorted.
    pub resources: Vec<ServedResource>,
    /// The group versions that the server could not tell about: their own API server does not answer.
    pub unknown: Vec<String>,
}

impl Served {
    /// The resource of a kind in exactly this `apiVersion`.
    #[must_use]
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&ServedResource> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let mut all = self.resources.iter();
        all.find(|found| found.group == group && found.version == version && found.kind == kind)
    }

    /// The version in which the server prefers to show a resource.
    #[must_use]
    pub fn preferred(&self, group: &str, plural: &str) -> Option<&ServedResource> {
        let of_name = |found: &&ServedResource| found.group == group && found.plural == plural;
        let mut all = self.resources.iter().filter(of_name);
        let first = all.clone().next();
        all.find(|found| found.preferred).or(first)
    }
}

/// What one discovery document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// All of it.
    Whole(Served),
    /// Only the group versions, each to be asked for its resources, and whether its group prefers it.
    Versions(Vec<(String, bool)>),
}

/// Reads the answer of `/api` or `/apis`.
///
/// # Errors
/// Where it is none of the known documents.
pub fn discovery(document: Value) -> Result<Discovery, serde_json::Error> {
    Ok(match serde_json::from_value(document)? {
        Document::GroupDiscoveryList { items } => Discovery::Whole(whole(items)),
        Document::Versions { versions } => {
            let first = versions.first().cloned();
            let of_version = |version: String| (version.clone(), first.as_ref() == Some(&version));
            Discovery::Versions(versions.into_iter().map(of_version).collect())
        }
        Document::GroupList { groups } => {
            let versions = groups.into_iter().flat_map(|group| {
                let preferred = group.preferred_version.map(|version| version.group_version);
                group.versions.into_iter().map(move |version| {
                    let is_preferred = preferred.as_ref() == Some(&version.group_version);
                    (version.group_version, is_preferred)
                })
            });
            Discovery::Versions(versions.collect())
        }
    })
}

/// Reads the answer of `/api/v1` or `/apis/GROUP/VERSION`.
///
/// # Errors
/// Where it is no `APIResourceList`.
pub fn resource_list(
    group_version: &str,
    preferred: bool,
    document: Value,
) -> Result<Vec<ServedResource>, serde_json::Error> {
    let (group, version) = group_version.rsplit_once('/').unwrap_or(("", group_version));
    let list: ResourceList = serde_json::from_value(document)?;
    let resources = list.resources.into_iter().filter(|found| !found.name.contains('/'));
    Ok(resources
        .map(|found| ServedResource {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: found.name,
            singular: found.singular_name,
            kind: found.kind,
            namespaced: found.namespaced,
            short: found.short_names,
            verbs: found.verbs,
            preferred,
        })
        .collect())
}

fn whole(groups: Vec<GroupDiscovery>) -> Served {
    let mut served = Served::default();
    for group in groups {
        let name = group.metadata.name;
        for (at, version) in group.versions.into_iter().enumerate() {
            if version.freshness == "Stale" {
                served.unknown.push(format!("{name}/{}", version.version));
            }
            let of_resource = |found: ResourceDiscovery| ServedResource {
                group: name.clone(),
                version: version.version.clone(),
                plural: found.resource,
                singular: found.singular_resource,
                kind: found.response_kind.kind,
                namespaced: found.scope == "Namespaced",
                short: found.short_names,
                verbs: found.verbs,
                // The versions come in the group's order of preference.
                preferred: at == 0,
            };
            served.resources.extend(version.resources.into_iter().map(of_resource));
        }
    }
    served.resources.sort();
    served
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Document {
    #[serde(rename = "APIGroupDiscoveryList")]
    GroupDiscoveryList {
        #[serde(default)]
        items: Vec<GroupDiscovery>,
    },
    #[serde(rename = "APIVersions")]
    Versions {
        #[serde(default)]
        versions: Vec<String>,
    },
    #[serde(rename = "APIGroupList")]
    GroupList {
        #[serde(default)]
        groups: Vec<Group>,
    },
}

#[derive(Deserialize)]
struct GroupDiscovery {
    #[serde(default)]
    metadata: Name,
    #[serde(default)]
    versions: Vec<VersionDiscovery>,
}

#[derive(Default, Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct VersionDiscovery {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default)]
    resources: Vec<ResourceDiscovery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDiscovery {
    resource: String,
    #[serde(default)]
    response_kind: Kind,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    singular_resource: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Kind {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    versions: Vec<GroupVersion>,
    preferred_version: Option<GroupVersion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion {
    group_version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_document_tells_all_versions_and_what_could_not_be_asked() {
        let document = json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
            "items": [
                {"metadata": {"name": "autoscaling"}, "versions": [
                    {"version": "v2", "freshness": "Current", "resources": [{
                        "resource": "horizontalpodautoscalers", "scope": "Namespaced",
                        "responseKind": {"group": "", "version": "", "kind": "HorizontalPodAutoscaler"},
                        "singularResource": "horizontalpodautoscaler", "shortNames": ["hpa"],
                        "verbs": ["create", "get"], "categories": ["all"],
                        "subresources": [{"subresource": "status"}],
                    }]},
                    {"version": "v1", "resources": [{"resource": "horizontalpodautoscalers", "scope": "Namespaced",
                        "responseKind": {"kind": "HorizontalPodAutoscaler"}}]},
                ]},
                {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
            ],
        });
        let Discovery::Whole(served) = discovery(document).unwrap() else {
            panic!("all is told at once")
        };
        assert_eq!(served.unknown, ["metrics.k8s.io/v1beta1"]);
        let preferred = served.preferred("autoscaling", "horizontalpodautoscalers").unwrap();
        assert_eq!(preferred.api_version(), "autoscaling/v2");
        assert!(preferred.namespaced && preferred.allows("create") && !preferred.allows("delete"));
        let older = served.of_kind("autoscaling/v1", "HorizontalPodAutoscaler").unwrap();
        assert!(!older.preferred);
        assert_eq!(served.of_kind("autoscaling/v3", "HorizontalPodAutoscaler"), None);
    }

    #[test]
    fn older_servers_are_asked_version_by_version() {
        let core = discovery(json!({"kind": "APIVersions", "versions": ["v1"]}));
        assert_eq!(core.unwrap(), Discovery::Versions(vec![("v1".into(), true)]));
        let groups = discovery(json!({"kind": "APIGroupList", "groups": [{"name": "batch",
            "versions": [{"groupVersion": "batch/v1beta1", "version": "v1beta1"}, {"groupVersion": "batch/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"}}]}));
        assert_eq!(
            groups.unwrap(),
            Discovery::Versions(vec![("batch/v1beta1".into(), false), ("batch/v1".into(), true)])
        );
        let list = json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get"], "shortNames": ["po"]},
            {"name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"]},
        ]});
        let resources = resource_list("v1", true, list).unwrap();
        let [pods] = resources.as_slice() else {
            panic!("a subresource is no resource")
        };
        assert_eq!((pods.api_version().as_str(), pods.kind.as_str()), ("v1", "Pod"));
    }

    #[test]
    fn other_documents_are_refused() {
        for document in [json!(null), json!({}), json!({"kind": "Status"}), json!([1])] {
            assert!(discovery(document).is_err());
        }
        assert!(resource_list("v1", true, json!({"resources": [{"kind": "Pod"}]})).is_err());
    }
}
