//! The API servers' encryption config as kops keeps it: `{"Data": base64 of an EncryptionConfiguration}`.
//!
//! Source: kubernetes/kops `upup/pkg/fi/secrets.go`, kubernetes/apiserver `pkg/apis/apiserver/v1/types_encryption.go`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::model::kubernetes::encryption::{ConfigError, Keys};

/// Its name in the secret store.
pub const NAME: &str = "encryptionconfig";

/// Why there are no keys in a secret of kops. Nothing of it is quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No `{"Data": …}`.
    #[error("it does not have the format of kops")]
    Format,
    /// Its `Data` is broken.
    #[error("its Data is no base64")]
    Data,
    /// What is in it is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    data: String,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    providers: Vec<BTreeMap<String, Option<Provider>>>,
}

#[derive(Default, Deserialize)]
struct Provider {
    /// Of `kms`.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    name: String,
}

/// The keys in it.
///
/// # Errors
/// [`SecretError`].
pub fn parse(secret: &[u8]) -> Result<Keys, SecretError> {
    Ok(Keys::parse(&content(secret)?)?)
}

/// The configuration in it, as it was given to kops.
fn content(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let secret: Secret = serde_json::from_slice(secret).map_err(|_| SecretError::Format)?;
    let data = Zeroizing::new(secret.data);
    let decoded = BASE64.decode(data.trim()).map_err(|_| SecretError::Data)?;
    Ok(Zeroizing::new(decoded))
}

/// The names of its keys, as values name them: `aescbc:key1`, and `kms:plugin`. Never the keys themselves, and so neither whether
/// they can be used.
///
/// # Errors
/// Why it cannot be read, in words that quote nothing of it.
pub fn keys(secret: &[u8]) -> Result<Vec<String>, String> {
    let content = content(secret).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&content).map_err(|_| "its Data is no text".to_owned())?;
    let config: Config = serde_saphyr::from_str(text).map_err(|_| "it is no EncryptionConfiguration".to_owned())?;
    let mut keys = Vec::new();
    for (provider, settings) in config
        .resources
        .into_iter()
        .flat_map(|resource| resource.providers)
        .flatten()
    {
        let settings = settings.unwrap_or_default();
        let names = settings
            .name
            .into_iter()
            .chain(settings.keys.into_iter().map(|key| key.name));
        keys.extend(names.map(|name| format!("{provider}:{name}")));
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(config: &str) -> Vec<u8> {
        serde_json::json!({ "Data": BASE64.encode(config) })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn names_the_keys_and_nothing_else() {
        let config = "
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers:
  - aescbc: {keys: [{name: key2, secret: c2VjcmV0}, {name: key1, secret: c2VjcmV0}]}
  - kms: {apiVersion: v2, name: vault, endpoint: unix:///run/kms.sock}
  - identity: {}
";
        assert_eq!(
            keys(&secret(config)).unwrap(),
            ["aescbc:key1", "aescbc:key2", "kms:vault"]
        );
        assert_eq!(keys(&secret("resources: []")).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn its_keys_can_be_used() {
        let config = "
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers:
  - secretbox: {keys: [{name: key1, secret: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}]}
";
        assert_eq!(parse(&secret(config)).unwrap().names(), ["secretbox:key1"]);
    }

    #[test]
    fn a_broken_one_is_not_quoted() {
        for broken in [
            &b"{"[..],
            br#"{"Data":"%"}"#,
            &secret("a: [hunter2"),
            &secret("kind: Config"),
        ] {
            assert!(!parse(broken).unwrap_err().to_string().contains("hunter2"));
        }
        for broken in [&b"{"[..], br#"{"Data":"%"}"#, &secret("a: [hunter2")] {
            assert!(!keys(broken).unwrap_err().contains("hunter2"));
        }
    }
}
