//! By the user's own ssh: the host's certificates, read with sudo, and a tunnel to etcd through ssh's stdin and stdout.
//!
//! A tunnel by `ssh -W` has no listening port that others on this machine could use, and ends with its process.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::credentials::Credentials;
use super::dial::{Dial, Dialed};
use crate::adapters::ssh::{Ssh, all_of, last_words};
use crate::ports::hosts::{HostError, Script};

/// Where the API server's own client certificates for etcd lie on a master; the second is where older kops put them.
const FOLDERS: [&str; 2] = ["/srv/kubernetes/kube-apiserver", "/etc/kubernetes/pki/kube-apiserver"];
/// Where cilium's lie. Source: kubernetes/kops `nodeup/pkg/model/networking/cilium.go`.
const CILIUM_FOLDER: &str = "/etc/kubernetes/pki/cilium";
/// Between the files that one ssh call reads.
const CUT: &str = "-----CUT-----";
/// What the remote script exits with where the files are not there.
const NO_FILES: i32 = 42;
/// For reading three small files.
const READING: Duration = Duration::from_secs(10);

/// ssh did not bring us to etcd.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The host was not reached, or did not let us in.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No certificates of etcd are there.
    #[error("{host} has no etcd client certificate in {places}")]
    NoFiles {
        /// The host.
        host: String,
        /// Where they were looked for.
        places: String,
    },
    /// They are there and cannot be used.
    #[error(transparent)]
    Credentials(#[from] super::credentials::CredentialsError),
}

impl SshError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Host(error) => error.hint(),
            Self::NoFiles { .. } => Some("check that --host is a control-plane node of this cluster".to_owned()),
            Self::Credentials(error) => error.hint().map(str::to_owned),
        }
    }
}

/// Reads the certificates that the host itself uses for that etcd.
pub(super) async fn credentials(ssh: &Ssh, host: &str, etcd: &str) -> Result<Credentials, SshError> {
    let (folders, name) = places(etcd);
    let script = Script {
        what: "read the client certificate of etcd".to_owned(),
        text: script(&folders, name),
        limit: Some(READING),
    };
    let read = Mutex::new(String::new());
    let keep = |line: &str| {
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        read.push_str(line);
        read.push('\n');
    };
    let ended = ssh.run(host, &script, &keep).await?;
    match ended.code {
        0 => {}
        NO_FILES => {
            let places = folders.join(" or ");
            let host = host.to_owned();
            return Err(SshError::NoFiles { host, places });
        }
        _ => {
            let kind = crate::ports::hosts::HostErrorKind::Failed(last_words(&ended.said));
            let host = host.to_owned();
            return Err(HostError { host, kind }.into());
        }
    }
    let read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut files = read.split(CUT);
    let mut next = || files.next().unwrap_or_default().as_bytes();
    let (ca, certificate, key) = (next(), next(), next());
    Ok(Credentials::from_pem(
        &format!("the files of {host}"),
        ca,
        certificate,
        key,
    )?)
}

/// A way to a port of the host itself.
pub(super) fn tunnel(ssh: Ssh, host: &str, port: u16) -> Tunnel {
    let host = host.to_owned();
    Tunnel { ssh, host, port }
}

fn places(etcd: &str) -> (Vec<&'static str>, &'static str) {
    match etcd {
        "cilium" => (vec![CILIUM_FOLDER], "etcd-client-cilium"),
        _ => (FOLDERS.to_vec(), "etcd-client"),
    }
}

/// The files one after the other, of the first folder that has them.
fn script(folders: &[&str], name: &str) -> String {
    let folders = folders.join(" ");
    format!(
        "for d in {folders}; do $s test -r $d/{name}.key || continue; \
         $s cat $d/etcd-ca.crt && echo {CUT} && $s cat $d/{name}.crt && echo {CUT} && $s cat $d/{name}.key; exit; done; \
         exit {NO_FILES}"
    )
}

/// Connections to a port of the host.
pub(super) struct Tunnel {
    ssh: Ssh,
    host: String,
    port: u16,
}

#[async_trait]
impl Dial for Tunnel {
    async fn dial(&self) -> io::Result<Dialed> {
        let mut command = self.ssh.command();
        command.args(["-W", &format!("127.0.0.1:{}", self.port), "--", &self.host]);
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (stderr, host) = (child.stderr.take(), self.host.clone());
        let said = tokio::spawn(all_of(stderr));
        Ok(Dialed {
            stream: Box::new(Piped {
                stdin,
                stdout,
                _killed_with_us: child,
            }),
            why_closed: Some(Box::pin(async move {
                let said = said.await.ok()?;
                Some(format!(
                    "ssh to {host}: {}",
                    last_words(&String::from_utf8_lossy(&said))
                ))
            })),
        })
    }
}

/// ssh's two pipes as one stream.
struct Piped {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _killed_with_us: Child,
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_both_known_places() {
        let (folders, name) = places("main");
        let text = script(&folders, name);
        assert!(
            text.contains("/srv/kubernetes/kube-apiserver /etc/kubernetes/pki/kube-apiserver"),
            "{text}"
        );
        assert!(!text.contains('\''), "{text}");
        assert_eq!(places("cilium").1, "etcd-client-cilium");
    }
}
