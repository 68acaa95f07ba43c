//! Asks the members of an etcd cluster for what they say of themselves.

use std::collections::BTreeMap;

use crate::failure::{CommandError, Failure};
use crate::model::backup::goodness::MAIN;
use crate::model::salvage::MemberData;
use crate::ports::etcd_members::{EtcdAlarm, EtcdMember};
use crate::ports::{EtcdError, EtcdKv, EtcdStatus};

/// The members of one etcd cluster.
pub struct Members {
    /// As they are registered, sorted by name.
    pub registered: Vec<EtcdMember>,
    /// Those that answer, by id.
    pub answering: BTreeMap<u64, Answering>,
    /// Their alarms; `None` where no member could tell: that takes a quorum.
    pub alarms: Option<Vec<EtcdAlarm>>,
}

/// A member that answers.
pub struct Answering {
    /// The connection to it.
    pub etcd: Box<dyn EtcdKv>,
    /// What it says of itself.
    pub status: EtcdStatus,
}

/// Why they cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// None of those that were reached says who the members are.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// There is nobody to ask.
    #[error("no member of this etcd cluster was reached")]
    NoneReached,
    /// Members of several etcd clusters were reached.
    #[error("members of {} etcd clusters answer, with the cluster ids {}", .0.len(), hexadecimal(.0))]
    SeveralClusters(Vec<u64>),
}

impl Failure for MembersError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Etcd(error) => error.hint(),
            Self::NoneReached => Some("pass --endpoints or --host".to_owned()),
            Self::SeveralClusters(_) => Some("name only members of one: --endpoints ETCD=URL, or --host".to_owned()),
        }
    }
}

fn hexadecimal(ids: &[u64]) -> String {
    ids.iter().map(|id| format!("{id:x}")).collect::<Vec<_>>().join(", ")
}

/// Asks all members that were reached.
///
/// # Errors
/// [`MembersError`].
pub async fn ask(reached: Vec<Box<dyn EtcdKv>>) -> Result<Members, MembersError> {
    let mut answering = BTreeMap::new();
    let mut last_error = None;
    for etcd in reached {
        match etcd.status().await {
            Ok(status) => {
                answering.entry(status.member).or_insert(Answering { etcd, status });
            }
            Err(error) => last_error = Some(error),
        }
    }
    let mut clusters: Vec<u64> = answering.values().map(|one| one.status.cluster).collect();
    clusters.sort_unstable();
    clusters.dedup();
    if clusters.len() > 1 {
        return Err(MembersError::SeveralClusters(clusters));
    }
    let mut registered = None;
    for one in in_order_of_trust(&answering) {
        match one.etcd.members().await {
            Ok(members) => {
                registered = Some(members);
                break;
            }
            Err(error) => last_error = Some(error),
        }
    }
    let Some(registered) = registered else {
        return Err(last_error.map_or(MembersError::NoneReached, MembersError::Etcd));
    };
    let mut alarms = None;
    for one in in_order_of_trust(&answering).filter(|one| one.status.leader.is_some()) {
        if let Ok(found) = one.etcd.alarms().await {
            alarms = Some(found);
            break;
        }
    }
    Ok(Members {
        registered,
        answering,
        alarms,
    })
}

/// The leader knows best, then whoever has one.
fn in_order_of_trust(answering: &BTreeMap<u64, Answering>) -> impl Iterator<Item = &Answering> {
    let mut sorted: Vec<&Answering> = answering.values().collect();
    sorted.sort_by_key(|one| match one.status.leader {
        Some(leader) if leader == one.status.member => 0,
        Some(_) => 1,
        None => 2,
    });
    sorted.into_iter()
}

impl Members {
    /// What each one that answers holds, sorted by name.
    #[must_use]
    pub fn data(&self) -> Vec<MemberData> {
        let name = |id: &u64| {
            let mut registered = self.registered.iter();
            let found = registered.find(|member| member.id == *id && !member.name.is_empty());
            found.map_or_else(|| format!("{id:x}"), |member| member.name.clone())
        };
        let mut data: Vec<MemberData> = self
            .answering
            .iter()
            .map(|(id, one)| MemberData {
                name: name(id),
                revision: one.status.revision,
                leader: one.status.leader.is_some(),
            })
            .collect();
        data.sort_by(|one, other| one.name.cmp(&other.name));
        data
    }

    /// The same without the member with this id.
    #[must_use]
    pub fn best_but(&self, id: u64) -> Option<&Answering> {
        in_order_of_trust(&self.answering).find(|one| one.status.member != id)
    }

    /// One that may be asked what takes a quorum: the leader, where it was reached.
    #[must_use]
    pub fn best(&self) -> Option<&Answering> {
        in_order_of_trust(&self.answering).next()
    }
}

/// The etcd cluster that `--etcd` names; main where it names none.
///
/// # Errors
/// Where it names several.
pub fn only_one(asked: &[String]) -> Result<String, CommandError> {
    match asked {
        [] => Ok(MAIN.to_owned()),
        [one] => Ok(one.clone()),
        several => Err(
            CommandError::usage(format!("one etcd cluster at a time, not {}", several.join(" and ")))
                .hint("pass a single --etcd; the default is main"),
        ),
    }
}
