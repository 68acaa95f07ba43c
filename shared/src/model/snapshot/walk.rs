//! Walks the tree of pages in key order, as etcdutl's `snapshot status` does (etcd-io/etcd etcdutl/snapshot/v3_snapshot.go
//! and etcd-io/bbolt tx_check.go): the root bucket's keys are the names of buckets, each bucket a tree of its own or, when
//! small, a page inside its own header.

use std::io;

use crc_fast::{CrcAlgorithm, Digest};

use super::bytes::u64_at;
use super::page::{BRANCH, Elements, Header, LEAF, LeafElement};
use super::pages::{Page, Pages, Unloadable};
use super::problem::{Fault, Place, Problem};
use super::problems::Problems;
use super::records::Replay;

/// bbolt's trees have fewer than ten levels at any size; a bucket in a bucket adds a few.
const DEEPEST: u32 = 64;

/// Bytes of a bucket's header: its root page, its sequence.
const BUCKET_HEADER: usize = 16;

/// What every database of etcd has, empty or not.
const NEEDED: [&str; 2] = ["key", "meta"];

/// Which bucket a key is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The bucket of buckets.
    Root,
    /// One of etcd's buckets.
    Bucket(Kind),
    /// A bucket in one of these: etcd makes none. Its pages are checked, its content counts for nothing.
    Nested,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Meta,
    Lease,
    Other,
}

/// The range that a page's keys must be in: from `low` on, below `high`.
#[derive(Clone, Copy)]
struct Range<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

impl Range<'_> {
    const ALL: Self = Self { low: None, high: None };

    fn holds(self, key: &[u8]) -> bool {
        self.low.is_none_or(|low| key >= low) && self.high.is_none_or(|high| key < high)
    }
}

/// The elements of a leaf: of a page of its own, or of a bucket's header.
struct Leaf<'a> {
    page: u64,
    offset: u64,
    bytes: &'a [u8],
    count: u16,
}

/// The walk's state and what it has gathered.
pub struct Walk<'a> {
    pages: Pages<'a>,
    /// What was found wrong.
    pub problems: Problems,
    /// The records of bucket `key`.
    pub replay: Replay,
    /// Records of bucket `lease`.
    pub lease_count: u64,
    /// From bucket `meta`.
    pub storage_version: Option<String>,
    /// From bucket `meta`: `consistent_index`.
    pub applied_index: Option<u64>,
    digest: Digest,
    found: [bool; NEEDED.len()],
}

impl<'a> Walk<'a> {
    /// A walk over `pages`, adding to `problems`.
    pub fn new(pages: Pages<'a>, problems: Problems) -> Self {
        Self {
            pages,
            problems,
            replay: Replay::default(),
            lease_count: 0,
            storage_version: None,
            applied_index: None,
            digest: Digest::new(CrcAlgorithm::Crc32Iscsi),
            found: [false; NEEDED.len()],
        }
    }

    /// Walks everything below the root bucket's page. Damaged branches are reported and left out.
    pub fn run(&mut self, root: u64) -> io::Result<()> {
        self.pages.load_free_list(&mut self.problems)?;
        self.page(root, Place::Page { page: 0, offset: 0 }, Range::ALL, Level::Root, 0)?;
        if self.problems.damaged() {
            return Ok(());
        }
        self.pages.report_leaks(&mut self.problems);
        for (bucket, found) in NEEDED.into_iter().zip(self.found) {
            if !found {
                let place = self.pages.place(root);
                self.problems.damage(Problem {
                    place,
                    fault: Fault::MissingBucket { bucket },
                });
            }
        }
        Ok(())
    }

    /// CRC-32C of all that was walked.
    pub fn hash(&self) -> u32 {
        self.digest.finalize() as u32
    }

    fn damage(&mut self, place: Place, fault: Fault) {
        self.problems.damage(Problem { place, fault });
    }

    fn page(&mut self, id: u64, from: Place, range: Range<'_>, level: Level, depth: u32) -> io::Result<()> {
        if depth >= DEEPEST {
            self.damage(from, Fault::TooDeep { limit: DEEPEST });
            return Ok(());
        }
        let page = match self.pages.load(id, from, &mut self.problems) {
            Ok(page) => page,
            Err(Unloadable::Failed(error)) => return Err(error),
            Err(Unloadable::Damaged(problem)) => {
                self.problems.damage(problem);
                return Ok(());
            }
        };
        match page.header.flags {
            BRANCH => self.branch(&page, range, level, depth)?,
            LEAF => {
                let Page {
                    id,
                    offset,
                    header,
                    ref bytes,
                } = page;
                self.leaf(
                    &Leaf {
                        page: id,
                        offset,
                        bytes,
                        count: header.count,
                    },
                    range,
                    level,
                    depth,
                )?;
            }
            flags => self.damage(
                page.place(0),
                Fault::WrongPageKind {
                    flags,
                    expected: "branch or leaf",
                },
            ),
        }
        self.pages.give_back(page);
        Ok(())
    }

    fn branch(&mut self, page: &Page, range: Range<'_>, level: Level, depth: u32) -> io::Result<()> {
        let count = page.header.count;
        if count == 0 {
            self.damage(page.place(0), Fault::EmptyBranch);
        }
        let mut elements = Elements::new(&page.bytes, count);
        let mut next = None;
        for index in 0..count {
            let place = page.place(Elements::header_at(index));
            let element = match next.take() {
                Some(element) => element,
                None => elements.branch(index),
            };
            let Some(element) = element else {
                self.damage(
                    place,
                    Fault::ElementOutOfPage {
                        index: u64::from(index),
                    },
                );
                return Ok(());
            };
            let mut high = range.high;
            if index + 1 < count {
                let following = elements.branch(index + 1);
                high = following.map(|following| following.key).or(high);
                next = Some(following);
            }
            if !(Range { low: range.low, high }).holds(element.key) {
                self.damage(
                    place,
                    Fault::KeyOrder {
                        index: u64::from(index),
                    },
                );
            }
            let below = Range {
                low: Some(element.key),
                high,
            };
            self.page(element.page, place, below, level, depth + 1)?;
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf<'_>, range: Range<'_>, level: Level, depth: u32) -> io::Result<()> {
        let mut elements = Elements::new(leaf.bytes, leaf.count);
        let mut previous: Option<&[u8]> = None;
        for number in 0..leaf.count {
            let index = u64::from(number);
            let place = Place::Page {
                page: leaf.page,
                offset: leaf.offset + Elements::header_at(number) as u64,
            };
            let Some(element) = elements.leaf(number) else {
                self.damage(place, Fault::ElementOutOfPage { index });
                return Ok(());
            };
            if !range.holds(element.key) || previous.is_some_and(|previous| element.key <= previous) {
                self.damage(place, Fault::KeyOrder { index });
            }
            previous = Some(element.key);
            let value_offset = leaf.offset + element.value_at as u64;
            match level {
                Level::Root => self.top_bucket(element, place, value_offset, leaf.page, depth)?,
                Level::Bucket(kind) => {
                    self.digest.update(element.key);
                    if element.is_bucket {
                        self.bucket(element, place, value_offset, leaf.page, Level::Nested, depth)?;
                    } else {
                        self.digest.update(element.value);
                        self.record(kind, element, index, place, value_offset);
                    }
                }
                Level::Nested if element.is_bucket => {
                    self.bucket(element, place, value_offset, leaf.page, Level::Nested, depth)?;
                }
                Level::Nested => {}
            }
        }
        Ok(())
    }

    fn top_bucket(
        &mut self,
        element: LeafElement<'_>,
        place: Place,
        value_offset: u64,
        page: u64,
        depth: u32,
    ) -> io::Result<()> {
        if !element.is_bucket {
            self.damage(
                place,
                Fault::NotABucket {
                    name: text(element.key),
                },
            );
            return Ok(());
        }
        self.digest.update(element.key);
        for (bucket, found) in NEEDED.into_iter().zip(&mut self.found) {
            *found |= bucket.as_bytes() == element.key;
        }
        let kind = match element.key {
            b"key" => Kind::Key,
            b"meta" => Kind::Meta,
            b"lease" => Kind::Lease,
            _ => Kind::Other,
        };
        self.bucket(element, place, value_offset, page, Level::Bucket(kind), depth)
    }

    /// The bucket in an element's value: a header with its root page, or with 0 and a leaf page behind it.
    fn bucket(
        &mut self,
        element: LeafElement<'_>,
        place: Place,
        value_offset: u64,
        page: u64,
        level: Level,
        depth: u32,
    ) -> io::Result<()> {
        let fault = || Fault::BucketHeader {
            bucket: text(element.key),
        };
        let (Some(root), Some(_sequence)) = (u64_at(element.value, 0), u64_at(element.value, 8)) else {
            self.damage(place, fault());
            return Ok(());
        };
        if root != 0 {
            return self.page(root, place, Range::ALL, level, depth + 1);
        }
        let bytes = element.value.get(BUCKET_HEADER..).unwrap_or_default();
        match Header::read(bytes) {
            Some(Header { flags: LEAF, count, .. }) if depth < DEEPEST => {
                let leaf = Leaf {
                    page,
                    offset: value_offset + BUCKET_HEADER as u64,
                    bytes,
                    count,
                };
                self.leaf(&leaf, Range::ALL, level, depth + 1)
            }
            Some(Header { flags: LEAF, .. }) => {
                self.damage(place, Fault::TooDeep { limit: DEEPEST });
                Ok(())
            }
            _ => {
                self.damage(place, fault());
                Ok(())
            }
        }
    }

    fn record(&mut self, kind: Kind, element: LeafElement<'_>, index: u64, place: Place, value_offset: u64) {
        match kind {
            Kind::Key => {
                if let Err(fault) = self.replay.add(index, element.key, element.value, value_offset) {
                    self.damage(place, fault);
                }
            }
            Kind::Lease => self.lease_count += 1,
            Kind::Meta if element.key == b"storageVersion" => self.storage_version = version(element.value),
            Kind::Meta if element.key == b"consistent_index" => {
                self.applied_index = element.value.try_into().ok().map(u64::from_be_bytes);
            }
            Kind::Meta | Kind::Other => {}
        }
    }
}

/// A version `X.Y.Z`; anything else counts as none, as in etcdutl.
fn version(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= 64)?;
    let core = text.split(['-', '+']).next()?;
    let numbers: Vec<_> = core.split('.').map(str::parse::<u32>).collect();
    (numbers.len() == 3 && numbers.iter().all(Result::is_ok)).then(|| text.to_owned())
}

/// A name for messages: its first 64 bytes, with what cannot be printed escaped.
fn text(name: &[u8]) -> String {
    name.iter()
        .take(64)
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect()
}
