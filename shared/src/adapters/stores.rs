//! Every scheme behind one [`ObjectStore`].

use async_trait::async_trait;

use super::file::FileStore;
use crate::domain::store_url::StoreUrl;
use crate::ports::{ObjectBody, ObjectInfo, ObjectStore, PutMode, StoreError, StoreErrorKind};

/// What the user chose about AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// `--region`: where to start looking for a bucket.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// kops' own variables.
    pub environment: StoreEnvironment,
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
}

impl Stores {
    /// Connects to nothing yet: a bucket is looked for when it is first used.
    #[must_use]
    pub fn new(_options: StoreOptions) -> Self {
        Self { file: FileStore }
    }

    fn of(&self, action: &'static str, at: &StoreUrl) -> Result<&dyn ObjectStore, StoreError> {
        match at {
            StoreUrl::File { .. } => Ok(&self.file),
            StoreUrl::S3 { .. } => {
                let kind = StoreErrorKind::Unsupported("this build has no S3 support".into());
                Err(StoreError {
                    action,
                    at: at.clone(),
                    kind,
                    source: None,
                })
            }
        }
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

    async fn put(&self, at: &StoreUrl, content: Vec<u8>, mode: PutMode) -> Result<(), StoreError> {
        self.of("write", at)?.put(at, content, mode).await
    }

    async fn copy(&self, from: &StoreUrl, to: &StoreUrl) -> Result<(), StoreError> {
        self.of("copy", from)?.copy(from, to).await
    }

    async fn delete(&self, at: &StoreUrl) -> Result<(), StoreError> {
        self.of("delete", at)?.delete(at).await
    }
}
