//! Every scheme behind one [`ObjectStore`].

use std::time::Duration;

use async_trait::async_trait;

use super::file::FileStore;
#[cfg(feature = "s3")]
use super::s3::S3Store;
use crate::consent::Consent;
use crate::model::backup::lifecycle::ExpiryRule;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectBody, ObjectInfo, ObjectStore, PutMode, StoreError};

/// What the user chose about AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// `--region`: where to start looking for a bucket.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// kops' own variables.
    pub environment: StoreEnvironment,
    /// How long the server may keep silent; by default half a minute.
    pub silence: Option<Duration>,
    /// When a copy on the server's side is done in parts.
    pub multipart: Multipart,
}

/// When and how a copy on the server's side is done in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// Objects larger than this, in bytes. S3 copies at most 5 GiB at once.
    pub threshold: u64,
    /// The size of a part in bytes; S3 wants at least 5 MiB.
    pub part: u64,
}

impl Default for Multipart {
    fn default() -> Self {
        Self {
            threshold: 5 << 30,
            part: 512 << 20,
        }
    }
}

/// The variables by which kops and etcd-manager find an S3 that is not AWS, and how they write to it. AWS' own variables are
/// read by its SDK. Source: kubernetes/kops `util/pkg/vfs/s3context.go` and `s3fs.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreEnvironment {
    /// `S3_ENDPOINT`: when it is set, and only then, the next three count.
    pub s3_endpoint: Option<String>,
    /// `S3_ACCESS_KEY_ID`.
    pub s3_access_key_id: Option<String>,
    /// `S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: Option<String>,
    /// `S3_REGION`, by default `us-east-1`.
    pub s3_region: Option<String>,
    /// `KOPS_STATE_S3_ACL`: a canned ACL for each object that is written.
    pub kops_state_s3_acl: Option<String>,
}

impl StoreEnvironment {
    /// A snapshot of the variables, each looked up by its name; an empty one counts as unset.
    #[must_use]
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |name| lookup(name).filter(|value: &String| !value.trim().is_empty());
        Self {
            s3_endpoint: filled("S3_ENDPOINT"),
            s3_access_key_id: filled("S3_ACCESS_KEY_ID"),
            s3_secret_access_key: filled("S3_SECRET_ACCESS_KEY"),
            s3_region: filled("S3_REGION"),
            kops_state_s3_acl: filled("KOPS_STATE_S3_ACL").map(|acl| acl.trim().to_owned()),
        }
    }

    /// A snapshot of the process' environment.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }
}

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

    async fn expiry_rules(&self, at: &StoreUrl) -> Result<Vec<ExpiryRule>, StoreError> {
        self.of("read the lifecycle rules of", at)?.expiry_rules(at).await
    }
}
