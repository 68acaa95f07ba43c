//! Reads an object as a stream that survives a broken connection: a download of gigabytes is not begun anew.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::try_unfold;
use tokio_util::io::StreamReader;

use super::bucket::Bucket;
use super::problem::Problem;
use crate::adapters::aws_chain::error::innermost;
use crate::ports::ObjectBody;

/// How often a broken stream is taken up again.
const RESUMES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn open(bucket: Arc<Bucket>, key: &str) -> Result<ObjectBody, Problem> {
    let answer = bucket
        .client()
        .get_object()
        .bucket(bucket.name())
        .key(key)
        .send()
        .await?;
    let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
    let size = length.ok_or_else(|| Problem::other("the response has no object size"))?;
    let state = Download {
        bucket,
        key: key.to_owned(),
        etag: answer.e_tag,
        body: answer.body,
        offset: 0,
        size,
        resumes_left: RESUMES,
    };
    let chunks = try_unfold(state, |mut state| async move {
        let chunk = state.next().await?;
        Ok::<_, io::Error>(chunk.map(|chunk| (chunk, state)))
    });
    Ok(ObjectBody {
        size,
        reader: Box::new(StreamReader::new(Box::pin(chunks))),
    })
}

struct Download {
    bucket: Arc<Bucket>,
    key: String,
    etag: Option<String>,
    body: ByteStream,
    offset: u64,
    size: u64,
    resumes_left: u32,
}

impl Download {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let trouble = match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.offset = self
                        .offset
                        .saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    return Ok(Some(chunk));
                }
                None if self.offset >= self.size => return Ok(None),
                None => "it ended early".to_owned(),
                Some(Err(error)) => {
                    let words = innermost(&error);
                    // All bytes are here, and the checksum is not theirs: reading on cannot cure that.
                    if self.offset >= self.size {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
                    }
                    words
                }
            };
            self.resume(&trouble).await?;
        }
    }

    /// Goes on where it broke, but only with the very same object.
    async fn resume(&mut self, trouble: &str) -> io::Result<()> {
        let (at, size) = (self.offset, self.size);
        let broken = |words: &str| io::Error::other(format!("the download broke at byte {at} of {size}: {words}"));
        let Some(left) = self.resumes_left.checked_sub(1) else {
            return Err(broken(trouble));
        };
        self.resumes_left = left;
        tokio::time::sleep(PAUSE).await;
        let request = self
            .bucket
            .client()
            .get_object()
            .bucket(self.bucket.name())
            .key(&self.key);
        let request = request.range(format!("bytes={at}-")).set_if_match(self.etag.clone());
        let answer = request.send().await.map_err(|error| match Problem::from(error) {
            problem if problem.is_condition() => broken("the object was replaced meanwhile"),
            problem => broken(&problem.to_string()),
        })?;
        if !answer
            .content_range()
            .is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
        {
            return Err(broken("the server does not resume downloads"));
        }
        self.body = answer.body;
        Ok(())
    }
}
