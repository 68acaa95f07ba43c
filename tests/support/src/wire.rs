//! A bad line between a client and any server: bytes go through it late, slowly, broken, in part or not at all. It knows nothing
//! of what they mean; of TLS it knows only where the handshake ends, so that it is answers that are hit and not greetings.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::Error;

/// What is wrong with the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// Nothing.
    None,
    /// What the client says arrives so much later.
    Delay(Duration),
    /// So many bytes a second come back.
    Throttle(usize),
    /// Each connection breaks after so many bytes of answers.
    Cut(usize),
    /// In every piece of an answer one bit is another one.
    Corrupt,
    /// Connections are taken, and nothing ever comes back.
    Hang,
    /// Connections are refused.
    Refuse,
}

/// The line; it ends when it is dropped.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl Wire {
    /// Starts one that leads to `port` of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start(port: u16, fault: WireFault) -> Result<Self, Error> {
        let unbound = |source| Error::Start {
            program: "a listener on 127.0.0.1".to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unbound)?;
        let ours = listener.local_addr().map_err(unbound)?.port();
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        // With its listener gone the port refuses, and hardly anybody takes it meanwhile.
        if fault != WireFault::Refuse {
            thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A connection that breaks is what this is for.
                    thread::spawn(move || drop(carry(&connection, port, fault)));
                }
            });
        }
        Ok(Self { port: ours, ended })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// The client's greeting, and its part of the handshake's end: what comes back after so many pieces are answers.
const GREETINGS: usize = 2;

fn carry(client: &TcpStream, port: u16, fault: WireFault) -> io::Result<()> {
    client.set_nodelay(true)?;
    if fault == WireFault::Hang {
        io::copy(&mut client.try_clone()?, &mut io::sink())?;
        return Ok(());
    }
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_nodelay(true)?;
    let said = Arc::new(AtomicUsize::new(0));
    let (mut from_client, mut to_server, counted) = (client.try_clone()?, server.try_clone()?, Arc::clone(&said));
    thread::spawn(move || {
        let ended = pieces(&mut from_client, |piece| {
            if let WireFault::Delay(time) = fault {
                thread::sleep(time);
            }
            counted.fetch_add(1, Ordering::SeqCst);
            to_server.write_all(piece).map(|()| true)
        });
        drop(to_server.shutdown(Shutdown::Write));
        ended
    });
    let mut to_client = client.try_clone()?;
    let mut answered = 0;
    let ended = pieces(&mut server.try_clone()?, |piece| {
        let is_answer = said.load(Ordering::SeqCst) >= GREETINGS;
        match fault {
            WireFault::Corrupt if is_answer => {
                let mut piece = piece.to_vec();
                let middle = piece.len() / 2;
                if let Some(byte) = piece.get_mut(middle) {
                    *byte ^= 0x10;
                }
                to_client.write_all(&piece)?;
            }
            WireFault::Cut(limit) if is_answer => {
                let left = piece.get(..limit - answered).unwrap_or(piece);
                to_client.write_all(left)?;
                answered += left.len();
                return Ok(answered < limit);
            }
            WireFault::Throttle(rate) => {
                for part in piece.chunks(rate.div_ceil(20).max(1)) {
                    to_client.write_all(part)?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            _ => to_client.write_all(piece)?,
        }
        Ok(true)
    });
    drop(client.shutdown(Shutdown::Both));
    drop(server.shutdown(Shutdown::Both));
    ended
}

/// Gives every piece that comes to `each`, until that says `false` or nothing more comes.
fn pieces(from: &mut impl Read, mut each: impl FnMut(&[u8]) -> io::Result<bool>) -> io::Result<()> {
    let mut block = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut block)?;
        let piece = block.get(..count).unwrap_or_default();
        if piece.is_empty() || !each(piece)? {
            return Ok(());
        }
    }
}
