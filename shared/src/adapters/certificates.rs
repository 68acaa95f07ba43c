//! Looks at the certificate that a server shows in a TLS handshake. It is kept, not trusted: nothing is sent after it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::model::certificate::{Authority, Served, Validity};
use crate::ports::Certificates;

/// By TCP and TLS, without a proxy.
#[derive(Clone, Copy, Debug)]
pub struct TlsLook {
    /// For the connection and the handshake together.
    pub limit: Duration,
}

impl Default for TlsLook {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(3),
        }
    }
}

#[async_trait]
impl Certificates for TlsLook {
    fn validity(&self, pem: &str) -> Result<Validity, String> {
        let der = first(pem)?;
        validity(&parse(&der)?)
    }

    async fn served(&self, host: IpAddr, port: u16, authorities: &[Authority]) -> Result<Served, String> {
        let shown = timeout(self.limit, shown(host, port)).await;
        let der = shown.map_err(|_| format!("no answer within {} s", self.limit.as_secs()))??;
        let certificate = parse(&der)?;
        let signed_by = authorities
            .iter()
            .find(|authority| has_signed(&authority.pem, &certificate))
            .map(|authority| authority.keyset.clone());
        Ok(Served {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            validity: validity(&certificate)?,
            signed_by,
        })
    }
}

/// The server's own certificate. That it then refuses us for want of a client certificate does not matter.
async fn shown(host: IpAddr, port: u16) -> Result<CertificateDer<'static>, String> {
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| error.to_string())?;
    let keeper = Arc::new(Keeper::default());
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(keeper.clone())
        .with_no_client_auth();
    let ended = TlsConnector::from(Arc::new(config))
        .connect(ServerName::from(host), stream)
        .await;
    let kept = keeper.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (kept, ended) {
        (Some(certificate), _) => Ok(certificate),
        (None, Err(error)) => Err(format!("it shows no certificate: {error}")),
        (None, Ok(_)) => Err("it shows no certificate".to_owned()),
    }
}

/// Keeps the certificate. What is looked at is often one that no verifier would take: expired, or of another CA.
#[derive(Debug, Default)]
struct Keeper {
    shown: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Keeper {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, &schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, &schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn first(pem: &str) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("it is no certificate in PEM: {error}"))
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(der.as_ref()) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(format!("the certificate cannot be read: {error}")),
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Result<Validity, String> {
    let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| error.to_string());
    let found = certificate.validity();
    Ok(Validity {
        not_before: time(found.not_before.timestamp())?,
        not_after: time(found.not_after.timestamp())?,
    })
}

/// By the signature: after a CA was replaced its successor has the same name.
fn has_signed(authority: &str, certificate: &X509Certificate<'_>) -> bool {
    let Ok(der) = first(authority) else {
        return false;
    };
    parse(&der).is_ok_and(|authority| certificate.verify_signature(Some(authority.public_key())).is_ok())
}
