//! etcd's write-ahead log, as far as it tells what a database beside it lacks. Nothing is replayed.
//!
//! Source: etcd-io/etcd server/storage/wal (`decoder.go`: frames of 8 bytes little endian, the lower 56 bits the length of
//! the record, the upper byte its padding; `walpb/record.proto`), raft's `raftpb/raft.proto` (entries and hard states),
//! `api/etcdserverpb/raft_internal.proto` (what an entry holds). A file is preallocated: zeros end what was written.

use std::collections::BTreeMap;

use crate::model::kubernetes::protobuf::{Value, fields};

/// More than any record: etcd's requests are limited to 1.5 MiB unless told otherwise.
const LARGEST_RECORD: usize = 256 << 20;
/// Types of records.
const METADATA: u64 = 1;
const ENTRY: u64 = 2;
const STATE: u64 = 3;
/// Fields of `InternalRaftRequest` whose requests change keys: put, delete, transaction.
const CHANGES_KEYS: [u32; 3] = [4, 5, 6];

/// What the log has beyond a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalTail {
    /// The raft index of the last entry.
    pub last_index: Option<u64>,
    /// The raft index up to which entries were committed, as far as the log knows.
    pub committed: Option<u64>,
    /// The id of the member.
    pub member: Option<u64>,
    /// The id of its cluster.
    pub cluster: Option<u64>,
    /// Entries that the database lacks.
    pub entries: u64,
    /// Those of them that change keys.
    pub changes: u64,
    /// The log ends in the middle of a record, or in something that is none.
    pub torn: bool,
}

/// Reads the files of a log, in order.
#[derive(Debug, Default)]
pub struct WalReader {
    applied: u64,
    buffer: Vec<u8>,
    /// The rest of this file is unwritten, or unreadable.
    ended: bool,
    beyond: BTreeMap<u64, bool>,
    tail: WalTail,
}

impl WalReader {
    /// For a database that holds everything up to raft index `applied`.
    #[must_use]
    pub fn new(applied: u64) -> Self {
        Self {
            applied,
            ..Self::default()
        }
    }

    /// Takes the next bytes of a file.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.ended {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(frame) = self.buffer.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let field = u64::from_le_bytes(*frame);
            if field == 0 {
                self.ended = true;
                break;
            }
            // A negative number has its padding in the upper byte.
            let length = usize::try_from(field & 0x00ff_ffff_ffff_ffff).unwrap_or(usize::MAX);
            let padding = if field >> 63 == 1 {
                (field >> 56 & 7) as usize
            } else {
                0
            };
            if length == 0 || length > LARGEST_RECORD {
                self.broken();
                break;
            }
            let begin = at + 8;
            let Some(record) = self.buffer.get(begin..begin + length) else {
                break;
            };
            if self.buffer.len() < begin + length + padding {
                break;
            }
            let entry = record_of(record);
            let Some((kind, data)) = entry else {
                self.broken();
                break;
            };
            let data = data.to_vec();
            if !self.record(kind, &data) {
                self.broken();
                break;
            }
            at = begin + length + padding;
        }
        self.buffer.drain(..at);
    }

    /// The next bytes are another file's.
    pub fn next_file(&mut self) {
        self.tail.torn |= !self.ended && self.buffer.iter().any(|byte| *byte != 0);
        self.buffer.clear();
        self.ended = false;
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> WalTail {
        self.next_file();
        self.tail.entries = self.beyond.len() as u64;
        self.tail.changes = self.beyond.values().filter(|changes| **changes).count() as u64;
        self.tail
    }

    fn broken(&mut self) {
        self.ended = true;
        self.tail.torn = true;
    }

    fn record(&mut self, kind: u64, data: &[u8]) -> bool {
        let numbers = |wanted: u32| {
            let mut found = None;
            for field in fields(data) {
                let (number, value) = field.ok()?;
                if number == wanted {
                    found = value.varint();
                }
            }
            Some(found)
        };
        match kind {
            METADATA => match (numbers(1), numbers(2)) {
                (Some(member), Some(cluster)) => (self.tail.member, self.tail.cluster) = (member, cluster),
                _ => return false,
            },
            ENTRY => return self.entry(data),
            STATE => match numbers(3) {
                Some(committed) => self.tail.committed = committed.or(self.tail.committed),
                None => return false,
            },
            _ => {}
        }
        true
    }

    /// A later entry of the same index replaces it and all after it.
    fn entry(&mut self, data: &[u8]) -> bool {
        let (mut index, mut normal, mut changes) = (None, true, false);
        for field in fields(data) {
            let Ok((number, value)) = field else {
                return false;
            };
            match (number, value) {
                (1, Value::Varint(kind)) => normal = kind == 0,
                (3, Value::Varint(found)) => index = Some(found),
                (4, Value::Bytes(request)) => changes = changes_keys(request),
                _ => {}
            }
        }
        let Some(index) = index else {
            return false;
        };
        self.tail.last_index = Some(index);
        self.beyond.split_off(&index);
        if index > self.applied {
            self.beyond.insert(index, normal && changes);
        }
        true
    }
}

fn record_of(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut kind, mut data) = (None, &[][..]);
    for field in fields(bytes) {
        match field.ok()? {
            (1, Value::Varint(found)) => kind = Some(found),
            (3, Value::Bytes(found)) => data = found,
            _ => {}
        }
    }
    Some((kind?, data))
}

fn changes_keys(request: &[u8]) -> bool {
    fields(request)
        .filter_map(Result::ok)
        .any(|(number, _)| CHANGES_KEYS.contains(&number))
}

/// The first raft index of a file of the log, from its name `<sequence>-<index>.wal`; `None` for another file.
#[must_use]
pub fn first_index(name: &str) -> Option<u64> {
    let (sequence, index) = name.strip_suffix(".wal")?.split_once('-')?;
    let hex = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex(sequence) && hex(index)).then(|| u64::from_str_radix(index, 16).ok())?
}

/// Of the files of a log, sorted by name, those that may hold entries after raft index `applied`.
#[must_use]
pub fn files_after(names: &[String], applied: u64) -> &[String] {
    let first = names
        .iter()
        .rposition(|name| first_index(name).is_some_and(|first| first <= applied.saturating_add(1)));
    names.get(first.unwrap_or(0)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(field: u8, number: u64) -> Vec<u8> {
        let mut bytes = vec![field << 3];
        let mut rest = number;
        while rest > 0x7f {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }

    fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
        [vec![field << 3 | 2, content.len() as u8], content.to_vec()].concat()
    }

    fn record(kind: u64, data: &[u8]) -> Vec<u8> {
        let record = [varint(1, kind), varint(2, 7), bytes(3, data)].concat();
        let padding = (8 - record.len() % 8) % 8;
        let mut field = record.len() as u64;
        if padding != 0 {
            field |= (0x80 | padding as u64) << 56;
        }
        [field.to_le_bytes().to_vec(), record, vec![0; padding]].concat()
    }

    fn entry(index: u64, request: &[u8]) -> Vec<u8> {
        record(2, &[varint(2, 3), varint(3, index), bytes(4, request)].concat())
    }

    fn put() -> Vec<u8> {
        bytes(4, b"k")
    }

    fn log() -> Vec<u8> {
        [
            record(1, &[varint(1, 8), varint(2, 9)].concat()),
            entry(5, &put()),
            entry(6, &bytes(8, b"lease")),
            entry(7, &put()),
            record(3, &varint(3, 6)),
            vec![0; 64],
        ]
        .concat()
    }

    fn read(files: &[&[u8]], applied: u64, step: usize) -> WalTail {
        let mut reader = WalReader::new(applied);
        for file in files {
            file.chunks(step).for_each(|chunk| reader.push(chunk));
            reader.next_file();
        }
        reader.finish()
    }

    #[test]
    fn counts_what_is_beyond_the_database() {
        for step in [1, 7, 4096] {
            let tail = read(&[&log()], 5, step);
            assert_eq!((tail.entries, tail.changes, tail.torn), (2, 1, false));
            assert_eq!((tail.last_index, tail.committed), (Some(7), Some(6)));
            assert_eq!((tail.member, tail.cluster), (Some(8), Some(9)));
        }
        assert_eq!(read(&[&log()], 7, 4096).entries, 0);
    }

    #[test]
    fn a_later_entry_replaces_all_from_its_index_on() {
        let more = [entry(6, &put()), vec![0; 16]].concat();
        let tail = read(&[&log(), &more], 5, 4096);
        assert_eq!((tail.entries, tail.changes, tail.last_index), (1, 1, Some(6)));
    }

    #[test]
    fn a_record_that_is_cut_off_is_not_counted_and_told() {
        let whole = [entry(6, &put()), entry(7, &put())].concat();
        let tail = read(&[&whole[..whole.len() - 9]], 5, 4096);
        assert_eq!((tail.entries, tail.torn), (1, true));
        let garbage = [entry(6, &put()), vec![0xff; 64]].concat();
        assert!(read(&[&garbage], 5, 4096).torn);
    }

    #[test]
    fn only_the_files_that_may_hold_more_are_wanted() {
        let name = |sequence: u64, index: u64| format!("{sequence:016x}-{index:016x}.wal");
        let names = [name(0, 0), name(1, 100), name(2, 200)];
        assert_eq!(files_after(&names, 150), &names[1..]);
        assert_eq!(files_after(&names, 99), &names[1..]);
        assert_eq!(files_after(&names, 98), &names[..]);
        assert_eq!(files_after(&names, 900), &names[2..]);
        assert_eq!(first_index("0.tmp"), None);
        assert_eq!(first_index("../../etc/passwd-0000000000000000.wal"), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(content: Vec<u8>, step in 1_usize..64) {
            let _ = read(&[&content], 3, step);
        }
    }
}
