//! The compressed object as the inflating thread sees it: a buffer that refills itself.

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::Piece;

/// The result is not wanted any more.
#[derive(Debug)]
pub struct Abandoned;

/// The object's bytes, in order, on a blocking thread.
pub struct Source {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    offset: u64,
    ended: bool,
}

impl Source {
    /// From what `pieces` brings.
    pub fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self {
            pieces,
            current: Bytes::new(),
            offset: 0,
            ended: false,
        }
    }

    /// Bytes consumed so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes at hand, after waiting for some; empty at the object's end only.
    pub fn buffer(&mut self) -> Result<&[u8], Abandoned> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(Abandoned),
            }
        }
        Ok(&self.current)
    }

    /// Counts `count` bytes of the buffer as done.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.current.len());
        self.current.advance(count);
        self.offset += count as u64;
    }

    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> Result<Option<u8>, Abandoned> {
        let byte = self.buffer()?.first().copied();
        self.consume(1);
        Ok(byte)
    }
}
