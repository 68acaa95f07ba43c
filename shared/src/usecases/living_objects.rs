//! Reads all objects of a resource from a living API.

use serde_json::Value;

use crate::model::kubernetes::served::ServedResource;
use crate::ports::cluster_api::{KubeError, KubeErrorKind};
use crate::ports::cluster_objects::ClusterObjects;

/// How often a list is begun anew. The API forgets a version after five minutes, by default.
const ATTEMPTS: usize = 3;

/// What `keep` makes of each object, page by page: only that stays in memory. Begins anew where the list expires meanwhile, so `keep` may
/// see an object again.
///
/// # Errors
/// The API's.
pub async fn all<T>(
    api: &dyn ClusterObjects,
    resource: &ServedResource,
    namespace: Option<&str>,
    mut keep: impl FnMut(Value) -> Option<T>,
) -> Result<Vec<T>, KubeError> {
    let mut attempt = 1;
    let mut kept = Vec::new();
    let mut next: Option<String> = None;
    loop {
        match api.list(resource, namespace, next.as_deref()).await {
            Ok(page) => {
                kept.extend(page.items.into_iter().filter_map(&mut keep));
                next = match page.next {
                    Some(next) => Some(next),
                    None => return Ok(kept),
                };
            }
            Err(error) if error.kind == KubeErrorKind::Expired && attempt < ATTEMPTS => {
                attempt += 1;
                kept.clear();
                next = None;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::MemoryObjects;

    #[tokio::test]
    async fn all_pages_are_read() {
        let resource = ServedResource {
            version: "v1".to_owned(),
            plural: "configmaps".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespaced: true,
            ..ServedResource::default()
        };
        let api = MemoryObjects::serving([resource.clone()]);
        api.page_size(2);
        for (namespace, name) in [("shop", "a"), ("shop", "b"), ("shop", "c"), ("other", "d")] {
            api.put(&resource, json!({"metadata": {"namespace": namespace, "name": name}}));
        }
        let name = |object: Value| object["metadata"]["name"].as_str().map(str::to_owned);
        let of_shop = all(&api, &resource, Some("shop"), name).await.unwrap();
        assert_eq!(of_shop, ["a", "b", "c"]);
        assert_eq!(all(&api, &resource, None, name).await.unwrap().len(), 4);
    }
}
