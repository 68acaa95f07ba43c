use proptest::prelude::*;
use runbook_kit::model::fleet::Attachment;
use runbook_kit::model::fleet::wipe::Chosen;

use super::*;

const C: &str = "k8s.example.com";

fn member(id: u64, name: &str) -> Member {
    Member {
        id,
        name: name.to_owned(),
        answers: true,
        leader: Some(1),
        ..Member::default()
    }
}

fn dead(id: u64, name: &str) -> Member {
    Member {
        answers: false,
        leader: None,
        ..member(id, name)
    }
}

/// `a` leads, `c` is dead.
fn three() -> Facts {
    Facts {
        etcd: "main".to_owned(),
        members: vec![member(1, "etcd-a"), member(2, "etcd-b"), dead(0xc0, "etcd-c")],
        volumes: Some(BTreeMap::new()),
        ..Facts::default()
    }
}

fn volume(id: &str, attached: Option<(&str, InstanceState)>) -> MemberVolume {
    MemberVolume {
        id: id.to_owned(),
        attached: attached.map(|(instance, state)| (instance.to_owned(), state)),
        ..MemberVolume::default()
    }
}

fn with_volumes(member: &str, volumes: Vec<MemberVolume>) -> Facts {
    Facts {
        volumes: Some(BTreeMap::from([(member.to_owned(), volumes)])),
        ..three()
    }
}

fn steps(facts: &Facts, given: &str) -> Vec<String> {
    let plan = plan(facts, &find(facts, given).unwrap());
    plan.steps.iter().map(|step| step.text(&facts.etcd)).collect()
}

fn blocked(facts: &Facts, given: &str) -> String {
    let plan = plan(facts, &find(facts, given).unwrap());
    assert!(plan.steps.is_empty(), "what is blocked has no steps");
    let blocks = plan.remarks.iter().filter(|remark| remark.severity == Severity::Block);
    blocks.map(|remark| remark.text.clone()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_dead_member_is_removed_and_its_free_volume_put_into_quarantine() {
    let facts = with_volumes("c", vec![volume("vol-c", None)]);
    for given in ["c", "etcd-c", "c0"] {
        assert_eq!(
            steps(&facts, given),
            ["remove member etcd-c (c0) from etcd main", "quarantine volume vol-c"]
        );
    }
}

#[test]
fn what_was_removed_before_leaves_its_volume_and_its_alarm() {
    let mut facts = with_volumes("c", vec![volume("vol-c", None)]);
    facts.members.pop();
    let alarm = EtcdAlarm {
        member: 0xc0,
        kind: AlarmKind::NoSpace,
    };
    facts.alarms = vec![alarm];
    assert_eq!(
        steps(&facts, "c"),
        ["disarm its alarm NOSPACE", "quarantine volume vol-c"]
    );
    assert_eq!(steps(&facts, "etcd-c").len(), 2);
    // All is done.
    facts.volumes = Some(BTreeMap::new());
    facts.quarantined = BTreeSet::from(["c".to_owned()]);
    facts.alarms.clear();
    assert_eq!(steps(&facts, "etcd-c"), Vec::<String>::new());
    assert!(find(&facts, "d").is_err());
}

#[test]
fn an_attached_volume_stays_and_is_told() {
    let facts = with_volumes("c", vec![volume("vol-c", Some(("i-1", InstanceState::Running)))]);
    let plan = plan(&facts, &find(&facts, "c").unwrap());
    assert_eq!(plan.steps.len(), 1);
    let told: String = plan.remarks.iter().map(|remark| remark.text.as_str()).collect();
    assert!(told.contains("vol-c is attached to i-1 (running) and stays"), "{told}");
}

#[test]
fn who_answers_is_not_replaced_unless_it_has_no_vote_or_wrong_data() {
    let mut facts = three();
    facts.members[2] = member(0xc0, "etcd-c");
    assert!(blocked(&facts, "c").contains("etcd-c answers"));
    assert!(blocked(&facts, "a").contains("etcd-a answers"));
    facts.members[2].learner = true;
    assert_eq!(steps(&facts, "c").len(), 1);
    facts.members[2].learner = false;
    facts.alarms = vec![EtcdAlarm {
        member: 0xc0,
        kind: AlarmKind::Corrupt,
    }];
    assert_eq!(
        steps(&facts, "c"),
        ["remove member etcd-c (c0) from etcd main", "disarm its alarm CORRUPT"]
    );
    facts.alarms[0].member = 2;
    facts.members[2] = dead(0xc0, "etcd-c");
    assert!(blocked(&facts, "c").contains("CORRUPT: etcd-b"));
}

#[test]
fn without_a_quorum_or_with_two_leaders_nothing_is_removed() {
    let mut facts = three();
    facts.members[1].answers = false;
    facts.members[1].leader = None;
    assert!(blocked(&facts, "c").contains("1 of 3 voting members answer, and 2 are a quorum"));
    facts.members[0].leader = None;
    assert!(blocked(&facts, "c").contains("no member has a leader"));
    let mut split = three();
    split.members[1].leader = Some(2);
    assert!(blocked(&split, "c").contains("different leaders"));
    let last = Facts {
        members: vec![member(1, "etcd-a")],
        ..three()
    };
    assert!(blocked(&last, "a").contains("etcd-a answers"));
    let queued = Facts {
        queued: vec!["2026".to_owned()],
        ..three()
    };
    assert!(blocked(&queued, "c").contains("a restore of etcd main is queued: 2026"));
}

#[test]
fn nobody_or_several_of_that_name_are_told() {
    let facts = three();
    let none = find(&facts, "d").unwrap_err().to_string();
    assert_eq!(
        none,
        "etcd main has no member d; its members are etcd-a, etcd-b, etcd-c"
    );
    assert!(find(&facts, "").is_err());
    let mut twice = three();
    twice.members[1].name = "etcd-c".to_owned();
    let several = find(&twice, "c").unwrap_err().to_string();
    assert_eq!(several, "etcd main has several members c, with the IDs 2, c0");
    assert_eq!(steps(&twice, "c0").len(), 1);
}

#[test]
fn the_volume_of_a_member_that_never_started_is_known_by_its_peer_url() {
    let urls = [format!("https://etcd-events-c.internal.{C}:2381")];
    assert_eq!(volume_name("events", "", &urls).as_deref(), Some("c"));
    let mut facts = three();
    facts.etcd = "events".to_owned();
    facts.members[2] = Member {
        peer_urls: urls.to_vec(),
        ..dead(7, "")
    };
    assert_eq!(steps(&facts, "c"), ["remove member 7 (7) from etcd events"]);
    assert_eq!(
        volume_name("main", "etcd-us-east-1a", &[]).as_deref(),
        Some("us-east-1a")
    );
    assert_eq!(volume_name("main", "another", &[]), None);
}

#[test]
fn only_volumes_of_this_etcd_alone_are_taken() {
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let chosen = |id: &str, pairs: &[(&str, &str)], attached: &[&str]| Chosen {
        thing: Volume {
            id: id.to_owned(),
            tags: tags(pairs),
            attachments: attached
                .iter()
                .map(|instance| Attachment {
                    instance: (*instance).to_owned(),
                    ..Attachment::default()
                })
                .collect(),
            ..Volume::default()
        },
        reason: String::new(),
    };
    let main = ("k8s.io/etcd/main", "c/a,b,c");
    let selection = Selection {
        volumes: vec![
            chosen("vol-1", &[main], &["i-1"]),
            chosen("vol-2", &[("k8s.io/etcd/events", "c/a,b,c")], &[]),
            chosen("vol-3", &[main, ("k8s.io/etcd/events", "c/a,b,c")], &[]),
            chosen("vol-4", &[("k8s.io/etcd/main", "cc/a,b,cc")], &[]),
        ],
        ..Selection::default()
    };
    let found = volumes_by_member("main", C, "run", &selection, &[]);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["c", "cc"]);
    assert_eq!(found["c"].len(), 1);
    assert_eq!(found["c"][0].attached, Some(("i-1".to_owned(), InstanceState::Unknown)));
    assert!(found["c"][0].remove.contains("k8s.io/etcd/main"));
    assert_eq!(found["c"][0].shadows[quarantine::MARK], C);
}

fn any_member() -> impl Strategy<Value = Member> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(answers, learner, leads)| Member {
        answers,
        learner,
        leader: (answers && leads).then_some(1),
        ..Member::default()
    })
}

proptest! {
    #[test]
    fn a_quorum_of_those_that_remain_answers_before_and_after(
        members in proptest::collection::vec(any_member(), 1..8),
        which in any::<prop::sample::Index>(),
        corrupt in proptest::collection::vec(0_u64..8, 0..2),
    ) {
        let mut facts = Facts { members, ..three() };
        for (id, member) in facts.members.iter_mut().enumerate() {
            member.id = id as u64;
            member.name = format!("etcd-{id}");
        }
        facts.alarms = corrupt
            .iter()
            .map(|member| EtcdAlarm { member: *member, kind: AlarmKind::Corrupt })
            .collect();
        let target = which.get(&facts.members).clone();
        let plan = plan(&facts, &Target::Registered(target.clone()));
        if plan.steps.is_empty() {
            return Ok(());
        }
        let others = || facts.members.iter().filter(|member| member.id != target.id && !member.learner);
        let sound = others().filter(|member| member.answers && member.leader.is_some()).count();
        let voters = others().count() + usize::from(!target.learner);
        prop_assert!(sound > voters / 2, "before");
        prop_assert!(sound > others().count() / 2, "after");
        prop_assert!(!target.answers || target.learner || corrupt.contains(&target.id));
        let removed = plan.steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        prop_assert_eq!(removed, 1);
    }
}
