//! gzip (RFC 1952) as Go's `compress/gzip` reads it, since etcd-manager does: any number of members, each with its own
//! CRC-32 and length, and nothing else behind the last one.

use crc_fast::{CrcAlgorithm, Digest};
use flate2::{Decompress, FlushDecompress, Status};

use super::source::{Abandoned, Source};
use crate::model::snapshot::{Fault, Place, Problem};

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Bytes of a header before its optional parts.
const HEADER: usize = 10;
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
/// Go refuses longer names and comments.
const LONGEST_TEXT: usize = 512;

/// Why inflating ended before the object did.
#[derive(Debug)]
pub enum Stop {
    /// The object is damaged.
    Damaged(Problem),
    /// The caller's `take` wants no more, or the result is not wanted any more.
    Unwanted,
}

impl From<Abandoned> for Stop {
    fn from(_: Abandoned) -> Self {
        Self::Unwanted
    }
}

/// Inflates every member of `source`. `take` gets the bytes in order, in blocks it may swap for another buffer of at least
/// one byte, and may end it all.
pub fn inflate(
    source: &mut Source,
    block: Vec<u8>,
    mut take: impl FnMut(Vec<u8>, usize) -> Result<Vec<u8>, Stop>,
) -> Result<(), Stop> {
    let mut output = Output { block, filled: 0 };
    let result = members(source, &mut output, &mut take);
    // What was inflated before a fault counts: a checksum that is wrong at the end leaves the content there to be looked at.
    if output.filled > 0 && !matches!(result, Err(Stop::Unwanted)) {
        take(std::mem::take(&mut output.block), output.filled)?;
    }
    result
}

struct Output {
    block: Vec<u8>,
    filled: usize,
}

type Take<'a> = &'a mut dyn FnMut(Vec<u8>, usize) -> Result<Vec<u8>, Stop>;

fn members(source: &mut Source, output: &mut Output, take: Take<'_>) -> Result<(), Stop> {
    if source.buffer()?.is_empty() {
        return damaged(0, Fault::EmptyObject);
    }
    header(source, Fault::NotGzip)?;
    let mut decompress = Decompress::new(false);
    loop {
        member(source, output, &mut decompress, take)?;
        if source.buffer()?.is_empty() {
            return Ok(());
        }
        header(source, Fault::GzipGarbage)?;
        decompress.reset(false);
    }
}

fn damaged<T>(offset: u64, fault: Fault) -> Result<T, Stop> {
    Err(Stop::Damaged(Problem {
        place: Place::Object { offset },
        fault,
    }))
}

/// One member's deflate data and what is stored behind it.
fn member(source: &mut Source, output: &mut Output, decompress: &mut Decompress, take: Take<'_>) -> Result<(), Stop> {
    let mut crc = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
    loop {
        let offset = source.offset();
        let input = source.buffer()?;
        let at_end = input.is_empty();
        let room = output.block.get_mut(output.filled..).unwrap_or_default();
        let (read_before, written_before) = (decompress.total_in(), decompress.total_out());
        let Ok(status) = decompress.decompress(input, room, FlushDecompress::None) else {
            return damaged(offset + (decompress.total_in() - read_before), Fault::GzipData);
        };
        let read = (decompress.total_in() - read_before) as usize;
        let written = (decompress.total_out() - written_before) as usize;
        crc.update(room.get(..written).unwrap_or_default());
        output.filled += written;
        source.consume(read);
        if output.filled == output.block.len() {
            let length = std::mem::take(&mut output.filled);
            output.block = take(std::mem::take(&mut output.block), length)?;
        }
        if status == Status::StreamEnd {
            break;
        }
        if at_end && written == 0 {
            return damaged(source.offset(), Fault::GzipTruncated);
        }
    }
    let at = source.offset();
    let stored = u32::from_le_bytes(exactly(source)?);
    let stored_length = u32::from_le_bytes(exactly(source)?);
    let (computed, length) = (crc.finalize() as u32, crc.get_amount() as u32);
    if (computed, length) != (stored, stored_length) {
        return damaged(
            at,
            Fault::GzipChecksum {
                computed,
                stored,
                length,
                stored_length,
            },
        );
    }
    Ok(())
}

/// One member's header. Where no member starts, the fault is `otherwise`.
fn header(source: &mut Source, otherwise: Fault) -> Result<(), Stop> {
    let start = source.offset();
    let mut crc = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
    let mut fixed = [0; HEADER];
    for (at, place) in fixed.iter_mut().enumerate() {
        let Some(byte) = source.byte()? else {
            return damaged(source.offset(), Fault::GzipTruncated);
        };
        if MAGIC.get(at).is_some_and(|magic| *magic != byte) {
            return damaged(start, otherwise);
        }
        *place = byte;
    }
    crc.update(&fixed);
    let [_, _, _, flags, ..] = fixed;
    if flags & HAS_EXTRA != 0 {
        let length: [u8; 2] = exactly(source)?;
        crc.update(&length);
        for _ in 0..u16::from_le_bytes(length) {
            crc.update(&exactly::<1>(source)?);
        }
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            skip_text(source, &mut crc, start)?;
        }
    }
    if flags & HAS_CHECKSUM != 0 && exactly(source)? != (crc.finalize() as u16).to_le_bytes() {
        return damaged(start, Fault::GzipHeader);
    }
    Ok(())
}

/// Bytes up to a NUL.
fn skip_text(source: &mut Source, crc: &mut Digest, start: u64) -> Result<(), Stop> {
    for _ in 0..LONGEST_TEXT {
        let byte = exactly::<1>(source)?;
        crc.update(&byte);
        if byte == [0] {
            return Ok(());
        }
    }
    damaged(start, Fault::GzipHeader)
}

fn exactly<const N: usize>(source: &mut Source) -> Result<[u8; N], Stop> {
    let mut bytes = [0; N];
    for place in &mut bytes {
        let Some(byte) = source.byte()? else {
            return damaged(source.offset(), Fault::GzipTruncated);
        };
        *place = byte;
    }
    Ok(bytes)
}
