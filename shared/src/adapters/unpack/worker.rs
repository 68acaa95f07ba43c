//! The blocking side: inflates on this thread, hashes and writes on another, then has the domain read the file.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::gzip::{self, Stop};
use super::sink::{Sink, TRAILER, Written};
use super::source::Source;
use super::spool::{Spool, Unlinked, Unpacked};
use crate::model::snapshot::{self, Content, Fault, Place, Problem};
use crate::ports::snapshot::{ReadFailure, ReadSnapshot};

/// Bytes of the blocks between the threads: small enough for a core's cache.
const BLOCK: usize = 256 << 10;
/// Blocks that may wait for the hash.
const BLOCKS_WAITING: usize = 8;

/// What became of one object.
pub struct Outcome {
    problems: Vec<Problem>,
    content: Option<Content>,
    written: Written,
    complete: bool,
    gzip_bytes: u64,
}

impl Outcome {
    /// The same as the port tells it; the file goes along where it is complete.
    pub fn into_read_snapshot(self, unlinked: Unlinked) -> ReadSnapshot {
        let Self {
            problems,
            content,
            written,
            complete,
            gzip_bytes,
        } = self;
        let Written { spool, sha256, trailer } = written;
        let snapshot_bytes = spool.length();
        let trailer_bytes = if trailer.is_some() { TRAILER as u64 } else { 0 };
        let db = complete.then(|| {
            Box::new(Unpacked {
                spool,
                unlinked,
                trailer: trailer_bytes,
            }) as _
        });
        ReadSnapshot {
            problems,
            content,
            db,
            gzip_bytes,
            snapshot_bytes,
            sha256,
            trailer,
        }
    }
}

/// Unpacks and reads everything that `source` brings.
pub fn run(mut source: Source, spool: Spool, max_db_size: u64) -> Result<Outcome, ReadFailure> {
    let mut problems = Vec::new();
    let (inflated, written) = pipe(&mut source, spool, max_db_size)?;
    let complete = match inflated {
        Ok(()) => true,
        Err(Stop::Unwanted) => false,
        Err(Stop::Damaged(problem)) => {
            // These two come behind all the data, which may be sound.
            let at_end = matches!(problem.fault, Fault::GzipChecksum { .. } | Fault::GzipGarbage);
            problems.push(problem);
            at_end
        }
    };
    let gzip_bytes = source.offset();
    // The store need not send the rest of an object that is known to be damaged.
    drop(source);
    let mut content = None;
    if complete {
        problems.extend(written.trailer_problem());
        let trailer = if written.trailer.is_some() { TRAILER as u64 } else { 0 };
        let reading =
            snapshot::read(&written.spool.database(trailer)).map_err(|error| written.spool.unreadable(error))?;
        problems.extend(reading.problems);
        content = reading.content;
    }
    Ok(Outcome {
        problems,
        content,
        written,
        complete,
        gzip_bytes,
    })
}

/// Inflates here and writes there. How the inflating ended, and what was written till then.
fn pipe(source: &mut Source, spool: Spool, max_db_size: u64) -> Result<(Result<(), Stop>, Written), ReadFailure> {
    let (full, blocks) = sync_channel(BLOCKS_WAITING);
    let (empty, used) = channel();
    thread::scope(|scope| {
        let sink = scope.spawn(move || write_all(&blocks, &empty, spool));
        let inflated = inflate(source, full, &used, max_db_size);
        let written = sink.join().map_err(|_panicked| ReadFailure::Worker)??;
        Ok((inflated, written))
    })
}

type Block = (Vec<u8>, usize);

fn inflate(source: &mut Source, full: SyncSender<Block>, used: &Receiver<Vec<u8>>, limit: u64) -> Result<(), Stop> {
    let allowed = limit.saturating_add(TRAILER as u64);
    let mut total = 0_u64;
    let mut made = 0;
    gzip::inflate(source, vec![0; BLOCK], |block, length| {
        total += length as u64;
        if total > allowed {
            return Err(Stop::Damaged(Problem {
                place: Place::Snapshot { offset: limit },
                fault: Fault::TooLarge { limit },
            }));
        }
        full.send((block, length)).map_err(|_the_sink_failed| Stop::Unwanted)?;
        made += 1;
        if made <= BLOCKS_WAITING {
            return Ok(vec![0; BLOCK]);
        }
        used.recv().map_err(|_the_sink_failed| Stop::Unwanted)
    })
}

fn write_all(blocks: &Receiver<Block>, empty: &Sender<Vec<u8>>, spool: Spool) -> Result<Written, ReadFailure> {
    let mut sink = Sink::new(spool);
    while let Ok((block, length)) = blocks.recv() {
        sink.take(block.get(..length).unwrap_or_default())?;
        // The inflating thread may have ended.
        let _ = empty.send(block);
    }
    Ok(sink.finish())
}
