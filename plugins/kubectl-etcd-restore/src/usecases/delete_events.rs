//! Counts the events that never expire, and deletes them in guarded ranges: an event with a lease is never deleted, and
//! etcd stays responsive.
//!
//! The guard of a range is that no key in it was written since the count. That says all: a key without a lease gets one only
//! by being written, and a key between two counted ones is there only if it was written. (etcd reads every key of a range
//! once for each comparison; a second one, that none has a lease, would take as long as the deletion.)

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use futures::future::join_all;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::ports::etcd::MOST_TXN_OPERATIONS;
use runbook_kit::ports::{EtcdError, EtcdErrorKind, EtcdKv, KeyHead, KeySpan};

/// Keys per page. etcd walks over all keys behind a page to count them.
const PAGE: u32 = 10_000;
/// Keys of one transaction, at most: while etcd applies it, nobody else is served.
const KEYS: usize = 1_000;
/// Spans of one transaction, at most.
const SPANS: usize = MOST_TXN_OPERATIONS;

/// Transactions in flight: etcd applies them one by one, and does not wait for requests in between.
const AT_ONCE: usize = 4;

/// The keys below the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// etcd's revision at the start of the count; keys written later are kept.
    pub revision: i64,
    /// Without and with a lease, by namespace.
    pub namespaces: BTreeMap<String, Count>,
    /// Those to be deleted, in the order of etcd.
    keys: Vec<Vec<u8>>,
    /// Which of them are neighbours in etcd, too.
    runs: Vec<Run>,
}

/// Some of the keys to be deleted, with no other key in between.
type Run = Range<usize>;

/// Numbers of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub without_lease: u64,
    pub with_lease: u64,
}

impl Counted {
    /// Of all namespaces.
    pub fn total(&self) -> Count {
        let mut total = Count::default();
        for count in self.namespaces.values() {
            total.without_lease += count.without_lease;
            total.with_lease += count.with_lease;
        }
        total
    }

    /// Takes the next key in the order of etcd. `open` is whether the one before it is to be deleted.
    fn add(&mut self, key: KeyHead, prefix: &[u8], open: &mut bool) {
        let below = key.key.get(prefix.len()..).unwrap_or_default();
        let namespace = below.split(|byte| *byte == b'/').next().unwrap_or_default();
        let count = self
            .namespaces
            .entry(String::from_utf8_lossy(namespace).into_owned())
            .or_default();
        if key.lease == 0 {
            count.without_lease += 1;
        } else {
            count.with_lease += 1;
        }
        let meant = key.lease == 0 && key.mod_revision <= self.revision;
        if meant {
            let at = self.keys.len();
            self.keys.push(key.key);
            match self.runs.last_mut().filter(|_| *open) {
                Some(run) => run.end = at + 1,
                None => self.runs.push(at..at + 1),
            }
        }
        *open = meant;
    }

    /// From the first key to the first one that could come after the last.
    fn span(&self, run: &Run) -> Option<KeySpan> {
        let keys = self.keys.get(run.clone())?;
        let (first, last) = (keys.first()?, keys.last()?);
        Some(KeySpan {
            first: first.clone(),
            end: [last.as_slice(), &[0]].concat(),
        })
    }
}

/// The result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Deleted by this command.
    pub deleted: u64,
    /// Written meanwhile, and kept.
    pub left: u64,
}

/// It stopped before all were deleted.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {} events were deleted{}", .outcome.deleted, if *.in_doubt { "; the last transaction may or may not have been applied" } else { "" })]
pub struct Stopped {
    pub outcome: Outcome,
    /// Whether the last transaction may have been applied.
    pub in_doubt: bool,
    #[source]
    pub source: EtcdError,
}

impl Failure for Stopped {
    fn exit(&self) -> Exit {
        if self.outcome.deleted > 0 || self.in_doubt {
            Exit::FailedAfterChange
        } else {
            Exit::Failed
        }
    }

    fn hint(&self) -> Option<String> {
        if self.exit() == Exit::FailedAfterChange {
            return Some("repeat the command: it resumes where it stopped".to_owned());
        }
        self.source.hint()
    }
}

/// Counts the keys below `prefix`, without their values; `seen` gets the number so far.
///
/// # Errors
/// Where etcd does not respond.
pub async fn count(etcd: &dyn EtcdKv, prefix: &[u8], seen: &(dyn Fn(u64) + Sync)) -> Result<Counted, EtcdError> {
    let mut counted = Counted::default();
    let (mut after, mut so_far, mut open) = (None, 0, false);
    loop {
        let page = etcd.page(prefix, after.as_deref(), PAGE, None).await?;
        if after.is_none() {
            counted.revision = page.revision;
        }
        so_far += page.keys.len() as u64;
        after = page.keys.last().map(|last| last.key.clone());
        for key in page.keys {
            counted.add(key, prefix, &mut open);
        }
        seen(so_far);
        if !page.more || after.is_none() {
            return Ok(counted);
        }
    }
}

/// Deletes the keys that have no lease and were counted; `done` gets the number so far.
///
/// # Errors
/// [`Stopped`], with the result so far.
pub async fn delete(
    etcd: &dyn EtcdKv,
    counted: &Counted,
    done: &(dyn Fn(u64) + Sync),
    consent: &Consent,
) -> Result<Outcome, Box<Stopped>> {
    let mut outcome = Outcome::default();
    let mut batches = batches(&counted.runs);
    while !batches.is_empty() {
        let group: Vec<Vec<Run>> = batches.drain(..batches.len().min(AT_ONCE)).collect();
        let asked = group.iter().map(|batch| {
            let spans: Vec<KeySpan> = batch.iter().filter_map(|run| counted.span(run)).collect();
            async move { etcd.delete_spans(&spans, counted.revision, consent).await }
        });
        // Wait for all of them, even if one fails: the result must be known.
        let answers = join_all(asked).await;
        let (mut in_doubt, mut failed) = (false, None);
        for (batch, answer) in group.into_iter().zip(answers) {
            match answer {
                Ok(Some(deleted)) => outcome.deleted += deleted,
                // A key was written meanwhile: find it by bisection.
                Ok(None) => match halves(batch) {
                    Some((first, second)) => {
                        batches.push_front(second);
                        batches.push_front(first);
                    }
                    None => outcome.left += 1,
                },
                Err(error) => {
                    in_doubt |= matches!(error.kind, EtcdErrorKind::Lost | EtcdErrorKind::Timeout { .. });
                    failed = failed.or(Some(error));
                }
            }
        }
        done(outcome.deleted);
        if let Some(source) = failed {
            return Err(Box::new(Stopped {
                outcome,
                in_doubt,
                source,
            }));
        }
    }
    Ok(outcome)
}

/// As few as their limits allow.
fn batches(runs: &[Run]) -> VecDeque<Vec<Run>> {
    let mut batches: VecDeque<Vec<Run>> = VecDeque::new();
    let mut room = 0;
    for run in runs {
        let mut rest = run.clone();
        while !rest.is_empty() {
            match batches.back_mut().filter(|batch| room > 0 && batch.len() < SPANS) {
                Some(batch) => {
                    let part = rest.start..rest.end.min(rest.start + room);
                    room -= part.len();
                    rest.start = part.end;
                    batch.push(part);
                }
                None => {
                    batches.push_back(Vec::new());
                    room = KEYS;
                }
            }
        }
    }
    batches
}

/// Two smaller batches; `None` of a single key.
fn halves(mut batch: Vec<Run>) -> Option<(Vec<Run>, Vec<Run>)> {
    if batch.len() > 1 {
        let second = batch.split_off(batch.len() / 2);
        return Some((batch, second));
    }
    let run = batch.pop()?;
    let middle = run.start + run.len() / 2;
    let part = |start, end| vec![Run { start, end }];
    (run.len() > 1).then(|| (part(run.start, middle), part(middle, run.end)))
}

#[cfg(test)]
mod tests {
    use runbook_kit::cli::confirm;
    use runbook_kit::testing::{Interference, MemoryEtcd};

    use super::*;

    const PREFIX: &str = "/registry/events/";

    fn key(n: usize) -> String {
        format!("{PREFIX}ns{}/e{n:06}", n % 3)
    }

    /// Every fifth event lives; other keys are none of our business.
    fn etcd(events: usize) -> MemoryEtcd {
        let etcd = MemoryEtcd::default();
        for n in 0..events {
            etcd.put(&key(n), b"{}", if n % 5 == 0 { 9 } else { 0 });
        }
        etcd.put("/registry/eventsx/a", b"{}", 0);
        etcd.put("/registry/configmaps/a/b", b"{}", 0);
        etcd
    }

    async fn cleaned(etcd: &MemoryEtcd) -> Result<Outcome, Box<Stopped>> {
        let counted = count(etcd, PREFIX.as_bytes(), &|_| {}).await.unwrap();
        let consent = confirm::plain(true).unwrap();
        delete(etcd, &counted, &|_| {}, &consent).await
    }

    fn unleased_left(etcd: &MemoryEtcd, events: usize) -> usize {
        let keys = etcd.keys();
        (0..events).filter(|n| n % 5 != 0 && keys.contains(&key(*n))).count()
    }

    #[tokio::test]
    async fn every_event_without_a_lease_goes_and_no_other_key() {
        let etcd = etcd(12_000);
        let counted = count(&etcd, PREFIX.as_bytes(), &|_| {}).await.unwrap();
        let total = counted.total();
        assert_eq!((total.without_lease, total.with_lease), (9_600, 2_400));
        assert_eq!(counted.namespaces.len(), 3);
        assert_eq!(
            cleaned(&etcd).await.unwrap(),
            Outcome {
                deleted: 9_600,
                left: 0
            }
        );
        assert_eq!(etcd.keys().len(), 2_402);
        assert_eq!(unleased_left(&etcd, 12_000), 0);
        assert_eq!(cleaned(&etcd).await.unwrap(), Outcome::default());
    }

    #[tokio::test]
    async fn an_event_that_comes_to_life_meanwhile_is_found_by_halves_and_left() {
        let etcd = etcd(500);
        etcd.before_deletes([Interference::Rewrite(key(7))]);
        assert_eq!(cleaned(&etcd).await.unwrap(), Outcome { deleted: 399, left: 1 });
        assert!(etcd.keys().contains(&key(7)));
        assert_eq!(unleased_left(&etcd, 500), 1);
        // A new one between two that go is no neighbour of theirs.
        let etcd = self::etcd(50);
        etcd.before_deletes([Interference::Rewrite(format!("{PREFIX}ns1/e000001x"))]);
        assert_eq!(cleaned(&etcd).await.unwrap(), Outcome { deleted: 40, left: 0 });
        assert!(etcd.keys().contains(&format!("{PREFIX}ns1/e000001x")));
    }

    #[test]
    fn batches_are_as_few_as_keys_and_spans_allow() {
        let lengths = |runs: &[Run]| -> Vec<Vec<usize>> {
            let batches = batches(runs).into_iter();
            batches
                .map(|batch| batch.iter().map(ExactSizeIterator::len).collect())
                .collect()
        };
        let long = Run { start: 0, end: 2_500 };
        assert_eq!(lengths(&[long]), [vec![1_000], vec![1_000], vec![500]]);
        assert_eq!(lengths(&[0..600, 600..1_200]), [vec![600, 400], vec![200]]);
        let singles: Vec<Run> = (0..200).map(|at| at..at + 1).collect();
        let counts: Vec<usize> = batches(&singles).iter().map(Vec::len).collect();
        assert_eq!(counts, [SPANS, 200 - SPANS]);
        assert!(batches(&[]).is_empty());
    }

    #[tokio::test]
    async fn what_is_written_after_the_count_is_not_meant() {
        let etcd = etcd(10);
        let counted = count(&etcd, PREFIX.as_bytes(), &|_| {}).await.unwrap();
        etcd.put(&format!("{PREFIX}new/a"), b"{}", 0);
        let consent = confirm::plain(true).unwrap();
        let outcome = delete(&etcd, &counted, &|_| {}, &consent).await.unwrap();
        assert_eq!(outcome, Outcome { deleted: 8, left: 0 });
        assert!(etcd.keys().contains(&format!("{PREFIX}new/a")));
    }

    #[tokio::test]
    async fn a_broken_connection_says_what_was_done_and_the_same_goes_on() {
        let etcd = etcd(2_000);
        etcd.before_deletes([Interference::None, Interference::Fail(EtcdErrorKind::NoLeader)]);
        let stopped = cleaned(&etcd).await.unwrap_err();
        assert!(stopped.outcome.deleted > 0 && !stopped.in_doubt);
        assert_eq!(stopped.exit(), Exit::FailedAfterChange);
        etcd.before_deletes([Interference::LoseAnswer]);
        assert!(cleaned(&etcd).await.unwrap_err().in_doubt);
        cleaned(&etcd).await.unwrap();
        assert_eq!(unleased_left(&etcd, 2_000), 0);
    }
}
