//! Throwaway certificate authorities and certificates, and keysets as kops writes them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SanType,
};

use crate::error::Error;

/// What kind of key a CA has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// P-256, stored as SEC 1, as Go writes it.
    Ec,
    /// 2048 bits, stored as PKCS#1: what kops makes.
    Rsa,
}

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct Ca {
    certificate: String,
    key: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A server on 127.0.0.1 and localhost.
    Server,
    /// The same, and at this address of a master.
    ServerAt(std::net::Ipv4Addr),
    /// An API server, whose certificate names no node: `kubernetes.default.svc`, and 127.0.0.1 for the tests.
    ApiServer,
    /// A client.
    Client,
    /// A client whose time ended a minute ago.
    ExpiredClient,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Ca {
    /// A new one, named `name`, that lasts ten years as kops' do.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str, kind: KeyKind) -> Result<Self, Error> {
        let key = match kind {
            KeyKind::Ec => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyKind::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        }
        .map_err(failed)?;
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name = rcgen::DistinguishedName::new();
        wanted.distinguished_name.push(DnType::CommonName, name);
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (wanted.not_before, wanted.not_after) = (ago(HOUR * 48).into(), hence(HOUR * 24 * 3650).into());
        let certificate = wanted.self_signed(&key).map_err(failed)?.pem();
        let key = as_go_writes_it(&key.serialize_der(), kind).ok_or_else(|| failed("an odd PKCS#8 key"))?;
        Ok(Self { certificate, key })
    }

    /// One that exists already, in PEM.
    #[must_use]
    pub fn from_pem(certificate: String, key: String) -> Self {
        Self { certificate, key }
    }

    /// The primary key of a keyset that kops wrote, given its YAML with one key.
    #[must_use]
    pub fn from_keyset(yaml: &str) -> Option<Self> {
        let material = |field: &str| {
            let packed = yaml.lines().find_map(|line| line.trim().strip_prefix(field))?.trim();
            String::from_utf8(BASE64.decode(packed).ok()?).ok()
        };
        Some(Self::from_pem(
            material("publicMaterial:")?,
            material("privateMaterial:")?,
        ))
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key in PEM.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Issues a certificate.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue(&self, usage: Usage) -> Result<Issued, Error> {
        let until = match usage {
            Usage::ExpiredClient => ago(Duration::from_secs(60)),
            _ => hence(HOUR * 24),
        };
        self.issue_for(usage, ago(HOUR * 24), until)
    }

    /// Issues a certificate that is valid between these times.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue_for(&self, usage: Usage, from: SystemTime, until: SystemTime) -> Result<Issued, Error> {
        let ca = KeyPair::from_pem(&self.key).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, ca).map_err(failed)?;
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name.push(DnType::CommonName, "test");
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (wanted.not_before, wanted.not_after) = (from.into(), until.into());
        match usage {
            Usage::Server | Usage::ServerAt(_) => {
                let localhost = "localhost".try_into().map_err(failed)?;
                let loopback = std::net::Ipv4Addr::LOCALHOST.into();
                wanted.subject_alt_names = vec![SanType::IpAddress(loopback), SanType::DnsName(localhost)];
                if let Usage::ServerAt(address) = usage {
                    wanted.subject_alt_names.push(SanType::IpAddress(address.into()));
                }
                // etcd shows its server certificate as a client, too, where its own gateway calls it.
                wanted.extended_key_usages =
                    vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            }
            Usage::ApiServer => {
                let service = "kubernetes.default.svc".try_into().map_err(failed)?;
                let loopback = std::net::Ipv4Addr::LOCALHOST.into();
                wanted.subject_alt_names = vec![SanType::IpAddress(loopback), SanType::DnsName(service)];
                wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Usage::Client | Usage::ExpiredClient => {
                wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
        }
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = wanted.signed_by(&key, &issuer).map_err(failed)?.pem();
        let key = key.serialize_pem();
        Ok(Issued { certificate, key })
    }
}

impl Issued {
    /// Writes `<name>.crt` and `<name>.key` into `folder`.
    ///
    /// # Errors
    /// When that folder cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf), Error> {
        let certificate = write(folder, &format!("{name}.crt"), &self.certificate)?;
        let key = write(folder, &format!("{name}.key"), &self.key)?;
        Ok((certificate, key))
    }
}

/// Writes a file and gives its path.
///
/// # Errors
/// When that folder cannot be written.
pub fn write(folder: &Path, name: &str, content: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    std::fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    std::fs::write(&path, content).map_err(Error::file("write", &path))?;
    Ok(path)
}

/// A keyset as kops writes it, with these generations; `primary` is the id of the one that signs.
#[must_use]
pub fn keyset(name: &str, generations: &[(&str, &Ca)], primary: &str) -> String {
    let keys: String = generations
        .iter()
        .map(|(id, ca)| {
            let (public, private) = (BASE64.encode(&ca.certificate), BASE64.encode(&ca.key));
            format!("  - id: \"{id}\"\n    privateMaterial: {private}\n    publicMaterial: {public}\n")
        })
        .collect();
    format!(
        "apiVersion: kops.k8s.io/v1alpha2\nkind: Keyset\nmetadata:\n  name: {name}\nspec:\n  keys:\n{keys}  primaryId: \"{primary}\"\n  type: Keypair\n"
    )
}

fn ago(time: Duration) -> SystemTime {
    SystemTime::now() - time
}

fn hence(time: Duration) -> SystemTime {
    SystemTime::now() + time
}

fn failed(reason: impl ToString) -> Error {
    Error::Answer {
        from: "the certificate library".to_owned(),
        answer: reason.to_string(),
    }
}

/// Takes the key out of its PKCS#8 wrapping, for Go's older functions, which kops uses, write it bare.
fn as_go_writes_it(pkcs8: &[u8], kind: KeyKind) -> Option<String> {
    // SEQUENCE { version INTEGER, algorithm SEQUENCE, key OCTET STRING }
    let (_, whole, _) = element(pkcs8)?;
    let (_, _, rest) = element(whole)?;
    let (_, _, rest) = element(rest)?;
    let (_, key, _) = element(rest)?;
    let (name, der) = match kind {
        KeyKind::Rsa => ("RSA PRIVATE KEY", key.to_vec()),
        KeyKind::Ec => ("EC PRIVATE KEY", with_curve(key)?),
    };
    let encoded = BASE64.encode(der);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    Some(format!(
        "-----BEGIN {name}-----\n{}\n-----END {name}-----\n",
        lines.join("\n")
    ))
}

/// Within PKCS#8 the curve is named outside of the key; alone it has to be in it: `[0] { OID prime256v1 }`.
fn with_curve(key: &[u8]) -> Option<Vec<u8>> {
    const PRIME256V1: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let (_, fields, _) = element(key)?;
    let (_, _, after_version) = element(fields)?;
    let (_, _, public) = element(after_version)?;
    let head = fields.get(..fields.len().checked_sub(public.len())?)?;
    let body = [head, &PRIME256V1, public].concat();
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 128)?;
    Some([&[0x30, length][..], &body].concat())
}

/// The first DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 128 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 127))?;
        let length = bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
