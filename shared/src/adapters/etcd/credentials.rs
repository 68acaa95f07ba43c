//! Credentials for etcd: a CA, a certificate and its key, kept in memory only.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What TLS with etcd takes. It never shows its key in logs.
pub struct Credentials {
    /// The CAs that may sign etcd's certificate.
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// Our certificate with its intermediates, and its key; `None` to show none.
    pub(super) identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// Where they come from, as text.
    origin: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("origin", &self.origin)
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// Certificates or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("reading {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There is no PEM certificate in it.
    #[error("{0} contains no PEM certificate")]
    NoCertificate(String),
    /// There is no unencrypted PEM key in it.
    #[error("{0} contains no unencrypted PEM private key")]
    NoKey(String),
    /// A certificate without a key, or the other way round.
    #[error("a client certificate needs both --cert and --key")]
    Half,
    /// TLS without a CA.
    #[error("no CA is given to verify etcd's certificate")]
    NoCa,
    /// Certificate and key do not belong together, or are of a kind that TLS does not know.
    #[error("the certificates of {origin} cannot be used: {reason}")]
    Unusable {
        /// Where they come from.
        origin: String,
        /// Why not, in the TLS library's words.
        reason: String,
    },
}

impl CredentialsError {
    /// What the user can do.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCa => Some(
                "pass --cacert (on a master: /srv/kubernetes/kube-apiserver/etcd-ca.crt), or --state and --name to take \
                 it from the state store",
            ),
            Self::Half | Self::Read { .. } | Self::NoCertificate(_) | Self::NoKey(_) => {
                Some("on a master they are etcd-client.crt and etcd-client.key in /srv/kubernetes/kube-apiserver")
            }
            Self::Unusable { .. } => Some("check that certificate and key belong together"),
        }
    }
}

impl Credentials {
    /// From files as etcdctl takes them.
    ///
    /// # Errors
    /// Where a file cannot be read or holds something else.
    pub async fn from_files(ca: &Path, identity: Option<(&Path, &Path)>) -> Result<Self, CredentialsError> {
        let ca_pem = read(ca).await?;
        let identity = match identity {
            Some((cert, key)) => Some((
                named(cert, &read(cert).await?, certificates)?,
                named(key, &read(key).await?, private_key)?,
            )),
            None => None,
        };
        Ok(Self {
            roots: named(ca, &ca_pem, certificates)?,
            identity,
            origin: ca.display().to_string(),
        })
    }

    /// From PEM texts; `origin` says where they come from.
    ///
    /// # Errors
    /// Where one holds something else.
    pub fn from_pem(origin: &str, ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, CredentialsError> {
        Ok(Self {
            roots: certificates(origin, ca)?,
            identity: Some((certificates(origin, certificate)?, private_key(origin, key)?)),
            origin: origin.to_owned(),
        })
    }

    /// From what was made in memory.
    pub(super) fn made(
        origin: String,
        roots: Vec<CertificateDer<'static>>,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        Self {
            roots,
            identity: Some((vec![certificate], key)),
            origin,
        }
    }

    /// Where they come from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

async fn read(file: &Path) -> Result<Vec<u8>, CredentialsError> {
    tokio::fs::read(file).await.map_err(|source| CredentialsError::Read {
        file: file.to_owned(),
        source,
    })
}

fn named<T>(
    file: &Path,
    pem: &[u8],
    parse: impl Fn(&str, &[u8]) -> Result<T, CredentialsError>,
) -> Result<T, CredentialsError> {
    parse(&file.display().to_string(), pem)
}

/// All certificates of a PEM text.
pub(super) fn certificates(origin: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| CredentialsError::NoCertificate(origin.to_owned()))
}

fn private_key(origin: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| CredentialsError::NoKey(origin.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_which_file_is_no_certificate_and_shows_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let pair = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
        let (cert, key) = (
            file("c.crt", &pair.cert.pem()),
            file("c.key", &pair.signing_key.serialize_pem()),
        );
        let good = Credentials::from_files(&cert, Some((&cert, &key))).await.unwrap();
        assert!(!format!("{good:?}").to_lowercase().contains("secret"), "{good:?}");
        assert_eq!((good.roots.len(), good.identity.is_some()), (1, true));

        let empty = file("empty", "nothing");
        let error = Credentials::from_files(&empty, None).await.unwrap_err();
        assert!(
            error.to_string().ends_with("empty contains no PEM certificate"),
            "{error}"
        );
        let error = Credentials::from_files(&cert, Some((&cert, &cert))).await.unwrap_err();
        assert!(matches!(error, CredentialsError::NoKey(_)), "{error}");
        let error = Credentials::from_files(&folder.path().join("absent"), None)
            .await
            .unwrap_err();
        assert!(matches!(error, CredentialsError::Read { .. }), "{error}");
    }
}
