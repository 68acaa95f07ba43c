//! TLS to etcd: always verified, and with the reason when one side does not like the other's certificate.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore, SignatureScheme};
use tokio::io::AsyncBufReadExt;
use tokio_rustls::TlsConnector;

use super::credentials::{Credentials, CredentialsError};
use super::dial::Io;
use super::problem::Problem;
use crate::ports::EtcdErrorKind;

/// How long a server may hesitate to say its first word before we speak. etcd speaks at once (HTTP/2 settings), or sends
/// an alert when it refuses our certificate: with TLS 1.3 that comes after the handshake.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Speaks TLS as one client.
pub(super) struct Tls {
    connector: TlsConnector,
    identity: Arc<Identity>,
    name: ServerName<'static>,
}

/// Our client certificate, and whether it was requested.
#[derive(Debug)]
struct Identity {
    certified: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}

impl Tls {
    /// For a server that must be `host`, a DNS name or an address.
    pub(super) fn new(credentials: &Credentials, host: &str) -> Result<Self, CredentialsError> {
        let unusable = |reason: String| CredentialsError::Unusable {
            origin: credentials.origin().to_owned(),
            reason,
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in &credentials.roots {
            roots
                .add(root.clone())
                .map_err(|error| unusable(format!("the CA: {error}")))?;
        }
        let certified = match &credentials.identity {
            Some((chain, key)) => Some(Arc::new(
                CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
                    .map_err(|error| unusable(error.to_string()))?,
            )),
            None => None,
        };
        let identity = Arc::new(Identity {
            certified,
            asked: AtomicBool::new(false),
        });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots)
            .with_client_cert_resolver(identity.clone());
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| unusable(format!("`{host}` is not a server name")))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            identity,
            name,
        })
    }

    /// Does the handshake and waits for etcd's first bytes, so that a refusal is known here and not during a request.
    pub(super) async fn speak(&self, stream: Box<dyn Io>) -> Result<Box<dyn Io>, Problem> {
        let mut stream = self
            .connector
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| self.judge(error, false))?;
        match tokio::time::timeout(FIRST_WORD, stream.fill_buf()).await {
            Ok(Ok([])) => Err(self.judge_silence()),
            Ok(Err(error)) => Err(self.judge(error, true)),
            Ok(Ok(_)) | Err(_) => Ok(Box::new(stream)),
        }
    }

    fn judge(&self, error: io::Error, shaken: bool) -> Problem {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let kind = match inner {
            Some(rustls::Error::InvalidCertificate(reason)) => of_server_certificate(reason),
            Some(rustls::Error::AlertReceived(alert)) => self.of_alert(*alert),
            Some(rustls::Error::InvalidMessage(_)) => EtcdErrorKind::NotTls,
            Some(other) => EtcdErrorKind::Other(format!("TLS failed: {other}")),
            // A reset may arrive before the alert with the reason.
            None if shaken => return self.judge_silence(),
            None => EtcdErrorKind::NotTls,
        };
        Problem::with(kind, error)
    }

    fn of_alert(&self, alert: AlertDescription) -> EtcdErrorKind {
        match alert {
            AlertDescription::CertificateExpired => EtcdErrorKind::CertificateExpired,
            AlertDescription::CertificateRequired => EtcdErrorKind::NoCertificate,
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => self.refused(),
            other => EtcdErrorKind::Other(format!("TLS alert {other:?}")),
        }
    }

    /// It closed the connection right after the handshake.
    fn judge_silence(&self) -> Problem {
        let asked = self.identity.asked.load(Ordering::Relaxed);
        Problem::of(match (asked, self.identity.has_certs()) {
            (true, true) => EtcdErrorKind::HungUp,
            (true, false) => EtcdErrorKind::NoCertificate,
            (false, _) => EtcdErrorKind::Lost,
        })
    }

    fn refused(&self) -> EtcdErrorKind {
        if self.identity.certified.is_some() {
            EtcdErrorKind::CertificateRefused
        } else {
            EtcdErrorKind::NoCertificate
        }
    }
}

fn of_server_certificate(reason: &CertificateError) -> EtcdErrorKind {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => EtcdErrorKind::ServerCertificateExpired,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            EtcdErrorKind::ServerNotTrusted("signed by another CA".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            EtcdErrorKind::ServerNotTrusted("issued for another host".to_owned())
        }
        other => EtcdErrorKind::ServerNotTrusted(other.to_string()),
    }
}
