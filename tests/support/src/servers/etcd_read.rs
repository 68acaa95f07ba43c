//! What tests read out of an etcd.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::etcd::{Etcd, number};
use crate::error::Error;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The lease that it hangs on; 0 for none.
    pub lease: i64,
    /// The revision of its last write.
    pub mod_revision: i64,
}

impl Etcd {
    /// Every key that begins with `prefix`, sorted; all keys for an empty prefix.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn keys(&self, prefix: &[u8]) -> Result<Vec<Stored>, Error> {
        let (key, end) = if prefix.is_empty() {
            (b"\0".to_vec(), b"\0".to_vec())
        } else {
            let mut end = prefix.to_vec();
            if let Some(last) = end.last_mut() {
                *last = last.saturating_add(1);
            }
            (prefix.to_vec(), end)
        };
        self.range(&json!({ "key": BASE64.encode(key), "range_end": BASE64.encode(end) }))
    }

    /// One key.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub fn get(&self, key: &[u8]) -> Result<Option<Stored>, Error> {
        Ok(self.range(&json!({ "key": BASE64.encode(key) }))?.pop())
    }

    fn range(&self, request: &Value) -> Result<Vec<Stored>, Error> {
        let answer = self.call("kv/range", request)?;
        let found = answer.get("kvs").and_then(Value::as_array);
        found.into_iter().flatten().map(stored).collect()
    }
}

fn stored(answer: &Value) -> Result<Stored, Error> {
    // protojson leaves out what is empty or zero.
    let bytes = |field: &str| {
        let text = answer.get(field).and_then(Value::as_str).unwrap_or_default();
        BASE64.decode(text).map_err(|error| Error::Answer {
            from: "etcd".to_owned(),
            answer: error.to_string(),
        })
    };
    Ok(Stored {
        key: bytes("key")?,
        value: bytes("value")?,
        lease: answer.get("lease").map_or(Ok(0), |_| number(answer, "lease"))?,
        mod_revision: number(answer, "mod_revision")?,
    })
}
