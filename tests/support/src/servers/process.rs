//! A started server process.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Error, tail};
use crate::run;

/// A server, its folder and its log. Dropping it kills exactly this process.
#[derive(Debug)]
pub(super) struct Server {
    name: &'static str,
    child: Child,
    folder: TempDir,
}

/// How long a server may take to serve; a busy machine of two cores needs some of it.
const PATIENCE: Duration = Duration::from_secs(240);

impl Server {
    /// Starts `command`, whose folder is `folder`, and waits until `serves` says yes.
    pub(super) fn start(
        name: &'static str,
        folder: TempDir,
        command: &mut Command,
        serves: impl Fn() -> bool,
    ) -> Result<Self, Error> {
        let log_path = folder.path().join("server.log");
        let log = File::create(&log_path).map_err(Error::file("make", &log_path))?;
        let errors = log.try_clone().map_err(Error::file("make", &log_path))?;
        let child = run::apart(command)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Start {
                program: name.to_owned(),
                source,
            })?;
        let mut server = Self { name, child, folder };
        let begun = Instant::now();
        while !serves() {
            let ended = server.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || begun.elapsed() > PATIENCE {
                return Err(server.not_serving(begun.elapsed()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// The temporary folder of this server.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn not_serving(&self, waited: Duration) -> Error {
        let log = fs::read(self.folder().join("server.log")).unwrap_or_default();
        Error::NotServing {
            server: self.name.to_owned(),
            waited,
            log: tail(&String::from_utf8_lossy(&log)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A temporary folder for a server.
pub(super) fn folder(name: &str) -> Result<TempDir, Error> {
    let prefix = format!("kops-recovery-{name}-");
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir()
        .map_err(Error::file("make", std::env::temp_dir()))
}

/// Below those that Linux gives to outgoing connections, and above those that masters serve on.
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 20_000;

/// `N` different ports that nobody listens on right now, for servers that do not choose one themselves. None is given out twice for a long
/// while: a client of a server that was killed must not find another one there. Another process may take one between here and the start, so
/// the callers start anew when that happens.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    static OFFSET: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(RandomState::new().hash_one(()) as u16));
    let mut ports = [0; N];
    for port in &mut ports {
        let mut tried = (0..PORTS).map(|_| FIRST_PORT + OFFSET.fetch_add(1, Ordering::Relaxed) % PORTS);
        let free = tried.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        *port = free.ok_or_else(|| Error::Start {
            program: "a listener on 127.0.0.1".to_owned(),
            source: io::ErrorKind::AddrInUse.into(),
        })?;
    }
    Ok(ports)
}

/// Tries `start` up to three times: a port that was free may be taken a moment later.
pub(super) fn with_retries<T>(start: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    start().or_else(|_| start()).or_else(|_| start())
}
