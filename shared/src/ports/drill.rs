//! A temporary etcd on this machine, restored from a snapshot to test a backup.

use std::path::Path;

use async_trait::async_trait;

use super::EtcdKv;
use crate::failure::Failure;
use crate::model::etcd_manager::EtcdVersion;

/// The user's own programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The server's version.
    pub etcd: EtcdVersion,
    /// The version of the program that restores.
    pub etcdutl: EtcdVersion,
}

/// The output of `etcdutl snapshot status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// A checksum over all buckets.
    pub hash: u32,
    /// The revision.
    pub revision: i64,
    /// The live keys, by etcdutl 3.6.6 or newer; older ones count the records of all buckets.
    pub total_keys: u64,
}

/// Restores snapshots into a temporary etcd.
#[async_trait]
pub trait DrillServer: Send + Sync {
    /// The programs that would be run.
    async fn tools(&self) -> Result<Tools, DrillError>;

    /// A folder of this drill's own, for its owner only; it goes with the ground.
    fn folder(&self) -> &Path;

    /// The status of a snapshot by etcdutl.
    async fn status(&self, snapshot: &Path) -> Result<SnapshotStatus, DrillError>;

    /// Restores a snapshot into a new etcd, which serves on loopback for us only and ends with the value.
    async fn restore(&self, snapshot: &Path) -> Result<Box<dyn Throwaway>, DrillError>;
}

/// An etcd that ends when this is dropped.
pub trait Throwaway: Send + Sync {
    /// Its keys.
    fn kv(&self) -> &dyn EtcdKv;
}

/// The drill could not be run.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// A program is not there.
    #[error("no `{0}` is on PATH")]
    NoProgram(&'static str),
    /// It cannot be run, or prints no version.
    #[error("running {program}: {reason}")]
    Run {
        /// Which.
        program: String,
        /// Why.
        reason: String,
    },
    /// It ended with an error.
    #[error("`{command}` failed: {reason}")]
    Failed {
        /// What was run.
        command: String,
        /// The last line of its output.
        reason: String,
    },
    /// The throwaway etcd did not come up.
    #[error("the temporary etcd does not serve: {0}")]
    NotServing(String),
    /// Its folder or its certificates could not be made.
    #[error("preparing the temporary etcd: {0}")]
    Prepare(String),
}

impl Failure for DrillError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProgram(_) => {
                "install etcd and etcdutl of the backup's minor version (the archive of an etcd release holds both) and put \
                 them on PATH"
                    .to_owned()
            }
            Self::Prepare(_) => "pass a directory with more space with --temp-dir".to_owned(),
            Self::Failed { .. } | Self::NotServing(_) | Self::Run { .. } => return None,
        })
    }
}
