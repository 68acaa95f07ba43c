//! Which other objects an object needs: they may be gone as well.

use serde_json::Value;

use super::object::{ObjectId, list, text};

/// A name that an object mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What is mentioned.
    pub target: ObjectId,
    /// `StorageClass gp3`.
    pub called: String,
    /// Whether the object is of no use without it. Else it is created, and this is told.
    pub required: bool,
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// The references of an object, as it is sent to the API.
pub fn of(id: &ObjectId, object: &Value) -> Vec<Reference> {
    let mut found = Found {
        namespace: id.namespace.as_deref(),
        references: Vec::new(),
    };
    match (id.group.as_str(), id.plural.as_str()) {
        // A claim that names its volume needs no class to get one.
        ("", "persistentvolumeclaims") if text(object, "/spec/volumeName").is_empty() => {
            found.class(object, "/spec/storageClassName", true);
        }
        ("", "pods") => found.pod(object, "/spec", true),
        ("batch", "cronjobs") => found.pod(object, "/spec/jobTemplate/spec/template/spec", false),
        ("apps", _) | ("batch", "jobs") | ("", "replicationcontrollers") => {
            found.pod(object, "/spec/template/spec", false);
            for claim in list(object, "/spec/volumeClaimTemplates") {
                found.class(claim, "/spec/storageClassName", false);
            }
        }
        ("networking.k8s.io", "ingresses") => {
            let name = text(object, "/spec/ingressClassName");
            found.cluster("IngressClass", "networking.k8s.io", "ingressclasses", name, false);
        }
        (RBAC, "rolebindings" | "clusterrolebindings") => found.role(object),
        _ => {}
    }
    found.references
}

struct Found<'a> {
    namespace: Option<&'a str>,
    references: Vec<Reference>,
}

impl Found<'_> {
    fn add(&mut self, target: ObjectId, kind: &str, required: bool) {
        if target.name.is_empty() {
            return;
        }
        let reference = Reference {
            called: format!("{kind} {}", target.name),
            target,
            required,
        };
        if !self.references.contains(&reference) {
            self.references.push(reference);
        }
    }

    fn cluster(&mut self, kind: &str, group: &str, plural: &str, name: &str, required: bool) {
        self.add(ObjectId::cluster(group, plural, name), kind, required);
    }

    fn beside(&mut self, kind: &str, plural: &str, name: &str, required: bool) {
        self.add(ObjectId::new("", plural, self.namespace, name), kind, required);
    }

    fn class(&mut self, claim: &Value, pointer: &str, required: bool) {
        let name = text(claim, pointer);
        self.cluster("StorageClass", "storage.k8s.io", "storageclasses", name, required);
    }

    /// Admission refuses a pod without its account, its priority or its runtime class; a controller's object is accepted, and its pods
    /// are not.
    fn pod(&mut self, object: &Value, spec: &str, required: bool) {
        let Some(spec) = object.pointer(spec) else { return };
        let priority = text(spec, "/priorityClassName");
        // Every API server has these.
        if !priority.starts_with("system-") {
            self.cluster(
                "PriorityClass",
                "scheduling.k8s.io",
                "priorityclasses",
                priority,
                required,
            );
        }
        let runtime = text(spec, "/runtimeClassName");
        self.cluster("RuntimeClass", "node.k8s.io", "runtimeclasses", runtime, required);
        let account = text(spec, "/serviceAccountName");
        // Every namespace gets one.
        if account != "default" {
            self.beside("ServiceAccount", "serviceaccounts", account, required);
        }
        for volume in list(spec, "/volumes") {
            let optional = |source: &str| volume.pointer(&format!("/{source}/optional")) == Some(&Value::Bool(true));
            if !optional("configMap") {
                self.beside("ConfigMap", "configmaps", text(volume, "/configMap/name"), false);
            }
            if !optional("secret") {
                self.beside("Secret", "secrets", text(volume, "/secret/secretName"), false);
            }
            let claim = text(volume, "/persistentVolumeClaim/claimName");
            self.beside("PersistentVolumeClaim", "persistentvolumeclaims", claim, false);
        }
    }

    fn role(&mut self, binding: &Value) {
        let name = text(binding, "/roleRef/name");
        match text(binding, "/roleRef/kind") {
            "ClusterRole" => self.cluster("ClusterRole", RBAC, "clusterroles", name, false),
            "Role" => self.add(ObjectId::new(RBAC, "roles", self.namespace, name), "Role", false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn called(id: &ObjectId, object: &Value) -> Vec<(String, bool)> {
        let references = of(id, object).into_iter();
        references
            .map(|found| (found.target.to_string(), found.required))
            .collect()
    }

    #[test]
    fn a_claim_needs_its_class_unless_it_names_its_volume() {
        let id = ObjectId::new("", "persistentvolumeclaims", Some("shop"), "data");
        let claim = json!({"spec": {"storageClassName": "gp3"}});
        assert_eq!(called(&id, &claim), [("storageclasses/gp3".to_owned(), true)]);
        let bound = json!({"spec": {"storageClassName": "gp3", "volumeName": "pv-1"}});
        assert_eq!(called(&id, &bound), []);
        // No class at all, and the class "", which means none.
        assert_eq!(called(&id, &json!({"spec": {}})), []);
        assert_eq!(called(&id, &json!({"spec": {"storageClassName": ""}})), []);
    }

    #[test]
    fn what_its_pods_need_is_told_of_a_controllers_object() {
        let id = ObjectId::new("apps", "statefulsets", Some("shop"), "db");
        let object = json!({"spec": {
            "template": {"spec": {
                "serviceAccountName": "db", "priorityClassName": "high",
                "volumes": [
                    {"name": "a", "configMap": {"name": "conf"}}, {"name": "b", "configMap": {"name": "maybe", "optional": true}},
                    {"name": "c", "secret": {"secretName": "password"}}, {"name": "d", "emptyDir": {}},
                    {"name": "e", "persistentVolumeClaim": {"claimName": "shared"}},
                ],
            }},
            "volumeClaimTemplates": [{"spec": {"storageClassName": "gp3"}}],
        }});
        let expected = [
            "priorityclasses/high",
            "serviceaccounts/shop/db",
            "configmaps/shop/conf",
            "secrets/shop/password",
            "persistentvolumeclaims/shop/shared",
            "storageclasses/gp3",
        ];
        assert_eq!(called(&id, &object), expected.map(|target| (target.to_owned(), false)));
        let pod = ObjectId::new("", "pods", Some("shop"), "one");
        let spec = json!({"spec": {"serviceAccountName": "db", "priorityClassName": "system-node-critical"}});
        assert_eq!(called(&pod, &spec), [("serviceaccounts/shop/db".to_owned(), true)]);
    }

    #[test]
    fn a_binding_mentions_its_role() {
        let id = ObjectId::new(RBAC, "rolebindings", Some("shop"), "b");
        let binding = |kind: &str| json!({"roleRef": {"kind": kind, "name": "reader"}});
        assert_eq!(called(&id, &binding("Role"))[0].0, "roles/shop/reader");
        assert_eq!(called(&id, &binding("ClusterRole"))[0].0, "clusterroles/reader");
    }

    #[test]
    fn other_shapes_mention_nothing() {
        for object in [
            json!(null),
            json!([]),
            json!({"spec": 3}),
            json!({"spec": {"template": []}}),
        ] {
            for plural in ["pods", "persistentvolumeclaims"] {
                assert_eq!(called(&ObjectId::new("", plural, Some("a"), "b"), &object), []);
            }
        }
    }
}
