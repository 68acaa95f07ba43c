//! Objects that are written in parts, because they are too large for one request.

use std::path::Path;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_types::byte_stream::Length;
use futures::{StreamExt, TryStreamExt};

use super::bucket::Bucket;
use super::problem::Problem;
use crate::adapters::aws_chain::error::innermost;
use crate::ports::{PutMode, StoreErrorKind};

/// The limit of S3.
const MOST_PARTS: u64 = 10_000;
const PARTS_AT_ONCE: usize = 4;

/// Where parts come from.
pub(super) enum PartSource<'a> {
    /// Another object, on the server's side.
    Object {
        /// `x-amz-copy-source`.
        header: String,
        /// Only that version of it.
        etag: Option<String>,
    },
    /// A file here.
    File(&'a Path),
}

/// An object that is made of parts: it appears when it is ended, whole.
pub(super) struct Parts<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    mode: PutMode,
    id: String,
}

impl<'a> Parts<'a> {
    pub(super) async fn begin(bucket: &'a Bucket, key: &'a str, mode: PutMode) -> Result<Self, Problem> {
        loop {
            let encryption = bucket.encryption().await;
            let request = bucket
                .client()
                .create_multipart_upload()
                .bucket(bucket.name())
                .key(key)
                .set_acl(bucket.acl());
            match request.set_server_side_encryption(encryption.clone()).send().await {
                Ok(begun) => {
                    let id = begun
                        .upload_id
                        .ok_or_else(|| Problem::other("the response has no upload id"))?;
                    return Ok(Self { bucket, key, mode, id });
                }
                Err(error) => {
                    let problem = Problem::from(error);
                    if !bucket.gives_up_encryption(encryption.as_ref(), &problem) {
                        return Err(problem);
                    }
                }
            }
        }
    }

    /// Sends all parts, some at once, and ends the object.
    pub(super) async fn fill(&self, size: u64, part: u64, from: &PartSource<'_>) -> Result<(), Problem> {
        let part = part.max(size.div_ceil(MOST_PARTS)).max(1);
        let mut all = Vec::new();
        let (mut number, mut start) = (1, 0);
        while start < size {
            let length = part.min(size - start);
            all.push(self.part(number, start, length, from));
            (number, start) = (number + 1, start + length);
        }
        let sent = futures::stream::iter(all).buffered(PARTS_AT_ONCE).try_collect().await;
        self.end(sent).await
    }

    async fn part(
        &self,
        number: i32,
        start: u64,
        length: u64,
        from: &PartSource<'_>,
    ) -> Result<CompletedPart, Problem> {
        let (client, bucket) = (self.bucket.client(), self.bucket.name());
        let etag = match from {
            PartSource::Object { header, etag } => {
                let request = client
                    .upload_part_copy()
                    .bucket(bucket)
                    .key(self.key)
                    .upload_id(&self.id);
                let request = request
                    .part_number(number)
                    .copy_source(header)
                    .set_copy_source_if_match(etag.clone());
                let request = request.copy_source_range(format!("bytes={start}-{}", start + length - 1));
                let answer = request.customize().config_override(long_transfer()).send().await?;
                answer.copy_part_result.and_then(|part| part.e_tag)
            }
            PartSource::File(path) => {
                let request = client.upload_part().bucket(bucket).key(self.key).upload_id(&self.id);
                let request = request.part_number(number).body(body_of(path, start, length).await?);
                request.customize().config_override(long_transfer()).send().await?.e_tag
            }
        };
        Ok(CompletedPart::builder().part_number(number).set_e_tag(etag).build())
    }

    /// Makes the object out of its parts, or leaves nothing.
    async fn end(&self, sent: Result<Vec<CompletedPart>, Problem>) -> Result<(), Problem> {
        let (client, bucket) = (self.bucket.client(), self.bucket.name());
        let ended = match sent {
            Ok(parts) => {
                let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
                let mut conditional = self.mode == PutMode::Create;
                loop {
                    let request = client
                        .complete_multipart_upload()
                        .bucket(bucket)
                        .key(self.key)
                        .upload_id(&self.id)
                        .set_if_none_match(conditional.then(|| "*".to_owned()));
                    let request = request.multipart_upload(parts.clone()).customize();
                    let Err(error) = request.config_override(long_transfer()).send().await else {
                        break Ok(());
                    };
                    match Problem::from(error) {
                        problem if conditional && problem.is_condition() => {
                            break Err(Problem::of(StoreErrorKind::AlreadyExists));
                        }
                        // The server knows no conditional writes: the look beforehand was the best that there is.
                        problem if conditional && problem.refuses_conditions() => conditional = false,
                        problem => break Err(problem),
                    }
                }
            }
            Err(problem) => Err(problem),
        };
        if ended.is_err() {
            // The first failure is the one to tell; parts left behind are never visible.
            let _ = client
                .abort_multipart_upload()
                .bucket(bucket)
                .key(self.key)
                .upload_id(&self.id)
                .send()
                .await;
        }
        ended
    }
}

/// A piece of a file, which can be sent again.
pub(super) async fn body_of(path: &Path, start: u64, length: u64) -> Result<ByteStream, Problem> {
    let part = ByteStream::read_from()
        .path(path)
        .offset(start)
        .length(Length::Exact(length))
        .build();
    part.await.map_err(|error| Problem::other(innermost(&error)))
}

/// A large body takes its time; a stalled one is noticed by the SDK.
pub(super) fn long_transfer() -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(3_600));
    Builder::new().timeout_config(timeouts.build())
}
