//! Loads pages by number, each at most once, and keeps the books: in use, free, lost.

use std::io;

use super::ReadAt;
use super::bytes::u64_at;
use super::meta::Meta;
use super::page::{FREELIST, HEADER, Header};
use super::problem::{Fault, Place, Problem};
use super::problems::Problems;

/// Bytes of pages held at once: the one at hand and those above it in the tree. etcd's requests are limited to 1.5 MiB unless
/// told otherwise and a page that overflows holds few values, so this is far beyond any real database; a crafted one
/// that inflates to gigabytes of overflow must not become gigabytes of memory.
const MOST_HELD: u64 = 128 << 20;

/// Buffers above this are not kept for the next page.
const SPARE_CAPACITY: usize = 1 << 20;

/// The first page that is no meta page.
const FIRST: u64 = 2;

/// One page with its overflow.
pub struct Page {
    /// Its number.
    pub id: u64,
    /// Where it starts in the database.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// All its bytes, header and overflow included.
    pub bytes: Vec<u8>,
}

impl Page {
    /// The place of `at` within it.
    pub const fn place(&self, at: usize) -> Place {
        Place::Page {
            page: self.id,
            offset: self.offset + at as u64,
        }
    }
}

/// Why a page could not be loaded.
pub enum Unloadable {
    /// It is damaged.
    Damaged(Problem),
    /// Reading failed.
    Failed(io::Error),
}

/// The pages of a database.
pub struct Pages<'a> {
    db: &'a dyn ReadAt,
    meta: Meta,
    used: Bits,
    free: Option<Bits>,
    held: u64,
    spare: Vec<Vec<u8>>,
}

impl<'a> Pages<'a> {
    /// For the database whose length has been checked against `meta`.
    pub fn new(db: &'a dyn ReadAt, meta: Meta) -> Self {
        let mut used = Bits::new(meta.page_count);
        for page in 0..FIRST {
            used.set(page);
        }
        Self {
            db,
            meta,
            used,
            free: None,
            held: 0,
            spare: Vec::new(),
        }
    }

    /// Where page `id` starts.
    pub const fn place(&self, id: u64) -> Place {
        Place::Page {
            page: id,
            offset: id.saturating_mul(self.meta.page_size),
        }
    }

    /// Loads page `id` that the element at `from` refers to.
    pub fn load(&mut self, id: u64, from: Place, problems: &mut Problems) -> Result<Page, Unloadable> {
        let damaged = |place, fault| Err(Unloadable::Damaged(Problem { place, fault }));
        let Meta {
            page_size, page_count, ..
        } = self.meta;
        if !(FIRST..page_count).contains(&id) {
            return damaged(
                from,
                Fault::PageOutOfRange {
                    target: id,
                    last: page_count.saturating_sub(1),
                },
            );
        }
        let place = self.place(id);
        let offset = id * page_size;
        if !self.used.set(id) {
            return damaged(place, Fault::ReachedTwice);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        self.fill(&mut bytes, offset, page_size)?;
        let Some(header) = Header::read(&bytes) else {
            return damaged(place, Fault::ElementOutOfPage { index: 0 });
        };
        if header.id != id {
            return damaged(place, Fault::WrongPageId { found: header.id });
        }
        let last = id + u64::from(header.overflow);
        if last >= page_count {
            return damaged(
                place,
                Fault::OverflowOutOfRange {
                    overflow: header.overflow,
                },
            );
        }
        let length = (last - id + 1) * page_size;
        if self.held + length > MOST_HELD {
            return damaged(
                place,
                Fault::PageTooLong {
                    length,
                    limit: MOST_HELD,
                },
            );
        }
        for page in id..=last {
            let shared = page != id && !self.used.set(page);
            let place = Place::Page {
                page,
                offset: page * page_size,
            };
            if shared {
                return damaged(place, Fault::ReachedTwice);
            }
            if self.free.as_ref().is_some_and(|free| free.get(page)) {
                problems.note(Problem {
                    place,
                    fault: Fault::ReachableFree,
                });
            }
        }
        if length > page_size {
            self.fill(&mut bytes, offset, length)?;
        }
        self.held += length;
        Ok(Page {
            id,
            offset,
            header,
            bytes,
        })
    }

    /// Takes a page's memory back for the next one.
    pub fn give_back(&mut self, page: Page) {
        self.held = self.held.saturating_sub(page.bytes.len() as u64);
        if page.bytes.capacity() <= SPARE_CAPACITY {
            self.spare.push(page.bytes);
        }
    }

    /// Makes `bytes` the `length` bytes at `offset`. What it holds already is kept: it is the start of the same page.
    fn fill(&self, bytes: &mut Vec<u8>, offset: u64, length: u64) -> Result<(), Unloadable> {
        let length = usize::try_from(length).map_err(|error| Unloadable::Failed(io::Error::other(error)))?;
        bytes.resize(length, 0);
        self.db.read_exact_at(bytes, offset).map_err(Unloadable::Failed)
    }

    /// Reads the list of free pages, where there is one.
    pub fn load_free_list(&mut self, problems: &mut Problems) -> io::Result<()> {
        let Some(id) = self.meta.free_list else { return Ok(()) };
        let page = match self.load(id, Place::Page { page: 0, offset: 0 }, problems) {
            Ok(page) => page,
            Err(Unloadable::Failed(error)) => return Err(error),
            Err(Unloadable::Damaged(problem)) => {
                problems.note(problem);
                return Ok(());
            }
        };
        if page.header.flags == FREELIST {
            self.free = self.read_free_list(&page, problems);
        } else {
            let fault = Fault::WrongPageKind {
                flags: page.header.flags,
                expected: "free list",
            };
            problems.note(Problem {
                place: page.place(0),
                fault,
            });
        }
        self.give_back(page);
        Ok(())
    }

    /// The numbers in the list; `None` where it is damaged. A count of 65,535 means that the real one comes first.
    fn read_free_list(&self, page: &Page, problems: &mut Problems) -> Option<Bits> {
        let mut free = Bits::new(self.meta.page_count);
        let (mut at, count) = match page.header.count {
            u16::MAX => (HEADER + 8, u64_at(&page.bytes, HEADER)?),
            count => (HEADER, u64::from(count)),
        };
        for index in 0..count {
            let place = page.place(at);
            let Some(target) = u64_at(&page.bytes, at) else {
                problems.note(Problem {
                    place,
                    fault: Fault::ElementOutOfPage { index },
                });
                return None;
            };
            if !(FIRST..self.meta.page_count).contains(&target) {
                problems.note(Problem {
                    place,
                    fault: Fault::FreeList {
                        target,
                        why: ", which does not exist",
                    },
                });
                return None;
            }
            if !free.set(target) {
                problems.note(Problem {
                    place,
                    fault: Fault::FreeList { target, why: "twice" },
                });
                return None;
            }
            at += 8;
        }
        Some(free)
    }

    /// Pages that are neither in use nor free, once everything has been walked. Without a list of free pages there is
    /// nothing to compare.
    pub fn report_leaks(&self, problems: &mut Problems) {
        let Some(free) = &self.free else { return };
        let mut leaked = (0..self.meta.page_count).filter(|page| !self.used.get(*page) && !free.get(*page));
        if let Some(page) = leaked.next() {
            let place = Place::Page {
                page,
                offset: page * self.meta.page_size,
            };
            problems.note(Problem {
                place,
                fault: Fault::Leaked {
                    count: 1 + leaked.count() as u64,
                },
            });
        }
    }
}

/// A set of page numbers.
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: u64) -> Self {
        Self(vec![0; usize::try_from(count.div_ceil(64)).unwrap_or(0)])
    }

    fn get(&self, page: u64) -> bool {
        let word = usize::try_from(page / 64).ok().and_then(|word| self.0.get(word));
        word.is_some_and(|word| word >> (page % 64) & 1 == 1)
    }

    /// Adds `page`; `false` where it was there already.
    fn set(&mut self, page: u64) -> bool {
        let Some(word) = usize::try_from(page / 64).ok().and_then(|word| self.0.get_mut(word)) else {
            return false;
        };
        let bit = 1 << (page % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}
