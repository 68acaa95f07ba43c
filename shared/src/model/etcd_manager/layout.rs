//! Where things are in the backup store of one etcd cluster.
//!
//! Source: kubernetes-sigs/etcd-manager pkg/backup/vfs.go, pkg/commands. A backup is `<base>/<NAME>/etcd.backup.gz` and,
//! written after it, `<base>/<NAME>/_etcd_backup.meta`.

use crate::model::backup::name::BackupName;

/// The snapshot, gzipped.
pub const DATA_FILE: &str = "etcd.backup.gz";
/// The file that makes the folder a backup.
pub const META_FILE: &str = "_etcd_backup.meta";
/// The folder of specs and commands.
pub const CONTROL_FOLDER: &str = "control";
/// Below [`CONTROL_FOLDER`]: what the cluster is to be.
pub const CLUSTER_SPEC_FILE: &str = "etcd-cluster-spec";
/// Below [`CONTROL_FOLDER`]: the marker that the cluster was seeded once.
pub const CLUSTER_CREATED_FILE: &str = "etcd-cluster-created";
/// Below a folder of [`CONTROL_FOLDER`]: a command.
pub const COMMAND_FILE: &str = "_command.json";

/// What a listing shows of one backup's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBackup {
    /// Its name.
    pub name: BackupName,
    /// The size of its data in bytes; `None` without data.
    pub data_size: Option<u64>,
    /// Whether its meta is there.
    pub has_meta: bool,
}

impl ListedBackup {
    /// Whether both files are there: only then it is a backup.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.has_meta && self.data_size.is_some()
    }
}

/// What a listing of a backup store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Backups and halves of them, oldest first.
    pub backups: Vec<ListedBackup>,
    /// Paths of the queued commands below the base, sorted.
    pub commands: Vec<String>,
    /// Whether `etcd-cluster-spec` is there.
    pub has_cluster_spec: bool,
    /// Whether `etcd-cluster-created` is there.
    pub has_cluster_created: bool,
    /// Paths that are none of this: etcd-manager ignores them, and so do we.
    pub foreign: Vec<String>,
}

impl Listing {
    /// Sorts the objects below a store's base, each a path and a size in bytes, into what they are.
    pub fn of<'a>(objects: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut listing = Self::default();
        let mut backups = std::collections::BTreeMap::<BackupName, (Option<u64>, bool)>::new();
        for (path, size) in objects {
            let segments: Vec<&str> = path.split('/').collect();
            match segments.as_slice() {
                [CONTROL_FOLDER, CLUSTER_SPEC_FILE] => listing.has_cluster_spec = true,
                [CONTROL_FOLDER, CLUSTER_CREATED_FILE] => listing.has_cluster_created = true,
                [CONTROL_FOLDER, _, COMMAND_FILE] => listing.commands.push(path.to_owned()),
                [folder, file @ (DATA_FILE | META_FILE)] => match folder.parse::<BackupName>() {
                    Ok(name) => {
                        let entry = backups.entry(name).or_default();
                        if *file == DATA_FILE {
                            entry.0 = Some(size);
                        } else {
                            entry.1 = true;
                        }
                    }
                    Err(_) => listing.foreign.push(path.to_owned()),
                },
                _ => listing.foreign.push(path.to_owned()),
            }
        }
        listing.backups = backups
            .into_iter()
            .map(|(name, (data_size, has_meta))| ListedBackup {
                name,
                data_size,
                has_meta,
            })
            .collect();
        listing.commands.sort();
        listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[&str]) -> Listing {
        Listing::of(paths.iter().map(|path| (*path, 7)))
    }

    #[test]
    fn a_backup_needs_both_files() {
        let found = listing(&[
            "2026-11-22T15:17:01Z-000001/etcd.backup.gz",
            "2026-11-22T15:18:01Z-000001/_etcd_backup.meta",
            "2026-11-22T15:19:01Z-000002/_etcd_backup.meta",
            "2026-11-22T15:19:01Z-000002/etcd.backup.gz",
        ]);
        let complete: Vec<bool> = found.backups.iter().map(ListedBackup::complete).collect();
        assert_eq!(complete, [false, false, true]);
    }

    #[test]
    fn only_a_command_file_makes_a_command_and_strange_names_are_foreign() {
        let found = listing(&[
            "control/2026-11-22T15:20:06Z-000000/_command.json",
            "control/2026-11-22T15:20:06Z-000000/other",
            "control/etcd-cluster-created",
            "control/etcd-cluster-spec",
            "yesterday/etcd.backup.gz",
            "2026-11-22T15:19:01Z-000002/deep/etcd.backup.gz",
            "README",
        ]);
        assert!(found.has_cluster_created && found.has_cluster_spec && found.backups.is_empty());
        assert_eq!(found.commands, ["control/2026-11-22T15:20:06Z-000000/_command.json"]);
        assert_eq!(found.foreign.len(), 4);
    }
}
