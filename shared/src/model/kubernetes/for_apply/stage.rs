//! The order in which objects are applied.

use crate::model::kubernetes::key::{ObjectKey, Origin};

/// What an object must wait for: a stage is applied when those before it have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The kinds of custom resources.
    Definitions,
    /// Namespaces.
    Namespaces,
    /// Classes, accounts, rights, configuration: what pods refer to by name.
    Foundations,
    /// PersistentVolumes.
    Volumes,
    /// PersistentVolumeClaims, which bind to them.
    Claims,
    /// Services: their environment variables are in the pods that start after them.
    Services,
    /// What runs.
    Workloads,
    /// What routes to, scales and limits what runs.
    Around,
    /// Custom resources.
    CustomResources,
    /// Webhooks, admission policies and aggregated APIs: each may refuse or delay what comes after.
    Admission,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Definitions,
        Self::Namespaces,
        Self::Foundations,
        Self::Volumes,
        Self::Claims,
        Self::Services,
        Self::Workloads,
        Self::Around,
        Self::CustomResources,
        Self::Admission,
    ];

    /// The stage of an object.
    #[must_use]
    pub fn of(key: &ObjectKey<'_>) -> Self {
        if !matches!(key.origin, Origin::Builtin(_)) {
            return Self::CustomResources;
        }
        match (key.group, key.resource) {
            ("apiextensions.k8s.io", _) => Self::Definitions,
            ("", "namespaces") => Self::Namespaces,
            ("", "persistentvolumes") => Self::Volumes,
            ("", "persistentvolumeclaims") => Self::Claims,
            ("", "services" | "endpoints") | ("discovery.k8s.io", _) => Self::Services,
            ("", "pods" | "replicationcontrollers") | ("apps" | "batch", _) => Self::Workloads,
            ("", "limitranges" | "resourcequotas")
            | ("autoscaling" | "policy", _)
            | ("networking.k8s.io", "ingresses" | "networkpolicies") => Self::Around,
            ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => Self::Admission,
            _ => Self::Foundations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_a_stage_and_they_are_in_order() {
        let keys = [
            "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com",
            "/registry/namespaces/shop",
            "/registry/secrets/shop/s",
            "/registry/persistentvolumes/pv",
            "/registry/persistentvolumeclaims/shop/c",
            "/registry/services/specs/shop/web",
            "/registry/statefulsets/shop/db",
            "/registry/ingress/shop/web",
            "/registry/example.com/widgets/shop/w",
            "/registry/apiregistration.k8s.io/apiservices/v1beta1.metrics.k8s.io",
        ];
        let stages = keys.map(|key| Stage::of(&ObjectKey::parse(key.as_bytes())));
        assert_eq!(stages, Stage::ALL);
        assert!(stages.is_sorted());
    }
}
