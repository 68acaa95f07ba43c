//! What a script prints, as bytes: for files of a host that are too large for lines.

use std::io::{self, Write};

use async_trait::async_trait;
use bytes::Bytes;
use flate2::write::GzDecoder;
use futures::stream::try_unfold;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::io::StreamReader;

use std::process::Stdio;
use std::time::Duration;

use super::{NO_SUDO, Ssh, all_of, last_words, wrapped};
use crate::ports::hosts::{HostError, HostErrorKind, HostFiles, Script, ScriptFailed};

/// Bytes taken at once.
const BLOCK: usize = 128 << 10;

#[async_trait]
impl HostFiles for Ssh {
    async fn stream(
        &self,
        host: &str,
        script: &Script,
        packed: bool,
    ) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError> {
        let mut command = self.command();
        command.arg("--").arg(host).arg(wrapped(&script.text));
        let failed = |kind| HostError {
            host: host.to_owned(),
            kind,
        };
        let broken = |error: io::Error| failed(HostErrorKind::Run(error.to_string()));
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(broken)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(io::ErrorKind::BrokenPipe.into()));
        };
        let said = tokio::spawn(all_of(child.stderr.take()));
        let state = Running {
            ssh: self.clone(),
            host: host.to_owned(),
            what: script.what.clone(),
            limit: script.limit,
            child,
            _stdin: stdin,
            stdout,
            said: Some(said),
            unpacking: packed.then(|| GzDecoder::new(Vec::new())),
            ran: false,
        };
        let blocks = try_unfold(state, |mut state| async move {
            let block = state.next().await?;
            Ok::<_, io::Error>(block.map(|block| (block, state)))
        });
        Ok(Box::new(StreamReader::new(Box::pin(blocks))))
    }
}

/// A script that runs.
struct Running {
    ssh: Ssh,
    host: String,
    what: String,
    limit: Option<Duration>,
    child: Child,
    /// Closed with this value: then the script ends, too.
    _stdin: ChildStdin,
    stdout: ChildStdout,
    said: Option<JoinHandle<Vec<u8>>>,
    unpacking: Option<GzDecoder<Vec<u8>>>,
    /// Whether it has printed something.
    ran: bool,
}

impl Running {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let mut block = Vec::with_capacity(BLOCK);
            let count = self.read(&mut block).await?;
            self.ran |= count > 0;
            if count == 0 {
                self.end().await?;
                return match self.unpacking.take() {
                    // What is cut off has no end that fits.
                    Some(unpacking) => Ok(Some(Bytes::from(unpacking.finish()?)).filter(|rest| !rest.is_empty())),
                    None => Ok(None),
                };
            }
            let Some(unpacking) = &mut self.unpacking else {
                return Ok(Some(Bytes::from(block)));
            };
            unpacking.write_all(&block)?;
            let unpacked = std::mem::take(unpacking.get_mut());
            if !unpacked.is_empty() {
                return Ok(Some(Bytes::from(unpacked)));
            }
        }
    }

    async fn read(&mut self, block: &mut Vec<u8>) -> io::Result<usize> {
        let Some(limit) = self.limit else {
            return self.stdout.read_buf(block).await;
        };
        let limit = self.ssh.timeout.saturating_add(limit);
        match timeout(limit, self.stdout.read_buf(block)).await {
            Ok(read) => read,
            Err(_) => Err(self.host_error(HostErrorKind::TooLong {
                what: self.what.clone(),
                seconds: limit.as_secs(),
            })),
        }
    }

    fn host_error(&self, kind: HostErrorKind) -> io::Error {
        io::Error::other(HostError {
            host: self.host.clone(),
            kind,
        })
    }

    /// Its output has ended: was that the end?
    async fn end(&mut self) -> io::Result<()> {
        let Some(said) = self.said.take() else {
            return Ok(());
        };
        let code = self.child.wait().await?.code();
        let said = String::from_utf8_lossy(&said.await.unwrap_or_default()).into_owned();
        match code {
            Some(0) => Ok(()),
            Some(NO_SUDO) => Err(self.host_error(HostErrorKind::NoSudo)),
            None | Some(255) => {
                let kind = super::judge::kind_of(&said, self.ran, self.ssh.timeout.as_secs());
                Err(self.host_error(kind))
            }
            Some(code) => Err(io::Error::other(ScriptFailed {
                host: self.host.clone(),
                what: self.what.clone(),
                code,
                said: last_words(&said),
            })),
        }
    }
}
