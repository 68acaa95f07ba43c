//! `s3://` stores: AWS, and what speaks its language, found and written to as kops and etcd-manager do.

mod body;
mod bucket;
mod connect;
mod copy;
mod exposure;
mod lifecycle;
mod list;
mod parts;
mod problem;
mod write;

use async_trait::async_trait;
use tokio::io::AsyncReadExt;

use self::bucket::Bucket;
use self::connect::Connector;
use self::problem::Problem;
use super::store_options::StoreOptions;
use crate::consent::Consent;
use crate::model::backup::lifecycle::ExpiryRule;
use crate::model::exposure::{Exposure, Known};
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectBody, ObjectInfo, ObjectStore, PutMode, StoreError, StoreErrorKind};

/// Any number of buckets, each in its own region.
pub(super) struct S3Store {
    connector: Connector,
}

/// A location and the client of its bucket.
struct Location<'a> {
    bucket: std::sync::Arc<Bucket>,
    key: &'a str,
}

impl S3Store {
    pub(super) fn new(options: StoreOptions) -> Self {
        Self {
            connector: Connector::new(options),
        }
    }

    async fn locate<'a>(&self, action: &'static str, at: &'a StoreUrl) -> Result<Location<'a>, StoreError> {
        let StoreUrl::S3 { bucket, key } = at else {
            let kind = StoreErrorKind::Unsupported("not an s3:// location".into());
            return Err(StoreError {
                action,
                at: at.clone(),
                kind,
                source: None,
            });
        };
        let bucket = self
            .connector
            .bucket(bucket)
            .await
            .map_err(|problem| problem.on(action, at))?;
        Ok(Location { bucket, key })
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn list(&self, at: &StoreUrl) -> Result<Vec<ObjectInfo>, StoreError> {
        let place = self.locate("list", at).await?;
        list::objects(&place.bucket, place.key)
            .await
            .map_err(|problem| problem.on("list", at))
    }

    async fn list_folders(&self, at: &StoreUrl) -> Result<Vec<String>, StoreError> {
        let place = self.locate("list", at).await?;
        list::folders(&place.bucket, place.key)
            .await
            .map_err(|problem| problem.on("list", at))
    }

    async fn get(&self, at: &StoreUrl, limit: u64) -> Result<Vec<u8>, StoreError> {
        let body = self.open(at).await?;
        let failed = |kind| StoreError {
            action: "read",
            at: at.clone(),
            kind,
            source: None,
        };
        if body.size > limit {
            return Err(failed(StoreErrorKind::TooLarge { limit }));
        }
        let mut content = Vec::new();
        // One more than allowed: the size that the server reports may be wrong.
        let mut reader = body.reader.take(limit.saturating_add(1));
        reader
            .read_to_end(&mut content)
            .await
            .map_err(|error| failed(StoreErrorKind::Other(error.to_string())))?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
            return Err(failed(StoreErrorKind::TooLarge { limit }));
        }
        Ok(content)
    }

    async fn open(&self, at: &StoreUrl) -> Result<ObjectBody, StoreError> {
        let place = self.locate("read", at).await?;
        body::open(place.bucket, place.key)
            .await
            .map_err(|problem| problem.on("read", at))
    }

    async fn put(&self, at: &StoreUrl, content: Vec<u8>, mode: PutMode, _consent: &Consent) -> Result<(), StoreError> {
        let place = self.locate("write", at).await?;
        write::put(&place.bucket, place.key, content.into(), mode)
            .await
            .map_err(|problem| problem.on("write", at))
    }

    async fn put_file(
        &self,
        at: &StoreUrl,
        path: &std::path::Path,
        mode: PutMode,
        _consent: &Consent,
    ) -> Result<(), StoreError> {
        let place = self.locate("write", at).await?;
        write::upload(&place.bucket, place.key, path, mode)
            .await
            .map_err(|problem| problem.on("write", at))
    }

    async fn copy(&self, from: &StoreUrl, to: &StoreUrl, _consent: &Consent) -> Result<(), StoreError> {
        let (source, target) = (self.locate("copy", from).await?, self.locate("copy", to).await?);
        let found = source
            .bucket
            .probe(source.key)
            .await
            .map_err(|problem| problem.on("copy", from))?;
        let found = found.ok_or_else(|| Problem::of(StoreErrorKind::NotFound).on("copy", from))?;
        let source = copy::Source {
            bucket: source.bucket.name(),
            key: source.key,
            found: &found,
        };
        copy::copy(&source, &target.bucket, target.key, self.connector.multipart())
            .await
            .map_err(|problem| problem.on("copy", to))
    }

    async fn delete(&self, at: &StoreUrl, _consent: &Consent) -> Result<(), StoreError> {
        let place = self.locate("delete", at).await?;
        write::delete(&place.bucket, place.key)
            .await
            .map_err(|problem| problem.on("delete", at))
    }

    async fn delete_if(&self, at: &StoreUrl, expected: &[u8], _consent: &Consent) -> Result<bool, StoreError> {
        let place = self.locate("delete", at).await?;
        write::delete_if(&place.bucket, place.key, expected)
            .await
            .map_err(|problem| problem.on("delete", at))
    }

    async fn exposure(&self, at: &StoreUrl) -> Result<Exposure, StoreError> {
        let place = self.locate("read the settings of", at).await?;
        Ok(exposure::exposure(&place.bucket).await)
    }

    async fn versioned(&self, at: &StoreUrl) -> Known {
        match self.locate("read the settings of", at).await {
            Ok(place) => exposure::versioned(&place.bucket).await,
            Err(error) => Known::Unknown(error.to_string()),
        }
    }

    async fn expiry_rules(&self, at: &StoreUrl) -> Result<Vec<ExpiryRule>, StoreError> {
        const ACTION: &str = "read the lifecycle rules of";
        let place = self.locate(ACTION, at).await?;
        lifecycle::rules(&place.bucket)
            .await
            .map_err(|problem| problem.on(ACTION, at))
    }
}
