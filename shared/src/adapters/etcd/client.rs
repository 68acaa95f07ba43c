//! The port's verbs over one gRPC channel.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::time::timeout;
use tokio_util::io::StreamReader;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::dial::{Dial, Dialed};
use super::problem::{Problem, of_status};
use super::tls::Tls;
use super::wire;
use crate::ports::{
    EtcdError, EtcdErrorKind, EtcdKv, EtcdStatus, KeyHead, KeyPage, KeyRange, KeySpan, KeyValue, LeaseId,
    SnapshotStream,
};

/// The largest answer that we take: a range is one message.
const LARGEST_ANSWER: usize = 1 << 30;
/// How long a tunnel may take to tell why it closed.
const EXPLANATION: Duration = Duration::from_millis(500);
/// How long a member may take to say whether it has a leader, after a request to it got no answer.
const SECOND_QUESTION: Duration = Duration::from_secs(2);

/// Where an etcd is and how it is spoken to.
pub(super) struct Target {
    pub(super) dial: Box<dyn Dial>,
    /// `None` for an etcd that talks plain HTTP.
    pub(super) tls: Option<Tls>,
    /// The same in words.
    pub(super) at: String,
    /// The limit of connecting, and of each request.
    pub(super) patience: Duration,
}

impl Target {
    async fn open(&self) -> Result<Dialed, Problem> {
        timeout(self.patience, self.open_unbounded())
            .await
            .unwrap_or_else(|_| Err(Problem::of(self.too_late())))
    }

    async fn open_unbounded(&self) -> Result<Dialed, Problem> {
        let Dialed { stream, mut why_closed } = self.dial.dial().await.map_err(of_dialing)?;
        let Some(tls) = &self.tls else {
            return Ok(Dialed { stream, why_closed });
        };
        let mut speaking = Box::pin(tls.speak(stream));
        let spoken = loop {
            let Some(why) = &mut why_closed else {
                break speaking.await;
            };
            // A tunnel that cannot reach its end says so on the side, and may leave the stream open.
            tokio::select! {
                spoken = &mut speaking => break spoken,
                reason = why => match reason {
                    Some(reason) => return Err(of_tunnel(reason)),
                    None => why_closed = None,
                },
            }
        };
        match spoken {
            Ok(stream) => Ok(Dialed { stream, why_closed }),
            Err(problem) => Err(explained(problem, why_closed).await),
        }
    }

    const fn too_late(&self) -> EtcdErrorKind {
        EtcdErrorKind::Timeout {
            seconds: self.patience.as_secs(),
        }
    }
}

fn of_dialing(error: io::Error) -> Problem {
    Problem::with(EtcdErrorKind::Unreachable, error)
}

fn of_tunnel(reason: String) -> Problem {
    Problem::with(EtcdErrorKind::Unreachable, reason)
}

/// A stream that just ended may be the tunnel's fault, not etcd's: then the tunnel tells in a moment.
async fn explained(problem: Problem, why_closed: Option<BoxFuture<'static, Option<String>>>) -> Problem {
    let vague = matches!(problem.kind, EtcdErrorKind::NotTls | EtcdErrorKind::Lost);
    match why_closed {
        Some(why) if vague => match timeout(EXPLANATION, why).await {
            Ok(Some(reason)) => of_tunnel(reason),
            _ => problem,
        },
        _ => problem,
    }
}

/// One etcd cluster, by way of one of its members.
pub struct EtcdClient {
    channel: Channel,
    target: Arc<Target>,
    /// Why the connection closed, or could not be made again: gRPC itself only says that it did.
    last_failure: Slot,
}

/// Where a connection leaves its last words.
type Slot = Arc<Mutex<Option<Problem>>>;

fn leave(slot: &Slot, problem: Problem) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
}

fn taken<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl EtcdClient {
    /// Connects: when this returns, TLS has been spoken and etcd has not hung up.
    pub(super) async fn connect(target: Target) -> Result<Self, EtcdError> {
        let target = Arc::new(target);
        let first = target
            .open()
            .await
            .map_err(|problem| problem.on("connect to", &target.at))?;
        let first = Arc::new(Mutex::new(Some(first)));
        let last_failure = Slot::default();
        let connector = {
            let (target, slot) = (target.clone(), last_failure.clone());
            tower::service_fn(move |_| {
                let (target, slot, ready) = (target.clone(), slot.clone(), taken(&first));
                async move {
                    let opened = match ready {
                        Some(opened) => Ok(opened),
                        None => target.open().await,
                    };
                    match opened {
                        Ok(Dialed { stream, why_closed }) => {
                            if let Some(why) = why_closed {
                                tokio::spawn(async move {
                                    if let Some(reason) = why.await {
                                        leave(&slot, of_tunnel(reason));
                                    }
                                });
                            }
                            Ok(TokioIo::new(stream))
                        }
                        Err(problem) => {
                            let told = problem.kind.to_string();
                            leave(&slot, problem);
                            Err(io::Error::other(told))
                        }
                    }
                }
            })
        };
        // Only the path of the URL counts: where to connect and with what TLS is the connector's business.
        let channel = Endpoint::from_static("http://etcd").connect_with_connector_lazy(connector);
        let client = Self {
            channel,
            target,
            last_failure,
        };
        client.first_question().await?;
        Ok(client)
    }

    /// Where it is, in words.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.target.at
    }

    /// A plain connection that is hung up at once is one to a server that wants TLS.
    async fn first_question(&self) -> Result<(), EtcdError> {
        let mut answered = self.status().await;
        if let Err(error) = &mut answered {
            error.action = "connect to";
            if self.target.tls.is_none() && error.kind == EtcdErrorKind::Lost {
                error.kind = EtcdErrorKind::WantsTls;
            }
        }
        answered.map(drop)
    }

    fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    async fn ask<Q, A>(&self, action: &'static str, path: &'static str, question: Q) -> Result<A, EtcdError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let patience = self.target.patience;
        let mut request = Request::new(question);
        // etcd gives up when we do, instead of doing later what nobody waits for.
        request.set_timeout(patience);
        // A member that has lost its leader says so at once instead of letting us wait.
        if path == wire::RANGE || path == wire::TXN {
            request
                .metadata_mut()
                .insert("hasleader", MetadataValue::from_static("true"));
        }
        let asked = async {
            let mut grpc = self.grpc();
            grpc.ready().await.map_err(unready)?;
            let path = path_of(path);
            let answer = grpc.unary(request, path, ProstCodec::default()).await?;
            Ok::<A, Status>(answer.into_inner())
        };
        let problem = match timeout(patience, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => self.judge(status).await,
            Err(_) => Problem::of(self.target.too_late()),
        };
        let problem = match problem.kind {
            EtcdErrorKind::Timeout { .. } if path != wire::STATUS => self.timed_out(problem).await,
            _ => problem,
        };
        Err(problem.on(action, &self.target.at))
    }

    async fn judge(&self, status: Status) -> Problem {
        let problem = of_status(status, self.target.patience.as_secs());
        if problem.kind != EtcdErrorKind::Lost {
            return problem;
        }
        // The connection's own last words may come a moment later.
        for _ in 0..5 {
            if let Some(known) = taken(&self.last_failure) {
                return known;
            }
            tokio::time::sleep(EXPLANATION / 10).await;
        }
        problem
    }

    /// No answer in time: because the member has no leader?
    async fn timed_out(&self, problem: Problem) -> Problem {
        let status = Box::pin(self.status());
        match timeout(SECOND_QUESTION, status).await {
            Ok(Ok(status)) if status.leader.is_none() => Problem {
                kind: EtcdErrorKind::NoLeader,
                ..problem
            },
            _ => problem,
        }
    }

    async fn change(
        &self,
        action: &'static str,
        key: &[u8],
        target: i32,
        with: wire::CompareWith,
        change: wire::Request,
    ) -> Result<bool, EtcdError> {
        let question = wire::TxnRequest {
            compare: vec![wire::Compare {
                result: wire::EQUAL,
                target,
                key: key.to_vec(),
                with: Some(with),
                range_end: Vec::new(),
            }],
            success: vec![wire::Operation { request: Some(change) }],
        };
        let answer: wire::TxnResponse = self.ask(action, wire::TXN, question).await?;
        Ok(answer.succeeded)
    }

    async fn read(&self, key: Vec<u8>, range_end: Vec<u8>) -> Result<KeyRange, EtcdError> {
        let question = wire::RangeRequest {
            key,
            range_end,
            ..wire::RangeRequest::default()
        };
        let answer: wire::RangeResponse = self.ask("read keys of", wire::RANGE, question).await?;
        Ok(KeyRange {
            revision: answer.header.map(|header| header.revision).unwrap_or_default(),
            keys: answer.kvs.into_iter().map(key_value).collect(),
        })
    }
}

#[async_trait]
impl EtcdKv for EtcdClient {
    async fn range(&self, prefix: &[u8]) -> Result<KeyRange, EtcdError> {
        // etcd takes no empty key: all keys are those from "\0" on.
        let first = if prefix.is_empty() { vec![0] } else { prefix.to_vec() };
        self.read(first, end_of(prefix)).await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, EtcdError> {
        Ok(self.read(key.to_vec(), Vec::new()).await?.keys.pop())
    }

    async fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
        at: Option<i64>,
    ) -> Result<KeyPage, EtcdError> {
        let key = match after {
            // The very next key in order.
            Some(after) => [after, &[0]].concat(),
            None if prefix.is_empty() => vec![0],
            None => prefix.to_vec(),
        };
        let question = wire::RangeRequest {
            key,
            range_end: end_of(prefix),
            limit: i64::from(limit),
            revision: at.unwrap_or_default(),
            keys_only: true,
        };
        let answer: wire::RangeResponse = self.ask("read keys of", wire::RANGE, question).await?;
        let heads = answer.kvs.into_iter().map(|pair| KeyHead {
            key: pair.key,
            mod_revision: pair.mod_revision,
            lease: pair.lease,
        });
        let now = answer.header.map(|header| header.revision).unwrap_or_default();
        Ok(KeyPage {
            revision: at.unwrap_or(now),
            keys: heads.collect(),
            more: answer.more,
        })
    }

    async fn delete_unleased(&self, spans: &[KeySpan], revision: i64) -> Result<Option<u64>, EtcdError> {
        let compare = |span: &KeySpan, result, target, with| wire::Compare {
            result,
            target,
            key: span.first.clone(),
            with: Some(with),
            range_end: span.end.clone(),
        };
        let after = wire::CompareWith::ModRevision(revision.saturating_add(1));
        let guards = spans.iter().flat_map(|span| {
            [
                compare(span, wire::EQUAL, wire::TARGET_LEASE, wire::CompareWith::Lease(0)),
                compare(span, wire::LESS, wire::TARGET_MOD, after.clone()),
            ]
        });
        let deletes = spans.iter().map(|span| wire::Operation {
            request: Some(wire::Request::Delete(wire::DeleteRequest {
                key: span.first.clone(),
                range_end: span.end.clone(),
            })),
        });
        let question = wire::TxnRequest {
            compare: guards.collect(),
            success: deletes.collect(),
        };
        let answer: wire::TxnResponse = self.ask("delete keys of", wire::TXN, question).await?;
        let deleted = answer.responses.iter().filter_map(|done| done.delete);
        let deleted: i64 = deleted.map(|done| done.deleted).sum();
        Ok(answer.succeeded.then(|| u64::try_from(deleted).unwrap_or_default()))
    }

    async fn lease_ttl(&self, lease: LeaseId) -> Result<Option<u64>, EtcdError> {
        let question = wire::TimeToLiveRequest { id: lease };
        let answer: wire::TimeToLiveResponse = self.ask("ask a lease of", wire::TIME_TO_LIVE, question).await?;
        // -1 is a lease that is not known, or no longer.
        Ok(u64::try_from(answer.ttl).ok())
    }

    async fn delete_if_unchanged(&self, key: &[u8], mod_revision: i64) -> Result<bool, EtcdError> {
        let delete = wire::Request::Delete(wire::DeleteRequest {
            key: key.to_vec(),
            range_end: Vec::new(),
        });
        let unchanged = wire::CompareWith::ModRevision(mod_revision);
        self.change("delete a key of", key, wire::TARGET_MOD, unchanged, delete)
            .await
    }

    async fn put_if_absent(&self, key: &[u8], value: &[u8]) -> Result<bool, EtcdError> {
        let put = wire::Request::Put(wire::PutRequest {
            key: key.to_vec(),
            value: value.to_vec(),
        });
        let absent = wire::CompareWith::CreateRevision(0);
        self.change("write a key of", key, wire::TARGET_CREATE, absent, put)
            .await
    }

    async fn status(&self) -> Result<EtcdStatus, EtcdError> {
        let answer: wire::StatusResponse = self.ask("ask the status of", wire::STATUS, wire::Nothing {}).await?;
        let header = answer.header.unwrap_or_default();
        Ok(EtcdStatus {
            version: answer.version,
            db_size: u64::try_from(answer.db_size).unwrap_or_default(),
            leader: Some(answer.leader).filter(|leader| *leader != 0),
            member: header.member_id,
            cluster: header.cluster_id,
            revision: header.revision,
        })
    }

    async fn voters(&self) -> Result<usize, EtcdError> {
        let answer: wire::MembersResponse = self.ask("list the members of", wire::MEMBERS, wire::Nothing {}).await?;
        Ok(answer.members.iter().filter(|member| !member.is_learner).count())
    }

    async fn snapshot(&self) -> Result<SnapshotStream, EtcdError> {
        const ACTION: &str = "take a snapshot of";
        let (at, patience) = (self.target.at.clone(), self.target.patience);
        let begun = async {
            let mut grpc = self.grpc();
            grpc.ready().await.map_err(unready)?;
            let path = path_of(wire::SNAPSHOT);
            let codec = ProstCodec::<wire::Nothing, wire::SnapshotResponse>::default();
            grpc.server_streaming(Request::new(wire::Nothing {}), path, codec).await
        };
        let stream = match timeout(patience, begun).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Err(self.judge(status).await.on(ACTION, &at)),
            Err(_) => return Err(Problem::of(self.target.too_late()).on(ACTION, &at)),
        };
        let blocks = futures::stream::try_unfold((stream, 1), move |(mut stream, remaining)| {
            let at = at.clone();
            async move {
                let broken = |problem: Problem| io::Error::other(problem.on(ACTION, &at));
                // The limit is for each block: the whole takes as long as it takes.
                let next = timeout(patience, stream.next()).await;
                match next {
                    Ok(Some(Ok(block))) => Ok(Some((block.blob, (stream, block.remaining_bytes)))),
                    Ok(Some(Err(status))) => Err(broken(of_status(status, patience.as_secs()))),
                    Ok(None) if remaining == 0 => Ok(None),
                    Ok(None) => Err(broken(Problem::of(EtcdErrorKind::Lost))),
                    Err(_) => Err(broken(Problem::of(EtcdErrorKind::Timeout {
                        seconds: patience.as_secs(),
                    }))),
                }
            }
        });
        Ok(SnapshotStream {
            reader: Box::new(StreamReader::new(Box::pin(blocks))),
        })
    }
}

fn path_of(path: &'static str) -> tonic::codegen::http::uri::PathAndQuery {
    tonic::codegen::http::uri::PathAndQuery::from_static(path)
}

fn unready(error: tonic::transport::Error) -> Status {
    Status::from_error(Box::new(error))
}

fn key_value(pair: wire::Pair) -> KeyValue {
    KeyValue {
        key: pair.key,
        value: pair.value,
        create_revision: pair.create_revision,
        mod_revision: pair.mod_revision,
        version: pair.version,
        lease: pair.lease,
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
