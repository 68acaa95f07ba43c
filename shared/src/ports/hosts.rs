//! The cluster's machines, over the user's own ssh. Nothing is left on a host.

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncRead;

use crate::consent::Consent;
use crate::failure::Failure;

/// A small script for `sh`. `$s` is `sudo -n` in it, or nothing where the host has no sudo. It must hold no single quote, so
/// that it can be quoted for whatever shell the user has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What it does, as text for errors: `restart kubelet`.
    pub what: String,
    /// The commands.
    pub text: String,
    /// How long it may run once ssh has connected; `None` for one that runs until its output is closed. Such a script
    /// must end when its standard input does.
    pub limit: Option<Duration>,
}

/// How a script ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptResult {
    /// Its exit code.
    pub code: i32,
    /// The end of what it wrote to stderr.
    pub said: String,
}

/// Called with each line of a script's stdout, without its line end and without terminal control characters.
pub type OnLine<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The way to run something on a host. Any exit code of the script itself is an [`ScriptResult`], not an error.
#[async_trait]
pub trait Hosts: Send + Sync {
    /// Runs a script that changes nothing.
    async fn read(&self, host: &str, script: &Script, on_line: OnLine<'_>) -> Result<ScriptResult, HostError>;

    /// Runs a script that changes something.
    async fn change(
        &self,
        host: &str,
        script: &Script,
        on_line: OnLine<'_>,
        consent: &Consent,
    ) -> Result<ScriptResult, HostError>;
}

/// Reads files of hosts.
#[async_trait]
pub trait HostFiles: Send + Sync {
    /// What a script prints, as bytes, unpacked where it is `packed` by gzip. Its limit is for each block, not for the whole. An error
    /// in the middle surfaces as an `io::Error`, whose inner error is a [`HostError`] or, where the script itself failed, a
    /// [`ScriptFailed`].
    async fn stream(
        &self,
        host: &str,
        script: &Script,
        packed: bool,
    ) -> Result<Box<dyn AsyncRead + Send + Unpin>, HostError>;
}

/// A script whose bytes were read ended with another exit code than 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host}: `{what}` failed with exit code {code}: {said}")]
pub struct ScriptFailed {
    /// The host.
    pub host: String,
    /// What it does.
    pub what: String,
    /// Its exit code.
    pub code: i32,
    /// The end of what it wrote to stderr.
    pub said: String,
}

/// A host was not reached, or the script could not be run there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ssh to {host}: {kind}")]
pub struct HostError {
    /// The host, as the user or AWS names it.
    pub host: String,
    /// Why.
    pub kind: HostErrorKind,
}

/// The reasons, by what a user can do about them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostErrorKind {
    /// There is no ssh on `PATH`.
    #[error("no `ssh` is on PATH")]
    NoProgram,
    /// ssh cannot be run.
    #[error("running ssh: {0}")]
    Run(String),
    /// No answer in time.
    #[error("no answer within {seconds} s")]
    Timeout {
        /// How long we waited.
        seconds: u64,
    },
    /// The script did not end in time.
    #[error("`{what}` did not end within {seconds} s")]
    TooLong {
        /// What it does.
        what: String,
        /// How long we waited.
        seconds: u64,
    },
    /// ssh has no key to offer.
    #[error("ssh has no key to offer: {0}")]
    NoKey(String),
    /// Keys were offered and none was accepted.
    #[error("login as {user} refused: {reason}")]
    KeyRefused {
        /// The user's name there; `the default user` where ssh does not tell.
        user: String,
        /// ssh's message.
        reason: String,
    },
    /// The host names another user, as AWS' images do for root.
    #[error("another user is required: {0}")]
    WrongUser(String),
    /// The host has another key than the one that is known.
    #[error("its host key is not the one in known_hosts")]
    HostKeyChanged,
    /// The host's key is not known yet.
    #[error("its host key is unknown")]
    HostKeyUnknown,
    /// The way through the jump host broke before the host itself was reached.
    #[error("connection through the jump host failed: {0}")]
    JumpHost(String),
    /// The host itself cannot be reached.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The connection broke while the script ran.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// sudo requires a password.
    #[error("sudo requires a password")]
    NoSudo,
    /// ssh failed in a way of its own.
    #[error("{0}")]
    Failed(String),
}

impl HostError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let host = &self.host;
        Some(match &self.kind {
            HostErrorKind::NoProgram => "install the OpenSSH client, or use --via direct or port-forward".to_owned(),
            HostErrorKind::NoKey(_) => {
                "load the key of the cluster (ssh-add FILE), or name it in your ssh config (IdentityFile)".to_owned()
            }
            HostErrorKind::KeyRefused { .. } | HostErrorKind::WrongUser(_) => {
                "pass --ssh-user (ubuntu, admin, ec2-user or core), or load the right key (ssh-add)".to_owned()
            }
            HostErrorKind::HostKeyChanged => format!(
                "a new instance on a reused address has a new key: in that case run `ssh-keygen -R {host}`, then \
                 `ssh {host}` once by hand, and compare the key with the instance's console output"
            ),
            HostErrorKind::HostKeyUnknown => format!(
                "run `ssh {host}` once by hand and check its host key, or set `StrictHostKeyChecking accept-new` for these \
                 hosts in your ssh config"
            ),
            HostErrorKind::JumpHost(_) => {
                "check that `ssh JUMPHOST` works by hand; pass another with --ssh-jump, or set it in your ssh config"
                    .to_owned()
            }
            HostErrorKind::Unreachable(_) | HostErrorKind::Timeout { .. } | HostErrorKind::Failed(_) => {
                "check that `ssh HOST` works by hand; through a bastion pass --ssh-jump, or set it in your ssh config"
                    .to_owned()
            }
            HostErrorKind::Lost(_) | HostErrorKind::TooLong { .. } => {
                format!("check {host}, then repeat the command")
            }
            HostErrorKind::NoSudo => "pass --ssh-user with a user who has passwordless sudo".to_owned(),
            HostErrorKind::Run(_) => return None,
        })
    }
}

impl Failure for HostError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}
