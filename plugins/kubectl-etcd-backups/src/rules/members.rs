//! Which of several members of an etcd has the newest data.

use std::cmp::Ordering;

use runbook_kit::ports::EtcdStatus;

/// No member can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dispute {
    /// Two that answer are of different etcd clusters.
    #[error("the members that answer are of {} etcd clusters: {}", .0.len(), hex_list(.0))]
    Clusters(Vec<u64>),
    /// Their logs have parted: one has the higher revision, another the higher raft index.
    #[error(
        "the histories of members {0:x} and {1:x} have parted: one has the higher revision, the other the higher raft index"
    )]
    Parted(u64, u64),
    /// Nobody answered.
    #[error("no member answers")]
    Nobody,
}

fn hex_list(ids: &[u64]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("{id:x}")).collect();
    ids.join(" and ")
}

/// The one with the highest revision and raft index; of equals one with a leader, with a vote, the first.
pub fn newest(members: &[EtcdStatus]) -> Result<usize, Dispute> {
    let mut clusters: Vec<u64> = members.iter().map(|member| member.cluster).collect();
    clusters.sort_unstable();
    clusters.dedup();
    if clusters.len() > 1 {
        return Err(Dispute::Clusters(clusters));
    }
    let better = |a: &EtcdStatus, b: &EtcdStatus| {
        let by_data = a.revision.cmp(&b.revision).then(a.raft_applied.cmp(&b.raft_applied));
        let by_standing = (a.leader.is_some(), !a.learner).cmp(&(b.leader.is_some(), !b.learner));
        by_data.then(by_standing)
    };
    let (at, chosen) = members
        .iter()
        .enumerate()
        .reduce(|best, next| match better(next.1, best.1) {
            Ordering::Greater => next,
            _ => best,
        })
        .ok_or(Dispute::Nobody)?;
    // Under a leader there is one history, and a status is no single moment of it.
    let parted = |member: &&EtcdStatus| {
        let leaderless = member.leader.is_none() && chosen.leader.is_none();
        leaderless && member.revision < chosen.revision && member.raft_applied > chosen.raft_applied
    };
    match members.iter().find(parted) {
        Some(other) => Err(Dispute::Parted(chosen.member, other.member)),
        None => Ok(at),
    }
}

/// What is to be known of a member's data: it may be no more than its own view.
pub fn view(status: &EtcdStatus) -> String {
    let at = format!(
        "revision {}, raft index {} ({} applied), term {}",
        status.revision, status.raft_index, status.raft_applied, status.raft_term
    );
    let learner = if status.learner { "a learner, " } else { "" };
    match status.leader {
        Some(leader) if leader == status.member => format!("{learner}the leader, {at}"),
        Some(_) => format!("{learner}with a leader, {at}"),
        None => format!("{learner}without a leader, {at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, revision: i64, applied: u64) -> EtcdStatus {
        EtcdStatus {
            version: "3.6.16".to_owned(),
            db_size: 1,
            leader: None,
            member: id,
            cluster: 7,
            revision,
            in_use: 1,
            quota: None,
            raft_term: 3,
            raft_index: applied + 1,
            raft_applied: applied,
            learner: false,
        }
    }

    #[test]
    fn the_highest_revision_wins_then_the_raft_index_then_a_leader() {
        assert_eq!(newest(&[member(1, 5, 9), member(2, 6, 10), member(3, 4, 8)]), Ok(1));
        assert_eq!(newest(&[member(1, 5, 9), member(2, 5, 11)]), Ok(1));
        let led = EtcdStatus {
            leader: Some(1),
            ..member(2, 5, 9)
        };
        assert_eq!(newest(&[member(1, 5, 9), led]), Ok(1));
        assert_eq!(newest(&[member(1, 5, 9), member(2, 5, 9)]), Ok(0));
    }

    #[test]
    fn two_clusters_and_histories_that_parted_are_nobodys_choice() {
        let other = EtcdStatus {
            cluster: 8,
            ..member(2, 6, 10)
        };
        assert_eq!(newest(&[member(1, 5, 9), other]), Err(Dispute::Clusters(vec![7, 8])));
        assert_eq!(
            newest(&[member(1, 5, 12), member(2, 6, 10)]),
            Err(Dispute::Parted(2, 1))
        );
        let led = |member: EtcdStatus| EtcdStatus {
            leader: Some(1),
            ..member
        };
        assert_eq!(newest(&[led(member(1, 5, 12)), led(member(2, 6, 10))]), Ok(1));
        assert_eq!(newest(&[]), Err(Dispute::Nobody));
    }
}
