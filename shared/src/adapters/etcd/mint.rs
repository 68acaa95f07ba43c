//! A client certificate for an hour, signed by the cluster's own clients CA: made in memory, never written anywhere.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::credentials::{Credentials, CredentialsError, certificates};
use crate::model::kops::keyset::{Keyset, KeysetError};

/// How long it is valid from now.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How far etcd's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(600);

/// No certificate could be made. It never quotes key material.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The keyset cannot sign.
    #[error(transparent)]
    Keyset(#[from] KeysetError),
    /// Its certificates cannot be read.
    #[error(transparent)]
    Certificates(#[from] CredentialsError),
    /// Private key of the client certificate is of no kind that we can sign with.
    #[error("the private key {0} is neither RSA nor EC in PEM")]
    Key(String),
    /// Signing failed.
    #[error("signing with key {id}: {reason}")]
    Sign {
        /// The key's id.
        id: String,
        /// Why, in the library's words.
        reason: String,
    },
}

/// Makes a client certificate signed by the keyset's primary key. `origin` says where the keyset comes from.
///
/// # Errors
/// [`MintError`].
pub fn mint(keyset: &Keyset, origin: &str, now: SystemTime) -> Result<Credentials, MintError> {
    let (primary, private) = keyset.primary()?;
    let failed = |error: rcgen::Error| MintError::Sign {
        id: primary.id.clone(),
        reason: error.to_string(),
    };
    let roots = certificates(origin, keyset.trusted().as_bytes())?;
    let ca = KeyPair::from_pem(private.expose()).map_err(|_| MintError::Key(primary.id.clone()))?;
    let issuer = Issuer::from_ca_cert_pem(&primary.certificate, ca).map_err(failed)?;

    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = DistinguishedName::new();
    // etcd under etcd-manager has no users: any name will do, and this one tells who it was in etcd's log.
    wanted.distinguished_name.push(DnType::CommonName, "kops-recovery");
    wanted.not_before = (now - SKEW).into();
    wanted.not_after = (now + LIFETIME).into();
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    wanted.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = wanted.signed_by(&key, &issuer).map_err(failed)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let origin = format!("made for an hour from {origin}");
    Ok(Credentials::made(origin, roots, certificate.der().clone(), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_with_what_kops_wrote() {
        let text = include_str!(
            "../../../../tests/fixtures/kops-built/state/super.k8s.local/pki/private/etcd-clients-ca/keyset.yaml"
        );
        let keyset = Keyset::parse(text).unwrap();
        let made = mint(&keyset, "the fixture", SystemTime::now()).unwrap();
        assert!(made.identity.is_some());
        assert_eq!(made.origin(), "made for an hour from the fixture");
    }
}
