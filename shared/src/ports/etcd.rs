//! A living etcd: the verbs that the suite uses and no more.
//!
//! Each verb is one request to etcd; those that look before they change something are one transaction. Reads are
//! linearizable: a follower that lags behind asks its leader first.

use super::EtcdMembers;
use crate::consent::Consent;
use crate::failure::Failure;
use std::fmt;

use async_trait::async_trait;
use tokio::io::AsyncRead;

/// A lease's id; 0 means none.
pub type LeaseId = i64;

/// One key as etcd stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The store's revision when the key was created.
    pub create_revision: i64,
    /// The store's revision when it was last written.
    pub mod_revision: i64,
    /// How often it was written since it was created.
    pub version: i64,
    /// The lease that it dies with; 0 for none.
    pub lease: LeaseId,
}

/// What a prefix held at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The store's revision at which this was so.
    pub revision: i64,
    /// The keys, sorted.
    pub keys: Vec<KeyValue>,
}

/// One key without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHead {
    /// The key.
    pub key: Vec<u8>,
    /// The store's revision when it was last written.
    pub mod_revision: i64,
    /// The lease that it dies with; 0 for none.
    pub lease: LeaseId,
}

/// A part of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The store's revision at which this was so: each page has its own, unless one was requested.
    pub revision: i64,
    /// The keys, sorted.
    pub keys: Vec<KeyHead>,
    /// Whether there are keys of the prefix after these.
    pub more: bool,
}

/// A run of keys: from `first` up to, without, `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpan {
    /// The first key.
    pub first: Vec<u8>,
    /// The first key that does not belong to it.
    pub end: Vec<u8>,
}

/// What etcd takes in one transaction unless `--max-txn-ops` was changed: so many comparisons, and so many changes.
pub const MOST_TXN_OPERATIONS: usize = 128;

/// The status of one etcd member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdStatus {
    /// Its version, without a `v`.
    pub version: String,
    /// The size of its database file in bytes.
    pub db_size: u64,
    /// The id of the leader that it follows, or its own; `None` where it knows none.
    pub leader: Option<u64>,
    /// Its own id.
    pub member: u64,
    /// The id of its cluster.
    pub cluster: u64,
    /// Its store's revision; a follower's may lag.
    pub revision: i64,
    /// Of the database file, the bytes in use; the rest are free pages.
    pub in_use: u64,
    /// The quota of its database file in bytes; `None` from etcd before 3.6, which does not tell.
    pub quota: Option<u64>,
    /// The raft term that it is in.
    pub raft_term: u64,
    /// The index of the last entry of its raft log.
    pub raft_index: u64,
    /// The index of the last entry that its store holds.
    pub raft_applied: u64,
    /// Whether it has no vote yet.
    pub learner: bool,
}

/// etcd's snapshot stream: the database file and the 32 bytes of its SHA-256. An error in the middle surfaces as an
/// `io::Error` of the reader, whose inner error is an [`EtcdError`].
pub struct SnapshotStream {
    /// The bytes as they come.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Whether the SHA-256 is among them. Where it is not, as with a file off a disk, the packer appends it.
    pub has_trailer: bool,
}

impl fmt::Debug for SnapshotStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotStream").finish_non_exhaustive()
    }
}

/// One etcd cluster that can be reached.
#[async_trait]
pub trait EtcdKv: EtcdMembers {
    /// Every key that begins with `prefix`, all as of one revision; linearizable. An empty prefix means all keys.
    async fn range(&self, prefix: &[u8]) -> Result<KeyRange, EtcdError>;

    /// One key, linearizable; `None` where it is absent.
    async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, EtcdError>;

    /// Up to `limit` keys that begin with `prefix`, without their values, after the key `after`, as of the revision `at` (now
    /// where there is none); linearizable. For prefixes that are too large for one answer. A revision that was compacted
    /// meanwhile is an error.
    async fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
        at: Option<i64>,
    ) -> Result<KeyPage, EtcdError>;

    /// Deletes every key of these spans, if none of them was written after `revision`; tells how many. `None` means that one
    /// was, and nothing was changed. A span takes one of a transaction's [`MOST_TXN_OPERATIONS`].
    async fn delete_spans(&self, spans: &[KeySpan], revision: i64, consent: &Consent)
    -> Result<Option<u64>, EtcdError>;

    /// How many seconds a lease has left; `None` where etcd does not know it (never granted, or expired).
    async fn lease_ttl(&self, lease: LeaseId) -> Result<Option<u64>, EtcdError>;

    /// Deletes the key if it was not written since `mod_revision`. `false` means that it was written or deleted in
    /// between, and nothing was changed.
    async fn delete_if_unchanged(&self, key: &[u8], mod_revision: i64, consent: &Consent) -> Result<bool, EtcdError>;

    /// Writes the key, without a lease, if it is absent. `false` means that it was there, and nothing was changed.
    async fn put_if_absent(&self, key: &[u8], value: &[u8], consent: &Consent) -> Result<bool, EtcdError>;

    /// The status of the member that we are connected to. Needs no quorum.
    async fn status(&self) -> Result<EtcdStatus, EtcdError>;

    /// A snapshot of the member that we are connected to. Needs no quorum.
    async fn snapshot(&self) -> Result<SnapshotStream, EtcdError>;
}

/// Why a request to etcd failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} etcd at {at}: {kind}")]
pub struct EtcdError {
    /// What was tried: `connect to`, `read keys of`, `delete a key of`, `take a snapshot of`, …
    pub action: &'static str,
    /// Which etcd: its endpoints and the way there, such as `127.0.0.1:4001 over ssh to 10.0.0.7`.
    pub at: String,
    /// Why it failed.
    pub kind: EtcdErrorKind,
    /// The adapter's own error, where there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The reasons, by what a user can do about them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdErrorKind {
    /// etcd demands a client certificate and we showed none.
    #[error("it requires a client certificate, and none was given")]
    NoCertificate,
    /// etcd does not trust our client certificate.
    #[error("it does not accept the client certificate")]
    CertificateRefused,
    /// It hung up right after TLS began, which may be its way to refuse a certificate: no alert said so.
    #[error(
        "it closed the connection after the TLS handshake: it does not accept the client certificate, or the connection broke"
    )]
    HungUp,
    /// Our client certificate has expired.
    #[error("the client certificate has expired")]
    CertificateExpired,
    /// etcd's own certificate is not signed by the CA that we were given, or is for another name.
    #[error("its certificate is not trusted: {0}")]
    ServerNotTrusted(String),
    /// etcd's own certificate has expired.
    #[error("its own certificate has expired")]
    ServerCertificateExpired,
    /// It talks plain HTTP where we talked TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// It talks TLS where we talked plain HTTP.
    #[error("it closes plain HTTP connections")]
    WantsTls,
    /// No connection.
    #[error("unreachable")]
    Unreachable,
    /// No answer in time.
    #[error("no answer within {seconds} s")]
    Timeout {
        /// How long we waited.
        seconds: u64,
    },
    /// The member answers and has no leader: too few members are up.
    #[error("it has no leader: fewer than half of its members are up")]
    NoLeader,
    /// The connection broke while it was used; whether the last change was made is not known.
    #[error("the connection was lost")]
    Lost,
    /// etcd has users and passwords switched on, or its role forbids it.
    #[error("permission denied: {0}")]
    Denied(String),
    /// Anything else, with etcd's message.
    #[error("{0}")]
    Other(String),
}

impl EtcdError {
    /// What the user can do, where there is something; to be printed after `hint:`.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.kind.hint().map(str::to_owned)
    }
}

impl EtcdErrorKind {
    /// What the user can do, where there is something.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoCertificate => {
                "pass --cacert, --cert and --key (on a master: /srv/kubernetes/kube-apiserver/etcd-ca.crt, etcd-client.crt \
                 and etcd-client.key), --state and --name (for a temporary certificate), or --via ssh"
            }
            Self::CertificateRefused => {
                "use a certificate signed by this etcd cluster's clients CA (etcd-clients-ca; cilium has its own: \
                 etcd-clients-ca-cilium); check --state and --name, or --cert and --key"
            }
            Self::HungUp => {
                "retry; if it fails again, use a certificate signed by this etcd cluster's clients CA (etcd-clients-ca), and check etcd's log"
            }
            Self::CertificateExpired => "pass another --cert and --key, or omit both to use a temporary certificate",
            Self::ServerNotTrusted(_) => {
                "check --cacert, and that --endpoints, --host or --context is of this cluster: another cluster has another CA"
            }
            Self::ServerCertificateExpired => {
                "restart etcd-manager on that master (kubectl etcd-restore restart-etcd): it renews its certificates when it starts; also check the clocks"
            }
            Self::NotTls => {
                "if this etcd uses plain HTTP (kops' feature flag EtcdEventsHTTP), pass --plain-http, or give \
                 the endpoint as http://HOST:PORT"
            }
            Self::WantsTls => "give the endpoint as https://HOST:PORT, with --cacert, --cert and --key",
            Self::Unreachable => {
                "check that etcd runs there and that it can be reached over the network; ports are main 4001, events 4002, cilium 4003, \
                 leases 4004; try --via ssh; right after a restore the API may know only the pods of old masters: then retry in a minute"
            }
            Self::Timeout { .. } => "raise --etcd-timeout, try another endpoint, or check that etcd is not overloaded",
            Self::NoLeader => "start more members first; `kubectl etcd-restore status` shows their state",
            Self::Lost => "repeat the command: it resumes where it stopped",
            Self::Denied(_) => {
                "use a client certificate whose common name is an etcd user that may do this, such as root"
            }
            Self::Other(_) => return None,
        })
    }
}

impl Failure for EtcdError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_the_etcd_and_the_cure_on_one_line() {
        for (kind, cure) in [
            (EtcdErrorKind::NoCertificate, "--cacert"),
            (EtcdErrorKind::CertificateRefused, "etcd-clients-ca"),
            (EtcdErrorKind::HungUp, "etcd-clients-ca"),
            (EtcdErrorKind::CertificateExpired, "--cert"),
            (EtcdErrorKind::ServerNotTrusted("unknown issuer".into()), "--cacert"),
            (EtcdErrorKind::ServerCertificateExpired, "restart-etcd"),
            (EtcdErrorKind::NotTls, "--plain-http"),
            (EtcdErrorKind::WantsTls, "https://"),
            (EtcdErrorKind::Unreachable, "4001"),
            (EtcdErrorKind::Timeout { seconds: 10 }, "--etcd-timeout"),
            (EtcdErrorKind::NoLeader, "members"),
            (EtcdErrorKind::Denied("x".into()), "root"),
        ] {
            let error = EtcdError {
                action: "read keys of",
                at: "10.0.0.7:4001".into(),
                kind,
                source: None,
            };
            assert!(error.to_string().contains("etcd at 10.0.0.7:4001: "), "{error}");
            let hint = error.hint().unwrap();
            assert!(
                hint.contains(cure) && !hint.contains("  ") && !hint.contains('\n'),
                "{hint}"
            );
        }
    }
}
