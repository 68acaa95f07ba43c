//! The format of one page (etcd-io/bbolt internal/common/page.go, v1.4): a header of 16 bytes, `count` element headers of
//! 16 bytes, then the elements' keys and values in the same order.

use super::bytes::{u16_at, u32_at, u64_at};

/// Bytes of a page's header, and of each element's.
pub const HEADER: usize = 16;

/// Kinds of pages.
pub const BRANCH: u16 = 0x01;
/// Keys with values.
pub const LEAF: u16 = 0x02;
/// The root of everything; pages 0 and 1.
pub const META: u16 = 0x04;
/// Numbers of free pages.
pub const FREELIST: u16 = 0x10;

/// The flag of a leaf element whose value is a bucket.
const BUCKET_ELEMENT: u32 = 0x01;

/// A page's header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The page's own number.
    pub id: u64,
    /// Its kind.
    pub flags: u16,
    /// Elements.
    pub count: u16,
    /// Pages that follow and belong to it.
    pub overflow: u32,
}

impl Header {
    /// Reads the header at the start of `page`.
    pub fn read(page: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(page, 0)?,
            flags: u16_at(page, 8)?,
            count: u16_at(page, 10)?,
            overflow: u32_at(page, 12)?,
        })
    }
}

/// A key of a leaf page.
#[derive(Clone, Copy, Debug)]
pub struct LeafElement<'a> {
    /// Whether the value is a bucket.
    pub is_bucket: bool,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// Where the value starts in the page.
    pub value_at: usize,
}

/// A child of a branch page.
#[derive(Clone, Copy, Debug)]
pub struct BranchElement<'a> {
    /// No key below the child is smaller.
    pub key: &'a [u8],
    /// The child's page.
    pub page: u64,
}

/// Cuts elements out of a page, in order. Their bytes may neither leave the page nor overlap: bbolt writes them one after
/// the other, and a page whose elements share bytes could make a small file cost endless work.
pub struct Elements<'a> {
    page: &'a [u8],
    used: usize,
}

impl<'a> Elements<'a> {
    /// For a page (with its overflow) of `count` elements.
    pub const fn new(page: &'a [u8], count: u16) -> Self {
        Self {
            page,
            used: HEADER + HEADER * count as usize,
        }
    }

    /// Where the header of element `index` is in its page.
    pub const fn header_at(index: u16) -> usize {
        HEADER + HEADER * index as usize
    }

    fn take(&mut self, start: usize, length: usize) -> Option<&'a [u8]> {
        if start < self.used {
            return None;
        }
        let end = start.checked_add(length)?;
        let bytes = self.page.get(start..end)?;
        self.used = end;
        Some(bytes)
    }

    /// Element `index` of a leaf page; `None` where it is out of bounds. To be called once for each, in order.
    pub fn leaf(&mut self, index: u16) -> Option<LeafElement<'a>> {
        let at = Self::header_at(index);
        let flags = u32_at(self.page, at)?;
        let start = at.checked_add(u32_at(self.page, at + 4)? as usize)?;
        let key_length = u32_at(self.page, at + 8)? as usize;
        let value_length = u32_at(self.page, at + 12)? as usize;
        let key = self.take(start, key_length)?;
        let value_at = self.used;
        let value = self.take(value_at, value_length)?;
        Some(LeafElement {
            is_bucket: flags & BUCKET_ELEMENT != 0,
            key,
            value,
            value_at,
        })
    }

    /// Element `index` of a branch page; `None` where it is out of bounds. To be called once for each, in order.
    pub fn branch(&mut self, index: u16) -> Option<BranchElement<'a>> {
        let at = Self::header_at(index);
        let start = at.checked_add(u32_at(self.page, at)? as usize)?;
        let key_length = u32_at(self.page, at + 4)? as usize;
        let page = u64_at(self.page, at + 8)?;
        Some(BranchElement {
            key: self.take(start, key_length)?,
            page,
        })
    }
}
