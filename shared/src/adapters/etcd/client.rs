//! The port's verbs, by `etcd-client` over our own connection.

use std::future::Future;
use std::io::{self, Cursor};
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{
    Channel, Client, Compare, CompareOp, ConnectOptions, DeleteOptions, GetOptions, KvClient, ResponseHeader,
    SnapshotResponse, Txn, TxnOp, TxnOpResponse,
};
use http::HeaderMap;
use tokio::time::timeout;
use tokio_util::io::StreamReader;
use tonic::body::Body;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::connection::{Connection, Target};
use super::problem::{Problem, of_error};
use crate::consent::Consent;
use crate::ports::{
    EtcdError, EtcdErrorKind, EtcdKv, EtcdStatus, KeyHead, KeyPage, KeyRange, KeySpan, KeyValue, LeaseId,
    SnapshotStream,
};

/// The largest answer that we take: a range is one message.
const LARGEST_ANSWER: usize = 1 << 30;
/// How long a member may take to say whether it has a leader, after a request to it got no answer.
const SECOND_QUESTION: Duration = Duration::from_secs(2);

/// One etcd cluster, by way of one of its members.
pub struct EtcdClient {
    connection: Connection,
    /// A member that has lost its leader refuses these at once instead of letting us wait.
    keys: KvClient,
    /// What a member answers by itself, with or without a leader.
    pub(super) member: Client,
    /// What takes as long as it takes.
    pub(super) unlimited: Client,
}

impl EtcdClient {
    /// Connects: when this returns, TLS has been spoken and etcd has answered.
    pub(super) async fn connect(target: Target) -> Result<Self, EtcdError> {
        let connection = Connection::open(target).await?;
        let limited = limited(&connection);
        let waited = connection.target.timeout.as_secs();
        let over = async |channel, options| {
            let client = Client::from_channel(channel, Some(options)).await;
            client.map_err(|error| of_error(error, waited).on("connect to", &connection.target.at))
        };
        let keys = over(limited.clone(), ConnectOptions::new().with_require_leader(true)).await?;
        let member = over(limited, ConnectOptions::new()).await?;
        let unlimited = over(Channel::Tonic(connection.channel.clone()), ConnectOptions::new()).await?;
        let client = Self {
            keys: keys.kv_client().max_decoding_message_size(LARGEST_ANSWER),
            member,
            unlimited,
            connection,
        };
        client.first_question().await?;
        Ok(client)
    }

    /// Where it is, as text.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.connection.target.at
    }

    /// A plain connection that is closed at once is one to a TLS server.
    async fn first_question(&self) -> Result<(), EtcdError> {
        let mut answered = self.status().await;
        if let Err(error) = &mut answered {
            error.action = "connect to";
            if self.connection.target.tls.is_none() && error.kind == EtcdErrorKind::Lost {
                error.kind = EtcdErrorKind::WantsTls;
            }
        }
        answered.map(drop)
    }

    /// The answer to a request; where none comes in time, it is found out whether the member has a leader.
    pub(super) async fn ask<A>(
        &self,
        action: &'static str,
        asked: impl Future<Output = Result<A, etcd_client::Error>>,
    ) -> Result<A, EtcdError> {
        let problem = match self.answer(asked).await {
            Ok(answer) => return Ok(answer),
            Err(problem) if matches!(problem.kind, EtcdErrorKind::Timeout { .. }) => self.timed_out(problem).await,
            Err(problem) => problem,
        };
        Err(problem.on(action, self.at()))
    }

    /// The answer to a request that takes as long as it takes: whoever asks sets the limit.
    pub(super) async fn ask_unlimited<A>(
        &self,
        action: &'static str,
        asked: impl Future<Output = Result<A, etcd_client::Error>>,
    ) -> Result<A, EtcdError> {
        let waited = self.connection.target.timeout.as_secs();
        asked
            .await
            .map_err(|error| of_error(error, waited).on(action, self.at()))
    }

    /// Waits for the answer, but not for ever.
    async fn answer<A>(&self, asked: impl Future<Output = Result<A, etcd_client::Error>>) -> Result<A, Problem> {
        let target = &self.connection.target;
        let problem = match timeout(target.timeout, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => of_error(error, target.timeout.as_secs()),
            Err(_) => Problem::of(target.too_late()),
        };
        Err(match problem.kind {
            EtcdErrorKind::Lost => self.connection.why_lost().await.unwrap_or(problem),
            _ => problem,
        })
    }

    /// No answer in time: because the member has no leader?
    async fn timed_out(&self, problem: Problem) -> Problem {
        match timeout(SECOND_QUESTION, self.status()).await {
            Ok(Ok(status)) if status.leader.is_none() => Problem {
                kind: EtcdErrorKind::NoLeader,
                ..problem
            },
            _ => problem,
        }
    }

    async fn read(&self, key: &[u8], options: Option<GetOptions>) -> Result<KeyRange, EtcdError> {
        let mut keys = self.keys.clone();
        let mut answer = self.ask("read keys of", keys.get(key, options)).await?;
        Ok(KeyRange {
            revision: revision_of(answer.header()),
            keys: answer.take_kvs().into_iter().map(key_value).collect(),
        })
    }

    async fn change(&self, action: &'static str, guard: Compare, change: TxnOp) -> Result<bool, EtcdError> {
        let mut keys = self.keys.clone();
        let question = Txn::new().when([guard]).and_then([change]);
        Ok(self.ask(action, keys.txn(question)).await?.succeeded())
    }
}

/// The channel for requests with a deadline: etcd gets it, too, and gives up when we do.
fn limited(connection: &Connection) -> Channel {
    let mut limit = tonic::Request::new(());
    limit.set_timeout(connection.target.timeout);
    let limit: HeaderMap = limit.into_parts().0.into_headers();
    let channel = connection.channel.clone();
    let channel = channel.map_request(move |mut request: http::Request<Body>| {
        request.headers_mut().extend(limit.clone());
        request
    });
    Channel::Custom(BoxCloneSyncService::new(channel.map_err(Into::into)))
}

#[async_trait]
impl EtcdKv for EtcdClient {
    async fn range(&self, prefix: &[u8]) -> Result<KeyRange, EtcdError> {
        self.read(prefix, Some(GetOptions::new().with_prefix())).await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, EtcdError> {
        Ok(self.read(key, None).await?.keys.pop())
    }

    async fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
        at: Option<i64>,
    ) -> Result<KeyPage, EtcdError> {
        let options = GetOptions::new()
            .with_limit(i64::from(limit))
            .with_revision(at.unwrap_or_default())
            .with_keys_only();
        let (first, options) = match after {
            // The very next key in order.
            Some(after) => ([after, &[0]].concat(), options.with_range(end_of(prefix))),
            None => (prefix.to_vec(), options.with_prefix()),
        };
        let mut keys = self.keys.clone();
        let answer = self.ask("read keys of", keys.get(first, Some(options))).await?;
        let heads = answer.kvs().iter().map(|pair| KeyHead {
            key: pair.key().to_vec(),
            mod_revision: pair.mod_revision(),
            lease: pair.lease(),
        });
        Ok(KeyPage {
            revision: at.unwrap_or_else(|| revision_of(answer.header())),
            keys: heads.collect(),
            more: answer.more(),
        })
    }

    async fn delete_spans(
        &self,
        spans: &[KeySpan],
        revision: i64,
        _consent: &Consent,
    ) -> Result<Option<u64>, EtcdError> {
        let after = revision.saturating_add(1);
        let guards = spans.iter().map(|span| {
            Compare::mod_revision(span.first.as_slice(), CompareOp::Less, after).with_range(span.end.as_slice())
        });
        let deletes = spans.iter().map(|span| {
            let whole = DeleteOptions::new().with_range(span.end.as_slice());
            TxnOp::delete(span.first.as_slice(), Some(whole))
        });
        let question = Txn::new()
            .when(guards.collect::<Vec<_>>())
            .and_then(deletes.collect::<Vec<_>>());
        let mut keys = self.keys.clone();
        let answer = self.ask("delete keys of", keys.txn(question)).await?;
        if !answer.succeeded() {
            return Ok(None);
        }
        let deleted = answer.op_responses().into_iter().map(|done| match done {
            TxnOpResponse::Delete(done) => u64::try_from(done.deleted()).unwrap_or_default(),
            _ => 0,
        });
        Ok(Some(deleted.sum()))
    }

    async fn lease_ttl(&self, lease: LeaseId) -> Result<Option<u64>, EtcdError> {
        let mut leases = self.member.lease_client();
        let answer = self.ask("ask a lease of", leases.time_to_live(lease, None)).await?;
        // -1 is a lease that is not known, or no longer.
        Ok(u64::try_from(answer.ttl()).ok())
    }

    async fn delete_if_unchanged(&self, key: &[u8], mod_revision: i64, _consent: &Consent) -> Result<bool, EtcdError> {
        let unchanged = Compare::mod_revision(key, CompareOp::Equal, mod_revision);
        self.change("delete a key of", unchanged, TxnOp::delete(key, None))
            .await
    }

    async fn put_if_absent(&self, key: &[u8], value: &[u8], _consent: &Consent) -> Result<bool, EtcdError> {
        let absent = Compare::create_revision(key, CompareOp::Equal, 0);
        self.change("write a key of", absent, TxnOp::put(key, value, None))
            .await
    }

    async fn status(&self) -> Result<EtcdStatus, EtcdError> {
        let mut member = self.member.maintenance_client();
        let answer = self
            .answer(member.status())
            .await
            .map_err(|problem| problem.on("ask the status of", self.at()))?;
        let header = answer.header();
        Ok(EtcdStatus {
            version: answer.version().to_owned(),
            db_size: u64::try_from(answer.db_size()).unwrap_or_default(),
            leader: Some(answer.leader()).filter(|leader| *leader != 0),
            member: header.map_or(0, ResponseHeader::member_id),
            cluster: header.map_or(0, ResponseHeader::cluster_id),
            revision: revision_of(header),
            in_use: u64::try_from(answer.raft_used_db_size()).unwrap_or_default(),
            quota: u64::try_from(answer.db_size_quota()).ok().filter(|quota| *quota > 0),
            raft_term: answer.raft_term(),
            raft_index: answer.raft_index(),
            raft_applied: answer.raft_applied_index(),
            learner: answer.is_learner(),
        })
    }

    async fn snapshot(&self) -> Result<SnapshotStream, EtcdError> {
        const ACTION: &str = "take a snapshot of";
        let (at, timeout) = (self.at().to_owned(), self.connection.target.timeout);
        let mut streams = self.unlimited.maintenance_client();
        let stream = self
            .answer(streams.snapshot())
            .await
            .map_err(|problem| problem.on(ACTION, &at))?;
        let blocks = futures::stream::try_unfold((stream, 1), move |(mut stream, remaining)| {
            let at = at.clone();
            async move {
                let broken = |problem: Problem| io::Error::other(problem.on(ACTION, &at));
                // The limit is for each block: the whole takes as long as it takes.
                match tokio::time::timeout(timeout, stream.message()).await {
                    Ok(Ok(Some(block))) => {
                        let remaining = block.remaining_bytes();
                        Ok(Some((Cursor::new(Block(block)), (stream, remaining))))
                    }
                    Ok(Err(error)) => Err(broken(of_error(error, timeout.as_secs()))),
                    Ok(Ok(None)) if remaining == 0 => Ok(None),
                    Ok(Ok(None)) => Err(broken(Problem::of(EtcdErrorKind::Lost))),
                    Err(_) => Err(broken(Problem::of(EtcdErrorKind::Timeout {
                        seconds: timeout.as_secs(),
                    }))),
                }
            }
        });
        Ok(SnapshotStream {
            reader: Box::new(StreamReader::new(Box::pin(blocks))),
            has_trailer: true,
        })
    }
}

/// A part of a snapshot, read where it lies.
struct Block(SnapshotResponse);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.0.blob()
    }
}

fn revision_of(header: Option<&ResponseHeader>) -> i64 {
    header.map_or(0, ResponseHeader::revision)
}

fn key_value(pair: etcd_client::KeyValue) -> KeyValue {
    let (create_revision, mod_revision) = (pair.create_revision(), pair.mod_revision());
    let (version, lease) = (pair.version(), pair.lease());
    let (key, value) = pair.into_key_value();
    KeyValue {
        key,
        value,
        create_revision,
        mod_revision,
        version,
        lease,
    }
}

/// The first key after all that begin with `prefix`; `"\0"`, which means no end, where there is none.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_its_successor() {
        assert_eq!(end_of(b"/registry/"), b"/registry0");
        assert_eq!(end_of(b"a\xff\xff"), b"b");
        assert_eq!(end_of(b"\xff"), [0]);
        assert_eq!(end_of(b""), [0]);
    }
}
