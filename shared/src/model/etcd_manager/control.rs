//! The files under `<base>/control/` by which etcd-manager is told what to do.
//!
//! Source: kubernetes-sigs/etcd-manager pkg/commands, pkg/apis/etcd. All are protobuf JSON, and etcd-manager refuses
//! fields that it does not know: one such command blocks the whole queue, and the leader with it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::kubernetes::protojson;

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

    /// The order to restore `backup` into a cluster as `spec` has it.
    #[must_use]
    pub fn restore(queued: Timestamp, spec: ClusterSpec, backup: &str) -> Self {
        Self {
            timestamp: i64::try_from(queued.as_nanosecond()).ok(),
            restore_backup: Some(RestoreBackup {
                cluster_spec: Some(spec),
                backup: backup.to_owned(),
            }),
        }
    }

    /// The file as etcd-manager-ctl writes it: an int64 is a string in protobuf's JSON, and what is unset is left out. No
    /// field more than etcd-manager knows: one such would block its whole queue.
    #[must_use]
    pub fn to_file(&self) -> String {
        let mut file = serde_json::Map::new();
        if let Some(timestamp) = self.timestamp {
            file.insert("timestamp".to_owned(), timestamp.to_string().into());
        }
        if let Some(order) = &self.restore_backup {
            let mut inner = serde_json::Map::new();
            if let Some(spec) = &order.cluster_spec {
                let spec = serde_json::json!({ "memberCount": spec.member_count, "etcdVersion": spec.etcd_version });
                inner.insert("clusterSpec".to_owned(), spec);
            }
            inner.insert("backup".to_owned(), order.backup.clone().into());
            file.insert("restoreBackup".to_owned(), inner.into());
        }
        format!("{:#}", serde_json::Value::from(file))
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
                "../../../../tests/fixtures/state-store-restore-pending/super.k8s.local/backups/etcd/",
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

    /// Every field's path and the kind of its value.
    fn shape(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => fields
                .iter()
                .for_each(|(name, value)| shape(value, &format!("{at}/{name}"), found)),
            serde_json::Value::String(_) => found.push(format!("{at} string")),
            serde_json::Value::Number(_) => found.push(format!("{at} number")),
            other => found.push(format!("{at} {other}")),
        }
    }

    fn shape_of(bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        shape(&serde_json::from_slice(bytes).unwrap(), "", &mut found);
        found.sort();
        found
    }

    #[test]
    fn a_command_of_ours_is_no_other_than_etcd_manager_ctls() {
        for theirs in [
            &fixture!("main/control/2026-11-22T15:20:06Z-000000/_command.json")[..],
            &fixture!("events/control/2026-11-22T15:20:06Z-000000/_command.json")[..],
        ] {
            let parsed = Command::parse(theirs).unwrap();
            let order = parsed.restore_backup.clone().unwrap();
            let queued = parsed.queued().unwrap();
            let ours = Command::restore(queued, order.cluster_spec.clone().unwrap(), &order.backup).to_file();
            assert_eq!(shape_of(ours.as_bytes()), shape_of(theirs));
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&ours).unwrap(),
                serde_json::from_slice::<serde_json::Value>(theirs).unwrap()
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn a_command_has_the_known_fields_only_and_is_read_as_what_it_is(
            members in proptest::prelude::any::<i64>(),
            version in "\\PC{0,20}",
            backup in "\\PC{0,40}",
            nanoseconds in 0_i64..4_000_000_000_000_000_000,
        ) {
            let queued = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap();
            let spec = ClusterSpec { member_count: members, etcd_version: version };
            let command = Command::restore(queued, spec, &backup);
            let file = command.to_file();
            proptest::prop_assert_eq!(Command::parse(file.as_bytes()), Ok(command));
            proptest::prop_assert_eq!(shape_of(file.as_bytes()), [
                "/restoreBackup/backup string",
                "/restoreBackup/clusterSpec/etcdVersion string",
                "/restoreBackup/clusterSpec/memberCount number",
                "/timestamp string",
            ]);
        }
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
