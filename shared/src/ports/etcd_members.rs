//! The members of a living etcd cluster: the verbs that lesser cures use.

use async_trait::async_trait;

use super::EtcdError;
use crate::consent::Consent;

/// A member, as the cluster has registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdMember {
    /// Its id.
    pub id: u64,
    /// Its name; empty for one that was added and never started.
    pub name: String,
    /// Where the other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Whether it has no vote yet.
    pub learner: bool,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// `NOSPACE`: the database reached its quota, and writes are refused.
    NoSpace,
    /// `CORRUPT`: the data of a member differs from that of the others.
    Corrupt,
}

impl AlarmKind {
    /// As etcd writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoSpace => "NOSPACE",
            Self::Corrupt => "CORRUPT",
        }
    }
}

/// An alarm that a member has raised. It holds until it is disarmed, whatever became of its cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EtcdAlarm {
    /// The member's id.
    pub member: u64,
    /// What it is about.
    pub kind: AlarmKind,
}

/// The members of an etcd cluster, by way of one of them.
#[async_trait]
pub trait EtcdMembers: Send + Sync {
    /// The registered members, sorted by name and id, as the member that we are connected to knows them. Needs no quorum.
    async fn members(&self) -> Result<Vec<EtcdMember>, EtcdError>;

    /// The alarms of all members, sorted. Needs a quorum.
    async fn alarms(&self) -> Result<Vec<EtcdAlarm>, EtcdError>;

    /// Forgets what was before `revision` in all members, and waits until the pages are free. A revision that was compacted already is
    /// no error.
    async fn compact(&self, revision: i64, consent: &Consent) -> Result<(), EtcdError>;

    /// Rewrites the database of the member that we are connected to without its free pages. The member does not answer
    /// meanwhile; it takes as long as it takes.
    async fn defragment(&self, consent: &Consent) -> Result<(), EtcdError>;

    /// Takes back an alarm.
    async fn disarm(&self, alarm: &EtcdAlarm, consent: &Consent) -> Result<(), EtcdError>;

    /// Takes the member with this id out of the cluster. One that is no member any more is no error. Needs a quorum before and
    /// after; etcd itself refuses where too few members are connected.
    async fn remove_member(&self, id: u64, consent: &Consent) -> Result<(), EtcdError>;
}
