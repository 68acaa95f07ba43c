//! Reads what fills an etcd out of a snapshot of one of its members.

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::ports::{EtcdKv, PackFailure};
use runbook_kit::session::Session;

use crate::rules::space_use::{self, SpaceUse};

/// The `most` largest, by resource and namespace. `progress` gets the bytes that came from etcd.
///
/// # Errors
/// Where no snapshot can be taken or read.
pub async fn largest(
    etcd: &dyn EtcdKv,
    session: &Session,
    most: usize,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Vec<SpaceUse>, AnyFailure> {
    let stream = etcd.snapshot().await?;
    let packed = session.packer().pack(stream, progress).await?;
    let body = packed.open().await.map_err(|source| PackFailure::Temporary {
        action: "reading",
        folder: packed.path().to_owned(),
        source,
    })?;
    let read = session.reader().read(body, &|_| {}).await?;
    let content = read
        .content
        .ok_or_else(|| CommandError::failed("the snapshot cannot be decoded"))?;
    Ok(space_use::largest(&content, most))
}
