//! A started server process.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
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
const PATIENCE: Duration = Duration::from_secs(90);

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

/// `N` different ports that nobody listens on right now. Servers that do not choose a port themselves need them; between
/// here and their start another process may take one, so the callers start anew when that happens.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let unbound = |source: io::Error| Error::Start {
        program: "a listener on 127.0.0.1".to_owned(),
        source,
    };
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unbound)?;
        *port = listener.local_addr().map_err(unbound)?.port();
        // Kept until all are chosen, so that they differ.
        listeners.push(listener);
    }
    Ok(ports)
}

/// Tries `start` up to three times: a port that was free may be taken a moment later.
pub(super) fn with_retries<T>(start: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    start().or_else(|_| start()).or_else(|_| start())
}
