//! Every scheme behind one [`ObjectStore`].

use async_trait::async_trait;

use super::file::FileStore;
#[cfg(feature = "s3")]
use super::s3::S3Store;
use super::store_options::StoreOptions;
use crate::consent::Consent;
use crate::model::backup::lifecycle::ExpiryRule;
use crate::model::exposure::{Exposure, Known};
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectBody, ObjectInfo, ObjectStore, PutMode, StoreError};

/// All stores that this build can reach.
pub struct Stores {
    file: FileStore,
    #[cfg(feature = "s3")]
    s3: S3Store,
}

impl Stores {
    /// Connects to nothing yet: credentials and a bucket are looked for when a bucket is first used.
    #[must_use]
    #[cfg_attr(
        not(feature = "s3"),
        expect(unused_variables, reason = "without S3 there is nothing to choose")
    )]
    pub fn new(options: StoreOptions) -> Self {
        Self {
            file: FileStore,
            #[cfg(feature = "s3")]
            s3: S3Store::new(options),
        }
    }

    #[cfg(feature = "s3")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature s3 it fails")]
    fn of(&self, _action: &'static str, at: &StoreUrl) -> Result<&dyn ObjectStore, StoreError> {
        Ok(match at {
            StoreUrl::File { .. } => &self.file,
            StoreUrl::S3 { .. } => &self.s3,
        })
    }

    #[cfg(not(feature = "s3"))]
    fn of(&self, action: &'static str, at: &StoreUrl) -> Result<&dyn ObjectStore, StoreError> {
        match at {
            StoreUrl::File { .. } => Ok(&self.file),
            StoreUrl::S3 { .. } => Err(without_s3(action, at)),
        }
    }

    /// Copies between schemes, through this process but never through memory.
    #[cfg(feature = "s3")]
    async fn transfer(&self, from: &StoreUrl, to: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
        match from {
            StoreUrl::S3 { .. } => self.file.receive(to, self.s3.open(from).await?).await,
            StoreUrl::File { path } => {
                // Tells a missing source by its own name, before anything is asked of the target.
                drop(self.file.open(from).await?);
                self.s3.put_file(to, path.as_ref(), PutMode::Replace, consent).await
            }
        }
    }

    #[cfg(not(feature = "s3"))]
    async fn transfer(&self, from: &StoreUrl, to: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
        Err(without_s3(
            "copy",
            if matches!(from, StoreUrl::S3 { .. }) { from } else { to },
        ))
    }
}

#[cfg(not(feature = "s3"))]
fn without_s3(action: &'static str, at: &StoreUrl) -> StoreError {
    let kind = crate::ports::StoreErrorKind::Unsupported("this build has no S3 support".into());
    StoreError {
        action,
        at: at.clone(),
        kind,
        source: None,
    }
}

#[async_trait]
impl ObjectStore for Stores {
    async fn require_root(&self, root: &StoreUrl) -> Result<(), StoreError> {
        self.of("list", root)?.require_root(root).await
    }

    async fn list(&self, at: &StoreUrl) -> Result<Vec<ObjectInfo>, StoreError> {
        self.of("list", at)?.list(at).await
    }

    async fn list_folders(&self, at: &StoreUrl) -> Result<Vec<String>, StoreError> {
        self.of("list", at)?.list_folders(at).await
    }

    async fn get(&self, at: &StoreUrl, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.of("read", at)?.get(at, limit).await
    }

    async fn open(&self, at: &StoreUrl) -> Result<ObjectBody, StoreError> {
        self.of("read", at)?.open(at).await
    }

    async fn put(&self, at: &StoreUrl, content: Vec<u8>, mode: PutMode, consent: &Consent) -> Result<(), StoreError> {
        self.of("write", at)?.put(at, content, mode, consent).await
    }

    async fn put_file(
        &self,
        at: &StoreUrl,
        path: &std::path::Path,
        mode: PutMode,
        consent: &Consent,
    ) -> Result<(), StoreError> {
        self.of("write", at)?.put_file(at, path, mode, consent).await
    }

    async fn copy(&self, from: &StoreUrl, to: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
        match (from, to) {
            (StoreUrl::S3 { .. }, StoreUrl::S3 { .. }) | (StoreUrl::File { .. }, StoreUrl::File { .. }) => {
                self.of("copy", from)?.copy(from, to, consent).await
            }
            _ => self.transfer(from, to, consent).await,
        }
    }

    async fn delete(&self, at: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
        self.of("delete", at)?.delete(at, consent).await
    }

    async fn delete_if(&self, at: &StoreUrl, expected: &[u8], consent: &Consent) -> Result<bool, StoreError> {
        self.of("delete", at)?.delete_if(at, expected, consent).await
    }

    async fn resolve(&self, at: &StoreUrl) -> Result<StoreUrl, StoreError> {
        self.of("list", at)?.resolve(at).await
    }

    async fn exposure(&self, at: &StoreUrl) -> Result<Exposure, StoreError> {
        self.of("read the settings of", at)?.exposure(at).await
    }

    async fn versioned(&self, at: &StoreUrl) -> Known {
        match self.of("read the settings of", at) {
            Ok(store) => store.versioned(at).await,
            Err(error) => Known::Unknown(error.to_string()),
        }
    }

    async fn expiry_rules(&self, at: &StoreUrl) -> Result<Vec<ExpiryRule>, StoreError> {
        self.of("read the lifecycle rules of", at)?.expiry_rules(at).await
    }
}
