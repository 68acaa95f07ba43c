//! By the user's own ssh: the host's certificates, read with sudo, and a tunnel to etcd through ssh's stdin and stdout.
//!
//! A tunnel by `ssh -W` has no listening port that others on this machine could use, and ends with its process.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::credentials::Credentials;
use super::dial::{Dial, Dialed};

/// Where the API server's own client certificates for etcd lie on a master; the second is where older kops put them.
const FOLDERS: [&str; 2] = ["/srv/kubernetes/kube-apiserver", "/etc/kubernetes/pki/kube-apiserver"];
/// Where cilium's lie. Source: kubernetes/kops `nodeup/pkg/model/networking/cilium.go`.
const CILIUM_FOLDER: &str = "/etc/kubernetes/pki/cilium";
/// Between the files that one ssh call reads.
const CUT: &str = "-----CUT-----";
/// What the remote script exits with; ssh itself uses 255.
const NO_SUDO: i32 = 41;
const NO_FILES: i32 = 42;
/// More than any certificate, less than a flood.
const MOST_OUTPUT: u64 = 1 << 20;

/// ssh to one host, as the user runs it.
#[derive(Clone, Debug)]
pub(super) struct Ssh {
    pub(super) program: PathBuf,
    /// A host as ssh knows it: a name of its config, an address, `user@host`.
    pub(super) host: String,
    pub(super) user: Option<String>,
    /// `-J`.
    pub(super) jump: Option<String>,
    pub(super) patience: Duration,
}

/// ssh did not bring us there.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// There is no ssh on `PATH`.
    #[error("no `ssh` is on PATH")]
    NoProgram,
    /// It cannot be run.
    #[error("running ssh")]
    Run(#[source] io::Error),
    /// It took too long.
    #[error("ssh to {host}: no answer within {seconds} s")]
    Timeout {
        /// The host.
        host: String,
        /// How long we waited.
        seconds: u64,
    },
    /// It failed by itself.
    #[error("ssh to {host}: {reason}")]
    Failed {
        /// The host.
        host: String,
        /// Its last words.
        reason: String,
    },
    /// The user may not use sudo there without a password.
    #[error("ssh to {host}: sudo wants a password there")]
    NoSudo {
        /// The host.
        host: String,
    },
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
        Some(match self {
            Self::NoProgram => "install OpenSSH's client, or use --via direct or port-forward".to_owned(),
            Self::Failed { host, reason } if reason.contains("Host key verification failed") => {
                format!("run `ssh {host}` once by hand and look at its host key")
            }
            Self::Failed { reason, .. } if reason.contains("Permission denied") => {
                "load the key (ssh-add), or name the user by --ssh-user: ubuntu, admin, ec2-user or core".to_owned()
            }
            Self::Failed { .. } | Self::Timeout { .. } => {
                "check that `ssh HOST` works by hand; through a bastion pass --ssh-jump, or set it in your ssh config"
                    .to_owned()
            }
            Self::NoSudo { .. } => "use --ssh-user with a user who has sudo without a password".to_owned(),
            Self::NoFiles { .. } => "check that --host is a control-plane node of this cluster".to_owned(),
            Self::Credentials(error) => return error.hint().map(str::to_owned),
            Self::Run(_) => return None,
        })
    }
}

impl Ssh {
    /// A command that runs ssh without ever asking anybody, and without the forwardings of the user's config: a port of
    /// theirs that is taken already would end it.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let seconds = self.patience.as_secs().max(1);
        command.args(["-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"]);
        command.args([
            "-o",
            &format!("ConnectTimeout={seconds}"),
            "-o",
            "ClearAllForwardings=yes",
        ]);
        // A connection that lies dead in the middle of a snapshot is noticed.
        command.args(["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"]);
        if let Some(user) = &self.user {
            command.args(["-l", user]);
        }
        if let Some(jump) = &self.jump {
            command.args(["-J", jump]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Reads the certificates that the host itself uses for that etcd.
    pub(super) async fn credentials(&self, etcd: &str) -> Result<Credentials, SshError> {
        let (folders, name) = places(etcd);
        let mut command = self.command();
        command
            .arg("--")
            .arg(&self.host)
            .arg(script(&folders, name))
            .stdin(Stdio::null());
        let mut child = command.spawn().map_err(SshError::Run)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let reading = async {
            let (read, said) = tokio::join!(all_of(stdout), all_of(stderr));
            (child.wait().await, read, said)
        };
        // Twice the limit: ssh's own for the connection, and as much for what is done there.
        let limit = self.patience.saturating_mul(2);
        let Ok((status, read, said)) = timeout(limit, reading).await else {
            return Err(SshError::Timeout {
                host: self.host.clone(),
                seconds: limit.as_secs(),
            });
        };
        let host = || self.host.clone();
        let status = status.map_err(SshError::Run)?;
        match status.code() {
            Some(0) => {}
            Some(NO_SUDO) => return Err(SshError::NoSudo { host: host() }),
            Some(NO_FILES) => {
                let places = folders.join(" or ");
                return Err(SshError::NoFiles { host: host(), places });
            }
            _ => {
                let reason = last_words(&said);
                return Err(SshError::Failed { host: host(), reason });
            }
        }
        let read = String::from_utf8_lossy(&read);
        let mut files = read.split(CUT);
        let mut next = || files.next().unwrap_or_default().as_bytes();
        let (ca, certificate, key) = (next(), next(), next());
        let origin = format!("the files of {}", self.host);
        Ok(Credentials::from_pem(&origin, ca, certificate, key)?)
    }

    /// A way to the host's own `port`.
    pub(super) fn tunnel(self, port: u16) -> Tunnel {
        Tunnel { ssh: self, port }
    }
}

fn places(etcd: &str) -> (Vec<&'static str>, &'static str) {
    match etcd {
        "cilium" => (vec![CILIUM_FOLDER], "etcd-client-cilium"),
        _ => (FOLDERS.to_vec(), "etcd-client"),
    }
}

/// For `sh`, whatever shell the user has there.
fn script(folders: &[&str], name: &str) -> String {
    let folders = folders.join(" ");
    format!(
        "sh -c 'if command -v sudo >/dev/null; then s=\"sudo -n\"; $s true 2>/dev/null || exit {NO_SUDO}; else s=; fi; \
         for d in {folders}; do $s test -r $d/{name}.key || continue; \
         $s cat $d/etcd-ca.crt && echo {CUT} && $s cat $d/{name}.crt && echo {CUT} && $s cat $d/{name}.key; exit; done; \
         exit {NO_FILES}'"
    )
}

async fn all_of(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is still worth having.
        let _ = pipe.take(MOST_OUTPUT).read_to_end(&mut bytes).await;
    }
    bytes
}

/// What ssh said last: warnings and banners come before it.
fn last_words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.unwrap_or("it ended without a word").to_owned()
}

/// Connections to a port of the host.
pub(super) struct Tunnel {
    ssh: Ssh,
    port: u16,
}

#[async_trait]
impl Dial for Tunnel {
    async fn dial(&self) -> io::Result<Dialed> {
        let mut command = self.ssh.command();
        command.args(["-W", &format!("127.0.0.1:{}", self.port), "--", &self.ssh.host]);
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (stderr, host) = (child.stderr.take(), self.ssh.host.clone());
        let said = tokio::spawn(all_of(stderr));
        Ok(Dialed {
            stream: Box::new(Piped {
                stdin,
                stdout,
                _killed_with_us: child,
            }),
            why_closed: Some(Box::pin(async move {
                let said = said.await.ok()?;
                Some(format!("ssh to {host}: {}", last_words(&said)))
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
    fn looks_at_both_known_places_and_quotes_for_any_shell() {
        let (folders, name) = places("main");
        let text = script(&folders, name);
        assert!(
            text.contains("/srv/kubernetes/kube-apiserver /etc/kubernetes/pki/kube-apiserver"),
            "{text}"
        );
        assert_eq!(text.matches('\'').count(), 2);
        assert_eq!(places("cilium").1, "etcd-client-cilium");
    }

    #[test]
    fn the_last_line_is_the_reason() {
        let said = b"Warning: added 'x' to the list\r\nadmin@x: Permission denied (publickey).\r\n\n";
        assert_eq!(last_words(said), "admin@x: Permission denied (publickey).");
    }
}
