use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

fn member(id: u64, size: u64, in_use: u64) -> Member {
    Member {
        id,
        name: format!("etcd-{id}"),
        learner: false,
        status: Some(MemberSpace {
            leader: Some(1),
            applied: 100,
            size,
            in_use,
            quota: Some(100 * MIB),
        }),
    }
}

fn three(size: u64, in_use: u64) -> Facts {
    Facts {
        members: (1..=3).map(|id| member(id, size, in_use)).collect(),
        alarms: Vec::new(),
        revision: 77,
        quota: None,
    }
}

fn alarm(member: u64, kind: AlarmKind) -> EtcdAlarm {
    EtcdAlarm { member, kind }
}

fn blocks(facts: &Facts) -> Vec<String> {
    let plan = plan(facts);
    assert!(
        !plan.is_blocked() || plan.steps.is_empty(),
        "what is blocked has no steps"
    );
    let blocking = plan
        .remarks
        .into_iter()
        .filter(|remark| remark.severity == Severity::Block);
    blocking.map(|remark| remark.text).collect()
}

#[test]
fn the_leader_is_last_and_alarms_are_disarmed_at_the_end() {
    let mut facts = three(100 * MIB, 10 * MIB);
    facts.alarms = vec![alarm(2, AlarmKind::NoSpace)];
    let steps: Vec<String> = plan(&facts).steps.iter().map(|step| step.text(&facts)).collect();
    assert_eq!(
        steps,
        [
            "compact: forget the history before revision 77",
            "defragment member etcd-2",
            "defragment member etcd-3",
            "defragment member etcd-1, the leader",
            "disarm the alarm NOSPACE of member etcd-2",
        ]
    );
}

#[test]
fn small_databases_are_left_alone_even_with_a_member_down() {
    let mut facts = three(50 * MIB, 45 * MIB);
    assert_eq!(plan(&facts), Plan::default());
    facts.members[2].status = None;
    assert_eq!(plan(&facts), Plan::default());
}

#[test]
fn much_free_space_is_worth_a_defragmentation() {
    let mut facts = three(700 * MIB, 100 * MIB);
    facts.quota = Some(8 << 30);
    assert_eq!(plan(&facts).steps.len(), 4);
}

#[test]
fn what_speaks_against_it() {
    let full = || three(95 * MIB, 90 * MIB);
    let mut corrupt = full();
    corrupt.alarms = vec![alarm(1, AlarmKind::NoSpace), alarm(3, AlarmKind::Corrupt)];
    assert!(blocks(&corrupt)[0].contains("etcd-3 has raised the alarm CORRUPT"));

    let mut leaderless = full();
    for member in &mut leaderless.members {
        member.status.as_mut().unwrap().leader = None;
    }
    assert!(blocks(&leaderless)[0].contains("no member has a leader"));

    let mut down = full();
    down.members[1].status = None;
    assert!(
        blocks(&down)[0].contains("etcd-2: with another one blocked"),
        "{:?}",
        blocks(&down)
    );
    down.alarms = vec![alarm(1, AlarmKind::NoSpace)];
    assert_eq!(blocks(&down), Vec::<String>::new(), "it refuses writes already");

    let mut behind = full();
    behind.members[2].status.as_mut().unwrap().applied = 100;
    behind.members[0].status.as_mut().unwrap().applied = 9_000;
    assert!(
        blocks(&behind)[0].contains("etcd-3 (8900 entries)"),
        "{:?}",
        blocks(&behind)
    );

    let mut alone = full();
    alone.members.truncate(1);
    assert_eq!(blocks(&alone), Vec::<String>::new());
    assert!(plan(&alone).remarks[0].text.contains("one member"));
}

#[test]
fn what_is_still_large_is_told_with_the_cure() {
    let facts = three(95 * MIB, 90 * MIB);
    let remark = judge(&facts).unwrap();
    assert!(remark.text.contains("etcd-1 (95"), "{}", remark.text);
    assert!(remark.hint.unwrap().contains("ETCD_QUOTA_BACKEND_BYTES"));
    assert_eq!(judge(&three(30 * MIB, 30 * MIB)), None);
}

fn any_member(id: u64) -> impl Strategy<Value = Member> {
    let status = (
        proptest::option::of(1..4_u64),
        0..20_000_u64,
        0..200 * MIB,
        0..200 * MIB,
        proptest::option::of(1..150 * MIB),
    );
    (any::<bool>(), proptest::option::of(status)).prop_map(move |(learner, status)| Member {
        id,
        name: format!("etcd-{id}"),
        learner,
        status: status.map(|(leader, applied, size, in_use, quota)| MemberSpace {
            leader,
            applied,
            size,
            in_use,
            quota,
        }),
    })
}

proptest! {
    #[test]
    fn never_a_step_for_what_is_corrupt_silent_or_without_a_leader(
        members in (any_member(1), any_member(2), any_member(3)),
        alarms in proptest::collection::vec((1..5_u64, any::<bool>()), 0..4),
    ) {
        let alarms = alarms.into_iter().map(|(member, full)| {
            alarm(member, if full { AlarmKind::NoSpace } else { AlarmKind::Corrupt })
        });
        let facts = Facts {
            members: vec![members.0, members.1, members.2],
            alarms: alarms.collect(),
            revision: 5,
            quota: None,
        };
        let plan = plan(&facts);
        if plan.steps.is_empty() {
            return Ok(());
        }
        prop_assert!(!plan.is_blocked());
        prop_assert!(facts.leader().is_some());
        prop_assert!(facts.alarms.iter().all(|alarm| alarm.kind == AlarmKind::NoSpace));
        prop_assert_eq!(plan.steps.first(), Some(&Step::Compact(5)));
        let defragmented: Vec<u64> = plan.steps.iter().filter_map(|step| match step {
            Step::Defragment(id) => Some(*id),
            _ => None,
        }).collect();
        let answering: Vec<u64> = facts.answering().map(|(member, _)| member.id).collect();
        prop_assert!(defragmented.iter().all(|id| answering.contains(id)));
        prop_assert_eq!(defragmented.len(), answering.len());
        let leader = facts.leader().unwrap();
        prop_assert!(!answering.contains(&leader) || defragmented.last() == Some(&leader));
    }
}
