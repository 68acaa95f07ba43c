//! Bucket `key`: every revision of every key, replayed in order (etcd-io/etcd server/storage/mvcc/revision.go and
//! api/mvccpb/kv.proto, v3.6).

use std::collections::HashMap;

use super::bytes::array;
use super::content::{LiveKey, ValueAt};
use super::problem::Fault;
use crate::model::kubernetes::protobuf::{self, Value};
use crate::model::kubernetes::value::ENCRYPTED_MAGIC;

/// Bytes of a revision: main, `_`, sub; a deletion has a `t` behind it.
const REVISION: usize = 17;

/// The replay so far.
#[derive(Default)]
pub struct Replay {
    live: HashMap<Vec<u8>, Live>,
    revision: i64,
    records: u64,
}

/// A [`LiveKey`] without its key.
struct Live {
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    lease: i64,
    value: ValueAt,
    encrypted: bool,
}

impl Replay {
    /// Takes the next record: its element's index for messages, and where its value starts in the database.
    pub fn add(&mut self, index: u64, key: &[u8], value: &[u8], value_offset: u64) -> Result<(), Fault> {
        let Some((revision, deletes)) = parse_revision(key) else {
            return Err(Fault::RevisionKey { index, key: hex(key) });
        };
        let (name, live) = parse_record(value, value_offset).map_err(|why| Fault::Record { index, why })?;
        self.revision = revision;
        self.records += 1;
        if deletes {
            self.live.remove(name);
        } else if let Some(known) = self.live.get_mut(name) {
            *known = live;
        } else {
            self.live.insert(name.to_vec(), live);
        }
        Ok(())
    }

    /// The last revision, the number of records, the live keys in order.
    pub fn finish(self) -> (i64, u64, Vec<LiveKey>) {
        let mut keys: Vec<LiveKey> = self
            .live
            .into_iter()
            .map(
                |(
                    key,
                    Live {
                        create_revision,
                        mod_revision,
                        version,
                        lease,
                        value,
                        encrypted,
                    },
                )| LiveKey {
                    key,
                    create_revision,
                    mod_revision,
                    version,
                    lease,
                    value,
                    encrypted,
                },
            )
            .collect();
        keys.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        (self.revision, self.records, keys)
    }
}

/// The main revision, and whether the record deletes.
fn parse_revision(key: &[u8]) -> Option<(i64, bool)> {
    let main = i64::from_be_bytes(array(key, 0)?);
    let sub = i64::from_be_bytes(array(key, 9)?);
    let deletes = match key.get(REVISION..)? {
        b"" => false,
        b"t" => true,
        _ => return None,
    };
    (main >= 0 && sub >= 0 && key.get(8) == Some(&b'_')).then_some((main, deletes))
}

fn parse_record(record: &[u8], offset: u64) -> Result<(&[u8], Live), String> {
    let mut name: &[u8] = b"";
    let empty = ValueAt { offset, length: 0 };
    let mut live = Live {
        create_revision: 0,
        mod_revision: 0,
        version: 0,
        lease: 0,
        value: empty,
        encrypted: false,
    };
    let mut fields = protobuf::fields(record);
    while let Some(field) = fields.next() {
        match field.map_err(|error| error.to_string())? {
            (1, Value::Bytes(bytes)) => name = bytes,
            (2, Value::Varint(number)) => live.create_revision = number as i64,
            (3, Value::Varint(number)) => live.mod_revision = number as i64,
            (4, Value::Varint(number)) => live.version = number as i64,
            (5, Value::Bytes(bytes)) => {
                let length = u32::try_from(bytes.len()).map_err(|error| error.to_string())?;
                live.value = ValueAt {
                    offset: offset + (fields.position() - bytes.len()) as u64,
                    length,
                };
                live.encrypted = bytes.starts_with(ENCRYPTED_MAGIC);
            }
            (6, Value::Varint(number)) => live.lease = number as i64,
            (number @ 1..=6, _) => return Err(format!("field {number} is of another type")),
            _ => {}
        }
    }
    Ok((name, live))
}

/// The start of `bytes` in hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}
