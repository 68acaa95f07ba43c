//! `space`: what makes an etcd that is full take writes again, and what speaks against it.
//!
//! etcd raises the alarm NOSPACE when a database file reaches its quota, and refuses writes until the alarm is disarmed, also where
//! the file is small again. Compaction frees pages within the file, defragmentation gives them back, one member at a time: it
//! blocks that member. Source: etcd's documentation, "Maintenance", and `api/etcdserverpb/rpc.proto`.

use runbook_kit::model::check::Severity;
use runbook_kit::model::units;
use runbook_kit::ports::etcd_members::{AlarmKind, EtcdAlarm};

pub use super::remark::Remark;

/// etcd's quota where none is set. Source: `server/storage/quota.go` (`DefaultQuotaBytes`).
pub const DEFAULT_QUOTA: u64 = 2 << 30;
/// A database that uses more of its quota than this is nearly full, in percent.
const NEARLY_FULL: u64 = 80;
/// Free pages that are worth a defragmentation.
const WORTH_IT: u64 = 64 << 20;
/// A member that is more entries behind than this catches up by a snapshot: etcd keeps as many for its followers.
/// Source: `server/etcdserver/server.go` (`DefaultSnapshotCatchUpEntries`).
const FAR_BEHIND: u64 = 5_000;

/// One registered member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    pub name: String,
    pub learner: bool,
    /// What it says of itself; `None` where it does not answer.
    pub status: Option<MemberSpace>,
}

/// What a member says of its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberSpace {
    /// The id of the leader that it follows, or its own.
    pub leader: Option<u64>,
    /// The raft index that it has applied.
    pub applied: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Of these, in use.
    pub in_use: u64,
    /// Its quota; `None` from etcd before 3.6, which does not tell.
    pub quota: Option<u64>,
}

impl MemberSpace {
    /// Bytes that a defragmentation gives back.
    #[must_use]
    pub const fn free(&self) -> u64 {
        self.size.saturating_sub(self.in_use)
    }
}

/// One etcd cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Sorted by name.
    pub members: Vec<Member>,
    pub alarms: Vec<EtcdAlarm>,
    /// The store's revision.
    pub revision: i64,
    /// The quota that the user gave.
    pub quota: Option<u64>,
}

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Forget the history before this revision.
    Compact(i64),
    /// Rewrite the file of the member with this id.
    Defragment(u64),
    /// Take back the alarm NOSPACE of this member.
    Disarm(EtcdAlarm),
}

impl Step {
    /// In words: `compact to revision 1234`.
    #[must_use]
    pub fn text(&self, facts: &Facts) -> String {
        match self {
            Self::Compact(revision) => format!("compact: forget the history before revision {revision}"),
            Self::Defragment(id) => {
                let role = if facts.leader() == Some(*id) {
                    ", the leader"
                } else {
                    ""
                };
                format!("defragment member {}{role}", facts.name_of(*id))
            }
            Self::Disarm(alarm) => {
                format!(
                    "disarm the alarm {} of member {}",
                    alarm.kind.word(),
                    facts.name_of(alarm.member)
                )
            }
        }
    }
}

/// What will be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub remarks: Vec<Remark>,
    /// Empty where there is nothing to do, or something blocks.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether something blocks.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.remarks.iter().any(|remark| remark.severity == Severity::Block)
    }
}

impl Facts {
    /// The alarms that say that there is no space.
    pub fn no_space(&self) -> impl Iterator<Item = &EtcdAlarm> {
        self.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::NoSpace)
    }

    /// The smallest quota that is known, or etcd's default.
    #[must_use]
    pub fn quota(&self) -> u64 {
        let told = self.members.iter().filter_map(|member| member.status?.quota).min();
        self.quota.or(told).unwrap_or(DEFAULT_QUOTA)
    }

    /// The name of a member, or its id in hexadecimal digits, as etcdctl prints it.
    #[must_use]
    pub fn name_of(&self, id: u64) -> String {
        let member = self.members.iter().find(|member| member.id == id);
        member
            .filter(|member| !member.name.is_empty())
            .map_or_else(|| format!("{id:x}"), |member| member.name.clone())
    }

    fn answering(&self) -> impl Iterator<Item = (&Member, MemberSpace)> {
        self.members.iter().filter_map(|member| Some((member, member.status?)))
    }

    fn leader(&self) -> Option<u64> {
        self.answering().find_map(|(_, status)| status.leader)
    }
}

/// What to do about the space of an etcd cluster.
#[must_use]
pub fn plan(facts: &Facts) -> Plan {
    let steps = steps(facts);
    let mut remarks = Vec::new();
    remarks.extend(corrupt(facts));
    remarks.extend(no_leader(facts));
    if !steps.is_empty() {
        remarks.extend(silent(facts));
        remarks.extend(behind(facts));
        remarks.extend(learners(facts));
    }
    let wanted = Plan { remarks, steps };
    match wanted.is_blocked() {
        true => Plan {
            steps: Vec::new(),
            ..wanted
        },
        false => wanted,
    }
}

fn steps(facts: &Facts) -> Vec<Step> {
    let full = facts.no_space().next().is_some();
    let quota = facts.quota();
    let nearly = facts
        .answering()
        .any(|(_, status)| status.size.saturating_mul(100) >= quota.saturating_mul(NEARLY_FULL));
    let wasted = facts
        .answering()
        .any(|(_, status)| status.free() >= WORTH_IT && status.free() >= status.size / 2);
    if !(full || nearly || wasted) {
        return Vec::new();
    }
    let leader = facts.leader();
    let mut members: Vec<&Member> = facts.answering().map(|(member, _)| member).collect();
    // The leader last: each election costs a moment in which nothing is written.
    members.sort_by_key(|member| (Some(member.id) == leader, &member.name, member.id));
    let mut steps = vec![Step::Compact(facts.revision)];
    steps.extend(members.into_iter().map(|member| Step::Defragment(member.id)));
    steps.extend(facts.no_space().cloned().map(Step::Disarm));
    steps
}

/// A corrupt member is not cured by space, and its alarm protects the others.
fn corrupt(facts: &Facts) -> Option<Remark> {
    let corrupt: Vec<String> = facts
        .alarms
        .iter()
        .filter(|alarm| alarm.kind == AlarmKind::Corrupt)
        .map(|alarm| facts.name_of(alarm.member))
        .collect();
    (!corrupt.is_empty()).then(|| Remark {
        severity: Severity::Block,
        text: format!(
            "member {} has raised the alarm CORRUPT: its data differs from that of the others",
            corrupt.join(", ")
        ),
        hint: Some("save the data first: `kubectl etcd-backups take`; then replace that member".to_owned()),
    })
}

fn no_leader(facts: &Facts) -> Option<Remark> {
    facts.leader().is_none().then(|| Remark {
        severity: Severity::Block,
        text: "no member has a leader: nothing can be compacted".to_owned(),
        hint: Some(
            "start more members: `kubectl etcd-restore logs etcd` shows why they are down; save the newest data first: `kubectl etcd-backups take`"
                .to_owned(),
        ),
    })
}

/// A member is blocked while it is defragmented: the others must have quorum without it.
fn silent(facts: &Facts) -> Option<Remark> {
    let voters = facts.members.iter().filter(|member| !member.learner);
    let silent: Vec<&str> = voters
        .clone()
        .filter(|member| member.status.is_none())
        .map(|member| member.name.as_str())
        .collect();
    let (all, answering) = (
        voters.count(),
        facts.answering().filter(|(member, _)| !member.learner).count(),
    );
    if all == 1 && silent.is_empty() {
        return Some(Remark {
            severity: Severity::Warn,
            text: "it has one member, which does not answer while it is defragmented: the API fails for that long"
                .to_owned(),
            hint: None,
        });
    }
    if silent.is_empty() {
        return None;
    }
    let without = answering.saturating_sub(1) <= all / 2;
    let text = format!("no answer from member {}", silent.join(", "));
    Some(match (without, facts.no_space().next()) {
        (true, None) => Remark {
            severity: Severity::Block,
            text: format!("{text}: with another one blocked by its defragmentation etcd has no quorum"),
            hint: Some("bring it back first, or name more of --endpoints or --host".to_owned()),
        },
        (true, Some(_)) => Remark {
            severity: Severity::Warn,
            text: format!("{text}: etcd has no quorum while another one is defragmented; it refuses writes already"),
            hint: None,
        },
        (false, _) => Remark {
            severity: Severity::Warn,
            text: format!("{text}: its database stays as large as it is"),
            hint: None,
        },
    })
}

/// After a compaction a member that is far behind gets a whole snapshot from its leader.
fn behind(facts: &Facts) -> Option<Remark> {
    let newest = facts.answering().map(|(_, status)| status.applied).max()?;
    let behind: Vec<String> = facts
        .answering()
        .filter(|(_, status)| newest.saturating_sub(status.applied) > FAR_BEHIND)
        .map(|(member, status)| format!("{} ({} entries)", member.name, newest - status.applied))
        .collect();
    (!behind.is_empty()).then(|| Remark {
        severity: Severity::Block,
        text: format!("far behind the others: member {}", behind.join(", ")),
        hint: Some("wait until it has caught up: `kubectl etcd-restore member list`".to_owned()),
    })
}

fn learners(facts: &Facts) -> Option<Remark> {
    let learners: Vec<&str> = facts
        .members
        .iter()
        .filter(|member| member.learner)
        .map(|member| member.name.as_str())
        .collect();
    (!learners.is_empty()).then(|| Remark {
        severity: Severity::Warn,
        text: format!("{} is a learner: it has no vote yet", learners.join(", ")),
        hint: None,
    })
}

/// What to say when all was done: whether the database fits its quota now.
#[must_use]
pub fn judge(facts: &Facts) -> Option<Remark> {
    let quota = facts.quota();
    let over: Vec<String> = facts
        .answering()
        .filter(|(_, status)| status.size.saturating_mul(100) >= quota.saturating_mul(NEARLY_FULL))
        .map(|(member, status)| format!("{} ({})", member.name, units::bytes(status.size)))
        .collect();
    (!over.is_empty()).then(|| Remark {
        severity: Severity::Warn,
        text: format!(
            "still nearly as large as the quota of {}: member {}",
            units::bytes(quota),
            over.join(", ")
        ),
        hint: Some(
            "delete what fills it, as shown above; or raise the quota: ETCD_QUOTA_BACKEND_BYTES under etcdClusters[].manager.env of the \
             cluster's spec (`kops edit cluster`), at most 8 GiB"
                .to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests;
