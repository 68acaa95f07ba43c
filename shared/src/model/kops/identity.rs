//! Which cluster and which state store are meant: from flags, the environment, kubectl's and kops' own settings.

use std::fmt;

use serde::Deserialize;

/// Where a value came from: told to the user, and looked at by whatever is destructive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Given on the command line.
    Flag,
    /// From an environment variable.
    Environment(&'static str),
    /// From a kubectl context. Too easily a wrong one for anything destructive.
    KubectlContext(String),
    /// From one of kops' own settings files.
    KopsSettings(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "the command line"),
            Self::Environment(name) => write!(f, "{name}"),
            Self::KubectlContext(context) => write!(f, "kubectl's context {context}"),
            Self::KopsSettings(path) => write!(f, "{path}"),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The value.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// A settings file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its path, for messages.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// A settings file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} cannot be read: {reason}")]
pub struct SettingsError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The cluster's name: the flag, else `KOPS_CLUSTER_NAME`, else the cluster of the kubectl context.
///
/// `context` is kubectl's flag of that name. `kubeconfigs` are kubectl's files in its order: of contexts with the same name, and
/// of several current contexts, the first one counts. Source: kubernetes/kops `cmd/kops/root.go` takes the *cluster* of the
/// current context.
pub fn cluster_name(
    flag: Option<&str>,
    variable: Option<&str>,
    context: Option<&str>,
    kubeconfigs: &[Settings],
) -> Result<Option<Chosen>, SettingsError> {
    if let Some(chosen) = given(flag, variable, "KOPS_CLUSTER_NAME") {
        return Ok(Some(chosen));
    }
    let configs: Vec<KubeConfig> = kubeconfigs
        .iter()
        .filter_map(|file| read(file).transpose())
        .collect::<Result<_, _>>()?;
    let current = configs
        .iter()
        .find_map(|config| filled(config.current_context.as_deref()));
    let Some(wanted) = filled(context).or(current) else {
        return Ok(None);
    };
    let mut contexts = configs.iter().filter_map(|config| config.contexts.as_ref()).flatten();
    let found = contexts.find(|named| named.name.as_deref() == Some(wanted));
    let cluster = found
        .and_then(|named| named.context.as_ref())
        .and_then(|context| filled(context.cluster.as_deref()));
    Ok(cluster.map(|cluster| Chosen {
        value: cluster.to_owned(),
        origin: Origin::KubectlContext(wanted.to_owned()),
    }))
}

/// The state store: the flag, else `KOPS_STATE_STORE`, else `kops_state_store` of the first settings file that has it.
///
/// kops reads `~/.kops.yaml`, then `~/.kops/config`.
pub fn state_store(
    flag: Option<&str>,
    variable: Option<&str>,
    kops_settings: &[Settings],
) -> Result<Option<Chosen>, SettingsError> {
    if let Some(chosen) = given(flag, variable, "KOPS_STATE_STORE") {
        return Ok(Some(chosen));
    }
    for file in kops_settings {
        let settings: Option<KopsSettings> = read(file)?;
        if let Some(value) = settings
            .and_then(|settings| settings.kops_state_store)
            .filter(|value| !value.is_empty())
        {
            return Ok(Some(Chosen {
                value,
                origin: Origin::KopsSettings(file.path.clone()),
            }));
        }
    }
    Ok(None)
}

#[derive(Deserialize)]
struct KopsSettings {
    kops_state_store: Option<String>,
}

/// Source: kubernetes/client-go `tools/clientcmd/api/v1/types.go`.
#[derive(Deserialize)]
struct KubeConfig {
    #[serde(rename = "current-context")]
    current_context: Option<String>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: Option<String>,
    context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    cluster: Option<String>,
}

fn given(flag: Option<&str>, variable: Option<&str>, name: &'static str) -> Option<Chosen> {
    let chosen = |value: &str, origin| Chosen {
        value: value.to_owned(),
        origin,
    };
    filled(flag)
        .map(|value| chosen(value, Origin::Flag))
        .or_else(|| filled(variable).map(|value| chosen(value, Origin::Environment(name))))
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// `None` for an empty file.
fn read<T: serde::de::DeserializeOwned>(file: &Settings) -> Result<Option<T>, SettingsError> {
    let documents: Vec<T> = serde_saphyr::from_multiple(&file.text).map_err(|error| SettingsError {
        path: file.path.clone(),
        reason: error.without_snippet().to_string(),
    })?;
    Ok(documents.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Settings {
        Settings {
            path: path.into(),
            text: text.into(),
        }
    }

    fn kubeconfigs() -> Vec<Settings> {
        let first = "contexts:\n- name: prod\n  context: {cluster: prod.example.com, user: me}\nusers: []\n";
        let second = "current-context: dev\ncontexts:\n- name: dev\n  context: {cluster: dev.example.com}\n\
                      - name: prod\n  context: {cluster: other}\n- name: bare\n";
        vec![file("/k/0", ""), file("/k/1", first), file("/k/2", second)]
    }

    #[test]
    fn a_name_comes_from_the_nearest_source() {
        let name = |flag, variable, context| cluster_name(flag, variable, context, &kubeconfigs()).unwrap();
        let chosen = |value: &str, origin| {
            Some(Chosen {
                value: value.into(),
                origin,
            })
        };
        assert_eq!(name(Some("a"), Some("b"), Some("prod")), chosen("a", Origin::Flag));
        assert_eq!(
            name(None, Some("b"), Some("prod")),
            chosen("b", Origin::Environment("KOPS_CLUSTER_NAME"))
        );
        assert_eq!(
            name(None, Some(""), Some("prod")),
            chosen("prod.example.com", Origin::KubectlContext("prod".into()))
        );
        assert_eq!(
            name(None, None, None),
            chosen("dev.example.com", Origin::KubectlContext("dev".into()))
        );
        assert_eq!(name(None, None, Some("bare")), None);
        assert_eq!(name(None, None, Some("absent")), None);
        assert_eq!(cluster_name(None, None, None, &[]), Ok(None));
    }

    #[test]
    fn a_state_store_comes_from_the_nearest_source() {
        let files = [
            file("~/.kops.yaml", "other: 1\n"),
            file("~/.kops/config", "kops_state_store: s3://from-file\n"),
        ];
        let state = |flag, variable| state_store(flag, variable, &files).unwrap().unwrap();
        assert_eq!(state(Some("s3://flag"), Some("s3://env")).value, "s3://flag");
        assert_eq!(state(None, Some("s3://env")).origin.to_string(), "KOPS_STATE_STORE");
        assert_eq!(state(Some(""), None).value, "s3://from-file");
        assert_eq!(state(None, None).origin.to_string(), "~/.kops/config");
        assert_eq!(state_store(None, None, &files[..1]), Ok(None));
    }

    #[test]
    fn a_broken_settings_file_is_named() {
        let broken = [file("~/.kops.yaml", "a: [")];
        assert!(
            state_store(None, None, &broken)
                .unwrap_err()
                .to_string()
                .starts_with("~/.kops.yaml cannot be read: ")
        );
        assert!(cluster_name(None, None, None, &broken).is_err());
        assert!(
            cluster_name(Some("a"), None, None, &broken).is_ok(),
            "not read when it is not needed"
        );
    }
}
