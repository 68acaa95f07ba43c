//! SeaweedFS: an S3 server that shares no code with moto.

use std::path::Path;
use std::process::Command;

use super::process::{Server, folder, free_ports, with_retries};
use super::s3::S3;
use crate::components;
use crate::error::Error;
use crate::http;

/// A started SeaweedFS that asks nobody for credentials.
#[derive(Debug)]
pub struct SeaweedFs {
    _server: Server,
    port: u16,
}

impl SeaweedFs {
    /// Starts one with nothing in it; it takes about 12 s.
    ///
    /// # Errors
    /// When SeaweedFS cannot be installed or does not start.
    pub fn start() -> Result<Self, Error> {
        let weed = components::weed()?;
        with_retries(|| Self::start_once(&weed))
    }

    fn start_once(weed: &Path) -> Result<Self, Error> {
        let [
            port,
            master,
            master_grpc,
            volume,
            volume_grpc,
            filer,
            filer_grpc,
            s3_grpc,
        ] = free_ports()?;
        let folder = folder("seaweedfs")?;
        let mut command = Command::new(weed);
        command
            .current_dir(folder.path())
            .arg("server")
            .arg(format!("-dir={}", folder.path().display()));
        command.args([
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]);
        command.args([
            "-master.volumeSizeLimitMB=64",
            "-volume.max=100",
            "-master.telemetry=false",
        ]);
        for (flag, port) in [
            ("s3.port", port),
            ("s3.port.grpc", s3_grpc),
            ("master.port", master),
            ("master.port.grpc", master_grpc),
            ("volume.port", volume),
            ("volume.port.grpc", volume_grpc),
            ("filer.port", filer),
            ("filer.port.grpc", filer_grpc),
        ] {
            command.arg(format!("-{flag}={port}"));
        }
        let started = Self {
            _server: Server::start("seaweedfs", folder, &mut command, || can_write(port))?,
            port,
        };
        Ok(started)
    }
}

/// The gateway answers before its volume server has room: only a write that works shows that it serves.
fn can_write(port: u16) -> bool {
    let bucket = format!("http://127.0.0.1:{port}/support-probe");
    let object = format!("{bucket}/probe");
    [
        ("PUT", &bucket),
        ("PUT", &object),
        ("DELETE", &object),
        ("DELETE", &bucket),
    ]
    .into_iter()
    .all(|(method, url)| http::expect_ok(method, url, if url == &object { b"x" } else { b"" }).is_ok())
}

impl S3 for SeaweedFs {
    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
