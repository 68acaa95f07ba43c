//! moto: AWS' S3, EC2 and Auto Scaling in memory.

use std::process::Command;

use super::process::{Server, folder, free_ports, with_retries};
use super::s3::S3;
use crate::components::{self, Program};
use crate::error::Error;
use crate::http;

/// A started moto server.
#[derive(Debug)]
pub struct Moto {
    _server: Server,
    port: u16,
}

impl Moto {
    /// Starts one with nothing in it.
    ///
    /// # Errors
    /// When moto cannot be installed or does not start.
    pub fn start() -> Result<Self, Error> {
        let program = components::moto()?;
        with_retries(|| Self::start_once(&program, "127.0.0.1"))
    }

    /// The same, for masters to reach it: within their namespaces only, where all addresses are ours.
    ///
    /// # Errors
    /// See [`Moto::start`].
    pub fn start_for_masters() -> Result<Self, Error> {
        let program = components::moto()?;
        with_retries(|| Self::start_once(&program, "0.0.0.0"))
    }

    fn start_once(program: &Program, listen: &str) -> Result<Self, Error> {
        let [port] = free_ports()?;
        let folder = folder("moto")?;
        let mut command: Command = program.command();
        command
            .args(["-H", listen, "-p", &port.to_string()])
            .current_dir(folder.path());
        let health = format!("http://127.0.0.1:{port}/moto-api/");
        let serves = || http::request("GET", &health, b"").is_ok_and(|response| response.status == 200);
        Ok(Self {
            _server: Server::start("moto", folder, &mut command, serves)?,
            port,
        })
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

impl S3 for Moto {
    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
