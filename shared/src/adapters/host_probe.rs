//! Probes ports by direct TCP connections, without a proxy.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::model::liveness::PortState;
use crate::ports::HostProbe;

const SSH: u16 = 22;
/// Of kube-apiserver and of kubelet.
const TLS: [u16; 2] = [443, 10250];

/// Probes by TCP.
#[derive(Clone, Copy, Debug)]
pub struct TcpHostProbe {
    timeout: Duration,
}

impl Default for TcpHostProbe {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
        }
    }
}

#[async_trait]
impl HostProbe for TcpHostProbe {
    async fn probe_port(&self, address: IpAddr, port: u16) -> PortState {
        match timeout(self.timeout, TcpStream::connect((address, port))).await {
            Ok(Ok(_)) => PortState::Accepted,
            Ok(Err(error)) => of_error(&error),
            Err(_) => PortState::Unknown(format!("no answer within {} s", self.timeout.as_secs())),
        }
    }

    async fn service_at(&self, address: IpAddr) -> Option<String> {
        if self.speaks(address, SSH, &[], |said| said.starts_with(b"SSH-")).await {
            return Some(format!("ssh on port {SSH}"));
        }
        let hello = client_hello(address)?;
        for port in TLS {
            if self.speaks(address, port, &hello, is_tls).await {
                return Some(format!("TLS on port {port}"));
            }
        }
        None
    }
}

impl TcpHostProbe {
    /// Whether the first bytes are of the protocol: something on the way that accepts every connection knows none of them.
    async fn speaks(&self, address: IpAddr, port: u16, greeting: &[u8], is: fn(&[u8]) -> bool) -> bool {
        let asking = async {
            let mut stream = TcpStream::connect((address, port)).await?;
            stream.write_all(greeting).await?;
            let mut said = [0; 4];
            stream.read_exact(&mut said).await?;
            Ok::<_, io::Error>(said)
        };
        matches!(timeout(self.timeout, asking).await, Ok(Ok(said)) if is(&said))
    }
}

fn of_error(error: &io::Error) -> PortState {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => PortState::Refused,
        _ => PortState::Unknown(error.to_string()),
    }
}

/// A record of a handshake, or an alert, of any version.
fn is_tls(said: &[u8]) -> bool {
    matches!(said, [0x15 | 0x16, 3, ..])
}

/// A ClientHello. The response is not verified: it only has to be TLS.
fn client_hello(address: IpAddr) -> Option<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::from(address)).ok()?;
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).ok()?;
    Some(hello)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn probe() -> TcpHostProbe {
        TcpHostProbe {
            timeout: Duration::from_millis(400),
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_from_what_accepts_and_from_what_says_nothing() {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(probe().probe_port(HERE, port).await, PortState::Accepted);
        drop(listener);
        assert_eq!(probe().probe_port(HERE, port).await, PortState::Refused);
        // No route, a reset, no answer: none of them is a refusal.
        for kind in [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::TimedOut,
            io::ErrorKind::PermissionDenied,
        ] {
            assert!(matches!(of_error(&kind.into()), PortState::Unknown(_)), "{kind}");
        }
    }

    /// Accepts once, and says this.
    async fn says(words: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(words).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        port
    }

    #[tokio::test]
    async fn only_words_of_the_protocol_are_an_answer_of_the_host() {
        let ssh = |said: &[u8]| said.starts_with(b"SSH-");
        let hello = client_hello(HERE).unwrap();
        assert!(is_tls(&hello), "{hello:?}");
        for (words, is_ssh, is_tls_) in [
            (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], true, false),
            (b"\x15\x03\x03\x00\x02\x02\x28", false, true),
            (b"\x16\x03\x03\x00\x7a", false, true),
            // A proxy that accepts for everybody.
            (b"HTTP/1.1 400 Bad Request\r\n", false, false),
            (b"", false, false),
        ] {
            assert_eq!(
                probe().speaks(HERE, says(words).await, &[], ssh).await,
                is_ssh,
                "{words:?}"
            );
            let tls = probe().speaks(HERE, says(words).await, &hello, is_tls).await;
            assert_eq!(tls, is_tls_, "{words:?}");
        }
    }
}
