//! What the keys of a backup show of the cluster it is of. Keys are never encrypted, values may be: so nothing here needs
//! a value.
//!
//! What an API server writes by itself was learned from a real one of 1.34 that had nothing but an empty etcd, and goes
//! back to kubernetes/kubernetes `pkg/controlplane` (namespaces, the service `kubernetes` and its endpoints, leases),
//! `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`, `pkg/registry/flowcontrol/rest` and `pkg/registry/scheduling/rest`.
//! What kube-controller-manager and kube-scheduler add without a Node: service accounts, `kube-root-ca.crt`, leases. Names
//! that older versions bootstrap are known, too. What is not on the list counts as created by a user.

use std::collections::BTreeSet;

use crate::model::kubernetes::builtin;
use crate::model::kubernetes::key::{ObjectKey, Origin};

/// Namespaces that every cluster has.
pub const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What runs something.
const WORKLOADS: [&str; 8] = [
    "cronjobs",
    "daemonsets",
    "deployments",
    "jobs",
    "pods",
    "replicasets",
    "replicationcontrollers",
    "statefulsets",
];

/// Which component creates an object by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// An API server, when it starts.
    ApiServer,
    /// kube-controller-manager or kube-scheduler, in any cluster.
    Controllers,
    /// A machine that joined, an add-on, or a user.
    Somebody,
}

/// What the keys of a backup show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Live keys.
    pub keys: u64,
    /// Names of the Nodes.
    pub nodes: BTreeSet<String>,
    /// Namespaces of users: all but the four that every cluster has.
    pub namespaces: BTreeSet<String>,
    /// Pods and what makes pods.
    pub workloads: u64,
    /// Keys that controllers make in any cluster.
    pub by_controllers: u64,
    /// Keys that are neither an API server's own nor controllers': Nodes, namespaces and workloads among them.
    pub by_somebody: u64,
}

impl Evidence {
    /// Counts keys.
    #[must_use]
    pub fn of_keys<'k>(keys: impl IntoIterator<Item = &'k [u8]>) -> Self {
        let mut found = Self::default();
        for key in keys {
            found.take(&ObjectKey::parse(key));
        }
        found
    }

    fn take(&mut self, key: &ObjectKey<'_>) {
        self.keys += 1;
        match maker(key) {
            Maker::ApiServer => return,
            Maker::Controllers => {
                self.by_controllers += 1;
                return;
            }
            Maker::Somebody => self.by_somebody += 1,
        }
        if key.is("nodes") {
            self.nodes.insert(key.name.clone().into_owned());
        } else if key.is("namespaces") {
            self.namespaces.insert(key.name.clone().into_owned());
        } else if WORKLOADS.iter().any(|workload| key.is(workload)) {
            self.workloads += 1;
        }
    }

    /// Whether nothing is there but what an API server and its controllers create by themselves: no Node, no namespace of a
    /// user's, no workload, and no other object of a user.
    #[must_use]
    pub fn bare(&self) -> bool {
        self.by_somebody == 0
    }
}

/// Who made the object of this key.
#[must_use]
pub fn maker(key: &ObjectKey<'_>) -> Maker {
    let name = key.name.as_ref();
    let Origin::Builtin(builtin) = key.origin else {
        // kube-apiserver's compaction and its probe of etcd.
        let own = key.origin == Origin::Other && matches!(name, "compact_rev_key" | "/registry/health");
        return if own { Maker::ApiServer } else { Maker::Somebody };
    };
    let namespace = key.namespace.unwrap_or_default();
    let by_api_server = match builtin.plural {
        "namespaces" => SYSTEM_NAMESPACES.contains(&name),
        "masterleases" | "peerserverleases" | "ranges" | "ipaddresses" | "servicecidrs" | "storageversions" => true,
        "apiservices" => serves_builtin(name),
        "clusterroles" | "clusterrolebindings" => {
            name.starts_with("system:") || matches!(name, "admin" | "cluster-admin" | "edit" | "view")
        }
        "roles" | "rolebindings" => {
            matches!(namespace, "kube-public" | "kube-system")
                && (name.starts_with("system:") || name == "extension-apiserver-authentication-reader")
        }
        "flowschemas" => FLOW_SCHEMAS.contains(&name),
        "prioritylevelconfigurations" => PRIORITY_LEVELS.contains(&name),
        "priorityclasses" => matches!(name, "system-cluster-critical" | "system-node-critical"),
        "configmaps" => {
            namespace == "kube-system"
                && matches!(
                    name,
                    "extension-apiserver-authentication" | "kube-apiserver-legacy-service-account-token-tracking"
                )
        }
        "endpoints" | "endpointslices" | "services" => namespace == "default" && name == "kubernetes",
        "leases" => {
            namespace == "kube-system" && (name.starts_with("apiserver-") || name.starts_with("kube-apiserver-"))
        }
        _ => false,
    };
    if by_api_server {
        return Maker::ApiServer;
    }
    if by_controllers(builtin.plural, namespace, name) {
        return Maker::Controllers;
    }
    Maker::Somebody
}

fn by_controllers(plural: &str, namespace: &str, name: &str) -> bool {
    let system = SYSTEM_NAMESPACES.contains(&namespace);
    // Both elect their leaders by objects of their own name; before 1.20 those were endpoints and config maps.
    let elects = namespace == "kube-system" && matches!(name, "kube-controller-manager" | "kube-scheduler");
    match plural {
        // Events and what expires.
        "events" => system,
        "serviceaccounts" => {
            system && (name == "default" || (namespace == "kube-system" && is_controllers_account(name)))
        }
        // Before 1.24 each service account had one.
        "secrets" => {
            system && token_of(name).is_some_and(|account| account == "default" || is_controllers_account(account))
        }
        "configmaps" => elects || (system && name == "kube-root-ca.crt"),
        "endpoints" => elects,
        "leases" | "leasecandidates" => namespace == "kube-system" && elects_by_lease(name),
        "clustertrustbundles" => name.starts_with("kubernetes.io:"),
        _ => false,
    }
}

fn elects_by_lease(name: &str) -> bool {
    name.starts_with("kube-controller-manager") || name.starts_with("kube-scheduler")
}

/// The accounts that kube-controller-manager's loops run under: `<loop>-controller`, and those of another name.
fn is_controllers_account(name: &str) -> bool {
    name.ends_with("-controller")
        || matches!(
            name,
            "bootstrap-signer"
                | "generic-garbage-collector"
                | "horizontal-pod-autoscaler"
                | "legacy-service-account-token-cleaner"
                | "persistent-volume-binder"
                | "pod-garbage-collector"
                | "root-ca-cert-publisher"
                | "token-cleaner"
        )
}

/// `default-token-x7k2p` is of `default`.
fn token_of(secret: &str) -> Option<&str> {
    let (account, suffix) = secret.rsplit_once("-token-")?;
    (suffix.len() == 5).then_some(account)
}

/// `v1.apps` of a group that is compiled in; the API server registers those by itself. One of a custom resource comes with
/// its definition, which a user created.
fn serves_builtin(name: &str) -> bool {
    const WITHOUT_OBJECTS: [&str; 7] = [
        "",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "events.k8s.io",
        "extensions",
    ];
    name.split_once('.').is_some_and(|(_, group)| {
        WITHOUT_OBJECTS.contains(&group) || builtin::all().iter().any(|builtin| builtin.group == group)
    })
}

const FLOW_SCHEMAS: [&str; 13] = [
    "catch-all",
    "endpoint-controller",
    "exempt",
    "global-default",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-system-service-accounts",
    "probes",
    "service-accounts",
    "system-leader-election",
    "system-node-high",
    "system-nodes",
    "workload-leader-election",
];

const PRIORITY_LEVELS: [&str; 8] = [
    "catch-all",
    "exempt",
    "global-default",
    "leader-election",
    "node-high",
    "system",
    "workload-high",
    "workload-low",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str) -> Maker {
        maker(&ObjectKey::parse(key.as_bytes()))
    }

    #[test]
    fn who_made_what() {
        use Maker::{ApiServer, Controllers, Somebody};
        for (key, made_by) in [
            ("/registry/namespaces/kube-system", ApiServer),
            ("/registry/namespaces/shop", Somebody),
            ("/registry/minions/i-1", Somebody),
            ("/registry/masterleases/10.0.0.1", ApiServer),
            ("/registry/peerserverleases/x", ApiServer),
            ("/registry/services/specs/default/kubernetes", ApiServer),
            ("/registry/services/specs/default/web", Somebody),
            ("/registry/services/specs/shop/kubernetes", Somebody),
            ("/registry/services/endpoints/kube-system/kube-scheduler", Controllers),
            ("/registry/clusterroles/system:node", ApiServer),
            ("/registry/clusterroles/kops-controller", Somebody),
            (
                "/registry/roles/kube-system/system::leader-locking-kube-scheduler",
                ApiServer,
            ),
            ("/registry/roles/shop/system:x", Somebody),
            (
                "/registry/leases/kube-system/apiserver-wlv32tlttr4jl3gtroqexyxapa",
                ApiServer,
            ),
            ("/registry/leases/kube-system/kube-controller-manager", Controllers),
            ("/registry/leases/kube-node-lease/i-1", Somebody),
            ("/registry/configmaps/kube-system/kube-root-ca.crt", Controllers),
            ("/registry/configmaps/shop/kube-root-ca.crt", Somebody),
            ("/registry/configmaps/default/c1", Somebody),
            ("/registry/serviceaccounts/kube-system/node-controller", Controllers),
            ("/registry/serviceaccounts/default/default", Controllers),
            ("/registry/serviceaccounts/default/deployer", Somebody),
            ("/registry/secrets/kube-system/node-controller-token-x7k2p", Controllers),
            ("/registry/secrets/kube-system/db-token-x7k2p", Somebody),
            ("/registry/secrets/default/db", Somebody),
            ("/registry/daemonsets/kube-system/kops-controller", Somebody),
            ("/registry/apiregistration.k8s.io/apiservices/v1.", ApiServer),
            ("/registry/apiregistration.k8s.io/apiservices/v1.apps", ApiServer),
            (
                "/registry/apiregistration.k8s.io/apiservices/v1beta1.metrics.k8s.io",
                Somebody,
            ),
            (
                "/registry/apiextensions.k8s.io/customresourcedefinitions/a.b.c",
                Somebody,
            ),
            ("/registry/cert-manager.io/clusterissuers/acme", Somebody),
            ("/registry/flowschemas/mine", Somebody),
            ("compact_rev_key", ApiServer),
            ("/registry/health", ApiServer),
            ("cilium/state/nodes/v1/c1/i-1", Somebody),
        ] {
            assert_eq!(of(key), made_by, "{key}");
        }
    }

    #[test]
    fn keys_are_counted_whatever_their_values() {
        let keys = [
            "/registry/configmaps/shop/c1",
            "/registry/deployments/shop/web",
            "/registry/minions/i-1",
            "/registry/minions/i-2",
            "/registry/namespaces/kube-system",
            "/registry/namespaces/shop",
            "/registry/serviceaccounts/default/default",
        ];
        let found = Evidence::of_keys(keys.iter().map(|key| key.as_bytes()));
        assert_eq!(
            (found.keys, found.nodes.len(), found.namespaces.len(), found.workloads),
            (7, 2, 1, 1)
        );
        assert_eq!((found.by_controllers, found.by_somebody), (1, 5));
        assert!(!found.bare());
        let bare = Evidence::of_keys(["/registry/namespaces/kube-system"].iter().map(|key| key.as_bytes()));
        assert!(bare.bare());
    }

    /// The live keys that etcd says a backup of the fixtures has.
    fn keys_of(store: &str, backup: &str) -> Vec<String> {
        let text = std::fs::read_to_string(support::paths::fixture("expected.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys = json[store][backup]["keys"].as_array().unwrap().iter();
        keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect()
    }

    /// The real ones: 187 keys that an API server of 1.34 wrote by itself, and 226 of a cluster with Nodes and workloads.
    #[test]
    fn the_re_seeded_store_is_bare_and_the_healthy_one_is_not() {
        for backup in ["main/2026-11-22T16:25:17Z-000001", "main/2026-11-22T16:25:57Z-000002"] {
            let keys = keys_of("state-store-reseeded", backup);
            let others: Vec<&String> = keys.iter().filter(|key| of(key) != Maker::ApiServer).collect();
            assert_eq!((keys.len(), others), (187, Vec::new()), "{backup}");
        }
        let keys = keys_of("state-store-restored", "main/2026-11-22T15:18:01Z-000001");
        let found = Evidence::of_keys(keys.iter().map(String::as_bytes));
        let names: Vec<&str> = found.namespaces.iter().map(String::as_str).collect();
        assert_eq!(
            (found.keys, found.nodes.len(), names),
            (226, 5, vec!["billing", "shop"])
        );
        assert_eq!((found.workloads, found.by_controllers, found.by_somebody), (1, 0, 38));
        assert!(!found.bare());
    }

    /// Seen called bare: it has no Nodes.
    #[test]
    fn a_user_s_namespace_and_thirty_config_maps_are_not_bare() {
        let maps: Vec<String> = (0..30).map(|n| format!("/registry/configmaps/shop/c{n}")).collect();
        let keys = maps.iter().map(String::as_str).chain(["/registry/namespaces/shop"]);
        let found = Evidence::of_keys(keys.map(str::as_bytes));
        assert_eq!((found.nodes.len(), found.by_somebody), (0, 31));
        assert!(!found.bare());
    }
}
