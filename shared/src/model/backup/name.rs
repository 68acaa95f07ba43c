//! Names of etcd-manager's backups: `2026-11-22T15:18:01Z-000001`.
//!
//! Source: kubernetes-sigs/etcd-manager pkg/backup, pkg/backupcontroller/cleanup.go. The sequence restarts with each
//! process of etcd-manager: it tells two backups of one second apart and orders nothing else.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// The name of one backup; it orders by time, then by sequence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupName {
    created: Timestamp,
    sequence: u32,
    text: String,
}

/// The text is no backup name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a backup name like 2026-11-22T15:18:01Z-000001")]
pub struct BackupNameError(pub String);

/// The length of `2026-11-22T15:18:01Z`.
const TIME_LENGTH: usize = 20;

impl BackupName {
    /// The name of the first backup that a process takes at `created`.
    #[must_use]
    pub fn first_of(created: Timestamp) -> Self {
        let seconds = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let created = Timestamp::from_second(created.as_second()).unwrap_or(created);
        Self {
            created,
            sequence: 1,
            text: format!("{seconds}-000001"),
        }
    }

    /// When etcd-manager took the backup, to the second, in UTC, as the name says.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The name as it stands in the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for BackupName {
    type Err = BackupNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || BackupNameError(text.to_owned());
        let (time, rest) = text.split_at_checked(TIME_LENGTH).ok_or_else(error)?;
        let digits = rest.strip_prefix('-').ok_or_else(error)?;
        let shaped = time
            .bytes()
            .zip(*b"0000-00-00T00:00:00Z")
            .all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            });
        if !shaped || digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        Ok(Self {
            created: time.parse().map_err(|_| error())?,
            sequence: digits.parse().map_err(|_| error())?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for BackupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_time_and_sequence() {
        let name: BackupName = "2026-11-22T15:18:01Z-000002".parse().unwrap();
        assert_eq!(name.created().to_string(), "2026-11-22T15:18:01Z");
        assert_eq!(name.to_string(), "2026-11-22T15:18:01Z-000002");
    }

    #[test]
    fn a_new_name_is_read_as_what_it_is() {
        let name = BackupName::first_of("2026-11-22T15:18:01.75Z".parse().unwrap());
        assert_eq!(name.as_str(), "2026-11-22T15:18:01Z-000001");
        assert_eq!(name.as_str().parse(), Ok(name));
    }

    #[test]
    fn orders_by_time_then_by_sequence() {
        let names = [
            "2026-11-22T15:18:01Z-000002",
            "2026-11-22T15:18:01Z-000010",
            "2026-11-22T15:19:00Z-000001",
        ];
        let mut parsed: Vec<BackupName> = names.iter().rev().map(|name| name.parse().unwrap()).collect();
        parsed.sort();
        assert_eq!(parsed.iter().map(BackupName::as_str).collect::<Vec<_>>(), names);
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "control",
            "../x",
            "2026-11-22T15:18:01Z",
            "2026-11-22T15:18:01Z-1",
            "2026-11-22T15:18:01Z-0000001",
            "2026-11-22T15:18:01Z-00000x",
            "2026-11-22T15:18:01+00:00-000001",
            "2026-13-22T15:18:01Z-000001",
            "2026-11-22t15:18:01z-000001",
            "2026-11-22T15:18:01Z-000001/",
            "２026-11-22T15:18:01Z-000001",
        ] {
            assert!(text.parse::<BackupName>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_prints_what_it_read(text in "\\PC{0,40}") {
            if let Ok(name) = text.parse::<BackupName>() {
                proptest::prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
