//! The user's own ssh with its config, agent and jump hosts; it never prompts.

mod judge;
mod stream;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::consent::Consent;
use crate::model::etcd_access::EtcdAccess;
use crate::ports::hosts::{HostError, HostErrorKind, Hosts, OnLine, Script, ScriptResult};

/// Exit code of the remote script where sudo requires a password; ssh itself uses 255.
const NO_SUDO: i32 = 41;
/// More than any of our scripts say on stderr, less than a flood.
const MOST_SAID: u64 = 1 << 20;
/// A line of a log longer than this is cut.
const LONGEST_LINE: usize = 64 << 10;

/// How to reach hosts: what `--ssh-user` and its kin say.
#[derive(Clone, Debug, Default)]
pub struct SshOptions {
    /// The program; by default the one on `PATH`.
    pub program: Option<PathBuf>,
    /// `-l`; by default from ssh's config.
    pub user: Option<String>,
    /// `-J`; by default from ssh's config.
    pub jump: Option<String>,
    /// The limit of connecting.
    pub timeout: Duration,
}

impl From<&EtcdAccess> for SshOptions {
    fn from(access: &EtcdAccess) -> Self {
        Self {
            program: access.ssh_program.clone(),
            user: access.ssh_user.clone(),
            jump: access.ssh_jump.clone(),
            timeout: access.etcd_timeout,
        }
    }
}

/// ssh to any host.
#[derive(Clone, Debug)]
pub struct Ssh {
    program: PathBuf,
    user: Option<String>,
    jump: Option<String>,
    timeout: Duration,
}

impl Ssh {
    /// Finds the program; nothing is connected yet.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(options: &SshOptions) -> Result<Self, HostErrorKind> {
        let program = match &options.program {
            Some(program) => program.clone(),
            None => which::which("ssh").map_err(|_| HostErrorKind::NoProgram)?,
        };
        Ok(Self {
            program,
            user: options.user.clone(),
            jump: options.jump.clone(),
            timeout: options.timeout,
        })
    }

    /// A command that runs ssh without prompts and without the forwardings of the user's config: a port of
    /// theirs that is taken already would end it. Ends with its handle.
    pub(in crate::adapters) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let seconds = self.timeout.as_secs().max(1);
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

    /// Runs a script and gives each line of its stdout as it comes.
    pub(in crate::adapters) async fn run(
        &self,
        host: &str,
        script: &Script,
        on_line: OnLine<'_>,
    ) -> Result<ScriptResult, HostError> {
        let error = |kind| HostError {
            host: host.to_owned(),
            kind,
        };
        let mut command = self.command();
        command
            .arg("--")
            .arg(host)
            .arg(wrapped(&script.text))
            .stdin(Stdio::piped());
        let mut child = command.spawn().map_err(|e| error(HostErrorKind::Run(e.to_string())))?;
        // Kept open until the end: a script without a limit ends when this closes.
        let held = child.stdin.take();
        let running = listen(&mut child, on_line);
        let ran = match script.limit {
            // ssh's own limit for the connection, a second for the handshake of a slow host, and the script's.
            Some(limit) => timeout(self.timeout.saturating_mul(2) + limit, running).await,
            None => Ok(running.await),
        };
        drop(held);
        let Ok(ran) = ran else {
            let seconds = script.limit.unwrap_or_default().as_secs();
            let what = script.what.clone();
            return Err(error(HostErrorKind::TooLong { what, seconds }));
        };
        let ran = ran.map_err(|e| error(HostErrorKind::Run(e.to_string())))?;
        match ran.code {
            Some(NO_SUDO) => Err(error(HostErrorKind::NoSudo)),
            Some(code) if code != 255 => match judge::other_user_wanted(&ran.heard) {
                Some(words) => Err(error(HostErrorKind::WrongUser(words))),
                None => Ok(ScriptResult { code, said: ran.said }),
            },
            _ => Err(error(self.judged(host, &ran).await)),
        }
    }

    /// The meaning of ssh's own failure. Only `ssh -v` shows whether it had a key.
    async fn judged(&self, host: &str, ran: &Ran) -> HostErrorKind {
        let kind = judge::kind_of(&ran.said, !ran.heard.is_empty(), self.timeout.as_secs());
        let HostErrorKind::KeyRefused { reason, .. } = &kind else {
            return kind;
        };
        let mut command = self.command();
        command.args(["-v", "--", host, "true"]).stdin(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            return kind;
        };
        match timeout(self.timeout.saturating_mul(2), listen(&mut child, &|_| {})).await {
            Ok(Ok(talked)) => judge::key_problem(&talked.said, reason),
            _ => kind,
        }
    }
}

#[async_trait]
impl Hosts for Ssh {
    async fn read(&self, host: &str, script: &Script, on_line: OnLine<'_>) -> Result<ScriptResult, HostError> {
        self.run(host, script, on_line).await
    }

    async fn change(
        &self,
        host: &str,
        script: &Script,
        on_line: OnLine<'_>,
        _consent: &Consent,
    ) -> Result<ScriptResult, HostError> {
        self.run(host, script, on_line).await
    }
}

/// For `sh`, whatever shell the user has there; a quote in the text would end it early, so it is quoted, too.
fn wrapped(text: &str) -> String {
    let prelude = format!(
        "if command -v sudo >/dev/null 2>&1; then s=\"sudo -n\"; $s true 2>/dev/null </dev/null || exit {NO_SUDO}; else s=; fi\n"
    );
    format!("sh -c '{}'", format!("{prelude}{text}").replace('\'', r"'\''"))
}

/// What a process of ssh left.
struct Ran {
    code: Option<i32>,
    /// The first lines of stdout.
    heard: Vec<String>,
    /// All of stderr.
    said: String,
}

async fn listen(child: &mut Child, on_line: OnLine<'_>) -> std::io::Result<Ran> {
    const REMEMBERED: usize = 5;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let hearing = async {
        let mut heard = Vec::new();
        let Some(stdout) = stdout else {
            return heard;
        };
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        // What came before an error is still worth having.
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            let text = clean(&line);
            on_line(&text);
            if heard.len() < REMEMBERED {
                heard.push(text);
            }
            line.clear();
        }
        heard
    };
    let (heard, said) = tokio::join!(hearing, all_of(stderr));
    Ok(Ran {
        code: child.wait().await?.code(),
        heard,
        said: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// A line as it may be shown: without its end, without what would move the cursor or colour the screen.
fn clean(line: &[u8]) -> String {
    let line = line.get(..LONGEST_LINE).unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let text = anstream::adapter::strip_str(text.trim_end()).to_string();
    text.chars().filter(|c| !c.is_control() || *c == '\t').collect()
}

pub(in crate::adapters) async fn all_of(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is still worth having.
        let _ = pipe.take(MOST_SAID).read_to_end(&mut bytes).await;
    }
    bytes
}

/// What ssh said last: warnings and banners come before it.
pub(in crate::adapters) fn last_words(said: &str) -> String {
    judge::last_words(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_quoted_for_any_shell() {
        let text = wrapped("echo \"$s\"; echo 'a b'");
        assert!(text.starts_with("sh -c '") && text.ends_with('\''), "{text}");
        assert!(text.contains(r"echo '\''a b'\''"), "{text}");
    }

    #[test]
    fn a_line_can_do_nothing_to_the_screen() {
        assert_eq!(clean(b"\x1b[31mred\x1b[0m\ttab\x07\r\n"), "red\ttab");
        assert_eq!(clean(&[b'x'; LONGEST_LINE + 9]).len(), LONGEST_LINE);
        assert_eq!(clean(b"\xff\n"), "\u{fffd}");
    }
}
