//! Asks an address for an API server over TLS, and for no more than the first line of an answer.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::model::kubernetes::masterlease::Probe;
use crate::ports::ApiProbe;

/// A name that every API server's certificate has; kops' have no address of the node.
const SERVER: &str = "kubernetes.default.svc";
const REQUEST: &[u8] =
    b"GET /livez HTTP/1.1\r\nHost: kubernetes.default.svc\r\nUser-Agent: kubectl-masterleases\r\nConnection: close\r\n\r\n";
/// `HTTP/1.1 401`.
const STATUS_LINE: usize = 12;

/// The probe, and how long it waits for each address.
#[derive(Clone, Copy, Debug)]
pub struct TlsProbe {
    timeout: Duration,
}

impl Default for TlsProbe {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
        }
    }
}

#[async_trait]
impl ApiProbe for TlsProbe {
    async fn livez(&self, ip: IpAddr, port: u16, ca: &str) -> Probe {
        let config = match config(ca) {
            Ok(config) => config,
            Err(why) => return Probe::NotAsked(why),
        };
        match timeout(self.timeout, ask(ip, port, config)).await {
            Ok(Ok(status)) => Probe::Answers { status },
            Ok(Err(error)) => judge(&error),
            Err(_) => Probe::Silent,
        }
    }
}

fn config(ca: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("the CA cannot be read: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("the CA cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the CA holds no certificate".to_owned());
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

async fn ask(ip: IpAddr, port: u16, config: ClientConfig) -> io::Result<u16> {
    let stream = TcpStream::connect((ip, port)).await?;
    let name = ServerName::try_from(SERVER).map_err(io::Error::other)?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(REQUEST).await?;
    let mut line = [0; STATUS_LINE];
    stream.read_exact(&mut line).await?;
    let text = String::from_utf8_lossy(&line);
    let status = text
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..)?.parse().ok());
    status.ok_or_else(|| io::Error::other("it does not speak HTTP"))
}

/// Tells apart another server, no server, and unknown.
fn judge(error: &io::Error) -> Probe {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => {
            Probe::NoApiServer("its certificate is not one of this cluster's API servers".to_owned())
        }
        (Some(_), _) => Probe::NoApiServer("it does not speak TLS as an API server does".to_owned()),
        (None, io::ErrorKind::ConnectionRefused) => Probe::NoApiServer("connection refused".to_owned()),
        // No route, no network or a reset says nothing about the server.
        (None, _) => Probe::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn ca() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
    }

    #[tokio::test]
    async fn nobody_and_somebody_else_are_told_apart() {
        let listener = tokio::net::TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let probe = TlsProbe {
            timeout: Duration::from_millis(300),
        };
        let authority = ca();
        let (answer, _server) = tokio::join!(probe.livez(HERE, port, &authority), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 mail\r\n").await.unwrap();
            stream
        });
        assert!(matches!(answer, Probe::NoApiServer(_)), "{answer:?}");
        // Accepted by the kernel, never answered.
        assert_eq!(probe.livez(HERE, port, &ca()).await, Probe::Silent);
        drop(listener);
        assert_eq!(
            probe.livez(HERE, port, &ca()).await,
            Probe::NoApiServer("connection refused".into())
        );
        assert!(matches!(probe.livez(HERE, port, "").await, Probe::NotAsked(_)));
    }
}
