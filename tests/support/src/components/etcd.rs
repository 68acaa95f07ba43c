//! etcd's programs, built from its Go modules.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::install::once;
use super::version::users_own;
use crate::error::Error;
use crate::{paths, run};

/// The minor versions of the server that kops clusters run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdVersion {
    /// 3.5.35, or the user's own 3.5.
    V3_5,
    /// 3.6.16, or the user's own 3.6 from 3.6.6.
    V3_6,
    /// 3.7.3, or the user's own 3.7.
    V3_7,
}

/// The server.
///
/// # Errors
/// When it has to be built and cannot be.
pub fn etcd(version: EtcdVersion) -> Result<PathBuf, Error> {
    let (minor, built) = match version {
        EtcdVersion::V3_5 => (5, "etcd-server-3.5.35"),
        EtcdVersion::V3_6 => (6, TOOLS),
        EtcdVersion::V3_7 => (7, "etcd-server-3.7.3"),
    };
    let fits = |(major, theirs, patch)| (major, theirs) == (3, minor) && (minor != 6 || patch >= 6);
    users_own("etcd", &["--version"], fits).map_or_else(|| built_program(built, "etcd"), Ok)
}

/// `etcdctl` of 3.6.
///
/// # Errors
/// When it has to be built and cannot be.
pub fn etcdctl() -> Result<PathBuf, Error> {
    users_own("etcdctl", &["version"], judges_snapshots).map_or_else(|| built_program(TOOLS, "etcdctl"), Ok)
}

/// `etcdutl` of 3.6.6 or newer: the reference for what `verify` says of a snapshot.
///
/// # Errors
/// When it has to be built and cannot be.
pub fn etcdutl() -> Result<PathBuf, Error> {
    users_own("etcdutl", &["version"], judges_snapshots).map_or_else(|| built_program(TOOLS, "etcdutl"), Ok)
}

/// Before 3.6.6 `snapshot status` counts the records of all buckets instead of the live keys.
fn judges_snapshots((major, minor, patch): (u32, u32, u32)) -> bool {
    (major, minor) == (3, 6) && patch >= 6
}

/// Server, etcdctl and etcdutl of one version.
const TOOLS: &str = "etcd-3.6.16";

fn built_program(name: &str, program: &str) -> Result<PathBuf, Error> {
    let folder = once(name, |folder| {
        let module = paths::root().join("tests/components").join(name);
        build(&module, folder, "etcd", "go.etcd.io/etcd/server/v3")?;
        if name == TOOLS {
            build(&module, folder, "etcdctl", "go.etcd.io/etcd/etcdctl/v3")?;
            build(&module, folder, "etcdutl", "go.etcd.io/etcd/etcdutl/v3")?;
        }
        Ok(())
    })?;
    Ok(folder.join(program))
}

fn build(module: &Path, folder: &Path, program: &str, package: &str) -> Result<(), Error> {
    let out = folder.join(program);
    let mut go = Command::new("go");
    go.current_dir(module).env("CGO_ENABLED", "0").args([
        "build",
        "-mod=readonly",
        "-trimpath",
        "-tags=tools",
        "-buildvcs=false",
        "-o",
    ]);
    run::run(go.arg(&out).arg(package)).map(drop)
}
