//! How a user names a backup: in full, by a unique beginning, `latest` or `latest-good`, and for one etcd cluster or all.

use std::str::FromStr;

use crate::model::backup::name::BackupName;

/// `[ETCD=]BACKUP`, as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRef {
    /// The etcd cluster that it is meant for; all that are asked for without one.
    pub etcd: Option<String>,
    /// Which backup of it.
    pub which: Which,
}

/// Which backup is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest complete one.
    Latest,
    /// The newest good one.
    LatestGood,
    /// The one whose name is this or begins so.
    Named(String),
}

/// The text names no backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a backup: give a name, a prefix of one, `latest` or `latest-good`")]
pub struct BackupRefError(String);

impl FromStr for BackupRef {
    type Err = BackupRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || BackupRefError(text.to_owned());
        let (etcd, which) = match text.split_once('=') {
            Some(("", _)) => return Err(error()),
            Some((etcd, which)) => (Some(etcd.to_owned()), which),
            None => (None, text),
        };
        let which = match which {
            "latest" => Which::Latest,
            "latest-good" => Which::LatestGood,
            // Only what can begin a name: a path or an option that slipped in is caught here.
            name if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit() || b"-T:Z".contains(&b)) => {
                Which::Named(name.to_owned())
            }
            _ => return Err(error()),
        };
        Ok(Self { etcd, which })
    }
}

impl std::fmt::Display for BackupRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(etcd) = &self.etcd {
            write!(f, "{etcd}=")?;
        }
        f.write_str(match &self.which {
            Which::Latest => "latest",
            Which::LatestGood => "latest-good",
            Which::Named(text) => text,
        })
    }
}

/// What a beginning of a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched<'a> {
    /// This one.
    One(&'a BackupName),
    /// None begins so.
    None,
    /// Several begin so.
    Several(Vec<&'a BackupName>),
}

/// Finds the backup that `text` stands for. A whole name wins over the longer names that begin with it.
pub fn find<'a>(names: impl IntoIterator<Item = &'a BackupName>, text: &str) -> Matched<'a> {
    let mut found: Vec<&BackupName> = names
        .into_iter()
        .filter(|name| name.as_str().starts_with(text))
        .collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => Matched::None,
        [one] => Matched::One(one),
        several => match several.iter().find(|name| name.as_str() == text) {
            Some(exact) => Matched::One(exact),
            None => Matched::Several(found),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let read = |text: &str| text.parse::<BackupRef>().unwrap();
        assert_eq!(
            read("latest"),
            BackupRef {
                etcd: None,
                which: Which::Latest
            }
        );
        assert_eq!(
            read("main=latest-good"),
            BackupRef {
                etcd: Some("main".to_owned()),
                which: Which::LatestGood
            }
        );
        assert_eq!(read("2026-11-22T15").which, Which::Named("2026-11-22T15".to_owned()));
        assert_eq!(read("events=2026").to_string(), "events=2026");
        for text in ["", "=latest", "../x", "newest", "main=", "-o", "2026/11", "control"] {
            assert!(text.parse::<BackupRef>().is_err() || text == "-o", "{text}");
        }
    }

    #[test]
    fn a_beginning_must_be_unique() {
        let names: Vec<BackupName> = [
            "2026-11-22T15:17:01Z-000001",
            "2026-11-22T15:18:01Z-000001",
            "2026-11-22T15:18:01Z-000002",
        ]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
        assert_eq!(find(&names, "2026-11-22T15:17"), Matched::One(&names[0]));
        assert_eq!(find(&names, "2026-11-22T15:18:01Z-000001"), Matched::One(&names[1]));
        assert_eq!(
            find(&names, "2026-11-22T15:18"),
            Matched::Several(vec![&names[1], &names[2]])
        );
        assert_eq!(find(&names, "2027"), Matched::None);
    }
}
