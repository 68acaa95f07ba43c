//! The `EncryptionConfiguration` of kube-apiserver, `apiserver.config.k8s.io/v1` (kubernetes/kubernetes v1.34,
//! `staging/src/k8s.io/apiserver/pkg/apis/apiserver/v1/types_encryption.go`), in YAML or JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::entry::{Entry, Key};
use super::pattern::Pattern;

/// The kind, and what it was called before Kubernetes 1.13.
const KINDS: [&str; 2] = ["EncryptionConfiguration", "EncryptionConfig"];

/// Why a text is no configuration. Nothing of it is quoted but kinds and names of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not UTF-8.
    #[error("it is not a text")]
    NotText,
    /// Not YAML, or a field of another type.
    #[error("it is not the YAML of an EncryptionConfiguration{}", at_line(*line))]
    Yaml {
        /// Where, counted from 1, where that is known.
        line: Option<u64>,
    },
    /// Another kind of object.
    #[error("it is a {kind}, not an EncryptionConfiguration")]
    Kind {
        /// The `kind`, or `document without a kind`.
        kind: String,
    },
    /// Base64 is broken.
    #[error("the secret of {provider} key `{name}` is no base64")]
    Secret {
        /// Whose key.
        provider: &'static str,
        /// Its name.
        name: String,
    },
    /// A key that the provider cannot use.
    #[error(
        "the secret of {provider} key `{name}` has {length} bytes instead of {}",
        wanted(lengths)
    )]
    Length {
        /// Whose key.
        provider: &'static str,
        /// Its name.
        name: String,
        /// Its bytes.
        length: usize,
        /// The bytes that it may have.
        lengths: &'static [usize],
    },
    /// A key without a name: nothing can have been written with it.
    #[error("a key of {provider} has no name")]
    Unnamed {
        /// Whose key.
        provider: &'static str,
    },
}

fn at_line(line: Option<u64>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

fn wanted(lengths: &[usize]) -> String {
    let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
    match lengths.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => lengths.concat(),
    }
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    resources: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    resources: Option<Vec<RawEntry>>,
}

#[derive(Deserialize)]
struct RawEntry {
    #[serde(default)]
    resources: Option<Vec<String>>,
    #[serde(default)]
    providers: Option<Vec<RawProvider>>,
}

/// One of these is set. `identity` has no settings.
#[derive(Deserialize)]
struct RawProvider {
    #[serde(default)]
    aescbc: Option<RawKeys>,
    #[serde(default)]
    aesgcm: Option<RawKeys>,
    #[serde(default)]
    secretbox: Option<RawKeys>,
    #[serde(default)]
    kms: Option<RawKms>,
}

#[derive(Deserialize)]
struct RawKeys {
    #[serde(default)]
    keys: Option<Vec<RawKey>>,
}

#[derive(Deserialize)]
struct RawKey {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "overwritten")]
    secret: Zeroizing<String>,
}

#[derive(Deserialize)]
struct RawKms {
    #[serde(default)]
    name: String,
}

fn overwritten<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// The entries of a configuration, in its order.
pub fn parse(content: &[u8]) -> Result<Vec<Entry>, ConfigError> {
    let text = std::str::from_utf8(content).map_err(|_| ConfigError::NotText)?;
    // The kind first: else a foreign object is reported as a field of a wrong type.
    let header: Header = serde_saphyr::from_str(text).map_err(|error| yaml(&error))?;
    match header.kind {
        Some(kind) if KINDS.contains(&kind.as_str()) => {}
        // kops takes one without a kind into its store; kube-apiserver does not.
        None if header.resources.is_some() => {}
        kind => {
            let kind = kind.unwrap_or_else(|| "document without a kind".to_owned());
            return Err(ConfigError::Kind { kind });
        }
    }
    let config: Config = serde_saphyr::from_str(text).map_err(|error| yaml(&error))?;
    config.resources.unwrap_or_default().into_iter().map(entry).collect()
}

/// The error's own words may quote a key.
fn yaml(error: &serde_saphyr::Error) -> ConfigError {
    let line = error.location().map(|location| location.line());
    ConfigError::Yaml {
        line: line.filter(|line| *line > 0),
    }
}

fn entry(raw: RawEntry) -> Result<Entry, ConfigError> {
    let mut entry = Entry {
        resources: raw
            .resources
            .unwrap_or_default()
            .iter()
            .map(|text| Pattern::parse(text))
            .collect(),
        keys: Vec::new(),
        plugins: Vec::new(),
    };
    for provider in raw.providers.unwrap_or_default() {
        let RawProvider {
            aescbc,
            aesgcm,
            secretbox,
            kms,
        } = provider;
        for (cipher, raw) in [
            (Cipher::AesCbc, aescbc),
            (Cipher::AesGcm, aesgcm),
            (Cipher::Secretbox, secretbox),
        ] {
            for raw in raw.and_then(|raw| raw.keys).unwrap_or_default() {
                entry.keys.push(key(cipher, raw)?);
            }
        }
        entry.plugins.extend(kms.map(|kms| kms.name));
    }
    Ok(entry)
}

fn key(cipher: Cipher, raw: RawKey) -> Result<Key, ConfigError> {
    let (provider, name) = (cipher.name(), raw.name);
    if name.is_empty() {
        return Err(ConfigError::Unnamed { provider });
    }
    let Ok(secret) = BASE64.decode(raw.secret.trim()).map(Zeroizing::new) else {
        return Err(ConfigError::Secret { provider, name });
    };
    let lengths = cipher.key_lengths();
    if !lengths.contains(&secret.len()) {
        return Err(ConfigError::Length {
            provider,
            name,
            length: secret.len(),
            lengths,
        });
    }
    Ok(Key { cipher, name, secret })
}
