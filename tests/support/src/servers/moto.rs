//! moto: AWS' S3, EC2 and Auto Scaling in memory.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::process::folder;
use super::s3::S3;
use crate::components;
use crate::error::{Error, tail};
use crate::{http, run};

/// A started moto server.
#[derive(Debug)]
pub struct Moto {
    /// As the process knows it that it was forked from.
    name: String,
    port: u16,
    folder: TempDir,
}

impl Moto {
    /// Starts one with nothing in it.
    ///
    /// # Errors
    /// When moto cannot be installed or does not start.
    pub fn start() -> Result<Self, Error> {
        Self::begin("start 127.0.0.1")
    }

    /// The same, for masters to reach it: within their namespaces only, where all addresses are ours.
    ///
    /// # Errors
    /// See [`Moto::start`].
    pub fn start_for_masters() -> Result<Self, Error> {
        Self::begin("start 0.0.0.0")
    }

    /// Starts one that holds what this one holds. Nobody may ask this one for anything meanwhile.
    ///
    /// # Errors
    /// See [`Moto::start`].
    pub fn copy(&self) -> Result<Self, Error> {
        Self::begin(&format!("copy {} 127.0.0.1", self.name))
    }

    fn begin(request: &str) -> Result<Self, Error> {
        let folder = folder("moto")?;
        let answer = Loaded::ask(&format!("{request} {}", folder.path().display()))?;
        let started = answer
            .split_once(' ')
            .and_then(|(name, port)| Some((name.to_owned(), port.parse().ok()?)));
        let (name, port) = started.ok_or_else(|| Error::Answer {
            from: "moto".to_owned(),
            answer,
        })?;
        let moto = Self { name, port, folder };
        // It accepts connections already, so this waits for the answer.
        let health = format!("http://127.0.0.1:{port}/moto-api/");
        http::expect_ok("GET", &health, b"").map_err(|error| Error::Answer {
            from: "moto".to_owned(),
            answer: format!("{error}\n{}", tail(&moto.log())),
        })?;
        Ok(moto)
    }

    /// For one that is never dropped: its folder goes now, and it ends with this process.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub(crate) fn until_the_end(self) -> Result<Self, Error> {
        let folder = self.folder.path();
        fs::remove_dir_all(folder).map_err(Error::file("remove", folder))?;
        Ok(self)
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Forgets all that it holds: quicker than another one.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn reset(&self) -> Result<(), Error> {
        let url = format!("http://127.0.0.1:{}/moto-api/reset", self.port);
        http::expect_ok("POST", &url, b"").map(drop)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // At the end of all there may be nobody to ask any more.
        drop(Loaded::ask(&format!("stop {}", self.name)));
    }
}

impl S3 for Moto {
    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The process that all of them are forked from. It ends with this one.
struct Loaded {
    _child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

impl Loaded {
    fn start() -> Result<Self, Error> {
        let mut command = Command::new(components::moto()?);
        command.args(["-c", include_str!("moto_forks.py")]);
        let cannot = |source: io::Error| Error::Start {
            program: "moto".to_owned(),
            source,
        };
        let mut child = run::apart(&mut command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(cannot(io::ErrorKind::BrokenPipe.into()));
        };
        let mut loaded = Self {
            _child: child,
            requests,
            answers: BufReader::new(answers),
        };
        match loaded.answer().map_err(cannot)?.as_str() {
            "ready" => Ok(loaded),
            _ => Err(cannot(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Asks for a server to be started or stopped, and gives the answer.
    fn ask(request: &str) -> Result<String, Error> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let process = match &mut *loaded {
            Some(process) => process,
            none => none.insert(Self::start()?),
        };
        let asked = writeln!(process.requests, "{request}").and_then(|()| process.answer());
        asked.map_err(|source| {
            // Another one is started for the next.
            *loaded = None;
            Error::Start {
                program: "moto".to_owned(),
                source,
            }
        })
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}
