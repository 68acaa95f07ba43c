//! The resources that Kubernetes compiles in: where they are stored, what they are called, whether they live in a
//! namespace. A key of etcd tells neither the group nor the scope of these, so both come from this table.
//!
//! Facts from kubernetes/kubernetes: the stored segment is the plural in lower case, but for the special prefixes of
//! `pkg/kubeapiserver/default_storage_factory_builder.go` (and `podsecuritypolicy`, which went with 1.25); the two API
//! servers within the API server (`apiregistration.k8s.io`, `apiextensions.k8s.io`) put their group before it.
//! Groups and short names as `kubectl api-resources` of 1.34 prints them, and those that 1.20 still had.

use std::borrow::Cow;

/// One built-in resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What stands in the key after the prefix: `minions`, `services/specs`.
    pub stored: &'static str,
    /// The plural that kubectl knows: `nodes`, `services`.
    pub plural: &'static str,
    /// The kind in lower case, which kubectl accepts too: `node`. Empty for what is not served by the API.
    pub singular: &'static str,
    /// The API group; empty for the core group and for what is not served by the API.
    pub group: &'static str,
    /// Whether its objects are namespaced.
    pub namespaced: bool,
    /// What kubectl accepts for short.
    pub short: &'static [&'static str],
}

impl Builtin {
    /// Whether the API serves it. What it does not, API servers keep for themselves.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !["masterleases", "peerserverleases", "ranges"].contains(&self.stored)
    }
}

const fn namespaced(
    stored: &'static str,
    plural: &'static str,
    singular: &'static str,
    group: &'static str,
    short: &'static [&'static str],
) -> Builtin {
    Builtin {
        stored,
        plural,
        singular,
        group,
        namespaced: true,
        short,
    }
}

const fn cluster(
    stored: &'static str,
    plural: &'static str,
    singular: &'static str,
    group: &'static str,
    short: &'static [&'static str],
) -> Builtin {
    Builtin {
        stored,
        plural,
        singular,
        group,
        namespaced: false,
        short,
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const FLOW: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const RESOURCE: &str = "resource.k8s.io";
const STORAGE: &str = "storage.k8s.io";

#[rustfmt::skip] // one resource a line reads as the table it is
static BUILTINS: &[Builtin] = &[
    namespaced("configmaps", "configmaps", "configmap", "", &["cm"]),
    namespaced("controllers", "replicationcontrollers", "replicationcontroller", "", &["rc"]),
    namespaced("events", "events", "event", "", &["ev"]),
    namespaced("limitranges", "limitranges", "limitrange", "", &["limits"]),
    cluster("minions", "nodes", "node", "", &["no"]),
    cluster("namespaces", "namespaces", "namespace", "", &["ns"]),
    namespaced("persistentvolumeclaims", "persistentvolumeclaims", "persistentvolumeclaim", "", &["pvc"]),
    cluster("persistentvolumes", "persistentvolumes", "persistentvolume", "", &["pv"]),
    namespaced("pods", "pods", "pod", "", &["po"]),
    namespaced("podtemplates", "podtemplates", "podtemplate", "", &[]),
    namespaced("resourcequotas", "resourcequotas", "resourcequota", "", &["quota"]),
    namespaced("secrets", "secrets", "secret", "", &[]),
    namespaced("serviceaccounts", "serviceaccounts", "serviceaccount", "", &["sa"]),
    namespaced("services/endpoints", "endpoints", "endpoint", "", &["ep"]),
    namespaced("services/specs", "services", "service", "", &["svc"]),
    // Not served by the API: what API servers keep for themselves.
    cluster("masterleases", "masterleases", "masterlease", "", &[]),
    cluster("peerserverleases", "peerserverleases", "peerserverlease", "", &[]),
    cluster("ranges", "ranges", "range", "", &[]),

    cluster("mutatingadmissionpolicies", "mutatingadmissionpolicies", "mutatingadmissionpolicy", ADMISSION, &[]),
    cluster("mutatingadmissionpolicybindings", "mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding", ADMISSION, &[]),
    cluster("mutatingwebhookconfigurations", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", ADMISSION, &[]),
    cluster("validatingadmissionpolicies", "validatingadmissionpolicies", "validatingadmissionpolicy", ADMISSION, &[]),
    cluster("validatingadmissionpolicybindings", "validatingadmissionpolicybindings", "validatingadmissionpolicybinding", ADMISSION, &[]),
    cluster("validatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingwebhookconfiguration", ADMISSION, &[]),
    cluster("apiextensions.k8s.io/customresourcedefinitions", "customresourcedefinitions", "customresourcedefinition", "apiextensions.k8s.io", &["crd", "crds"]),
    cluster("apiregistration.k8s.io/apiservices", "apiservices", "apiservice", "apiregistration.k8s.io", &[]),
    namespaced("controllerrevisions", "controllerrevisions", "controllerrevision", "apps", &[]),
    namespaced("daemonsets", "daemonsets", "daemonset", "apps", &["ds"]),
    namespaced("deployments", "deployments", "deployment", "apps", &["deploy"]),
    namespaced("replicasets", "replicasets", "replicaset", "apps", &["rs"]),
    namespaced("statefulsets", "statefulsets", "statefulset", "apps", &["sts"]),
    namespaced("horizontalpodautoscalers", "horizontalpodautoscalers", "horizontalpodautoscaler", "autoscaling", &["hpa"]),
    namespaced("cronjobs", "cronjobs", "cronjob", "batch", &["cj"]),
    namespaced("jobs", "jobs", "job", "batch", &[]),
    cluster("certificatesigningrequests", "certificatesigningrequests", "certificatesigningrequest", "certificates.k8s.io", &["csr"]),
    cluster("clustertrustbundles", "clustertrustbundles", "clustertrustbundle", "certificates.k8s.io", &[]),
    namespaced("podcertificaterequests", "podcertificaterequests", "podcertificaterequest", "certificates.k8s.io", &["pcr"]),
    namespaced("leases", "leases", "lease", "coordination.k8s.io", &[]),
    namespaced("leasecandidates", "leasecandidates", "leasecandidate", "coordination.k8s.io", &[]),
    namespaced("endpointslices", "endpointslices", "endpointslice", "discovery.k8s.io", &[]),
    cluster("flowschemas", "flowschemas", "flowschema", FLOW, &[]),
    cluster("prioritylevelconfigurations", "prioritylevelconfigurations", "prioritylevelconfiguration", FLOW, &[]),
    cluster("storageversions", "storageversions", "storageversion", "internal.apiserver.k8s.io", &[]),
    cluster("clustercidrs", "clustercidrs", "clustercidr", NETWORKING, &[]),
    cluster("ingressclasses", "ingressclasses", "ingressclass", NETWORKING, &[]),
    namespaced("ingress", "ingresses", "ingress", NETWORKING, &["ing"]),
    cluster("ipaddresses", "ipaddresses", "ipaddress", NETWORKING, &["ip"]),
    namespaced("networkpolicies", "networkpolicies", "networkpolicy", NETWORKING, &["netpol"]),
    cluster("servicecidrs", "servicecidrs", "servicecidr", NETWORKING, &[]),
    cluster("runtimeclasses", "runtimeclasses", "runtimeclass", "node.k8s.io", &[]),
    namespaced("poddisruptionbudgets", "poddisruptionbudgets", "poddisruptionbudget", "policy", &["pdb"]),
    cluster("podsecuritypolicy", "podsecuritypolicies", "podsecuritypolicy", "policy", &["psp"]),
    cluster("clusterrolebindings", "clusterrolebindings", "clusterrolebinding", RBAC, &[]),
    cluster("clusterroles", "clusterroles", "clusterrole", RBAC, &[]),
    namespaced("rolebindings", "rolebindings", "rolebinding", RBAC, &[]),
    namespaced("roles", "roles", "role", RBAC, &[]),
    cluster("deviceclasses", "deviceclasses", "deviceclass", RESOURCE, &[]),
    cluster("devicetaintrules", "devicetaintrules", "devicetaintrule", RESOURCE, &[]),
    namespaced("podschedulingcontexts", "podschedulingcontexts", "podschedulingcontext", RESOURCE, &[]),
    namespaced("resourceclaims", "resourceclaims", "resourceclaim", RESOURCE, &[]),
    namespaced("resourceclaimtemplates", "resourceclaimtemplates", "resourceclaimtemplate", RESOURCE, &[]),
    cluster("resourceclasses", "resourceclasses", "resourceclass", RESOURCE, &[]),
    cluster("resourceslices", "resourceslices", "resourceslice", RESOURCE, &[]),
    cluster("priorityclasses", "priorityclasses", "priorityclass", "scheduling.k8s.io", &["pc"]),
    cluster("csidrivers", "csidrivers", "csidriver", STORAGE, &[]),
    cluster("csinodes", "csinodes", "csinode", STORAGE, &[]),
    namespaced("csistoragecapacities", "csistoragecapacities", "csistoragecapacity", STORAGE, &[]),
    cluster("storageclasses", "storageclasses", "storageclass", STORAGE, &["sc"]),
    cluster("volumeattachments", "volumeattachments", "volumeattachment", STORAGE, &[]),
    cluster("volumeattributesclasses", "volumeattributesclasses", "volumeattributesclass", STORAGE, &["vac"]),
    cluster("storageversionmigrations", "storageversionmigrations", "storageversionmigration", "storagemigration.k8s.io", &[]),
];

/// All of them, in the order of the table.
#[must_use]
pub fn all() -> &'static [Builtin] {
    BUILTINS
}

/// The built-in that a path below the prefix belongs to, and what follows it: `minions/a` is the node `a`.
/// `None` where nothing follows.
#[must_use]
pub fn of_path(path: &str) -> Option<(&'static Builtin, &str)> {
    BUILTINS.iter().find_map(|builtin| {
        // Where it ends is told by one byte, which tells most apart.
        let (stored, rest) = path.split_at_checked(builtin.stored.len())?;
        let rest = rest.strip_prefix('/')?;
        (stored == builtin.stored && !rest.is_empty()).then_some((builtin, rest))
    })
}

/// The built-in that a user means by `word`: its plural, singular or short name, with or without `.group`, in any
/// case, or the segment under which it is stored (`minions`).
#[must_use]
pub fn of_word(word: &str) -> Option<&'static Builtin> {
    let word = word.to_ascii_lowercase();
    let (name, group) = match word.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (word.as_str(), None),
    };
    BUILTINS.iter().find(|builtin| {
        group.is_none_or(|group| group == builtin.group && !group.is_empty())
            && (name == builtin.plural
                || (!name.is_empty() && name == builtin.singular)
                || name == builtin.stored
                || builtin.short.contains(&name))
    })
}

/// A resource as an operator types it: with its group where it is not built in, since only then the plural alone may be
/// another one's (`services` and `services.serving.knative.dev`).
#[must_use]
pub fn label<'a>(resource: &'a str, group: &str) -> Cow<'a, str> {
    let built_in = || {
        BUILTINS
            .iter()
            .any(|builtin| builtin.plural == resource && builtin.group == group)
    };
    if group.is_empty() || built_in() {
        Cow::Borrowed(resource)
    } else {
        Cow::Owned(format!("{resource}.{group}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_resources_answer_to_one_word() {
        let mut words = BTreeSet::new();
        for builtin in all() {
            let mut own: BTreeSet<_> = [builtin.plural, builtin.singular, builtin.stored].into();
            own.extend(builtin.short);
            for word in own {
                assert!(words.insert(word), "{word} is taken twice");
            }
        }
    }

    #[test]
    fn stored_segments_are_plurals_but_for_the_special_ones() {
        let special: Vec<_> = all()
            .iter()
            .filter(|builtin| {
                builtin.stored != builtin.plural && !builtin.stored.ends_with(&format!("/{}", builtin.plural))
            })
            .map(|builtin| builtin.stored)
            .collect();
        assert_eq!(
            special,
            [
                "controllers",
                "minions",
                "services/specs",
                "ingress",
                "podsecuritypolicy"
            ]
        );
    }

    #[test]
    fn only_custom_resources_need_their_group() {
        for (resource, group, expected) in [
            ("services", "", "services"),
            ("services", "serving.knative.dev", "services.serving.knative.dev"),
            ("deployments", "apps", "deployments"),
            ("cilium/state", "", "cilium/state"),
        ] {
            assert_eq!(label(resource, group), expected);
        }
    }

    #[test]
    fn words_of_operators_are_understood() {
        for (word, plural) in [
            ("po", "pods"),
            ("svc", "services"),
            ("deploy", "deployments"),
            ("Deployment", "deployments"),
            ("deployments.apps", "deployments"),
            ("deploy.apps", "deployments"),
            ("minions", "nodes"),
            ("ing", "ingresses"),
            ("ingress", "ingresses"),
            ("ingresses.networking.k8s.io", "ingresses"),
            ("crd", "customresourcedefinitions"),
        ] {
            assert_eq!(of_word(word).map(|builtin| builtin.plural), Some(plural), "{word}");
        }
        for word in ["", "certificates", "deployments.extensions.example.com", "pods.", "."] {
            assert_eq!(of_word(word), None, "{word}");
        }
    }
}
