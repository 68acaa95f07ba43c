//! The small files that kops and etcd-manager keep in the stores.

use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{StoreError, StoreErrorKind};
use runbook_kit::usecases::catalog::Catalog;

use crate::context::Context;
use crate::usecases::queue;

/// More than any control file has.
const LIMIT: u64 = 64 * 1024;

/// Reads one; `None` where it is missing.
pub async fn read(context: &Context, at: &StoreUrl) -> Result<Option<Vec<u8>>, StoreError> {
    match context.session.objects().get(at, LIMIT).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The content of `etcd-cluster-created`. The preflight checks whether it is text.
pub async fn created_marker(catalog: &Catalog, context: &Context) -> Result<Option<String>, StoreError> {
    let at = queue::control_folder(catalog).join(layout::CLUSTER_CREATED_FILE);
    let content = read(context, &at).await?;
    Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
