//! Why a value cannot be decrypted.

use crate::model::kubernetes::value::Encryption;

/// Why a value cannot be decrypted. It names keys and shows none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The key is not at hand.
    #[error("it is encrypted by {wanted}, {}", at_hand(known))]
    NoKey {
        /// Which key is wanted.
        wanted: Encryption,
        /// The keys that there are, as `aescbc:key1`, sorted.
        known: Vec<String>,
    },
    /// There is a key of this name, and it is not the one.
    #[error("key `{}` does not decrypt it: {} was given another key of that name, or the value is damaged", wanted.key_name, wanted.provider)]
    WrongKey {
        /// Which key is wanted.
        wanted: Encryption,
    },
    /// Bytes are missing.
    #[error("what {wanted} encrypted is cut off")]
    CutOff {
        /// Who encrypted it.
        wanted: Encryption,
    },
    /// The key is in a KMS.
    #[error("it is encrypted by KMS plugin `{}` ({}): only an API server with this plugin can read it", wanted.key_name, wanted.version)]
    Kms {
        /// Which plugin is wanted.
        wanted: Encryption,
    },
    /// A provider of a Kubernetes that is newer than this.
    #[error("it is encrypted by {wanted}, which only an API server can read")]
    UnknownProvider {
        /// Who encrypted it.
        wanted: Encryption,
    },
}

impl DecryptError {
    /// Who encrypted it, with which key.
    #[must_use]
    pub const fn wanted(&self) -> &Encryption {
        match self {
            Self::NoKey { wanted, .. }
            | Self::WrongKey { wanted }
            | Self::CutOff { wanted }
            | Self::Kms { wanted }
            | Self::UnknownProvider { wanted } => wanted,
        }
    }
}

fn at_hand(known: &[String]) -> String {
    match known {
        [] => "and no key is at hand".to_owned(),
        [one] => format!("and only {one} is at hand"),
        several => format!("and only {} are at hand", several.join(", ")),
    }
}
