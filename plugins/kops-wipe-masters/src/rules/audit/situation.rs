//! From the facts and the findings to what decides on the cure.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::check::Severity;
use runbook_kit::model::fleet::wipe::INSTANCE_GROUP_TAG;
use runbook_kit::ports::etcd_members::AlarmKind;

use super::facts::{Etcd, Facts};
use super::findings::{Finding, Kind, retagged};
use super::ladder::{Answers, CertificateState, EtcdSituation, Situation};
use super::quorum::QuorumStatus;

/// etcd-manager takes a restore up within seconds, and is done in minutes.
const LONGEST_RESTORE: SignedDuration = SignedDuration::from_hours(1);

/// The situation of a cluster.
pub fn situation(facts: &Facts, findings: &[Finding]) -> Situation {
    Situation {
        exists: !facts.selection.is_empty(),
        problems: !findings.is_empty(),
        etcds: facts.etcds.iter().map(|etcd| of_etcd(facts, etcd, findings)).collect(),
        certificates: certificates(facts, findings),
    }
}

fn certificates(facts: &Facts, findings: &[Finding]) -> CertificateState {
    let about = findings.iter().filter(|found| found.finding.is_about_certificates());
    let worst = about
        .map(|found| match found.severity {
            Severity::Block => CertificateState::Bad,
            Severity::Warn | Severity::Info => CertificateState::EndSoon,
        })
        .max();
    worst.unwrap_or(match facts.observed.servers.is_empty() {
        true => CertificateState::NotSeen,
        false => CertificateState::Good,
    })
}

fn of_etcd(facts: &Facts, etcd: &Etcd, findings: &[Finding]) -> EtcdSituation {
    let name = etcd.name();
    let status = QuorumStatus::of(facts, etcd);
    let own = |kinds: &[Kind]| {
        let of_etcd = findings.iter().filter(|found| found.etcd.as_deref() == Some(name));
        of_etcd.filter(|found| kinds.contains(&found.finding)).count()
    };
    let seen = facts.observed.etcds.get(name);
    EtcdSituation {
        etcd: name.to_owned(),
        members: status.members,
        mounted: status.mounted,
        // A volume with another member's tag has the data that its name says.
        with_data: (status.with_data + retagged(facts, etcd)).min(status.members),
        masters: masters(facts, etcd).max(status.mounted),
        mixed: own(&[Kind::DuplicateEtcdTag, Kind::TwoVolumesOneInstance, Kind::MemberUnknown]) > 0,
        answers: match seen {
            None => Answers::NotSeen,
            Some(seen) if seen.has_leader() => Answers::Quorum,
            Some(seen) if seen.answering().next().is_some() => Answers::NoLeader,
            Some(_) => Answers::NotSeen,
        },
        no_space: seen.is_some_and(|seen| !seen.alarmed(AlarmKind::NoSpace).is_empty()),
        corrupt: seen.map_or(0, |seen| seen.alarmed(AlarmKind::Corrupt).len()),
        odd: own(&[Kind::EtcdLearner, Kind::EtcdMemberUnknown]),
        backup: etcd.state.best.is_ok(),
        restore_failed: restore_failed(facts, etcd),
    }
}

/// Members whose instance group has a running master; where groups are not known, the running masters.
fn masters(facts: &Facts, etcd: &Etcd) -> usize {
    let members = etcd.member_names(facts);
    let groups: Option<Vec<&str>> = members.iter().map(|member| etcd.instance_group(member)).collect();
    let Some(groups) = groups else {
        return facts.running().count().min(members.len());
    };
    let runs = |group: &&&str| {
        facts
            .running()
            .any(|master| master.tags.get(INSTANCE_GROUP_TAG).is_some_and(|tag| tag == *group))
    };
    groups.iter().filter(runs).count()
}

fn restore_failed(facts: &Facts, etcd: &Etcd) -> bool {
    let commands = etcd.state.control.commands.iter();
    let mut queued = commands.filter_map(|command| command.command.as_ref().ok()?.timestamp);
    queued.any(|nanoseconds| {
        Timestamp::from_nanosecond(i128::from(nanoseconds))
            .is_ok_and(|queued| facts.now.duration_since(queued) > LONGEST_RESTORE)
    })
}
