//! Writes small bbolt databases for tests, sound ones and broken ones.

use std::collections::BTreeMap;

use super::meta::fnv1a;
use super::page::{BRANCH, FREELIST, HEADER, LEAF, META};

/// A leaf element: whether it is a bucket, its key, its value.
pub type Entry = (bool, Vec<u8>, Vec<u8>);

/// A database in the making: pages by number, and what the meta pages say.
#[derive(Clone)]
pub struct Database {
    pub page_size: usize,
    pub root: u64,
    pub free_list: u64,
    pub page_count: u64,
    pub version: u32,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Database {
    pub fn new(page_size: usize) -> Self {
        Self {
            page_size,
            root: 0,
            free_list: u64::MAX,
            page_count: 2,
            version: 2,
            pages: BTreeMap::new(),
        }
    }

    /// Puts `page` at the end, padded to whole pages, its header completed. Its number.
    pub fn push(&mut self, mut page: Vec<u8>) -> u64 {
        let id = self.page_count;
        let pages = page.len().div_ceil(self.page_size);
        page.resize(pages * self.page_size, 0);
        page[0..8].copy_from_slice(&id.to_le_bytes());
        page[12..16].copy_from_slice(&(pages as u32 - 1).to_le_bytes());
        self.page_count += pages as u64;
        self.pages.insert(id, page);
        id
    }

    pub fn leaf(&mut self, entries: &[Entry]) -> u64 {
        self.push(leaf(entries))
    }

    pub fn branch(&mut self, children: &[(&[u8], u64)]) -> u64 {
        self.push(branch(children))
    }

    /// Writes the list of free pages at the end. It names `free`.
    pub fn free_list(&mut self, free: &[u64]) -> u64 {
        let mut page = header(FREELIST, free.len());
        page.extend(free.iter().flat_map(|page| page.to_le_bytes()));
        self.free_list = self.push(page);
        self.free_list
    }

    pub fn page(&mut self, id: u64) -> &mut Vec<u8> {
        self.pages.get_mut(&id).unwrap()
    }

    /// One meta page.
    pub fn meta(&self, id: u64, transaction: u64) -> Vec<u8> {
        let mut body = Vec::new();
        for number in [0xED0C_DAED, self.version, self.page_size as u32, 0] {
            body.extend(number.to_le_bytes());
        }
        for number in [self.root, 0, self.free_list, self.page_count, transaction] {
            body.extend(number.to_le_bytes());
        }
        body.extend(fnv1a(&body).to_le_bytes());
        let mut page = header(META, 0);
        page[0..8].copy_from_slice(&id.to_le_bytes());
        page.extend(body);
        page.resize(self.page_size, 0);
        page
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.meta(0, 8), self.meta(1, 7)].concat();
        bytes.resize(self.page_count as usize * self.page_size, 0);
        for (id, page) in &self.pages {
            let at = *id as usize * self.page_size;
            bytes[at..at + page.len()].copy_from_slice(page);
        }
        bytes
    }
}

fn header(flags: u16, count: usize) -> Vec<u8> {
    let mut page = vec![0; HEADER];
    page[8..10].copy_from_slice(&flags.to_le_bytes());
    page[10..12].copy_from_slice(&(count as u16).to_le_bytes());
    page
}

pub fn leaf(entries: &[Entry]) -> Vec<u8> {
    let mut page = header(LEAF, entries.len());
    let mut data = Vec::new();
    for (index, (is_bucket, key, value)) in entries.iter().enumerate() {
        let position = HEADER * (entries.len() - index) + data.len();
        for number in [
            u32::from(*is_bucket),
            position as u32,
            key.len() as u32,
            value.len() as u32,
        ] {
            page.extend(number.to_le_bytes());
        }
        data.extend(key);
        data.extend(value);
    }
    [page, data].concat()
}

pub fn branch(children: &[(&[u8], u64)]) -> Vec<u8> {
    let mut page = header(BRANCH, children.len());
    let mut data = Vec::new();
    for (index, (key, child)) in children.iter().enumerate() {
        let position = HEADER * (children.len() - index) + data.len();
        page.extend((position as u32).to_le_bytes());
        page.extend((key.len() as u32).to_le_bytes());
        page.extend(child.to_le_bytes());
        data.extend(*key);
    }
    [page, data].concat()
}

/// A bucket whose tree starts at `root`.
pub fn bucket(name: &str, root: u64) -> Entry {
    (true, name.into(), [root.to_le_bytes(), [0; 8]].concat())
}

/// A bucket small enough to live in its header.
pub fn inline_bucket(name: &str, entries: &[Entry]) -> Entry {
    (true, name.into(), [vec![0; 16], leaf(entries)].concat())
}

pub fn revision(main: i64, sub: i64) -> Vec<u8> {
    [&main.to_be_bytes()[..], b"_", &sub.to_be_bytes()].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// `mvccpb.KeyValue`; zero and empty fields are left out, as etcd does.
pub fn record(key: &str, [create, modify, version, lease]: [i64; 4], value: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let bytes = |field: u8, bytes: &[u8], message: &mut Vec<u8>| {
        if !bytes.is_empty() {
            message.push(field << 3 | 2);
            message.extend(varint(bytes.len() as u64));
            message.extend(bytes);
        }
    };
    bytes(1, key.as_bytes(), &mut message);
    for (field, number) in [(2, create), (3, modify), (4, version)] {
        if number != 0 {
            message.push(field << 3);
            message.extend(varint(number as u64));
        }
    }
    bytes(5, value, &mut message);
    if lease != 0 {
        message.push(6 << 3);
        message.extend(varint(lease as u64));
    }
    message
}

/// A written key.
pub fn put(main: i64, key: &str, [create, version, lease]: [i64; 3], value: &[u8]) -> Entry {
    (
        false,
        revision(main, 0),
        record(key, [create, main, version, lease], value),
    )
}

/// A deleted key.
pub fn deletion(main: i64, key: &str) -> Entry {
    let mut revision = revision(main, 0);
    revision.push(b't');
    (false, revision, record(key, [0; 4], b""))
}

/// A root page with etcd's buckets: `key` at `keys`, the others inline.
pub fn buckets(keys: u64) -> Vec<Entry> {
    let version = (false, b"storageVersion".to_vec(), b"3.6.0".to_vec());
    let index = (false, b"consistent_index".to_vec(), vec![0, 0, 0, 0, 0, 0, 0, 9]);
    let lease = (false, 77_i64.to_be_bytes().to_vec(), vec![8, 77, 16, 15]);
    vec![
        bucket("key", keys),
        inline_bucket("lease", &[lease]),
        inline_bucket("meta", &[index, version]),
    ]
}
