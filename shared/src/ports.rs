//! The I/O that the rules need, as small traits.

mod hints;

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::io::AsyncRead;

use crate::consent::Consent;
use crate::model::backup::lifecycle::ExpiryRule;
use crate::model::exposure::{Exposure, Known};
use crate::model::kops::identity::{Chosen, SettingsError};
use crate::model::store_url::StoreUrl;

pub mod api_probe;
pub mod backup_notes;
pub mod certificates;
pub mod cluster_api;
pub mod cluster_objects;
pub mod drill;
pub mod etcd;
pub mod etcd_members;
pub mod fleet;
pub mod host_probe;
pub mod hosts;
pub mod journal;
pub mod local_state;
pub mod snapshot;

pub use crate::model::snapshot::ReadAt;
pub use crate::ports::host_probe::HostProbe;
pub use api_probe::ApiProbe;
pub use backup_notes::BackupNotes;
pub use certificates::Certificates;
pub use cluster_api::{ClusterApi, KubeError, KubeErrorKind};
pub use cluster_objects::ClusterObjects;
pub use etcd::{
    EtcdError, EtcdErrorKind, EtcdKv, EtcdStatus, KeyHead, KeyPage, KeyRange, KeySpan, KeyValue, LeaseId,
    SnapshotStream,
};
pub use etcd_members::EtcdMembers;
pub use hosts::{HostError, HostErrorKind, Hosts};
pub use journal::Journal;
pub use snapshot::{
    ObjectSpooler, PackFailure, PackedSnapshot, ReadFailure, ReadSnapshot, SnapshotFile, SnapshotPacker, SnapshotReader,
};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Values from the environment and settings files, for flags that are not given.
pub trait UserSettings: Send + Sync {
    /// The state store: `flag`, else `KOPS_STATE_STORE`, else kops' settings files.
    ///
    /// # Errors
    /// Where a settings file cannot be read.
    fn state_store(&self, flag: Option<&str>) -> Result<Option<Chosen>, SettingsError>;

    /// The cluster's name: `flag`, else `KOPS_CLUSTER_NAME`, else the cluster of kubectl's context.
    ///
    /// # Errors
    /// Where a settings file that has to tell cannot be read.
    fn cluster_name(
        &self,
        flag: Option<&str>,
        context: Option<&str>,
        kubeconfig: Option<&Path>,
    ) -> Result<Option<Chosen>, SettingsError>;
}

/// One object of a store, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key below the listed location, segments joined by `/`, without a leading slash.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// When it was last written, where the store tells.
    pub modified: Option<Timestamp>,
    /// A tag that equal content has, too, where the store has one: S3's `ETag` of what was written at once. That of a bucket
    /// with a key of KMS says nothing.
    pub tag: Option<String>,
}

/// An object's content, to be read once from its beginning.
pub struct ObjectBody {
    /// The size in bytes as the store tells it before the first byte.
    pub size: u64,
    /// The bytes.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
}

/// Whether a write may replace what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Fail with [`StoreErrorKind::AlreadyExists`] where the object exists.
    Create,
    /// Replace it.
    Replace,
}

/// A kops state store or an etcd-manager backup store: objects by absolute location.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Fails where a store's root (a state store, or a backup store that the user named) is certainly missing: then an
    /// empty list below it would mislead. Costs no request: on S3 the first list request finds a missing bucket.
    async fn require_root(&self, _root: &StoreUrl) -> Result<(), StoreError> {
        Ok(())
    }

    /// Every object below `at`, at any depth, sorted by path. A location that holds nothing is an empty list, a missing
    /// bucket is an error.
    async fn list(&self, at: &StoreUrl) -> Result<Vec<ObjectInfo>, StoreError>;

    /// The names of the "folders" right below `at`, sorted.
    async fn list_folders(&self, at: &StoreUrl) -> Result<Vec<String>, StoreError>;

    /// A small object whole. One of more than `limit` bytes is an error, not a truncation.
    async fn get(&self, at: &StoreUrl, limit: u64) -> Result<Vec<u8>, StoreError>;

    /// An object as a stream.
    async fn open(&self, at: &StoreUrl) -> Result<ObjectBody, StoreError>;

    /// Writes a small object atomically.
    async fn put(&self, at: &StoreUrl, content: Vec<u8>, mode: PutMode, consent: &Consent) -> Result<(), StoreError>;

    /// Writes the file at `path` as an object, whole or not at all. By default through memory: a store of large objects has
    /// a better way.
    async fn put_file(&self, at: &StoreUrl, path: &Path, mode: PutMode, consent: &Consent) -> Result<(), StoreError> {
        let content = tokio::fs::read(path).await.map_err(|error| StoreError {
            action: "write",
            at: at.clone(),
            kind: StoreErrorKind::Other(error.to_string()),
            source: None,
        })?;
        self.put(at, content, mode, consent).await
    }

    /// Copies one object, on the server's side where the store can, and replaces what is there.
    async fn copy(&self, from: &StoreUrl, to: &StoreUrl, consent: &Consent) -> Result<(), StoreError>;

    /// Deletes one object. One that is not there is no error.
    async fn delete(&self, at: &StoreUrl, consent: &Consent) -> Result<(), StoreError>;

    /// Deletes a small object if it still has the content `expected`. `false` means that it is gone or another one, and nothing
    /// was deleted. By default read and then delete; a store with conditional deletes does both in one request.
    async fn delete_if(&self, at: &StoreUrl, expected: &[u8], consent: &Consent) -> Result<bool, StoreError> {
        let limit = u64::try_from(expected.len()).unwrap_or(u64::MAX);
        match self.get(at, limit).await {
            Ok(found) if found == expected => self.delete(at, consent).await.map(|()| true),
            Ok(_) => Ok(false),
            Err(error) => match error.kind {
                StoreErrorKind::NotFound | StoreErrorKind::TooLarge { .. } => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The same location by its one name: a folder may have several, by links.
    async fn resolve(&self, at: &StoreUrl) -> Result<StoreUrl, StoreError> {
        Ok(at.clone())
    }

    /// Whether what lies there is encrypted, and open to others; of the whole bucket, or of the folder itself.
    async fn exposure(&self, _at: &StoreUrl) -> Result<Exposure, StoreError> {
        let unknown = || Known::Unknown("this store does not tell".to_owned());
        Ok(Exposure {
            encrypted: unknown(),
            public: unknown(),
        })
    }

    /// Whether the store keeps what is overwritten or deleted as an older version; of the whole bucket.
    async fn versioned(&self, _at: &StoreUrl) -> Known {
        Known::Unknown("a folder keeps no versions".to_owned())
    }

    /// The rules by which the store itself takes objects away, of the whole bucket that `at` is in. A folder has none.
    async fn expiry_rules(&self, _at: &StoreUrl) -> Result<Vec<ExpiryRule>, StoreError> {
        Ok(Vec::new())
    }
}

/// Why a request to a store failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {at}: {kind}")]
pub struct StoreError {
    /// What was tried: `list`, `read`, `write`, `copy`, `delete`, `read the lifecycle rules of`.
    pub action: &'static str,
    /// On what.
    pub at: StoreUrl,
    /// Why it failed.
    pub kind: StoreErrorKind,
    /// The adapter's own error, where there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// Whether the request may have been applied although there was no response.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self.action, "write" | "copy" | "delete") && self.kind == StoreErrorKind::Unreachable
    }
}

/// The reasons, by what a user can do about them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreErrorKind {
    /// No such object.
    #[error("not found")]
    NotFound,
    /// The bucket does not exist.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// The root folder of a `file://` store does not exist.
    #[error("the folder does not exist")]
    NoSuchFolder,
    /// Credentials were found and are not allowed to do this.
    #[error("access denied")]
    AccessDenied,
    /// No credentials were found.
    #[error("no AWS credentials found")]
    NoCredentials,
    /// Credentials were found and have expired.
    #[error("the AWS credentials have expired")]
    ExpiredCredentials,
    /// Credentials were found and AWS does not know them.
    #[error("AWS does not accept the credentials")]
    BadCredentials,
    /// The bucket is in another region than the one that was given.
    #[error("the bucket is in region {0}")]
    WrongRegion(String),
    /// The object exists already.
    #[error("it exists already")]
    AlreadyExists,
    /// The object is larger than the caller allowed.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// What the caller allowed, in bytes.
        limit: u64,
    },
    /// The store could not be reached, or did not answer in time.
    #[error("the store is unreachable")]
    Unreachable,
    /// A scheme or a setting that this build cannot serve.
    #[error("{0}")]
    Unsupported(String),
    /// Anything else, with the store's message.
    #[error("{0}")]
    Other(String),
}
