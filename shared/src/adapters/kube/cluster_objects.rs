//! Any objects, as JSON: requests of our own, since the SDK's types know only the kinds of their own version.

use async_trait::async_trait;
use http::Request;
use serde_json::{Value, json};

use super::{KubeClient, error};
use crate::consent::Consent;
use crate::model::kubernetes::served::{self, Discovery, Served, ServedResource};
use crate::ports::cluster_api::{KubeError, KubeErrorKind};
use crate::ports::cluster_objects::{
    Answer, ClusterObjects, FIELD_MANAGER, FieldCause, ObjectDeletion, ObjectPage, ObjectPlace, Refusal, collection,
};

/// Objects of one answer.
const PAGE: u32 = 500;
const MERGE_PATCH: &str = "application/merge-patch+json";

impl KubeClient {
    fn failed(&self, action: &str, kind: KubeErrorKind) -> KubeError {
        KubeError {
            action: action.to_owned(),
            server: Self::server(self).to_owned(),
            kind,
        }
    }

    fn unreadable(&self, action: &str, reason: &serde_json::Error) -> KubeError {
        self.failed(
            action,
            KubeErrorKind::Other(format!("the answer is not understood: {reason}")),
        )
    }

    fn request(
        &self,
        action: &str,
        method: &str,
        path: &str,
        header: (&str, &str),
        body: Vec<u8>,
    ) -> Result<Request<Vec<u8>>, KubeError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header.0, header.1)
            .body(body);
        request.map_err(|error| error::of(action, Self::server(self), kube::Error::HttpError(error)))
    }

    async fn document(&self, action: &str, path: &str, accept: &str) -> Result<Value, KubeError> {
        let request = self.request(action, "GET", path, ("Accept", accept), Vec::new())?;
        self.bounded(action, self.sdk().request(request)).await
    }

    /// What is served below `/api` or `/apis`.
    async fn served_below(&self, root: &str, served: &mut Served) -> Result<(), KubeError> {
        let action = format!("GET {root}");
        let document = self.document(&action, root, served::ACCEPT).await?;
        let versions = match served::discovery(document).map_err(|reason| self.unreadable(&action, &reason))? {
            Discovery::Whole(found) => {
                served.resources.extend(found.resources);
                served.unknown.extend(found.unknown);
                return Ok(());
            }
            Discovery::Versions(versions) => versions,
        };
        for (version, preferred) in versions {
            let path = format!("{root}/{version}");
            let action = format!("GET {path}");
            match self.document(&action, &path, "application/json").await {
                Ok(document) => {
                    let found = served::resource_list(&version, preferred, document);
                    served
                        .resources
                        .extend(found.map_err(|reason| self.unreadable(&action, &reason))?);
                }
                // 404 and 503: an API server of its own that does not answer.
                Err(error) if matches!(error.kind, KubeErrorKind::NotFound | KubeErrorKind::Other(_)) => {
                    served.unknown.push(version);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends a change, or the question what it would do.
    async fn write(
        &self,
        action: &str,
        method: &str,
        path: Option<String>,
        (content_type, body): (&str, &Value),
    ) -> Result<Answer, KubeError> {
        let Some(path) = path else {
            return Ok(Err(no_path()));
        };
        let body = body.to_string().into_bytes();
        let request = self.request(action, method, &path, ("Content-Type", content_type), body)?;
        let client = self.sdk();
        let asked = async {
            match client.request::<Value>(request).await {
                Err(kube::Error::Api(status)) if is_about_the_object(status.code) => Ok(Err(refusal(*status))),
                other => other.map(Ok),
            }
        };
        self.bounded(action, asked).await
    }

    async fn post(&self, place: ObjectPlace<'_>, object: &Value, dry_run: bool) -> Result<Answer, KubeError> {
        let path = collection(place.resource, place.namespace).map(|path| format!("{path}?{}", options(dry_run)));
        let action = format!("{} {place}", if dry_run { "try to create" } else { "create" });
        self.write(&action, "POST", path, ("application/json", object)).await
    }

    async fn merge(&self, place: ObjectPlace<'_>, patch: &Value, dry_run: bool) -> Result<Answer, KubeError> {
        let path = place.path().map(|path| format!("{path}?{}", options(dry_run)));
        let action = format!("{} {place}", if dry_run { "try to change" } else { "change" });
        self.write(&action, "PATCH", path, (MERGE_PATCH, patch)).await
    }
}

#[async_trait]
impl ClusterObjects for KubeClient {
    fn server(&self) -> &str {
        Self::server(self)
    }

    async fn resources(&self) -> Result<Served, KubeError> {
        let mut served = Served::default();
        self.served_below("/api", &mut served).await?;
        self.served_below("/apis", &mut served).await?;
        served.resources.sort();
        served.resources.dedup();
        served.unknown.sort();
        Ok(served)
    }

    async fn list(
        &self,
        resource: &ServedResource,
        namespace: Option<&str>,
        next: Option<&str>,
    ) -> Result<ObjectPage, KubeError> {
        let within = namespace
            .map(|namespace| format!(" in {namespace}"))
            .unwrap_or_default();
        let action = format!("list {}{within}", resource.label());
        let path = collection(resource, namespace).ok_or_else(|| self.failed(&action, KubeErrorKind::NotFound))?;
        let next = next
            .map(|next| format!("&continue={}", query(next)))
            .unwrap_or_default();
        let path = format!("{path}?limit={PAGE}{next}");
        let answer = self.document(&action, &path, "application/json").await?;
        page(answer, resource).map_err(|reason| self.unreadable(&action, &reason))
    }

    async fn get(&self, place: ObjectPlace<'_>) -> Result<Option<Value>, KubeError> {
        let Some(path) = place.path() else {
            return Ok(None);
        };
        match self.document(&format!("get {place}"), &path, "application/json").await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind == KubeErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn would_create(&self, place: ObjectPlace<'_>, object: &Value) -> Result<Answer, KubeError> {
        self.post(place, object, true).await
    }

    async fn create(&self, place: ObjectPlace<'_>, object: &Value, _consent: &Consent) -> Result<Answer, KubeError> {
        self.post(place, object, false).await
    }

    async fn would_patch(&self, place: ObjectPlace<'_>, patch: &Value) -> Result<Answer, KubeError> {
        self.merge(place, patch, true).await
    }

    async fn patch(&self, place: ObjectPlace<'_>, patch: &Value, _consent: &Consent) -> Result<Answer, KubeError> {
        self.merge(place, patch, false).await
    }

    async fn delete(
        &self,
        place: ObjectPlace<'_>,
        uid: &str,
        resource_version: Option<&str>,
        _consent: &Consent,
    ) -> Result<ObjectDeletion, KubeError> {
        let mut preconditions = json!({ "uid": uid });
        if let (Some(version), Some(fields)) = (resource_version, preconditions.as_object_mut()) {
            fields.insert("resourceVersion".to_owned(), version.into());
        }
        let options = json!({
            "kind": "DeleteOptions", "apiVersion": "v1",
            "preconditions": preconditions, "propagationPolicy": "Background",
        });
        let action = format!("delete {place}");
        let answer = self
            .write(&action, "DELETE", place.path(), ("application/json", &options))
            .await?;
        Ok(match answer {
            Ok(_) => ObjectDeletion::Deleted,
            Err(refusal) => match refusal.code {
                404 => ObjectDeletion::Gone,
                409 => ObjectDeletion::Changed,
                _ => ObjectDeletion::Refused(refusal),
            },
        })
    }
}

/// Whether a status says something of this object only. The others are said of the caller (401) or by a server or load balancer that cannot
/// tell (429, 502, 503, 504).
const fn is_about_the_object(code: u16) -> bool {
    !matches!(code, 401 | 429 | 502..=504)
}

fn options(dry_run: bool) -> String {
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    format!("fieldManager={FIELD_MANAGER}{dry_run}")
}

/// A value in a query.
fn query(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn no_path() -> Refusal {
    Refusal {
        code: 400,
        reason: "BadRequest".to_owned(),
        message: "its name cannot be part of a URL".to_owned(),
        causes: Vec::new(),
    }
}

fn refusal(status: kube::core::Status) -> Refusal {
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    Refusal {
        code: status.code,
        reason: status.reason,
        message: status.message,
        causes: causes
            .into_iter()
            .map(|cause| FieldCause {
                reason: cause.reason,
                field: cause.field,
                message: cause.message,
            })
            .collect(),
    }
}

/// The API leaves out version and kind of the items of a built-in's list.
fn page(mut answer: Value, resource: &ServedResource) -> Result<ObjectPage, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct List {
        #[serde(default)]
        metadata: ListMeta,
    }
    #[derive(Default, serde::Deserialize)]
    struct ListMeta {
        #[serde(default, rename = "continue")]
        next: String,
    }
    let items = answer.as_object_mut().and_then(|fields| fields.remove("items"));
    let list: List = serde_json::from_value(answer)?;
    // `null` where there are none.
    let mut items: Vec<Value> = serde_json::from_value(items.filter(|items| !items.is_null()).unwrap_or(json!([])))?;
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.entry("apiVersion")
            .or_insert_with(|| resource.api_version().into());
        item.entry("kind").or_insert_with(|| resource.kind.clone().into());
    }
    Ok(ObjectPage {
        items,
        next: Some(list.metadata.next).filter(|next| !next.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_list_have_their_kind() {
        let resource = ServedResource {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            ..ServedResource::default()
        };
        let answer =
            json!({"kind": "DeploymentList", "metadata": {"continue": "x"}, "items": [{"metadata": {"name": "a"}}]});
        let found = page(answer, &resource).unwrap();
        assert_eq!(found.next.as_deref(), Some("x"));
        assert_eq!(
            found.items,
            [json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}})]
        );
        let empty = page(json!({"metadata": {"continue": ""}, "items": null}), &resource).unwrap();
        assert_eq!(empty, ObjectPage::default());
        assert!(page(json!({"items": 3}), &resource).is_err());
    }

    #[test]
    fn a_token_is_one_value_of_a_query() {
        assert_eq!(query("eyJ+/=&a"), "eyJ%2B%2F%3D%26a");
    }
}
