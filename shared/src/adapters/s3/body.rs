//! Reads an object as a stream that survives a broken connection: a download of gigabytes is not begun anew. What is larger
//! than one part comes as several at once, since a single connection rarely has the whole line.

use std::io;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _, try_unfold};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::bucket::Bucket;
use super::problem::Problem;
use crate::adapters::aws_chain::error::innermost;
use crate::ports::ObjectBody;

/// How often a broken part is taken up again.
const RESUMES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of one part; what is not larger comes by one request.
const PART: u64 = 8 << 20;
/// Parts that are fetched at once, each held until those before it are read.
const AT_ONCE: usize = 8;

pub(super) async fn open(bucket: Arc<Bucket>, key: &str) -> Result<ObjectBody, Problem> {
    let object = Object {
        bucket,
        key: key.to_owned(),
        etag: None,
        size: 0,
    };
    let answer = match object.get(Some(format!("bytes=0-{}", PART - 1))).await {
        // Nothing has no first byte.
        Err(problem) if problem.is_range() => object.get(None).await?,
        answer => answer?,
    };
    let whole = answer.content_length().and_then(|length| u64::try_from(length).ok());
    // A store that knows no ranges sends all of it.
    let size = answer.content_range().and_then(total).or(whole);
    let object = Object {
        etag: answer.e_tag,
        size: size.ok_or_else(|| Problem::other("the response has no object size"))?,
        ..object
    };
    let size = object.size;
    let first = Part {
        at: 0,
        end: whole.unwrap_or(size).min(size),
        body: Some(answer.body),
        resumes_left: RESUMES,
        object: Arc::new(object),
    };
    let rest = first.following();
    let reader: Box<dyn AsyncRead + Send + Unpin> = if rest.is_empty() {
        let chunks = try_unfold(first, |mut part| async move {
            let chunk = part.next().await?;
            Ok::<_, io::Error>(chunk.map(|chunk| (chunk, part)))
        });
        Box::new(StreamReader::new(Box::pin(chunks)))
    } else {
        let parts = stream::iter(iter::once(first).chain(rest));
        Box::new(StreamReader::new(Box::pin(parts.map(Part::whole).buffered(AT_ONCE))))
    };
    Ok(ObjectBody { size, reader })
}

/// The whole object's size, of a `Content-Range: bytes 0-9/100`.
fn total(range: &str) -> Option<u64> {
    range.rsplit_once('/')?.1.parse().ok()
}

struct Object {
    bucket: Arc<Bucket>,
    key: String,
    /// All parts are of the very same object.
    etag: Option<String>,
    size: u64,
}

impl Object {
    async fn get(&self, range: Option<String>) -> Result<GetObjectOutput, Problem> {
        let request = self.bucket.client().get_object();
        let request = request.bucket(self.bucket.name()).key(&self.key);
        Ok(request.set_range(range).set_if_match(self.etag.clone()).send().await?)
    }

    /// The bytes from `at` to before `end`, of the very same object only.
    async fn ask(&self, at: u64, end: u64) -> io::Result<ByteStream> {
        let range = format!("bytes={at}-{}", end.saturating_sub(1));
        let answer = self.get(Some(range)).await.map_err(|problem| match problem {
            problem if problem.is_condition() => self.broken(at, "the object was replaced meanwhile"),
            problem => self.broken(at, &problem.to_string()),
        })?;
        let asked = format!("bytes {at}-");
        match answer.content_range() {
            Some(range) if range.starts_with(&asked) => Ok(answer.body),
            _ => Err(self.broken(at, "the server does not resume downloads")),
        }
    }

    fn broken(&self, at: u64, words: &str) -> io::Error {
        io::Error::other(format!("the download broke at byte {at} of {}: {words}", self.size))
    }
}

/// The bytes from `at` to before `end`.
struct Part {
    object: Arc<Object>,
    at: u64,
    end: u64,
    /// What is being read, once it was asked for.
    body: Option<ByteStream>,
    resumes_left: u32,
}

impl Part {
    /// The parts behind this one.
    fn following(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut at = self.end;
        while at < self.object.size {
            let end = self.object.size.min(at.saturating_add(PART));
            parts.push(Self {
                object: Arc::clone(&self.object),
                at,
                end,
                body: None,
                resumes_left: RESUMES,
            });
            at = end;
        }
        parts
    }

    /// All of it, in memory.
    async fn whole(mut self) -> io::Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(usize::try_from(self.end - self.at).unwrap_or_default());
        while let Some(chunk) = self.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let body = match &mut self.body {
                Some(body) => body,
                none => none.insert(self.object.ask(self.at, self.end).await?),
            };
            let trouble = match body.next().await {
                Some(Ok(chunk)) => {
                    self.at = self.at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    return match self.at > self.end {
                        true => Err(self.object.broken(self.end, "more was sent than asked for")),
                        false => Ok(Some(chunk)),
                    };
                }
                None if self.at >= self.end => return Ok(None),
                None => "it ended early".to_owned(),
                Some(Err(error)) => {
                    let words = innermost(&error);
                    // All bytes are here, and the checksum is not theirs: reading on cannot cure that.
                    if self.at >= self.end {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
                    }
                    words
                }
            };
            self.body = None;
            let Some(left) = self.resumes_left.checked_sub(1) else {
                return Err(self.object.broken(self.at, &trouble));
            };
            self.resumes_left = left;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
