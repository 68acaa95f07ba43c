//! Any objects of a cluster, over the Kubernetes API.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use super::cluster_api::KubeError;
use crate::consent::Consent;
use crate::model::kubernetes::served::{Served, ServedResource};

/// Who wrote a field, as the API keeps it in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "kubectl-etcd-backups";

/// One object in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectPlace<'a> {
    /// Its resource, in the version in which it is read and written.
    pub resource: &'a ServedResource,
    /// Its namespace; none for a resource without namespaces.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectPage {
    /// The objects, each with `apiVersion` and `kind`, in the API's order: by namespace and name.
    pub items: Vec<Value>,
    /// What to ask for next; `None` at the end.
    pub next: Option<String>,
}

/// The API answered that it does not do this with this object. Others may well be accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status: 403, 404, 409, 422, 500 for a webhook that does not answer, …
    pub code: u16,
    /// The API's word: `AlreadyExists`, `Conflict`, `Invalid`, `Forbidden`, …
    pub reason: String,
    /// The API's sentence. May quote values of the object: not to be printed for a Secret.
    pub message: String,
    /// The fields that it does not like, each with the API's message.
    pub causes: Vec<FieldCause>,
}

/// What the API does not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCause {
    /// The API's word: `FieldValueInvalid`, `NamespaceTerminating`, …
    pub reason: String,
    /// `spec.selector`; may be empty.
    pub field: String,
    /// Why; may quote the value.
    pub message: String,
}

/// The object as the API now has it, or why it refused.
pub type Answer = Result<Value, Refusal>;

/// How a deletion ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectDeletion {
    /// It is gone, or goes once its finalizers are done.
    Deleted,
    /// There was none of that name.
    Gone,
    /// Another object has the name by now, or it was changed where its version was given.
    Changed,
    /// The API refused.
    Refused(Refusal),
}

/// One API server, or the load balancer in front of several.
///
/// An error means that nothing can be said of any object: no connection, no credentials, no answer. What the API answers about one object
/// is no error.
#[async_trait]
pub trait ClusterObjects: Send + Sync {
    /// Its URL.
    fn server(&self) -> &str;

    /// What it serves.
    async fn resources(&self) -> Result<Served, KubeError>;

    /// Some objects of a resource (of all namespaces without one), from the start or from where an earlier page ended.
    async fn list(
        &self,
        resource: &ServedResource,
        namespace: Option<&str>,
        next: Option<&str>,
    ) -> Result<ObjectPage, KubeError>;

    /// The object; `None` where there is none.
    async fn get(&self, place: ObjectPlace<'_>) -> Result<Option<Value>, KubeError>;

    /// What [`Self::create`] would answer. Admission, webhooks and validation run, and nothing is kept.
    async fn would_create(&self, place: ObjectPlace<'_>, object: &Value) -> Result<Answer, KubeError>;

    /// Creates an object. One that exists is never touched: that is a [`Refusal`] `AlreadyExists`.
    async fn create(&self, place: ObjectPlace<'_>, object: &Value, consent: &Consent) -> Result<Answer, KubeError>;

    /// What [`Self::patch`] would answer.
    async fn would_patch(&self, place: ObjectPlace<'_>, patch: &Value) -> Result<Answer, KubeError>;

    /// Merges a patch (RFC 7386) into an object. With `metadata.resourceVersion` in it another version is a [`Refusal`] `Conflict`.
    async fn patch(&self, place: ObjectPlace<'_>, patch: &Value, consent: &Consent) -> Result<Answer, KubeError>;

    /// Deletes the object with this UID, and in the background what it owns; where a version is given, only in that one.
    async fn delete(
        &self,
        place: ObjectPlace<'_>,
        uid: &str,
        resource_version: Option<&str>,
        consent: &Consent,
    ) -> Result<ObjectDeletion, KubeError>;
}

impl ObjectPlace<'_> {
    /// Its path below the API server's URL; `None` where a part of it cannot be one step of a path.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        Some(format!(
            "{}/{}",
            collection(self.resource, self.namespace)?,
            step(self.name)?
        ))
    }
}

impl fmt::Display for ObjectPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.resource.label())?;
        if let Some(namespace) = self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(self.name)
    }
}

/// The path of all objects of a resource, or of those of a namespace; `None` where a part of it cannot be one step of a path.
#[must_use]
pub fn collection(resource: &ServedResource, namespace: Option<&str>) -> Option<String> {
    let mut path = match resource.group.as_str() {
        "" => format!("/api/{}", step(&resource.version)?),
        group => format!("/apis/{}/{}", step(group)?, step(&resource.version)?),
    };
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.push_str(&step(namespace)?);
    }
    path.push('/');
    path.push_str(&step(&resource.plural)?);
    Some(path)
}

/// One step of a path. A name comes from a backup or a file: whatever it holds, it must not lead elsewhere.
fn step(text: &str) -> Option<String> {
    if matches!(text, "" | "." | "..") {
        return None;
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    Some(encoded)
}

impl Refusal {
    /// Whether an object of this name exists.
    #[must_use]
    pub fn already_exists(&self) -> bool {
        self.code == 409 && self.reason == "AlreadyExists"
    }

    /// Whether the user may not do this, and not whether the object could be: a quota or a namespace that goes refuse with the same status.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code == 403 && self.causes.is_empty() && !self.message.contains("exceeded quota")
    }

    /// The fields that it does not like, sorted, each once.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let fields = self.causes.iter().map(|cause| cause.field.as_str());
        let mut fields: Vec<&str> = fields.filter(|field| !field.is_empty()).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str) -> ServedResource {
        ServedResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            plural: "things".to_owned(),
            ..ServedResource::default()
        }
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let (core, apps) = (resource(""), resource("apps"));
        assert_eq!(collection(&core, None).unwrap(), "/api/v1/things");
        let place = ObjectPlace {
            resource: &apps,
            namespace: Some("shop"),
            name: "system:a",
        };
        assert_eq!(place.path().unwrap(), "/apis/apps/v1/namespaces/shop/things/system:a");
    }

    #[test]
    fn no_name_leads_to_another_path() {
        let core = resource("");
        let path = |namespace, name| {
            ObjectPlace {
                resource: &core,
                namespace: Some(namespace),
                name,
            }
            .path()
        };
        assert_eq!(path("..", "a"), None);
        assert_eq!(path("shop", "."), None);
        assert_eq!(path("", "a"), None);
        assert_eq!(
            path("shop", "../a?b=c#d%2e\n").unwrap(),
            "/api/v1/namespaces/shop/things/..%2Fa%3Fb%3Dc%23d%252e%0A"
        );
    }
}
