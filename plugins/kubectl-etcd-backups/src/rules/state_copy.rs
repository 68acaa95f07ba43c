//! A dated copy of what kops keeps of a cluster beside the backups: its files, and the manifest that makes it complete. Pure.

use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::ObjectInfo;
use serde::{Deserialize, Serialize};

use super::copies::overlap;

/// Written last: without it a copy is incomplete.
pub const MANIFEST: &str = "_copy.json";

/// Where the copies of a cluster's state lie: beside its backups, for kops wants nothing else in a cluster's folder.
pub fn states_of(to: &StoreUrl, cluster: &str) -> StoreUrl {
    to.join(cluster).join("backups/state")
}

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub cluster: String,
    /// Where each part of it was: the name of a folder in the copy (empty for the copy itself), and the location.
    pub parts: Vec<(String, String)>,
    /// Sorted by path.
    pub files: Vec<StateFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateFile {
    pub path: String,
    pub size_bytes: u64,
    pub sha256: String,
}

/// The locations that make up a cluster's state, each with its folder in the copy. One that lies in another comes with it.
pub fn parts(folder: StoreUrl, config_base: StoreUrl, key_store: StoreUrl) -> Vec<(String, StoreUrl)> {
    let mut parts = vec![(String::new(), folder)];
    for (name, place) in [("_config-base", config_base), ("_key-store", key_store)] {
        if !parts.iter().any(|(_, known)| overlap(known, &place)) {
            parts.push((name.to_owned(), place));
        }
    }
    parts
}

/// Whether an object of a cluster's folder belongs to its state: all but backups, and what etcd-manager and this suite keep there.
pub fn is_state(path: &str) -> bool {
    !path.starts_with("backups/")
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

/// The complete copies that a listing shows, oldest first.
pub fn complete(listing: &[ObjectInfo]) -> Vec<BackupName> {
    let mut names: Vec<BackupName> = listing
        .iter()
        .filter_map(|object| object.path.split_once('/'))
        .filter(|(_, rest)| *rest == MANIFEST)
        .filter_map(|(name, _)| name.parse().ok())
        .collect();
    names.sort();
    names
}

/// The objects of one copy that copying wrote, by its own manifest, which goes first.
pub fn written(name: &BackupName, manifest: &Manifest) -> Vec<String> {
    let files = manifest.files.iter().map(|file| file.path.as_str());
    std::iter::once(MANIFEST)
        .chain(files.filter(|path| {
            path.split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
        }))
        .map(|path| format!("{name}/{path}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> StoreUrl {
        text.parse().unwrap()
    }

    #[test]
    fn parts_that_lie_elsewhere_get_a_folder_of_their_own() {
        let names = |config: &str, keys: &str| -> Vec<String> {
            let parts = parts(url("s3://a/c"), url(config), url(keys));
            parts.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names("s3://a/c", "s3://a/c/pki"), [""]);
        assert_eq!(names("s3://b/c", "s3://b/c/pki"), ["", "_config-base"]);
        assert_eq!(names("s3://a/c", "s3://keys/c"), ["", "_key-store"]);
    }

    #[test]
    fn backups_are_no_state() {
        for (path, expected) in [
            ("cluster-completed.spec", true),
            ("pki/private/ca/keyset.yaml", true),
            ("backups/etcd/main/control/etcd-cluster-spec", false),
            ("backups-of-mine", true),
            ("a/../b", false),
        ] {
            assert_eq!(is_state(path), expected, "{path}");
        }
    }

    #[test]
    fn a_manifest_can_name_nothing_outside_of_its_copy() {
        let name: BackupName = "2026-11-22T15:18:01Z-000001".parse().unwrap();
        let file = |path: &str| StateFile {
            path: path.to_owned(),
            size_bytes: 1,
            sha256: String::new(),
        };
        let manifest = Manifest {
            cluster: "c".to_owned(),
            parts: Vec::new(),
            files: vec![file("config"), file("../../x"), file("/y")],
        };
        let written = written(&name, &manifest);
        assert_eq!(written, [format!("{name}/_copy.json"), format!("{name}/config")]);
    }
}
