//! What can be wrong with a backup: each a named fault at a place, never a panic.

use std::fmt;

/// One fault of a backup, with where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The compressed object, at this byte of it.
    Object {
        /// Bytes from the object's start.
        offset: u64,
    },
    /// The decompressed snapshot, at this byte of it.
    Snapshot {
        /// Bytes from the snapshot's start.
        offset: u64,
    },
    /// A page of the database.
    Page {
        /// The page's number.
        page: u64,
        /// Bytes from the database's start: of the page, or of the element in it.
        offset: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { offset } => write!(f, "byte {offset} of the object"),
            Self::Snapshot { offset } => write!(f, "byte {offset} of the snapshot"),
            Self::Page { page, offset } => write!(f, "page {page}, byte {offset} of the database"),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The object has no bytes.
    #[error("the object is empty")]
    EmptyObject,
    /// No gzip header where one must be, at the start.
    #[error("not a gzip file")]
    NotGzip,
    /// A gzip header with a wrong checksum or an endless name.
    #[error("gzip header is damaged")]
    GzipHeader,
    /// The object ends within a gzip member.
    #[error("gzip data is cut off")]
    GzipTruncated,
    /// Deflate data that cannot be inflated.
    #[error("compressed data is damaged")]
    GzipData,
    /// The CRC-32 or the length at a gzip member's end disagrees with its content.
    #[error(
        "gzip checksum is {computed:08x} over {length} bytes, but {stored:08x} over {stored_length} is stored (lengths modulo 2^32)"
    )]
    GzipChecksum {
        /// CRC-32 of what was inflated.
        computed: u32,
        /// CRC-32 as stored.
        stored: u32,
        /// Bytes inflated, modulo 2^32.
        length: u32,
        /// Bytes as stored, modulo 2^32.
        stored_length: u32,
    },
    /// Bytes after the last gzip member that start no other one.
    #[error("bytes that are no gzip data follow the last gzip member")]
    GzipGarbage,
    /// More decompressed bytes than the caller allows.
    #[error("snapshot is larger than the {limit} bytes of --max-db-size")]
    TooLarge {
        /// The bytes allowed.
        limit: u64,
    },
    /// The SHA-256 is not there: the length modulo 512 is not 32.
    #[error("SHA-256 trailer is missing: the snapshot has {length} bytes, which is no multiple of 512 and 32 more")]
    NoTrailer {
        /// The snapshot's bytes.
        length: u64,
    },
    /// The stored SHA-256 is not the content's.
    #[error("SHA-256 of the database is {computed}, but {stored} is stored")]
    TrailerMismatch {
        /// Of the database's bytes, in hex.
        computed: String,
        /// In the trailer, in hex.
        stored: String,
    },

    /// Neither meta page is usable.
    #[error("not a bbolt database: neither meta page is valid")]
    NoMeta,
    /// A page that must be a meta page and is none.
    #[error("meta page is damaged: {0}")]
    Meta(MetaFault),
    /// A database format that is not known here.
    #[error("unknown database version {0}: only version 2 is known")]
    UnknownVersion(u32),
    /// The file is shorter than its meta page says.
    #[error("database has {length} bytes, but its {pages} pages of {page_size} bytes need {expected}")]
    DatabaseTruncated {
        /// Bytes there are.
        length: u64,
        /// Pages there should be.
        pages: u64,
        /// Bytes of a page.
        page_size: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// Reading the unpacked database failed.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A page number at or beyond the end of the database, or of a meta page.
    #[error("refers to page {target}, but data pages are 2 to {last}")]
    PageOutOfRange {
        /// The page referred to.
        target: u64,
        /// The last page of the database.
        last: u64,
    },
    /// A page that two others refer to, or that refers to itself by a circle.
    #[error("reached twice: pages form a circle or share a page")]
    ReachedTwice,
    /// A page of the tree that is in the list of free pages.
    #[error("in use and in the list of free pages")]
    ReachableFree,
    /// Pages neither in use nor free.
    #[error("{count} pages from here on are neither in use nor free")]
    Leaked {
        /// How many in the whole database.
        count: u64,
    },
    /// The page's header names another page.
    #[error("header names page {found}")]
    WrongPageId {
        /// The number in the header.
        found: u64,
    },
    /// A page of another kind than its place in the tree needs.
    #[error("is a page of kind {flags:#x} where {expected} is needed")]
    WrongPageKind {
        /// The kind in the header.
        flags: u16,
        /// The kind needed.
        expected: &'static str,
    },
    /// Overflow pages beyond the end of the database.
    #[error("has {overflow} overflow pages, which end beyond the database")]
    OverflowOutOfRange {
        /// Pages that follow as the header says.
        overflow: u32,
    },
    /// More overflow than this reader holds in memory.
    #[error("has {length} bytes with its overflow; no more than {limit} are read at once, with the pages above")]
    PageTooLong {
        /// Bytes of the page with its overflow.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// An element, key or value outside its page, or overlapping with the one before.
    #[error("element {index} reaches beyond its page or into another one")]
    ElementOutOfPage {
        /// The element, from 0.
        index: u64,
    },
    /// A branch page without children.
    #[error("branch page without elements")]
    EmptyBranch,
    /// A key not greater than the one before, or outside its parent's range.
    #[error("key of element {index} is out of order")]
    KeyOrder {
        /// The element, from 0.
        index: u64,
    },
    /// A tree deeper than any real one.
    #[error("tree of pages is deeper than {limit}")]
    TooDeep {
        /// Levels allowed.
        limit: u32,
    },
    /// A number in the list of free pages that is out of range or there twice.
    #[error("list of free pages names page {target} {why}")]
    FreeList {
        /// The page named.
        target: u64,
        /// `twice` or `, which does not exist`.
        why: &'static str,
    },
    /// A bucket's header that is cut off or that makes no sense.
    #[error("header of bucket `{bucket}` is damaged")]
    BucketHeader {
        /// The bucket's name.
        bucket: String,
    },
    /// A plain key beside the buckets.
    #[error("`{name}` is a key where only buckets belong")]
    NotABucket {
        /// The key.
        name: String,
    },
    /// A bucket that every etcd database has.
    #[error("not a database of etcd: bucket `{bucket}` is missing")]
    MissingBucket {
        /// The bucket's name.
        bucket: &'static str,
    },
    /// A key of bucket `key` that is no revision.
    #[error("element {index}: key is no revision: {key}")]
    RevisionKey {
        /// The element, from 0.
        index: u64,
        /// The key in hex, its first 32 bytes.
        key: String,
    },
    /// A value of bucket `key` that is no `mvccpb.KeyValue`.
    #[error("element {index}: value is no etcd key-value record: {why}")]
    Record {
        /// The element, from 0.
        index: u64,
        /// What the decoder found.
        why: String,
    },
    /// More problems than are listed.
    #[error("{count} more problems from here on")]
    More {
        /// How many are not listed.
        count: u64,
    },
}

/// What is wrong with a meta page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaFault {
    /// Not bbolt's magic number.
    #[error("wrong magic number")]
    Magic,
    /// Another FNV-1a checksum than its content has.
    #[error("wrong checksum")]
    Checksum,
    /// No power of two between 512 bytes and 16 MiB.
    #[error("impossible page size {0}")]
    PageSize(u32),
    /// Beyond the end of the file.
    #[error("missing")]
    Missing,
}
