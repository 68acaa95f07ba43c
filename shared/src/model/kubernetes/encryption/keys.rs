//! The keys at hand.

use std::fmt;

use super::cipher::{Cipher, Failed};
use super::config::{self, ConfigError};
use super::entry::{Entry, Key};
use super::error::DecryptError;
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::value::Encoding;

/// The keys of an `EncryptionConfiguration`, or none. They are overwritten when they are dropped.
#[derive(Clone, Default)]
pub struct Keys {
    entries: Vec<Entry>,
}

impl Keys {
    /// Nothing at hand.
    #[must_use]
    pub const fn none() -> Self {
        Self { entries: Vec::new() }
    }

    /// Reads an `EncryptionConfiguration`, YAML or JSON.
    ///
    /// # Errors
    /// [`ConfigError`], which quotes no key.
    pub fn parse(config: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self {
            entries: config::parse(config)?,
        })
    }

    /// Their names as `aescbc:key1` and `kms:plugin`, sorted, each once.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .entries
            .iter()
            .flat_map(|entry| {
                let keys = entry.keys.iter();
                keys.map(|key| format!("{}:{}", key.cipher.name(), key.name))
                    .chain(entry.plugins.iter().map(|name| format!("kms:{name}")))
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// The plaintext of a stored value. One that is not encrypted is the plaintext.
    ///
    /// # Errors
    /// [`DecryptError`], where it is encrypted and no key here decrypts it.
    pub fn decrypt(&self, etcd_key: &[u8], stored: Vec<u8>) -> Result<Vec<u8>, DecryptError> {
        Ok(self.open(etcd_key, &stored)?.unwrap_or(stored))
    }

    /// The plaintext of a stored value that is encrypted; `None` of one that is not.
    ///
    /// Of several keys of the right name those of the entries are tried first that match the resource, in the order of the
    /// configuration, as kube-apiserver does; then all others, because the configuration may be younger than the value.
    ///
    /// # Errors
    /// [`DecryptError`], where it is encrypted and no key here decrypts it.
    pub fn open(&self, etcd_key: &[u8], stored: &[u8]) -> Result<Option<Vec<u8>>, DecryptError> {
        let Encoding::Encrypted(wanted) = Encoding::of_head(stored) else {
            return Ok(None);
        };
        if wanted.provider == "kms" {
            return Err(DecryptError::Kms { wanted });
        }
        let Some(cipher) = Cipher::named(&wanted.provider).filter(|_| wanted.version == "v1") else {
            return Err(DecryptError::UnknownProvider { wanted });
        };
        let object = ObjectKey::parse(etcd_key);
        let mut mismatch = None;
        for key in self.candidates(&object) {
            let Some(body) = key.body(cipher, stored) else {
                continue;
            };
            match cipher.decrypt(&key.secret, etcd_key, body) {
                Ok(plain) => return Ok(Some(plain)),
                Err(failed) => mismatch = Some((failed, key)),
            }
        }
        Err(match mismatch {
            Some((Failed::CutOff, key)) => DecryptError::CutOff {
                wanted: key.named(wanted),
            },
            Some((Failed::Mismatch, key)) => DecryptError::WrongKey {
                wanted: key.named(wanted),
            },
            None => DecryptError::NoKey {
                wanted,
                known: self.names(),
            },
        })
    }

    fn candidates<'k>(&'k self, object: &'k ObjectKey<'_>) -> impl Iterator<Item = &'k Key> {
        let is_for = |entry: &Entry| entry.resources.iter().any(|pattern| pattern.matches(object));
        let first = self.entries.iter().filter(move |entry| is_for(entry));
        let others = self.entries.iter().filter(move |entry| !is_for(entry));
        first.chain(others).flat_map(|entry| &entry.keys)
    }
}

impl fmt::Debug for Keys {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.names()).finish()
    }
}
