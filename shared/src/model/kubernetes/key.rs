//! Keys of etcd as Kubernetes means them.
//!
//! kube-apiserver stores a built-in object under `/registry/<stored>/[<namespace>/]<name>` (see [`super::builtin`]) and a
//! custom one under `/registry/<group>/<plural>/[<namespace>/]<name>` (kubernetes/kubernetes,
//! `staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go`, `NamespaceKeyFunc` and `NoNamespaceKeyFunc`).
//! A group has a dot in it, what Kubernetes compiles in has none there, so the two are told apart. `/registry` is the default
//! of `--etcd-prefix`: under another one (up to two segments) only the built-in resources are recognised.

use std::borrow::Cow;
use std::fmt;

use super::builtin::{self, Builtin};

/// The prefix that kube-apiserver has by default.
pub const DEFAULT_PREFIX: &str = "/registry";

/// The key under which kube-apiserver keeps namespace `kube-system`, by default.
pub const KUBE_SYSTEM: &[u8] = b"/registry/namespaces/kube-system";

/// How [`ObjectKey::resource`] calls the keys that stand in no folder, such as kube-apiserver's own `compact_rev_key`.
pub const NO_FOLDER: &str = "(other)";

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled into Kubernetes.
    Builtin(&'static Builtin),
    /// A custom resource, or a built-in one that the table does not know: scope and names are told by the key's shape.
    Custom,
    /// Not an object of Kubernetes: cilium's keys in its own etcd, `compact_rev_key`, any other.
    Other,
}

/// The object that a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKey<'k> {
    /// Where the object comes from.
    pub origin: Origin,
    /// The API server's prefix, `/registry`; empty for what is not Kubernetes.
    pub prefix: &'k str,
    /// The API group; empty for the core group and for what is not Kubernetes.
    pub group: &'k str,
    /// The plural as kubectl knows it (`nodes`, not `minions`); for what is not Kubernetes the folder, up to its first three
    /// segments.
    pub resource: &'k str,
    /// The namespace of a namespaced object.
    pub namespace: Option<&'k str>,
    /// The object's name; for what is not Kubernetes the whole key, unprintable bytes escaped.
    pub name: Cow<'k, str>,
}

impl<'k> ObjectKey<'k> {
    /// Reads a key.
    #[must_use]
    pub fn parse(key: &'k [u8]) -> Self {
        let printable = std::str::from_utf8(key)
            .ok()
            .filter(|text| !text.chars().any(char::is_control));
        let Some(text) = printable else {
            return Self::other(NO_FOLDER, Cow::Owned(key.escape_ascii().to_string()));
        };
        Self::below_default_prefix(text)
            .or_else(|| Self::below_another_prefix(text))
            .unwrap_or_else(|| Self::other(folder(text), Cow::Borrowed(text)))
    }

    /// Whether it is an object of Kubernetes.
    #[must_use]
    pub fn is_kubernetes(&self) -> bool {
        self.origin != Origin::Other
    }

    /// Whether it is a built-in object of this resource (plural, as kubectl knows it).
    #[must_use]
    pub fn is(&self, plural: &str) -> bool {
        matches!(self.origin, Origin::Builtin(builtin) if builtin.plural == plural)
    }

    /// The resource as an operator types it: `deployments`, `certificates.cert-manager.io`, `cilium/state/nodes`.
    #[must_use]
    pub fn resource_label(&self) -> Cow<'k, str> {
        match self.origin {
            Origin::Custom if !self.group.is_empty() => Cow::Owned(format!("{}.{}", self.resource, self.group)),
            _ => Cow::Borrowed(self.resource),
        }
    }

    fn below_default_prefix(key: &'k str) -> Option<Self> {
        let path = key.strip_prefix(DEFAULT_PREFIX)?.strip_prefix('/')?;
        Self::builtin(DEFAULT_PREFIX, path).or_else(|| Self::custom(DEFAULT_PREFIX, path))
    }

    fn below_another_prefix(key: &'k str) -> Option<Self> {
        let path = key.strip_prefix('/')?;
        let mut rest = path;
        for _ in 0..2 {
            rest = rest.split_once('/')?.1;
            let prefix = key.get(..key.len() - rest.len() - 1)?;
            if let Some(found) = Self::builtin(prefix, rest) {
                return Some(found);
            }
        }
        None
    }

    fn builtin(prefix: &'k str, path: &'k str) -> Option<Self> {
        let (builtin, rest) = builtin::of_path(path)?;
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) if builtin.namespaced => (Some(namespace), name),
            _ => (None, rest),
        };
        Some(Self {
            origin: Origin::Builtin(builtin),
            prefix,
            group: builtin.group,
            resource: builtin.plural,
            namespace,
            name: Cow::Borrowed(name),
        })
    }

    /// `<group>/<plural>/[<namespace>/]<name>`, or the same without a group for a built-in resource of a Kubernetes that is
    /// newer than the table.
    fn custom(prefix: &'k str, path: &'k str) -> Option<Self> {
        let (first, after) = path.split_once('/')?;
        let (group, resource, rest) = match after.split_once('/') {
            Some((plural, rest)) if first.contains('.') => (first, plural, rest),
            _ => ("", first, after),
        };
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rest),
        };
        let complete = ![resource, name, namespace.unwrap_or("-")].contains(&"");
        complete.then_some(Self {
            origin: Origin::Custom,
            prefix,
            group,
            resource,
            namespace,
            name: Cow::Borrowed(name),
        })
    }

    const fn other(folder: &'k str, name: Cow<'k, str>) -> Self {
        Self {
            origin: Origin::Other,
            prefix: "",
            group: "",
            resource: folder,
            namespace: None,
            name,
        }
    }
}

impl fmt::Display for ObjectKey<'_> {
    /// `secrets/billing/s1`, `nodes/i-1`, `certificates.cert-manager.io/shop/web`; the key for what is not Kubernetes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.origin, self.namespace) {
            (Origin::Other, _) => f.write_str(&self.name),
            (_, Some(namespace)) => write!(f, "{}/{namespace}/{}", self.resource_label(), self.name),
            (_, None) => write!(f, "{}/{}", self.resource_label(), self.name),
        }
    }
}

/// The first three segments of a key, without its last one.
fn folder(key: &str) -> &str {
    let start = usize::from(key.starts_with('/'));
    let end = key
        .match_indices('/')
        .map(|(at, _)| at)
        .filter(|at| *at >= start)
        .take(3)
        .last();
    match end.and_then(|end| key.get(..end)) {
        Some(folder) if !folder.is_empty() && folder != "/" => folder,
        _ => NO_FOLDER,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// prefix, group, resource, namespace, name
    type Parts<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, &'a str);

    #[test]
    fn reads_every_shape_of_key() {
        let expected: [(&str, Parts<'_>); 17] = [
            ("/registry/minions/i-1", ("/registry", "", "nodes", None, "i-1")),
            (
                "/registry/secrets/billing/s1",
                ("/registry", "", "secrets", Some("billing"), "s1"),
            ),
            (
                "/registry/services/specs/default/kubernetes",
                ("/registry", "", "services", Some("default"), "kubernetes"),
            ),
            (
                "/registry/services/endpoints/a/b",
                ("/registry", "", "endpoints", Some("a"), "b"),
            ),
            (
                "/registry/ingress/shop/web",
                ("/registry", "networking.k8s.io", "ingresses", Some("shop"), "web"),
            ),
            (
                "/registry/controllers/a/b",
                ("/registry", "", "replicationcontrollers", Some("a"), "b"),
            ),
            (
                "/registry/deployments/shop/web",
                ("/registry", "apps", "deployments", Some("shop"), "web"),
            ),
            (
                "/registry/masterleases/10.0.0.1",
                ("/registry", "", "masterleases", None, "10.0.0.1"),
            ),
            (
                "/registry/ipaddresses/2001:db8::1",
                ("/registry", "networking.k8s.io", "ipaddresses", None, "2001:db8::1"),
            ),
            (
                "/registry/apiregistration.k8s.io/apiservices/v1.apps",
                ("/registry", "apiregistration.k8s.io", "apiservices", None, "v1.apps"),
            ),
            (
                "/registry/roles/kube-system/system::leader-locking-kube-scheduler",
                (
                    "/registry",
                    "rbac.authorization.k8s.io",
                    "roles",
                    Some("kube-system"),
                    "system::leader-locking-kube-scheduler",
                ),
            ),
            (
                "/registry/cert-manager.io/certificates/shop/web",
                ("/registry", "cert-manager.io", "certificates", Some("shop"), "web"),
            ),
            (
                "/registry/cert-manager.io/clusterissuers/acme",
                ("/registry", "cert-manager.io", "clusterissuers", None, "acme"),
            ),
            (
                "/registry/futures/shop/web",
                ("/registry", "", "futures", Some("shop"), "web"),
            ),
            // A name with slashes cannot be made by the API, yet it must not be lost.
            (
                "/registry/clusterroles/a/b/c",
                ("/registry", "rbac.authorization.k8s.io", "clusterroles", None, "a/b/c"),
            ),
            (
                "/kubernetes.io/pods/shop/web",
                ("/kubernetes.io", "", "pods", Some("shop"), "web"),
            ),
            ("/clusters/c1/minions/i-1", ("/clusters/c1", "", "nodes", None, "i-1")),
        ];
        for (key, parts) in expected {
            let found = ObjectKey::parse(key.as_bytes());
            assert!(found.is_kubernetes(), "{key}");
            assert_eq!(
                (
                    found.prefix,
                    found.group,
                    found.resource,
                    found.namespace,
                    found.name.as_ref()
                ),
                parts,
                "{key}"
            );
        }
    }

    #[test]
    fn keeps_what_is_not_kubernetes_grouped_by_its_folder() {
        for (key, folder, name) in [
            (&b"compact_rev_key"[..], NO_FOLDER, "compact_rev_key"),
            (b"cilium/.heartbeat", "cilium", "cilium/.heartbeat"),
            (
                b"cilium/state/nodes/v1/c1/i-1",
                "cilium/state/nodes",
                "cilium/state/nodes/v1/c1/i-1",
            ),
            (
                b"/coreos.com/network/config",
                "/coreos.com/network",
                "/coreos.com/network/config",
            ),
            (b"/registry/health", "/registry", "/registry/health"),
            (b"/registry/pods/", "/registry/pods", "/registry/pods/"),
            (b"", NO_FOLDER, ""),
            (b"/", NO_FOLDER, "/"),
            (b"//", NO_FOLDER, "//"),
            (
                b"/registry/secrets/a/\x1b[2J",
                NO_FOLDER,
                r"/registry/secrets/a/\x1b[2J",
            ),
            (b"\xff\xfe", NO_FOLDER, r"\xff\xfe"),
        ] {
            let found = ObjectKey::parse(key);
            assert_eq!(
                (found.origin, found.resource, found.name.as_ref()),
                (Origin::Other, folder, name)
            );
            assert_eq!(found.to_string(), name);
        }
    }

    #[test]
    fn prints_objects_as_operators_type_them() {
        for (key, printed) in [
            ("/registry/minions/i-1", "nodes/i-1"),
            (
                "/registry/services/specs/default/kubernetes",
                "services/default/kubernetes",
            ),
            (
                "/registry/cert-manager.io/certificates/shop/web",
                "certificates.cert-manager.io/shop/web",
            ),
            ("/registry/apiregistration.k8s.io/apiservices/v1.", "apiservices/v1."),
        ] {
            assert_eq!(ObjectKey::parse(key.as_bytes()).to_string(), printed);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_key(key: Vec<u8>) {
            prop_assert!(!ObjectKey::parse(&key).resource.is_empty());
        }

        #[test]
        fn nothing_of_a_registry_key_is_lost(path in "[a-z.:/-]{0,40}") {
            let key = format!("/registry/{path}");
            let found = ObjectKey::parse(key.as_bytes());
            prop_assert!(key.ends_with(found.name.as_ref()));
            prop_assert!(!found.name.is_empty());
            if let Some(namespace) = found.namespace {
                let tail = format!("/{namespace}/{}", found.name);
                prop_assert!(key.ends_with(&tail));
            }
        }
    }
}
