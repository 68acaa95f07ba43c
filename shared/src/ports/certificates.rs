//! Looking at certificates: those that servers show, and those of CAs.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::model::certificate::{Authority, Served, Validity};

/// Reads certificates.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// From when until when the first certificate of a PEM text is valid.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn validity(&self, pem: &str) -> Result<Validity, String>;

    /// The certificate that a TLS server at `host` shows, whatever it thinks of us, and which of the CAs signed it. Nothing is asked, no
    /// certificate of ours is shown. Always answers within the adapter's time limit.
    ///
    /// # Errors
    /// Why none was seen.
    async fn served(&self, host: IpAddr, port: u16, authorities: &[Authority]) -> Result<Served, String>;
}
