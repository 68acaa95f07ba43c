//! From what gRPC and TLS say to the reasons that a user can act on.

use etcd_client::Error;
use tonic::{Code, Status};

use crate::ports::{EtcdError, EtcdErrorKind};

/// Why a request failed, without what was tried and where.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) kind: EtcdErrorKind,
    pub(super) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    pub(super) const fn of(kind: EtcdErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(super) fn with(kind: EtcdErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    pub(super) fn on(self, action: &'static str, at: &str) -> EtcdError {
        EtcdError {
            action,
            at: at.to_owned(),
            kind: self.kind,
            source: self.source,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Problem {}

/// How etcd words the errors that we tell apart. Source: etcd-io/etcd `api/v3rpc/rpctypes/error.go`.
const NO_LEADER: &str = "etcdserver: no leader";
const REQUEST_TIMED_OUT: &str = "etcdserver: request timed out";

/// Why a request failed; `waited` is its time limit in seconds.
pub(super) fn of_error(error: Error, waited: u64) -> Problem {
    match error {
        Error::GRpcStatus(status) => of_status(status, waited),
        Error::TransportError(error) => Problem::with(EtcdErrorKind::Lost, error),
        other => Problem::with(EtcdErrorKind::Other(other.to_string()), other),
    }
}

/// What an answer with an error means; `waited` is the time limit of the request in seconds.
fn of_status(status: Status, waited: u64) -> Problem {
    let message = status.message();
    let kind = match status.code() {
        _ if message.starts_with(NO_LEADER) => EtcdErrorKind::NoLeader,
        _ if message.starts_with(REQUEST_TIMED_OUT) => EtcdErrorKind::Timeout { seconds: waited },
        // The limit that goes with each request ends it on our side as "cancelled".
        Code::DeadlineExceeded | Code::Cancelled => EtcdErrorKind::Timeout { seconds: waited },
        Code::PermissionDenied | Code::Unauthenticated => EtcdErrorKind::Denied(message.to_owned()),
        Code::InvalidArgument if message.starts_with("etcdserver: user name") => {
            EtcdErrorKind::Denied(message.to_owned())
        }
        _ if std::error::Error::source(&status).is_some() => EtcdErrorKind::Lost,
        _ => EtcdErrorKind::Other(message.to_owned()),
    };
    Problem::with(kind, status)
}
