//! Pages 0 and 1 (etcd-io/bbolt internal/common/meta.go, db.go, v1.4): where everything starts.

use std::io;

use super::ReadAt;
use super::bytes::{array, u32_at, u64_at};
use super::page::{HEADER, Header, META};
use super::problem::{Fault, MetaFault, Place, Problem};
use super::problems::Problems;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const NO_FREE_LIST: u64 = u64::MAX;
const SMALLEST_PAGE: u32 = 512;
const LARGEST_PAGE: u32 = 16 << 20;
/// Bytes of a meta page that mean something: header, fields, checksum.
const LENGTH: usize = HEADER + CHECKSUM + 8;
/// Where the checksum is behind the header, and how many bytes it covers.
const CHECKSUM: usize = 56;

/// The database as one transaction left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of a page.
    pub page_size: u64,
    /// The page of the bucket of buckets.
    pub root: u64,
    /// The page of the list of free pages; `None` where etcd wrote none (its default on Linux).
    pub free_list: Option<u64>,
    /// Pages in the database, free ones too.
    pub page_count: u64,
    /// The transaction; the higher one counts.
    pub transaction: u64,
}

/// The valid meta page of the higher transaction. Damage of the other one is reported: a snapshot has two good ones.
pub fn choose(db: &dyn ReadAt, problems: &mut Problems) -> io::Result<Option<Meta>> {
    let first = read(db, 0, 0)?;
    let second = match &first {
        Ok(meta) => read(db, 1, meta.page_size)?,
        Err(_) => find_second(db)?,
    };
    let mut metas = Vec::new();
    for meta in [first, second] {
        match meta {
            Ok(meta) => metas.push(meta),
            Err(problem) => problems.note(problem),
        }
    }
    let chosen = metas.into_iter().max_by_key(|meta| meta.transaction);
    if chosen.is_none() {
        problems.damage(Problem {
            place: Place::Page { page: 0, offset: 0 },
            fault: Fault::NoMeta,
        });
    }
    Ok(chosen)
}

/// Without page 0 nothing tells how long a page is, so page 1 is looked for behind every possible one.
fn find_second(db: &dyn ReadAt) -> io::Result<Result<Meta, Problem>> {
    let mut size = SMALLEST_PAGE;
    while size <= LARGEST_PAGE && u64::from(size) < db.size() {
        if let Ok(meta) = read(db, 1, u64::from(size))?
            && meta.page_size == u64::from(size)
        {
            return Ok(Ok(meta));
        }
        size <<= 1;
    }
    let place = Place::Page {
        page: 1,
        offset: u64::from(SMALLEST_PAGE),
    };
    Ok(Err(Problem {
        place,
        fault: Fault::Meta(MetaFault::Missing),
    }))
}

fn read(db: &dyn ReadAt, page: u64, offset: u64) -> io::Result<Result<Meta, Problem>> {
    let problem = |fault| {
        Ok(Err(Problem {
            place: Place::Page { page, offset },
            fault,
        }))
    };
    if offset.checked_add(LENGTH as u64).is_none_or(|end| end > db.size()) {
        return problem(Fault::Meta(MetaFault::Missing));
    }
    let mut bytes = [0; LENGTH];
    db.read_exact_at(&mut bytes, offset)?;
    match parse(&bytes, page) {
        Ok(meta) => Ok(Ok(meta)),
        Err(fault) => problem(fault),
    }
}

fn parse(bytes: &[u8; LENGTH], page: u64) -> Result<Meta, Fault> {
    let missing = Fault::Meta(MetaFault::Missing);
    let (header, body) = bytes.split_at(HEADER);
    let number = |at| u32_at(body, at).ok_or(missing.clone());
    let long = |at| u64_at(body, at).ok_or(missing.clone());
    if number(0)? != MAGIC {
        return Err(Fault::Meta(MetaFault::Magic));
    }
    match number(4)? {
        VERSION => {}
        other => return Err(Fault::UnknownVersion(other)),
    }
    let covered: [u8; CHECKSUM] = array(body, 0).ok_or(missing.clone())?;
    if fnv1a(&covered) != long(CHECKSUM)? {
        return Err(Fault::Meta(MetaFault::Checksum));
    }
    let page_size = number(8)?;
    if !page_size.is_power_of_two() || !(SMALLEST_PAGE..=LARGEST_PAGE).contains(&page_size) {
        return Err(Fault::Meta(MetaFault::PageSize(page_size)));
    }
    let header = Header::read(header).ok_or(missing.clone())?;
    if header.id != page {
        return Err(Fault::WrongPageId { found: header.id });
    }
    if header.flags != META {
        return Err(Fault::WrongPageKind {
            flags: header.flags,
            expected: "meta",
        });
    }
    Ok(Meta {
        page_size: u64::from(page_size),
        root: long(16)?,
        free_list: Some(long(32)?).filter(|page| *page != NO_FREE_LIST),
        page_count: long(40)?,
        transaction: long(48)?,
    })
}

/// FNV-1a of 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
