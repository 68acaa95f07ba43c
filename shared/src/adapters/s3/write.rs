//! Writes: as kops does them, and conditional where no object may be replaced.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;

use super::bucket::Bucket;
use super::parts::{PartSource, Parts, body_of, long_transfer};
use super::problem::Problem;
use crate::adapters::aws_chain::error::innermost;
use crate::ports::{PutMode, StoreErrorKind};

/// The most that one request may carry, and the parts that more is sent in.
const LARGEST_PUT: u64 = 5 << 30;
const UPLOAD_PART: u64 = 256 << 20;

pub(super) async fn put(bucket: &Bucket, key: &str, content: Bytes, mode: PutMode) -> Result<(), Problem> {
    let mut conditional = mode == PutMode::Create;
    loop {
        let encryption = bucket.encryption().await;
        let request = bucket
            .client()
            .put_object()
            .bucket(bucket.name())
            .key(key)
            .set_acl(bucket.acl());
        let request = request
            .set_server_side_encryption(encryption.clone())
            .body(ByteStream::from(content.clone()));
        let request = if conditional {
            request.if_none_match("*")
        } else {
            request
        };
        let Err(error) = request.send().await else {
            return Ok(());
        };
        refused(bucket, key, Problem::from(error), encryption.as_ref(), &mut conditional).await?;
    }
}

/// What a refusal of a write means: the end, or that it is to be tried once more without what the server does not know.
async fn refused(
    bucket: &Bucket,
    key: &str,
    problem: Problem,
    encryption: Option<&ServerSideEncryption>,
    conditional: &mut bool,
) -> Result<(), Problem> {
    if *conditional && problem.is_condition() {
        return Err(Problem::of(StoreErrorKind::AlreadyExists));
    }
    if bucket.gives_up_encryption(encryption, &problem) {
        return Ok(());
    }
    if !*conditional || !problem.refuses_conditions() {
        return Err(problem);
    }
    // The server knows no conditional writes: a look beforehand is the best that is left.
    if bucket.probe(key).await?.is_some() {
        return Err(Problem::of(StoreErrorKind::AlreadyExists));
    }
    *conditional = false;
    Ok(())
}

pub(super) async fn delete(bucket: &Bucket, key: &str) -> Result<(), Problem> {
    match bucket
        .client()
        .delete_object()
        .bucket(bucket.name())
        .key(key)
        .send()
        .await
    {
        Ok(_) => Ok(()),
        Err(error) => match Problem::from(error) {
            problem if *problem.kind() == StoreErrorKind::NotFound => Ok(()),
            problem => Err(problem),
        },
    }
}

/// Deletes the object if it holds `expected`, in one request that S3 judges by the ETag. A server that knows no conditional
/// deletions gets an unconditional one: nothing better is left.
pub(super) async fn delete_if(bucket: &Bucket, key: &str, expected: &[u8]) -> Result<bool, Problem> {
    let answer = match bucket.client().get_object().bucket(bucket.name()).key(key).send().await {
        Ok(answer) => answer,
        Err(error) => {
            return match Problem::from(error) {
                problem if *problem.kind() == StoreErrorKind::NotFound => Ok(false),
                problem => Err(problem),
            };
        }
    };
    let etag = answer.e_tag.clone();
    let found = answer.body.collect().await;
    let found = found.map_err(|error| Problem::other(innermost(&error)))?.into_bytes();
    if found != expected {
        return Ok(false);
    }
    let request = bucket.client().delete_object().bucket(bucket.name()).key(key);
    match request.set_if_match(etag).send().await {
        Ok(_) => Ok(true),
        Err(error) => match Problem::from(error) {
            problem if *problem.kind() == StoreErrorKind::NotFound || problem.is_condition() => Ok(false),
            problem if problem.refuses_conditions() => delete(bucket, key).await.map(|()| true),
            problem => Err(problem),
        },
    }
}

/// Sends a file, in parts where it is too large for one request.
pub(super) async fn upload(bucket: &Bucket, key: &str, path: &Path, mode: PutMode) -> Result<(), Problem> {
    let size = tokio::fs::metadata(path)
        .await
        .map_err(|error| Problem::other(error.to_string()))?
        .len();
    let mut conditional = mode == PutMode::Create;
    // The condition is judged when all bytes have been sent: what is known to be in vain is not begun.
    if conditional && bucket.probe(key).await?.is_some() {
        return Err(Problem::of(StoreErrorKind::AlreadyExists));
    }
    if size > LARGEST_PUT {
        return Parts::begin(bucket, key, mode)
            .await?
            .fill(size, UPLOAD_PART, &PartSource::File(path))
            .await;
    }
    loop {
        let encryption = bucket.encryption().await;
        let body = body_of(path, 0, size).await?;
        let request = bucket
            .client()
            .put_object()
            .bucket(bucket.name())
            .key(key)
            .set_acl(bucket.acl())
            .body(body);
        let request = request
            .set_server_side_encryption(encryption.clone())
            .set_if_none_match(conditional.then(|| "*".to_owned()));
        let Err(error) = request.customize().config_override(long_transfer()).send().await else {
            return Ok(());
        };
        refused(bucket, key, Problem::from(error), encryption.as_ref(), &mut conditional).await?;
    }
}
