//! A load balancer in front of API servers that come and go: one address for all of them, and nobody behind it at first.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::error::Error;

/// It ends with the process.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    port: u16,
    target: Arc<Mutex<Option<SocketAddr>>>,
}

impl LoadBalancer {
    /// Starts one that leads nowhere yet: connections are closed at once.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start() -> Result<Self, Error> {
        let unbound = |source| Error::Start {
            program: "a listener on 127.0.0.1".to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unbound)?;
        let port = listener.local_addr().map_err(unbound)?.port();
        let target = Arc::new(Mutex::new(None));
        let current = Arc::clone(&target);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let to = *current.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(to) = to {
                    // A connection that breaks is the client's business.
                    thread::spawn(move || drop(relay(&connection, to)));
                }
            }
        });
        Ok(Self { port, target })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads to this port of 127.0.0.1; with 0 nowhere.
    pub fn lead_to(&self, port: u16) {
        self.set((port != 0).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }

    /// From now on it leads to this address.
    pub fn lead_to_address(&self, address: SocketAddr) {
        self.set(Some(address));
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

fn relay(from: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let to = TcpStream::connect(to)?;
    let (mut answers, mut back) = (to.try_clone()?, from.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Write));
    });
    io::copy(&mut from.try_clone()?, &mut to.try_clone()?)?;
    to.shutdown(Shutdown::Write)
}
