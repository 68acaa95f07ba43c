//! Restores a snapshot by the user's own `etcdutl` into the user's own `etcd`, on loopback, behind certificates that only this
//! process has: a backup holds the cluster's Secrets.

mod certificates;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::etcd::access::{self, Ways};
use crate::model::etcd_access::{EtcdAccess, Via};
use crate::model::etcd_manager::EtcdVersion;
use crate::ports::EtcdKv;
use crate::ports::drill::{DrillError, DrillServer, SnapshotStatus, Throwaway, Tools};

/// How long a restored etcd may take to serve: it reads its whole database first.
const PATIENCE: Duration = Duration::from_secs(120);
/// The only member's name.
const MEMBER: &str = "drill";

/// A folder of its own below the system's temporary one, or the one that the user names.
pub struct LocalDrill {
    folder: TempDir,
}

impl LocalDrill {
    /// Makes the folder.
    ///
    /// # Errors
    /// Where that fails.
    pub fn new(temp_dir: Option<&Path>) -> Result<Self, DrillError> {
        let base = temp_dir.map_or_else(std::env::temp_dir, Path::to_owned);
        let made = tempfile::Builder::new().prefix("etcd-restore-drill-").tempdir_in(base);
        let folder = made.map_err(|error| DrillError::Prepare(error.to_string()))?;
        Ok(Self { folder })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn found(program: &'static str) -> Result<PathBuf, DrillError> {
    which::which(program).map_err(|_| DrillError::NoProgram(program))
}

/// Runs it to its end and gives its stdout.
async fn run(command: &mut Command) -> Result<String, DrillError> {
    let shown = {
        let command = command.as_std();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| DrillError::Run {
        program: shown.clone(),
        reason: error.to_string(),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(DrillError::Failed {
        command: shown,
        reason: last_words(&said),
    })
}

fn last_words(said: &str) -> String {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.unwrap_or("it ended without a message").to_owned()
}

/// `etcd Version: 3.6.16` and `etcdutl version: 3.6.16`.
async fn version(program: &'static str, argument: &str) -> Result<EtcdVersion, DrillError> {
    let said = run(Command::new(found(program)?).arg(argument)).await?;
    let told = said.lines().find_map(|line| {
        let (head, version) = line.split_once(':')?;
        head.to_ascii_lowercase()
            .contains("version")
            .then(|| version.trim().parse().ok())?
    });
    told.ok_or_else(|| DrillError::Run {
        program: program.to_owned(),
        reason: "it prints no version".to_owned(),
    })
}

#[derive(Deserialize)]
struct Status {
    hash: u32,
    revision: i64,
    #[serde(rename = "totalKey")]
    total_key: u64,
}

#[async_trait]
impl DrillServer for LocalDrill {
    async fn tools(&self) -> Result<Tools, DrillError> {
        Ok(Tools {
            etcd: version("etcd", "--version").await?,
            etcdutl: version("etcdutl", "version").await?,
        })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn status(&self, snapshot: &Path) -> Result<SnapshotStatus, DrillError> {
        let mut command = Command::new(found("etcdutl")?);
        command.args(["snapshot", "status", "-w", "json"]).arg(snapshot);
        let said = run(&mut command).await?;
        let status: Status = serde_json::from_str(said.trim()).map_err(|error| DrillError::Run {
            program: "etcdutl snapshot status".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(SnapshotStatus {
            hash: status.hash,
            revision: status.revision,
            total_keys: status.total_key,
        })
    }

    async fn restore(&self, snapshot: &Path) -> Result<Box<dyn Throwaway>, DrillError> {
        let [client, peer] = free_ports()?;
        let peer_url = format!("https://127.0.0.1:{peer}");
        let cluster = format!("{MEMBER}={peer_url}");
        let data = self.at("data");
        let member = ["--name", MEMBER, "--initial-cluster", &cluster];
        let mut command = Command::new(found("etcdutl")?);
        command
            .args(["snapshot", "restore"])
            .arg(snapshot)
            .arg("--data-dir")
            .arg(&data);
        run(command.args(member).args(["--initial-advertise-peer-urls", &peer_url])).await?;

        let files = certificates::write(self.folder.path()).map_err(DrillError::Prepare)?;
        let url = format!("https://127.0.0.1:{client}");
        let log = std::fs::File::create(self.at("etcd.log")).map_err(|error| DrillError::Prepare(error.to_string()))?;
        let mut command = Command::new(found("etcd")?);
        command.arg("--data-dir").arg(&data).args(member).args([
            "--listen-client-urls",
            &url,
            "--advertise-client-urls",
            &url,
            "--listen-peer-urls",
            &peer_url,
            "--initial-advertise-peer-urls",
            &peer_url,
            "--client-cert-auth",
            "--peer-client-cert-auth",
            // Nothing of it has to outlive the next minute.
            "--unsafe-no-fsync",
            "--quota-backend-bytes",
            "17179869184",
        ]);
        for (flag, file) in [
            ("--cert-file", &files.server),
            ("--key-file", &files.server_key),
            ("--trusted-ca-file", &files.ca),
            ("--peer-cert-file", &files.server),
            ("--peer-key-file", &files.server_key),
            ("--peer-trusted-ca-file", &files.ca),
        ] {
            command.arg(flag).arg(file);
        }
        // A variable of the user's for another etcd must not reach this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| DrillError::Run {
            program: "etcd".to_owned(),
            reason: error.to_string(),
        })?;
        let kv = self.connect(&url, &files, &mut child).await?;
        Ok(Box::new(Running {
            kv,
            _killed_with_us: child,
        }))
    }
}

impl LocalDrill {
    async fn connect(
        &self,
        url: &str,
        files: &certificates::Files,
        child: &mut Child,
    ) -> Result<Box<dyn EtcdKv>, DrillError> {
        let args = EtcdAccess {
            via: Via::Direct,
            endpoints: vec![url.to_owned()],
            cacert: Some(files.ca.clone()),
            cert: Some(files.client.clone()),
            key: Some(files.client_key.clone()),
            etcd_timeout: Duration::from_secs(60),
            ..EtcdAccess::default()
        };
        let ways = Ways {
            args: &args,
            etcd: MEMBER,
            kubeconfig: None,
            context: None,
            keys: None,
        };
        let begun = Instant::now();
        loop {
            let why = match access::connect(&ways).await {
                Ok(connected) => match connected.kv.get(b"/").await {
                    Ok(_) => return Ok(connected.kv),
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            let ended = child.try_wait().is_ok_and(|status| status.is_some());
            if ended || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.at("etcd.log")).unwrap_or_default();
                let why = if ended { last_words(&log) } else { why };
                return Err(DrillError::NotServing(why));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

struct Running {
    kv: Box<dyn EtcdKv>,
    _killed_with_us: Child,
}

impl Throwaway for Running {
    fn kv(&self) -> &dyn EtcdKv {
        self.kv.as_ref()
    }
}

/// Two free ports. If one is taken in between, etcd fails and so does the drill.
fn free_ports() -> Result<[u16; 2], DrillError> {
    let prepare = |error: std::io::Error| DrillError::Prepare(error.to_string());
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(prepare);
    let (first, second) = (bind()?, bind()?);
    let port = |listener: &TcpListener| Ok(listener.local_addr().map_err(prepare)?.port());
    Ok([port(&first)?, port(&second)?])
}
