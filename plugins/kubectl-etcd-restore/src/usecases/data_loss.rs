//! Compares the keys of a running etcd with a backup: what a restore will delete.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::rules::data_loss::{Comparing, DataLoss};
use runbook_kit::model::snapshot::Content;
use runbook_kit::ports::{EtcdError, EtcdErrorKind, EtcdKv, KeyPage};

/// Keys per page.
const PAGE: u32 = 2000;

/// Limits of the comparison: a preflight must not wait for millions of keys.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub time: Duration,
    pub keys: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            keys: 500_000,
        }
    }
}

/// Compares all keys at one revision, without their values. [`DataLoss::complete`] is false where a limit was reached.
///
/// # Errors
/// Where nothing could be read.
pub async fn data_loss(etcd: &dyn EtcdKv, backup: &Content, limits: Limits) -> Result<DataLoss, EtcdError> {
    let until = Instant::now() + limits.time;
    let page = async |after: Option<&[u8]>, at: Option<i64>| -> Result<KeyPage, EtcdError> {
        let asked = etcd.page(b"", after, PAGE, at);
        timeout_at(until, asked).await.unwrap_or_else(|_| {
            Err(EtcdError {
                action: "read keys of",
                at: "the running etcd".to_owned(),
                kind: EtcdErrorKind::Timeout {
                    seconds: limits.time.as_secs(),
                },
                source: None,
            })
        })
    };
    let mut read = page(None, None).await?;
    let revision = read.revision;
    let mut comparing = Comparing::new(backup, revision);
    let mut count = 0;
    loop {
        for key in &read.keys {
            comparing.living(&key.key, key.mod_revision);
        }
        count += read.keys.len() as u64;
        let last = match read.keys.pop() {
            Some(last) if read.more => last.key,
            _ => return Ok(comparing.all_read()),
        };
        if count >= limits.keys {
            return Ok(comparing.partly_read());
        }
        read = match page(Some(&last), Some(revision)).await {
            Ok(next) => next,
            // Too slow, compacted meanwhile, or disconnected: the result so far is correct.
            Err(_) => return Ok(comparing.partly_read()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbook_kit::testing::MemoryEtcd;

    fn nothing() -> Content {
        Content {
            revision: 0,
            hash: 0,
            records: 0,
            db_size: 0,
            storage_version: None,
            applied_index: None,
            lease_count: 0,
            keys: Vec::new(),
        }
    }

    #[tokio::test]
    async fn more_keys_than_the_limit_are_counted_up_to_it() {
        let etcd = MemoryEtcd::default();
        for number in 0..5000 {
            etcd.put(&format!("/registry/configmaps/shop/{number:05}"), b"x", 0);
        }
        let few = Limits {
            keys: 1000,
            ..Limits::default()
        };
        let cut = data_loss(&etcd, &nothing(), few).await.unwrap();
        assert_eq!((cut.complete, cut.total.new), (false, 2000));
        let whole = data_loss(&etcd, &nothing(), Limits::default()).await.unwrap();
        assert_eq!((whole.complete, whole.total.new), (true, 5000));
    }
}
