//! Encryption at rest: which keys an `EncryptionConfiguration` holds, and what they decrypt.
//!
//! kube-apiserver stores an encrypted value as `k8s:enc:<provider>:<version>:<key name>:` and what the provider made of the
//! plaintext. Providers and layouts: kubernetes/kubernetes v1.34, `staging/src/k8s.io/apiserver/pkg/storage/value/encrypt`;
//! which of them belongs to a resource: `pkg/server/options/encryptionconfig/config.go` there.
//!
//! A key is never printed: neither by `Debug`, nor by an error.

mod cipher;
mod config;
mod entry;
mod error;
mod keys;
mod pattern;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use config::ConfigError;
pub use error::DecryptError;
pub use keys::Keys;
