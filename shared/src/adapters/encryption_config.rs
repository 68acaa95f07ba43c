//! `--encryption-config FILE`: the configuration as kube-apiserver reads it, or the secret of kops with the configuration in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::kops::encryption;
use crate::model::kubernetes::encryption::{ConfigError, Keys};

/// More than any configuration has.
const LIMIT: u64 = 1 << 20;

/// Why there are no keys in a file.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionConfigError {
    /// It cannot be read.
    #[error("--encryption-config {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no configuration.
    #[error("--encryption-config {}: {why}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: ConfigError,
    },
}

impl Failure for EncryptionConfigError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Reads the keys of a file.
///
/// # Errors
/// Where it cannot be read, or is no configuration. No key is quoted.
pub fn read(path: &Path) -> Result<Keys, EncryptionConfigError> {
    let content = content(path).map_err(|source| EncryptionConfigError::File {
        path: path.to_owned(),
        source,
    })?;
    if let Ok(keys) = encryption::parse(&content) {
        return Ok(keys);
    }
    Keys::parse(&content).map_err(|why| EncryptionConfigError::Content {
        path: path.to_owned(),
        why,
    })
}

fn content(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    let read = File::open(path)?.take(LIMIT + 1).read_to_end(&mut content)?;
    if read as u64 > LIMIT {
        return Err(io::Error::other(format!("it is larger than {LIMIT} bytes")));
    }
    Ok(content)
}
