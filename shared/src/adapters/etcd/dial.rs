//! A byte stream to etcd's client port, whichever way it goes.

use std::io;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Both directions of a connection.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A new connection.
pub(super) struct Dialed {
    pub(super) stream: Box<dyn Io>,
    /// Tells, where the way there knows, why the connection broke; `None` where nothing went wrong. Pending on a living one.
    pub(super) why_closed: Option<BoxFuture<'static, Option<String>>>,
}

/// Opens connections to one etcd.
#[async_trait]
pub(super) trait Dial: Send + Sync {
    /// Opens one.
    async fn dial(&self) -> io::Result<Dialed>;
}

/// Straight there.
pub(super) struct Tcp {
    pub(super) host: String,
    pub(super) port: u16,
}

#[async_trait]
impl Dial for Tcp {
    async fn dial(&self) -> io::Result<Dialed> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Dialed {
            stream: Box::new(stream),
            why_closed: None,
        })
    }
}
