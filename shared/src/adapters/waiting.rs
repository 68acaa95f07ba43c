//! Prints what is waited for while a store does not respond.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::consent::Consent;
use crate::model::backup::lifecycle::ExpiryRule;
use crate::model::exposure::{Exposure, Known};
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectBody, ObjectInfo, ObjectStore, PutMode, StoreError};

/// Before the first line.
const FIRST: Duration = Duration::from_secs(4);
/// Between two lines, whichever of several requests waits.
const AGAIN: Duration = Duration::from_secs(8);

/// A store that prints what it waits for.
pub struct WaitNotices<S> {
    inner: S,
    notices: Arc<Notices>,
}

/// Prints one line for all requests that wait at the same time.
struct Notices {
    say: Box<dyn Fn(&str) + Send + Sync>,
    last: Mutex<Option<Instant>>,
}

impl Notices {
    fn tell(&self, doing: &str, at: &StoreUrl, since: Instant) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if last.is_some_and(|last| now.duration_since(last) < AGAIN) {
            return;
        }
        *last = Some(now);
        drop(last);
        (self.say)(&format!("still {doing} {at} ({} s)", since.elapsed().as_secs()));
    }
}

impl<S> WaitNotices<S> {
    /// Prints by `say`, at most one line every few seconds.
    pub fn new(inner: S, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            inner,
            notices: Arc::new(Notices {
                say: Box::new(say),
                last: Mutex::new(None),
            }),
        }
    }

    async fn wait<T>(&self, doing: &str, at: &StoreUrl, answer: impl Future<Output = T> + Send) -> T {
        let begun = Instant::now();
        let mut answer = std::pin::pin!(answer);
        let mut pause = FIRST;
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                () = sleep(pause) => self.notices.tell(doing, at, begun),
            }
            pause = AGAIN;
        }
    }
}

/// A body that prints a notice while no byte arrives.
struct BodyWithWaitNotices {
    inner: Box<dyn AsyncRead + Send + Unpin>,
    notices: Arc<Notices>,
    at: StoreUrl,
    /// Since when nothing arrived, and until when no notice is printed.
    silence: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl AsyncRead for BodyWithWaitNotices {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        if read.is_ready() {
            this.silence = None;
            return read;
        }
        let (since, until) = this
            .silence
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(FIRST))));
        while until.as_mut().poll(cx).is_ready() {
            this.notices.tell("reading", &this.at, *since);
            until.as_mut().reset(Instant::now() + AGAIN);
        }
        Poll::Pending
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for WaitNotices<S> {
    async fn require_root(&self, root: &StoreUrl) -> Result<(), StoreError> {
        self.wait("reading", root, self.inner.require_root(root)).await
    }

    async fn list(&self, at: &StoreUrl) -> Result<Vec<ObjectInfo>, StoreError> {
        self.wait("reading", at, self.inner.list(at)).await
    }

    async fn list_folders(&self, at: &StoreUrl) -> Result<Vec<String>, StoreError> {
        self.wait("reading", at, self.inner.list_folders(at)).await
    }

    async fn get(&self, at: &StoreUrl, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.wait("reading", at, self.inner.get(at, limit)).await
    }

    async fn open(&self, at: &StoreUrl) -> Result<ObjectBody, StoreError> {
        let body = self.wait("reading", at, self.inner.open(at)).await?;
        Ok(ObjectBody {
            size: body.size,
            reader: Box::new(BodyWithWaitNotices {
                inner: body.reader,
                notices: Arc::clone(&self.notices),
                at: at.clone(),
                silence: None,
            }),
        })
    }

    async fn put(&self, at: &StoreUrl, content: Vec<u8>, mode: PutMode, consent: &Consent) -> Result<(), StoreError> {
        self.wait("writing", at, self.inner.put(at, content, mode, consent))
            .await
    }

    async fn put_file(&self, at: &StoreUrl, path: &Path, mode: PutMode, consent: &Consent) -> Result<(), StoreError> {
        self.wait("writing", at, self.inner.put_file(at, path, mode, consent))
            .await
    }

    async fn copy(&self, from: &StoreUrl, to: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
        self.wait("copying to", to, self.inner.copy(from, to, consent)).await
    }

    async fn delete(&self, at: &StoreUrl, consent: &Consent) -> Result<(), StoreError> {
        self.wait("deleting", at, self.inner.delete(at, consent)).await
    }

    async fn delete_if(&self, at: &StoreUrl, expected: &[u8], consent: &Consent) -> Result<bool, StoreError> {
        self.wait("deleting", at, self.inner.delete_if(at, expected, consent))
            .await
    }

    async fn resolve(&self, at: &StoreUrl) -> Result<StoreUrl, StoreError> {
        self.inner.resolve(at).await
    }

    async fn exposure(&self, at: &StoreUrl) -> Result<Exposure, StoreError> {
        self.wait("reading the settings of", at, self.inner.exposure(at)).await
    }

    async fn versioned(&self, at: &StoreUrl) -> Known {
        self.wait("reading the settings of", at, self.inner.versioned(at)).await
    }

    async fn expiry_rules(&self, at: &StoreUrl) -> Result<Vec<ExpiryRule>, StoreError> {
        self.wait("reading the rules of", at, self.inner.expiry_rules(at)).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_told_every_few_seconds_and_what_does_not_is_not() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listening = Arc::clone(&heard);
        let patient = WaitNotices::new((), move |line: &str| listening.lock().unwrap().push(line.to_owned()));
        let at: StoreUrl = "s3://b/c".parse().unwrap();
        let after = |seconds| sleep(Duration::from_secs(seconds));
        patient.wait("reading", &at, after(3)).await;
        assert!(heard.lock().unwrap().is_empty());
        // Several at once are one line.
        tokio::join!(
            patient.wait("reading", &at, after(21)),
            patient.wait("reading", &at, after(21))
        );
        let (reader, mut writer) = duplex(64);
        let mut body = BodyWithWaitNotices {
            inner: Box::new(reader),
            notices: Arc::clone(&patient.notices),
            at: "s3://b/data".parse().unwrap(),
            silence: None,
        };
        tokio::join!(
            async {
                after(13).await;
                writer.write_all(b"x").await.unwrap();
                after(3).await;
                drop(writer);
            },
            async {
                let mut read = Vec::new();
                body.read_to_end(&mut read).await.unwrap();
                assert_eq!(read, b"x");
            }
        );
        assert_eq!(
            *heard.lock().unwrap(),
            [
                "still reading s3://b/c (4 s)",
                "still reading s3://b/c (12 s)",
                "still reading s3://b/c (20 s)",
                "still reading s3://b/data (12 s)"
            ]
        );
    }
}
