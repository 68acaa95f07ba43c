//! The user's environment, and kubectl's and kops' settings files, for [`crate::model::kops::identity`].

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::kops::identity::{self, Chosen, Settings, SettingsError};
use crate::ports::UserSettings;

/// The process' environment, and the files in the user's home.
#[derive(Clone, Copy, Debug)]
pub struct Files;

impl UserSettings for Files {
    fn state_store(&self, flag: Option<&str>) -> Result<Option<Chosen>, SettingsError> {
        let variable = std::env::var("KOPS_STATE_STORE").ok();
        identity::state_store(flag, variable.as_deref(), &kops_settings(home().as_deref())?)
    }

    fn cluster_name(
        &self,
        flag: Option<&str>,
        context: Option<&str>,
        kubeconfig: Option<&Path>,
    ) -> Result<Option<Chosen>, SettingsError> {
        let variable = std::env::var("KOPS_CLUSTER_NAME").ok();
        // Only read where neither flag nor variable names the cluster: else a broken kubeconfig does not matter.
        let named = flag.is_some() || variable.as_deref().is_some_and(|name| !name.is_empty());
        let files = if named {
            Vec::new()
        } else {
            let list = std::env::var_os("KUBECONFIG");
            kubeconfigs(kubeconfig, list.as_deref(), home().as_deref())?
        };
        identity::cluster_name(flag, variable.as_deref(), context, &files)
    }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

/// kubectl's files, in its order: the flag alone, else each of `KUBECONFIG`'s list, else `~/.kube/config`.
///
/// A missing file is skipped, as kubectl does; but not the one that the flag names.
pub fn kubeconfigs(
    flag: Option<&Path>,
    variable: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<Vec<Settings>, SettingsError> {
    if let Some(path) = flag {
        return match read(path)? {
            Some(settings) => Ok(vec![settings]),
            None => Err(failed(path, "there is no such file")),
        };
    }
    let listed: Vec<PathBuf> = variable
        .map(|list| {
            std::env::split_paths(list)
                .filter(|path| !path.as_os_str().is_empty())
                .collect()
        })
        .unwrap_or_default();
    if listed.is_empty() {
        return existing(home.map(|home| home.join(".kube/config")));
    }
    existing(listed)
}

/// kops' own files, in its order: `~/.kops.yaml`, `~/.kops/config`.
pub fn kops_settings(home: Option<&Path>) -> Result<Vec<Settings>, SettingsError> {
    existing(
        home.into_iter()
            .flat_map(|home| [home.join(".kops.yaml"), home.join(".kops/config")]),
    )
}

fn existing(paths: impl IntoIterator<Item = PathBuf>) -> Result<Vec<Settings>, SettingsError> {
    paths.into_iter().filter_map(|path| read(&path).transpose()).collect()
}

fn read(path: &Path) -> Result<Option<Settings>, SettingsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Settings {
            path: path.display().to_string(),
            text,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error.to_string())),
    }
}

fn failed(path: &Path, reason: &str) -> SettingsError {
    SettingsError {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_exists_in_kubectls_order() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir(at(".kube")).unwrap();
        for (name, text) in [(".kube/config", "default"), ("a", "a"), ("b", "b")] {
            std::fs::write(at(name), text).unwrap();
        }
        let texts = |files: Result<Vec<Settings>, SettingsError>| {
            files.unwrap().into_iter().map(|file| file.text).collect::<Vec<_>>()
        };
        let list = std::env::join_paths([at("a"), at("missing"), at("b")]).unwrap();
        assert_eq!(texts(kubeconfigs(None, Some(&list), Some(home.path()))), ["a", "b"]);
        assert_eq!(
            texts(kubeconfigs(Some(&at("b")), Some(&list), Some(home.path()))),
            ["b"]
        );
        assert_eq!(
            texts(kubeconfigs(None, Some(OsStr::new("")), Some(home.path()))),
            ["default"]
        );
        assert!(kubeconfigs(Some(&at("missing")), None, None).is_err());
        assert_eq!(texts(kubeconfigs(None, None, None)), Vec::<String>::new());
    }

    #[test]
    fn reads_kops_settings() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(kops_settings(Some(home.path())).unwrap(), []);
        std::fs::create_dir(home.path().join(".kops")).unwrap();
        std::fs::write(home.path().join(".kops/config"), "kops_state_store: s3://x").unwrap();
        let found = kops_settings(Some(home.path())).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].path.ends_with(".kops/config"));
    }
}
