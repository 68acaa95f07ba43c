//! `_etcd_backup.meta`, the file that makes a folder a backup.
//!
//! Source: kubernetes-sigs/etcd-manager pkg/backup (written after the data), pkg/apis/etcd (its shape, as protobuf JSON):
//! `{"etcdVersion":"3.5.35","timestamp":"1795360681","clusterSpec":{"memberCount":3,"etcdVersion":"3.5.35"}}`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::etcd_manager::control::ClusterSpec;
use crate::model::kubernetes::protojson;

/// What etcd-manager noted beside a backup. Fields that it does not have are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupMeta {
    /// The version of the etcd that the snapshot was taken from, without a `v`.
    #[serde(alias = "etcd_version")]
    pub etcd_version: String,
    /// When it was taken, in seconds since 1970.
    #[serde(deserialize_with = "protojson::int64")]
    pub timestamp: Option<i64>,
    /// What the cluster was to be at that time.
    #[serde(alias = "cluster_spec")]
    pub cluster_spec: Option<ClusterSpec>,
}

/// The meta file is not what etcd-manager writes; it could not restore this backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupMetaError {
    /// A file of no bytes.
    #[error("_etcd_backup.meta is empty")]
    Empty,
    /// It does not parse.
    #[error("_etcd_backup.meta is not what etcd-manager writes: {0}")]
    Malformed(String),
    /// It parses and names no etcd version.
    #[error("_etcd_backup.meta names no etcd version")]
    NoVersion,
}

impl BackupMeta {
    /// Reads the file.
    ///
    /// # Errors
    /// [`BackupMetaError`] where etcd-manager could not use it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupMetaError> {
        if bytes.is_empty() {
            return Err(BackupMetaError::Empty);
        }
        let meta: Self = protojson::message(bytes).map_err(BackupMetaError::Malformed)?;
        if meta.etcd_version.is_empty() {
            return Err(BackupMetaError::NoVersion);
        }
        Ok(meta)
    }

    /// The file as etcd-manager writes it: an int64 is a string in protobuf's JSON.
    #[must_use]
    pub fn to_file(&self) -> String {
        let mut file = serde_json::Map::new();
        file.insert("etcdVersion".to_owned(), self.etcd_version.clone().into());
        if let Some(seconds) = self.timestamp {
            file.insert("timestamp".to_owned(), seconds.to_string().into());
        }
        if let Some(spec) = &self.cluster_spec {
            let spec = serde_json::json!({ "memberCount": spec.member_count, "etcdVersion": spec.etcd_version });
            file.insert("clusterSpec".to_owned(), spec);
        }
        serde_json::Value::Object(file).to_string()
    }

    /// When it was taken, as the file says.
    #[must_use]
    pub fn taken(&self) -> Option<Timestamp> {
        self.timestamp.and_then(|seconds| Timestamp::from_second(seconds).ok())
    }

    /// How many members the cluster was to have.
    #[must_use]
    pub fn member_count(&self) -> Option<i64> {
        self.cluster_spec.as_ref().map(|spec| spec.member_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_etcd_manager_writes() {
        let text = include_bytes!(
            "../../../../tests/fixtures/state-store-restored/super.k8s.local/backups/etcd/main/2026-11-22T15:18:01Z-000001/_etcd_backup.meta"
        );
        let meta = BackupMeta::parse(text).unwrap();
        assert_eq!((meta.etcd_version.as_str(), meta.member_count()), ("3.5.35", Some(3)));
        assert_eq!(meta.taken().unwrap().to_string(), "2026-11-22T15:18:01Z");
        let ours: serde_json::Value = serde_json::from_str(&meta.to_file()).unwrap();
        assert_eq!(ours, serde_json::from_slice::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn takes_numbers_and_unknown_fields() {
        let meta = BackupMeta::parse(br#"{"etcdVersion":"3.6.1","timestamp":1795360681,"later":{"x":[1]}}"#).unwrap();
        assert_eq!((meta.timestamp, meta.member_count()), (Some(1_795_360_681), None));
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(BackupMeta::parse(b""), Err(BackupMetaError::Empty));
        assert_eq!(BackupMeta::parse(b"{}"), Err(BackupMetaError::NoVersion));
        for text in [
            &br#"{"etcdVersion":"3.5.35","time"#[..],
            b"[]",
            b"\0\0",
            br#"{"etcdVersion":"1","timestamp":"x"}"#,
        ] {
            assert!(
                matches!(BackupMeta::parse(text), Err(BackupMetaError::Malformed(_))),
                "{text:?}"
            );
        }
    }
}
