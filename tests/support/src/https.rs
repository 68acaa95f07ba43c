//! The same small client as [`crate::http`], over TLS; and what makes a server of ours speak it.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::error::Error;
use crate::http::{Response, talk};

/// A client of one server, which it verifies.
#[derive(Clone, Debug)]
pub(crate) struct Https {
    config: Arc<ClientConfig>,
    /// `127.0.0.1:port`.
    host: String,
}

impl Https {
    /// For the server at `host` (`127.0.0.1:port`), whose certificate `ca` (PEM) signed.
    pub(crate) fn new(host: &str, ca: &str) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(ca.as_bytes()).map_err(unusable)?;
        roots.add(ca).map_err(unusable)?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            host: host.to_owned(),
        })
    }

    /// One request on a connection of its own; `headers` are lines, each ended by `\r\n`.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Response, Error> {
        self.exchange(method, path, headers, body)
            .map_err(|source| Error::Http {
                method: method.to_owned(),
                url: format!("https://{}{path}", self.host),
                source,
            })
    }

    fn exchange(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Response> {
        let stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let connection = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        let path = path.strip_prefix('/').unwrap_or(path);
        talk(
            StreamOwned::new(connection, stream),
            method,
            &self.host,
            path,
            headers,
            body,
        )
    }
}

/// A server's side of TLS, with a certificate and its key in PEM; it asks for none of its clients.
pub(crate) fn server(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, Error> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unusable)?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(unusable)?;
    Ok(Arc::new(config))
}

fn unusable(reason: impl ToString) -> Error {
    Error::Answer {
        from: "a certificate".to_owned(),
        answer: reason.to_string(),
    }
}
