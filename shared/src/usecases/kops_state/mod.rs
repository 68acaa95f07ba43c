//! What else than backups kops keeps of a cluster in its state store: its instance groups, and the manifests by which its
//! masters start etcd-manager.

pub mod etcd_managers;
pub mod instance_groups;
#[cfg(test)]
mod tests;

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError, StoreErrorKind};

/// Files that are read at once.
const AT_ONCE: usize = 16;
/// Manifests and instance groups are some kilobytes; user data may blow one up.
const LIMIT: u64 = 4 << 20;

/// A file that was read, or why it is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The file.
    pub at: StoreUrl,
    /// Its content, or what is wrong with it.
    pub read: Result<T, String>,
}

/// Reads each of these files. One that is broken does not hide the others; one that vanished meanwhile is left out.
async fn read_each<T>(
    objects: &dyn ObjectStore,
    files: Vec<StoreUrl>,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Vec<Stored<T>>, StoreError> {
    let parse = &parse;
    stream::iter(files)
        .map(|at| async move {
            let read = match objects.get(&at, LIMIT).await {
                Ok(content) => parse(&content),
                Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(None),
                Err(error) if matches!(error.kind, StoreErrorKind::TooLarge { .. }) => Err(error.kind.to_string()),
                Err(error) => return Err(error),
            };
            Ok(Some(Stored { at, read }))
        })
        .buffered(AT_ONCE)
        .try_filter_map(|stored| std::future::ready(Ok(stored)))
        .try_collect()
        .await
}
