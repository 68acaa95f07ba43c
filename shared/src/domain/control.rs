//! The files under `<base>/control/` by which etcd-manager is told what to do.
//!
//! Source: kubernetes-sigs/etcd-manager pkg/commands, pkg/apis/etcd. All are protobuf JSON, and etcd-manager refuses
//! fields that it does not know: one such command blocks the whole queue, and the leader with it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::protojson;

/// `etcd-cluster-spec`: what the cluster is to be. Also part of commands and backup metas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// How many members it has.
    #[serde(alias = "member_count", default)]
    pub member_count: i64,
    /// The version of etcd it runs, without a `v`.
    #[serde(alias = "etcd_version", default)]
    pub etcd_version: String,
}

/// `etcd-cluster-created`: the marker without which etcd-manager seeds a new, empty cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ClusterCreated {
    /// When the cluster was first seeded, in nanoseconds since 1970.
    #[serde(deserialize_with = "protojson::int64", default)]
    pub timestamp: Option<i64>,
}

/// `<RFC 3339>-000000/_command.json`: an order to the leader.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// When it was queued, in nanoseconds since 1970; commands run in this order.
    #[serde(deserialize_with = "protojson::int64", default)]
    pub timestamp: Option<i64>,
    /// Restore a backup.
    #[serde(alias = "restore_backup")]
    pub restore_backup: Option<RestoreBackup>,
}

/// The one order that matters here: wipe etcd, restore this.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreBackup {
    /// What the restored cluster is to be; without it the leader is blocked.
    #[serde(alias = "cluster_spec")]
    pub cluster_spec: Option<ClusterSpec>,
    /// The name of the backup.
    #[serde(default)]
    pub backup: String,
}

/// A control file that etcd-manager could not use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A file of no bytes.
    #[error("the file is empty")]
    Empty,
    /// It does not parse.
    #[error("it is not what etcd-manager writes: {0}")]
    Malformed(String),
}

impl ClusterSpec {
    /// Reads `etcd-cluster-spec`.
    ///
    /// # Errors
    /// [`ControlError`] where etcd-manager could not use it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        parse(bytes)
    }
}

impl ClusterCreated {
    /// Reads `etcd-cluster-created`.
    ///
    /// # Errors
    /// [`ControlError`] where etcd-manager could not use it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        parse(bytes)
    }

    /// When the cluster was first seeded.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.timestamp
            .and_then(|nanoseconds| Timestamp::from_nanosecond(i128::from(nanoseconds)).ok())
    }
}

impl Command {
    /// Reads `_command.json`.
    ///
    /// # Errors
    /// [`ControlError`] where etcd-manager could not use it, an unknown field included.
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        parse(bytes)
    }

    /// When it was queued.
    #[must_use]
    pub fn queued(&self) -> Option<Timestamp> {
        self.timestamp
            .and_then(|nanoseconds| Timestamp::from_nanosecond(i128::from(nanoseconds)).ok())
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ControlError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ControlError::Empty);
    }
    protojson::message(bytes).map_err(ControlError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! fixture {
        ($path:literal) => {
            include_bytes!(concat!(
                "../../../tests/fixtures/state-store-restore-pending/super.k8s.local/backups/etcd/",
                $path
            ))
        };
    }

    #[test]
    fn reads_what_etcd_manager_ctl_wrote() {
        let command = Command::parse(fixture!("main/control/2026-11-22T15:20:06Z-000000/_command.json")).unwrap();
        let restore = command.restore_backup.clone().unwrap();
        assert_eq!(restore.backup, "2026-11-22T15:18:01Z-000001");
        assert_eq!(
            restore.cluster_spec,
            Some(ClusterSpec {
                member_count: 3,
                etcd_version: "3.5.35".to_owned()
            })
        );
        assert_eq!(command.queued().unwrap().to_string(), "2026-11-22T15:20:06.62684032Z");

        let spec = ClusterSpec::parse(fixture!("main/control/etcd-cluster-spec")).unwrap();
        assert_eq!(
            spec,
            ClusterSpec {
                member_count: 3,
                etcd_version: "3.5.35".to_owned()
            }
        );
        let created = ClusterCreated::parse(fixture!("main/control/etcd-cluster-created")).unwrap();
        assert!(created.created().unwrap().to_string().starts_with("2026-11-22T15:15:5"));
    }

    #[test]
    fn an_unknown_field_in_a_command_is_an_error_as_it_is_to_etcd_manager() {
        let text = br#"{"timestamp":"1","restoreBackup":{"backup":"x","note":"ours"}}"#;
        assert!(matches!(Command::parse(text), Err(ControlError::Malformed(_))));
    }

    #[test]
    fn empty_files_are_told_from_malformed_ones() {
        assert_eq!(ClusterCreated::parse(b" \n"), Err(ControlError::Empty));
        assert!(matches!(ClusterSpec::parse(b"{"), Err(ControlError::Malformed(_))));
    }
}
