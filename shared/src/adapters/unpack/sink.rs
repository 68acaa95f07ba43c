//! The end of the pipe: hashes what was inflated, but for the trailer, and writes all of it.

use sha2::{Digest as _, Sha256};

use super::spool::Spool;
use crate::model::snapshot::{Fault, Place, Problem};
use crate::ports::snapshot::ReadFailure;

/// Bytes of the trailer.
pub const TRAILER: usize = 32;
/// etcd tells a snapshot with trailer by its length: databases have whole pages, and pages are multiples of this
/// (etcd-io/etcd etcdutl/snapshot/v3_snapshot.go).
const SECTOR: u64 = 512;

/// A snapshot that has come to its end.
pub struct Written {
    /// The file that holds it.
    pub spool: Spool,
    /// SHA-256 of all but the trailer, or of all where there is none.
    pub sha256: [u8; 32],
    /// The trailer, where there is one.
    pub trailer: Option<[u8; 32]>,
}

impl Written {
    /// What the trailer says about the rest.
    pub fn trailer_problem(&self) -> Option<Problem> {
        let length = self.spool.length();
        let Some(trailer) = self.trailer else {
            return Some(Problem {
                place: Place::Snapshot { offset: length },
                fault: Fault::NoTrailer { length },
            });
        };
        let place = Place::Snapshot {
            offset: length.saturating_sub(TRAILER as u64),
        };
        let fault = || Fault::TrailerMismatch {
            computed: hex(&self.sha256),
            stored: hex(&trailer),
        };
        (trailer != self.sha256).then(|| Problem { place, fault: fault() })
    }
}

/// Takes blocks until there are no more.
pub struct Sink {
    spool: Spool,
    hash: Sha256,
    /// The last bytes, up to a trailer's, which are not hashed before more have come.
    held: Vec<u8>,
}

impl Sink {
    /// Into an empty file.
    pub fn new(spool: Spool) -> Self {
        Self {
            spool,
            hash: Sha256::new(),
            held: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, block: &[u8]) -> Result<(), ReadFailure> {
        match block.split_last_chunk::<TRAILER>() {
            Some((head, tail)) => {
                self.hash.update(&self.held);
                self.hash.update(head);
                self.held.clear();
                self.held.extend_from_slice(tail);
            }
            None => {
                self.held.extend_from_slice(block);
                let surplus = self.held.len().saturating_sub(TRAILER);
                self.hash.update(self.held.drain(..surplus).as_slice());
            }
        }
        self.spool.write(block)
    }

    /// Ends it.
    pub fn finish(self) -> Written {
        let Self { spool, mut hash, held } = self;
        let has_trailer = spool.length() % SECTOR == TRAILER as u64;
        let trailer = <[u8; TRAILER]>::try_from(held.as_slice()).ok().filter(|_| has_trailer);
        if trailer.is_none() {
            hash.update(&held);
        }
        Written {
            spool,
            sha256: hash.finalize().into(),
            trailer,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
