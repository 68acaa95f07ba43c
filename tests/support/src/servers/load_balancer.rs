//! A load balancer in front of API servers that come and go: one address for all of them, and nobody behind it at first.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use crate::error::Error;

/// It ends with the process.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    port: u16,
    target: Arc<AtomicU16>,
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
        let target = Arc::new(AtomicU16::new(0));
        let current = Arc::clone(&target);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let to = current.load(Ordering::Relaxed);
                if to != 0 {
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

    /// From now on it leads to this port of 127.0.0.1.
    pub fn lead_to(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }
}

fn relay(from: &TcpStream, port: u16) -> io::Result<()> {
    let to = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let (mut answers, mut back) = (to.try_clone()?, from.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Write));
    });
    io::copy(&mut from.try_clone()?, &mut to.try_clone()?)?;
    to.shutdown(Shutdown::Write)
}
