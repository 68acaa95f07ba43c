//! The connection that `etcd-client` speaks over: opened by us, again where it broke, and with the reason where that fails.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::dial::{Dial, Dialed};
use super::problem::Problem;
use super::tls::Tls;
use crate::ports::{EtcdError, EtcdErrorKind};

/// How long a tunnel may take to tell why it closed.
const EXPLANATION: Duration = Duration::from_millis(500);

/// Where an etcd is and how it is spoken to.
pub(super) struct Target {
    pub(super) dial: Box<dyn Dial>,
    /// `None` for an etcd that talks plain HTTP.
    pub(super) tls: Option<Tls>,
    /// The same as text.
    pub(super) at: String,
    /// The limit of connecting, and of each request.
    pub(super) timeout: Duration,
}

impl Target {
    async fn open(&self) -> Result<Dialed, Problem> {
        timeout(self.timeout, self.open_unbounded())
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
            // A tunnel that cannot reach its target reports that separately, and may leave the stream open.
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

    pub(super) const fn too_late(&self) -> EtcdErrorKind {
        EtcdErrorKind::Timeout {
            seconds: self.timeout.as_secs(),
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

/// Where a connection leaves the reason of its end.
type Slot = Arc<Mutex<Option<Problem>>>;

fn leave(slot: &Slot, problem: Problem) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
}

fn taken<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A connection to one etcd that is made again where it broke.
pub(super) struct Connection {
    pub(super) target: Arc<Target>,
    pub(super) channel: Channel,
    /// Why it closed, or could not be made again: gRPC itself only says that it did.
    last_failure: Slot,
}

impl Connection {
    /// Connects: when this returns, TLS has been spoken and etcd has not hung up.
    pub(super) async fn open(target: Target) -> Result<Self, EtcdError> {
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
        Ok(Self {
            target,
            channel,
            last_failure,
        })
    }

    /// Why a request found it closed. The reason may arrive a moment after the request's failure.
    pub(super) async fn why_lost(&self) -> Option<Problem> {
        for _ in 0..5 {
            if let Some(known) = taken(&self.last_failure) {
                return Some(known);
            }
            tokio::time::sleep(EXPLANATION / 10).await;
        }
        None
    }
}
