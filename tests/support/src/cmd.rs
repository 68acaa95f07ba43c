//! Runs the binary under test in an environment that holds nothing of the developer's.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::Error;
use crate::run;

/// A command to be run in an environment of its own: a minimal `PATH`, an empty home folder, 100 columns, UTC, AWS
/// credentials that mean nothing, and no instance metadata to wait for.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    home: TempDir,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Cmd {
    /// A command of the binary at `program`: in a test `env!("CARGO_BIN_EXE_kubectl-etcd-backups")`.
    ///
    /// # Errors
    /// When no home folder can be made.
    pub fn new(program: impl AsRef<OsStr>) -> Result<Self, Error> {
        let home = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let mut command = Command::new(program);
        command.env_clear().current_dir(home.path()).envs([
            ("PATH", "/usr/bin:/bin"),
            ("COLUMNS", "100"),
            ("TZ", "UTC"),
            ("LANG", "C.UTF-8"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        command.env("HOME", home.path());
        Ok(Self {
            command,
            home,
            stdin: Vec::new(),
            limit: Duration::from_secs(300),
        })
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets variables, say [`crate::S3::env`].
    #[must_use]
    pub fn envs<V: AsRef<OsStr>>(mut self, variables: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        self.command.envs(variables);
        self
    }

    /// Takes one variable away.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Fixes the clock of the binary: RFC 3339.
    #[must_use]
    pub fn now(self, timestamp: &str) -> Self {
        self.env("KOPS_RECOVERY_NOW", timestamp)
    }

    /// The folder to run in; by default the home folder.
    #[must_use]
    pub fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What it reads; by default nothing.
    #[must_use]
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin = content.into();
        self
    }

    /// How long it may run; by default five minutes.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The home folder, empty until somebody writes there.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, or is not done within its time (then it is killed).
    pub fn run(mut self) -> Result<Ended, Error> {
        let shown = run::shown(&self.command);
        let mut child = self.spawn()?;
        let started = |source| Error::Start {
            program: shown.clone(),
            source,
        };
        if let Some(mut pipe) = child.stdin.take() {
            let content = std::mem::take(&mut self.stdin);
            // It may end without reading all that it is given.
            thread::spawn(move || drop(pipe.write_all(&content)));
        }
        let screen = Screen::default();
        let stdout = collect(child.stdout.take(), &screen);
        let stderr = collect(child.stderr.take(), &screen);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(started)? {
                break status;
            }
            if begun.elapsed() > self.limit {
                drop(child.kill());
                drop(child.wait());
                return Err(Error::Failed {
                    command: shown,
                    status: format!("no end after {:?}", self.limit),
                    output: String::from_utf8_lossy(&stderr.join().unwrap_or_default()).into_owned(),
                });
            }
            thread::sleep(Duration::from_millis(3));
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stderr, clock_warning) = without_clock_warning(&text(stderr.join().unwrap_or_default()));
        let screen = std::mem::take(&mut *screen.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Ended {
            command: shown,
            status,
            stdout: text(stdout.join().unwrap_or_default()),
            stderr,
            screen: without_clock_warning(&text(screen)).0,
            clock_warning,
        })
    }

    /// Starts it with piped outputs and leaves the rest to the caller, who has to end it. The home folder must be kept for
    /// that long: it goes with `self`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        let program = self.command.get_program().to_string_lossy().into_owned();
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.command.spawn().map_err(|source| Error::Start { program, source })
    }
}

/// What was said without the line that warns of [`Cmd::now`], and that line.
#[must_use]
pub fn without_clock_warning(said: &str) -> (String, Option<String>) {
    let is_it = |line: &&str| line.contains("KOPS_RECOVERY_NOW is set: ");
    let rest = said.split_inclusive('\n').filter(|line| !is_it(line)).collect();
    (rest, said.lines().find(is_it).map(str::to_owned))
}

/// Both outputs as they came.
type Screen = Arc<Mutex<Vec<u8>>>;

fn collect(pipe: Option<impl Read + Send + 'static>, screen: &Screen) -> thread::JoinHandle<Vec<u8>> {
    let screen = screen.clone();
    thread::spawn(move || {
        let (mut bytes, mut block) = (Vec::new(), vec![0; 64 << 10]);
        let Some(mut pipe) = pipe else { return bytes };
        // What arrived before an error is still worth showing.
        while let Ok(count) = pipe.read(&mut block) {
            let read = block.get(..count).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            bytes.extend_from_slice(read);
            screen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(read);
        }
        bytes
    })
}

/// How a command ended, and what it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The command as one would type it.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error, without [`Ended::clock_warning`].
    pub stderr: String,
    /// Both in the order in which they came, as on a terminal; what was written within a millisecond may be swapped.
    pub screen: String,
    /// The line that warns of a stopped clock. Tests stop it nearly always; who wants to see the warning finds it here.
    pub clock_warning: Option<String>,
}

impl Ended {
    /// The exit code; `None` after a signal.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test unless the exit code is `expected`, showing both outputs.
    #[track_caller]
    #[must_use]
    pub fn code(self, expected: i32) -> Self {
        assert!(
            self.exit_code() == Some(expected),
            "`{}` ended with {} instead of {expected}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    #[must_use]
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// Its standard output as JSON; fails the test when it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_str(&self.stdout);
        assert!(
            parsed.is_ok(),
            "`{}` printed no JSON: {:?}\n{}\n{}",
            self.command,
            parsed,
            self.stdout,
            self.stderr
        );
        parsed.unwrap_or_default()
    }

    /// Fails the test unless standard error contains `text`.
    #[track_caller]
    #[must_use]
    pub fn stderr_has(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "`{}`: no `{text}` in stderr:\n{}",
            self.command,
            self.stderr
        );
        self
    }

    /// Fails the test unless standard output contains `text`.
    #[track_caller]
    #[must_use]
    pub fn stdout_has(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "`{}`: no `{text}` in stdout:\n{}",
            self.command,
            self.stdout
        );
        self
    }
}

/// The `PATH` of this process with `folder` before all else: for tests that look a plugin up as kubectl does.
#[must_use]
pub fn path_with(folder: &Path) -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::iter::once(folder.to_path_buf())
        .chain(std::env::split_paths(&rest))
        .collect();
    std::env::join_paths(folders).unwrap_or(rest)
}
