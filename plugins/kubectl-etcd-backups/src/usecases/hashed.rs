//! The SHA-256 of an object, read to its end.

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::ObjectStore;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

pub async fn sha256(objects: &dyn ObjectStore, at: &StoreUrl) -> Result<[u8; 32], AnyFailure> {
    let mut body = objects.open(at).await?;
    let (mut hash, mut block, mut size) = (Sha256::new(), vec![0; 256 << 10], 0_u64);
    loop {
        let count = body
            .reader
            .read(&mut block)
            .await
            .map_err(|error| CommandError::failed(format!("reading {at}: {error}")))?;
        let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hash.update(bytes);
        size += bytes.len() as u64;
    }
    if size != body.size {
        return Err(CommandError::failed(format!("reading {at}: {size} of {} bytes arrived", body.size)).into());
    }
    Ok(hash.finalize().into())
}

/// The SHA-256 of some bytes, in hex.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
