//! The data folder of a stopped etcd on a host: finds it, and reads it as a snapshot.

use std::time::Duration;

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_manager::data_dir::{self, DataDir, Found, HostPath, IN_USE, LOCKED, Lock};
use runbook_kit::model::units;
use runbook_kit::model::wal::{WalReader, WalTail, files_after};
use runbook_kit::ports::hosts::{HostError, HostFiles, Hosts, Script, ScriptFailed};
use runbook_kit::ports::{PackFailure, SnapshotStream};
use tokio::io::AsyncReadExt;

/// For looking through a host's volumes and processes.
const LOOKING: Duration = Duration::from_secs(60);
/// For each block of a file.
const READING: Duration = Duration::from_secs(60);

/// Hosts that can be asked and read from.
pub trait DiskHosts: Hosts + HostFiles {}

impl<T: Hosts + HostFiles> DiskHosts for T {}

/// Where to look.
pub struct Wanted<'a> {
    pub hosts: &'a [String],
    /// `--data-dir PATH`; by default where etcd-manager mounts its volumes.
    pub path: Option<&'a HostPath>,
    /// The kops cluster; empty where it is not known.
    pub cluster: &'a str,
    /// `main`, `events`, …
    pub etcd: &'a str,
    /// All etcd clusters of the cluster.
    pub etcds: &'a [String],
    /// Take also what is of another cluster.
    pub other_cluster: bool,
}

/// A data folder that nobody uses.
pub struct OnDisk {
    pub host: String,
    pub dir: DataDir,
    gzip: bool,
}

/// Finds the one data folder that is meant.
pub async fn find(hosts: &dyn DiskHosts, wanted: &Wanted<'_>) -> Result<OnDisk, AnyFailure> {
    let mut seen = Vec::new();
    let mut odd = Vec::new();
    for host in wanted.hosts {
        let found = look(hosts, host, wanted.path).await?;
        if let (Some(path), false) = (wanted.path, found.is_there) {
            return Err(CommandError::failed(format!("{host} has no folder {path}"))
                .hint("check --data-dir; without a path, the volumes of etcd-manager are searched")
                .into());
        }
        odd.extend(found.odd.iter().map(|name| format!("{host}: {name}")));
        let gzip = found.gzip;
        seen.extend(found.dirs.into_iter().map(|dir| OnDisk {
            host: host.clone(),
            dir,
            gzip,
        }));
    }
    let all: Vec<String> = seen.iter().map(shown).collect();
    let place = wanted.path.map_or("/mnt/master-*/data", HostPath::as_str);
    let (mut fitting, others): (Vec<OnDisk>, Vec<OnDisk>) = seen.into_iter().partition(|one| fits(one, wanted));
    if fitting.len() > 1 {
        return Err(CommandError::refused(format!(
            "{} data folders of etcd {} were found:\n  {}",
            fitting.len(),
            wanted.etcd,
            fitting.iter().map(shown).collect::<Vec<_>>().join("\n  ")
        ))
        .hint("choose one by --host HOST --data-dir PATH; the one that was written last is likely the newest")
        .into());
    }
    let Some(one) = fitting.pop() else {
        let hosts = wanted.hosts.join(", ");
        let mut message = format!("no data folder of etcd {} was found in {place} of {hosts}", wanted.etcd);
        if let Some(other) = others.iter().find_map(|one| other_cluster(one, wanted)) {
            let message = format!("{message}, but one of cluster {other}:\n  {}", all.join("\n  "));
            return Err(CommandError::refused(message)
                .hint("check --host and --name; if the store now belongs to that cluster, pass --other-lineage")
                .into());
        }
        if !all.is_empty() {
            message = format!("{message}; there are others:\n  {}", all.join("\n  "));
        }
        if !odd.is_empty() {
            message = format!("{message}; left out, for their names: {}", odd.join(", "));
        }
        return Err(CommandError::failed(message)
            .hint(
                "mount the volume, or one that was made of a snapshot of it (aws ec2 create-snapshot, create-volume, attach-volume), and pass \
                 the mount point: --data-dir PATH",
            )
            .into());
    };
    in_use(&one)?;
    Ok(one)
}

fn in_use(one: &OnDisk) -> Result<(), CommandError> {
    if !one.dir.is_in_use() {
        return Ok(());
    }
    let by = match one.dir.open_by.is_empty() {
        true => "its lock is held".to_owned(),
        false => format!("open in process {}", one.dir.open_by.join(", ")),
    };
    Err(running(format!("{}:{} is in use: {by}", one.host, one.dir.database())))
}

fn running(message: String) -> CommandError {
    CommandError::refused(message).hint(
        "if that etcd answers, take the backup from it: omit --data-dir (it needs no quorum for that); else stop etcd-manager there first \
         (move its manifest out of /etc/kubernetes/manifests)",
    )
}

/// Of this etcd, as far as it is known. What etcd-manager has put aside, and what has no state beside it, wants a path.
fn fits(one: &OnDisk, wanted: &Wanted<'_>) -> bool {
    let state = one.dir.state.as_ref();
    let is_of = state.and_then(|state| state.is_of(wanted.etcd, wanted.etcds));
    let named = wanted.path.is_some();
    let put_aside_is_meant = wanted.path.is_some_and(data_dir::is_put_aside);
    let of_etcd = match is_of {
        Some(is_of) => is_of,
        None => named,
    };
    of_etcd && (put_aside_is_meant || !one.dir.is_put_aside()) && other_cluster(one, wanted).is_none()
}

fn other_cluster<'a>(one: &'a OnDisk, wanted: &Wanted<'_>) -> Option<&'a str> {
    let cluster = one.dir.state.as_ref()?.cluster_name()?;
    (!wanted.other_cluster && !wanted.cluster.is_empty() && cluster != wanted.cluster).then_some(cluster)
}

fn shown(one: &OnDisk) -> String {
    let dir = &one.dir;
    let members = dir.state.as_ref().map(|state| {
        let names: Vec<&str> = state.nodes.iter().map(|node| node.name.as_str()).collect();
        names.join(" ")
    });
    let members = members.filter(|names| !names.is_empty());
    let members = members.map_or_else(
        || "no etcd-manager state".to_owned(),
        |names| format!("members {names}"),
    );
    format!(
        "{} {}  {}, {members}, written {} ago{}",
        one.host,
        dir.path,
        units::bytes(dir.db_size),
        units::age(jiff::SignedDuration::from_secs(dir.age_seconds.max(0))),
        if dir.is_in_use() { ", in use" } else { "" }
    )
}

async fn look(hosts: &dyn DiskHosts, host: &str, path: Option<&HostPath>) -> Result<Found, AnyFailure> {
    let script = Script {
        what: "look for data folders of etcd".to_owned(),
        text: data_dir::find_script(path),
        limit: Some(LOOKING),
    };
    let lines = std::sync::Mutex::new(Vec::new());
    let keep = |line: &str| {
        let mut lines = lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lines.push(line.to_owned());
    };
    let ended = hosts.read(host, &script, &keep).await?;
    if ended.code != 0 {
        let said = ended.said.trim().to_owned();
        return Err(CommandError::failed(format!("{host}: looking for data folders of etcd: {said}")).into());
    }
    let lines = lines.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(data_dir::parse(&lines))
}

impl OnDisk {
    /// How it is known that no etcd runs on it, as text.
    pub fn proof(&self) -> &'static str {
        match self.dir.lock {
            Lock::Unknown => "no process has it open (/proc/*/fd); the host has no flock",
            Lock::Free | Lock::Held => {
                "no process has it open (/proc/*/fd) and its lock is free (flock), held while it is read"
            }
        }
    }

    /// The database, as it is on the disk.
    pub async fn database(&self, hosts: &dyn DiskHosts) -> Result<SnapshotStream, AnyFailure> {
        let reader = self
            .files(hosts, "read the database of etcd", &[data_dir::database_file()])
            .await?;
        // One more than there was: then it has grown.
        let most = self.dir.db_size.saturating_add(1);
        Ok(SnapshotStream {
            reader: Box::new(reader.take(most)),
            has_trailer: false,
        })
    }

    /// What its write-ahead log has beyond raft index `applied`.
    pub async fn log_after(&self, hosts: &dyn DiskHosts, applied: u64) -> Result<WalTail, AnyFailure> {
        let names = self.dir.wal_names();
        let wanted = files_after(&names, applied);
        let files: Vec<String> = wanted.iter().map(|name| data_dir::wal_file(name)).collect();
        let mut wal = WalReader::new(applied);
        if files.is_empty() {
            return Ok(wal.finish());
        }
        let mut reader = self.files(hosts, "read the write-ahead log of etcd", &files).await?;
        let sizes = self.dir.wal.iter().filter(|(name, _)| wanted.contains(name));
        for (name, size) in sizes {
            let mut left = *size;
            let mut block = vec![0; 128 << 10];
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
                let part = block.get_mut(..most).unwrap_or_default();
                let count = reader.read(part).await.map_err(|error| unread(name, &error))?;
                if count == 0 {
                    return Err(CommandError::failed(format!("{}: {name} is shorter than it was", self.host)).into());
                }
                wal.push(part.get(..count).unwrap_or_default());
                left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
            }
            wal.next_file();
        }
        Ok(wal.finish())
    }

    async fn files(
        &self,
        hosts: &dyn DiskHosts,
        what: &str,
        files: &[String],
    ) -> Result<Box<dyn tokio::io::AsyncRead + Send + Unpin>, HostError> {
        let script = Script {
            what: what.to_owned(),
            text: data_dir::read_script(&self.dir, files, self.gzip),
            limit: Some(READING),
        };
        hosts.stream(&self.host, &script, self.gzip).await
    }
}

fn unread(name: &str, error: &std::io::Error) -> AnyFailure {
    match ended(error) {
        Some(refused) => refused.into(),
        None => CommandError::failed(format!("reading {name}: {error}")).into(),
    }
}

/// A stream that broke off because somebody uses the database.
fn ended(error: &std::io::Error) -> Option<CommandError> {
    let failed = error.get_ref()?.downcast_ref::<ScriptFailed>()?;
    let (host, said) = (&failed.host, &failed.said);
    match failed.code {
        IN_USE => Some(running(format!("{host}: the database is open in process {said}"))),
        LOCKED => Some(running(format!("{host}: the lock of the database is held"))),
        _ => None,
    }
}

/// The same of what was packed.
pub fn pack_failure(failure: PackFailure) -> AnyFailure {
    if let PackFailure::Etcd { source, .. } = &failure
        && let Some(refused) = ended(source)
    {
        return refused.into();
    }
    failure.into()
}
