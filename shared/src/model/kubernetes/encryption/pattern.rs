//! Which resources an entry of the configuration is for: `secrets`, `deployments.apps`, `*.apps`, `*.` (the core group), `*.*`.

use crate::model::kubernetes::key::ObjectKey;

/// How the storage behind `/registry/masterleases/` is called as a resource (kubernetes/kubernetes v1.34,
/// `pkg/controlplane/instance.go`).
const MASTERLEASES: &str = "apiServerIPInfo";

/// A resource or a wildcard. The group is what follows the first dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    resource: String,
    group: String,
}

impl Pattern {
    /// Reads one item of `resources`. Whatever it says, it matches what it names and nothing else.
    pub fn parse(text: &str) -> Self {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        Self {
            resource: resource.to_owned(),
            group: group.to_owned(),
        }
    }

    /// Whether it is for the resource of this key.
    pub fn matches(&self, key: &ObjectKey<'_>) -> bool {
        let is_resource = match self.resource.as_str() {
            "*" => true,
            MASTERLEASES => key.is("masterleases"),
            resource => resource == key.resource,
        };
        let is_group = match self.group.as_str() {
            // There is no `secrets.*`.
            "*" => self.resource == "*",
            group => group == key.group,
        };
        key.is_kubernetes() && is_resource && is_group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_kube_apiserver_does() {
        let secrets = "/registry/secrets/billing/s1";
        let deployments = "/registry/deployments/shop/web";
        let certificates = "/registry/cert-manager.io/certificates/shop/web";
        let masterleases = "/registry/masterleases/10.0.0.1";
        for (pattern, matched) in [
            ("secrets", vec![secrets]),
            ("secrets.", vec![secrets]),
            ("secret", vec![]),
            ("secrets.*", vec![]),
            ("deployments", vec![]),
            ("deployments.apps", vec![deployments]),
            ("deployments.apps/scale", vec![]),
            ("*.apps", vec![deployments]),
            ("*.", vec![secrets, masterleases]),
            ("*", vec![secrets, masterleases]),
            ("*.cert-manager.io", vec![certificates]),
            ("certificates.cert-manager.io", vec![certificates]),
            ("*.*", vec![secrets, deployments, certificates, masterleases]),
            ("apiServerIPInfo", vec![masterleases]),
            ("", vec![]),
        ] {
            let found: Vec<&str> = [secrets, deployments, certificates, masterleases, "compact_rev_key"]
                .into_iter()
                .filter(|key| Pattern::parse(pattern).matches(&ObjectKey::parse(key.as_bytes())))
                .collect();
            assert_eq!(found, matched, "{pattern}");
        }
    }
}
