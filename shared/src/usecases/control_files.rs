//! Reads the files under `control/` of a store.

use std::fmt;

use serde::Serialize;

use super::catalog::Catalog;
use crate::model::etcd_manager::control::{ClusterCreated, ClusterSpec, Command};
use crate::model::etcd_manager::layout;
use crate::ports::{ObjectStore, StoreError};

/// More than any control file has.
const LIMIT: u64 = 64 * 1024;

/// What `control/` holds.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// `etcd-cluster-spec`, where it is there.
    pub cluster_spec: Option<ControlFile>,
    /// `etcd-cluster-created`, where it is there.
    pub cluster_created: Option<ControlFile>,
    /// The queued commands, in the order of their folders.
    pub commands: Vec<QueuedCommand>,
}

/// One control file as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ControlFile {
    /// Its content; empty where it cannot be used.
    pub says: String,
    /// Why etcd-manager cannot use it; it is blocked then.
    pub problem: Option<String>,
}

impl fmt::Display for ControlFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => write!(f, "BROKEN, etcd-manager is blocked: {problem}"),
            None => f.write_str(&self.says),
        }
    }
}

/// One queued command.
#[derive(Clone, Debug)]
pub struct QueuedCommand {
    /// Its path below the store's base.
    pub path: String,
    /// What it orders, or why it cannot be read; the leader is blocked then.
    pub command: Result<Command, String>,
}

impl QueuedCommand {
    /// Its name, as `cancel` takes it: that of its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        let folder = self
            .path
            .rsplit_once('/')
            .map_or(self.path.as_str(), |(folder, _)| folder);
        folder.rsplit('/').next().unwrap_or(folder)
    }

    /// Whether it orders the restore of this backup.
    #[must_use]
    pub fn restores(&self, backup: &str) -> bool {
        let order = self
            .command
            .as_ref()
            .ok()
            .and_then(|command| command.restore_backup.as_ref());
        order.is_some_and(|order| order.backup == backup)
    }
}

/// Reads what the listing shows.
///
/// # Errors
/// Where the store does not give a file.
pub async fn read(objects: &dyn ObjectStore, catalog: &Catalog) -> Result<Control, StoreError> {
    let get = async |path: &str| objects.get(&catalog.store.base.join(path), LIMIT).await;
    let mut control = Control::default();
    if catalog.listing.has_cluster_spec {
        let bytes = get(&format!("{}/{}", layout::CONTROL_FOLDER, layout::CLUSTER_SPEC_FILE)).await?;
        let parsed = ClusterSpec::parse(&bytes);
        control.cluster_spec = Some(match parsed {
            Ok(spec) => said(format!("{} members of etcd {}", spec.member_count, spec.etcd_version)),
            Err(error) => broken(&error),
        });
    }
    if catalog.listing.has_cluster_created {
        let bytes = get(&format!("{}/{}", layout::CONTROL_FOLDER, layout::CLUSTER_CREATED_FILE)).await?;
        control.cluster_created = Some(match ClusterCreated::parse(&bytes) {
            Ok(marker) => said(match marker.created() {
                Some(created) => format!("seeded at {created:.0}"),
                None => "seeded at an unknown time".to_owned(),
            }),
            Err(error) => broken(&error),
        });
    }
    for path in &catalog.listing.commands {
        let command = Command::parse(&get(path).await?).map_err(|error| error.to_string());
        control.commands.push(QueuedCommand {
            path: path.clone(),
            command,
        });
    }
    Ok(control)
}

const fn said(says: String) -> ControlFile {
    ControlFile { says, problem: None }
}

fn broken(error: &dyn fmt::Display) -> ControlFile {
    ControlFile {
        says: String::new(),
        problem: Some(error.to_string()),
    }
}
