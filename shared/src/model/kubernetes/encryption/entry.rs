//! One entry of the configuration.

use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::pattern::Pattern;
use crate::model::kubernetes::value::{ENCRYPTED_MAGIC, Encryption};

/// One entry of the configuration: some resources, and what they are encrypted with.
#[derive(Clone)]
pub struct Entry {
    pub resources: Vec<Pattern>,
    /// In the order of the configuration.
    pub keys: Vec<Key>,
    /// Names of KMS plugins.
    pub plugins: Vec<String>,
}

/// One key.
#[derive(Clone)]
pub struct Key {
    pub cipher: Cipher,
    /// As the stored values name it.
    pub name: String,
    /// Of a length that the cipher takes.
    pub secret: Zeroizing<Vec<u8>>,
}

impl Key {
    /// What follows `k8s:enc:<provider>:v1:<name>:`, where the value says that this key encrypted it. A name may have colons.
    pub fn body<'v>(&self, cipher: Cipher, stored: &'v [u8]) -> Option<&'v [u8]> {
        if self.cipher != cipher {
            return None;
        }
        let rest = stored.strip_prefix(ENCRYPTED_MAGIC)?;
        let rest = rest.strip_prefix(cipher.name().as_bytes())?.strip_prefix(b":v1:")?;
        rest.strip_prefix(self.name.as_bytes())?.strip_prefix(b":")
    }

    /// With the whole name, which the stored value alone does not tell where it has colons.
    pub fn named(&self, wanted: Encryption) -> Encryption {
        Encryption {
            key_name: self.name.clone(),
            ..wanted
        }
    }
}
