//! What a living etcd says, and what the state store needs.

use runbook_kit::model::exposure::Known;
use runbook_kit::ports::etcd_members::AlarmKind;

use super::*;
use crate::rules::audit::findings::advice;
use crate::rules::audit::observed::{CopySeen, EtcdSeen, MemberSeen, StatusSeen};

const GIB: u64 = 1 << 30;

/// Three members of main that answer.
fn living() -> EtcdSeen {
    let member = |(id, zone): (u64, &str)| MemberSeen {
        id,
        name: format!("etcd-{zone}"),
        learner: false,
        status: Some(StatusSeen {
            version: "3.5.30".to_owned(),
            has_leader: true,
            db_size: GIB / 4,
            in_use: GIB / 8,
            quota: Some(2 * GIB),
        }),
    };
    EtcdSeen {
        members: [(10, "a"), (11, "b"), (12, "c")].into_iter().map(member).collect(),
        alarms: Some(Vec::new()),
    }
}

fn status(seen: &mut EtcdSeen, at: usize) -> &mut StatusSeen {
    seen.members[at].status.as_mut().unwrap()
}

fn seen(change: impl FnOnce(&mut EtcdSeen)) -> (Vec<Finding>, Cure, String) {
    let mut facts = facts(&machines());
    let mut seen = living();
    change(&mut seen);
    facts.observed.etcds.insert("main".to_owned(), seen);
    let found = findings(&facts);
    let cure = smallest(&facts, &found);
    (found, cure.cure, cure.why)
}

#[test]
fn a_healthy_etcd_has_no_finding_and_members_that_were_not_reached_are_none() {
    assert_eq!(seen(|_| ()).0, []);
    assert_eq!(seen(|etcd| etcd.members[1].status = None).0, []);
}

#[test]
fn alarms_and_sizes_lead_to_space_and_to_one_member() {
    let (found, cure, why) = seen(|etcd| {
        status(etcd, 0).db_size = 2 * GIB;
        etcd.alarms = Some(vec![(10, AlarmKind::NoSpace), (12, AlarmKind::NoSpace)]);
    });
    assert_eq!(kinds(&found), [of(Kind::EtcdNoSpace, "etcd-a etcd-c")]);
    assert!(
        found[0].what.contains("etcd-a 2.0 GiB of 2.0 GiB, 128 MiB in use"),
        "{}",
        found[0].what
    );
    assert_eq!(
        command(&found[0]),
        "kubectl etcd-restore space --name k8s.example.com --state s3://state --etcd main"
    );
    assert_eq!(cure, Cure::Space, "{why}");

    let (found, cure, _) = seen(|etcd| status(etcd, 1).db_size = GIB * 17 / 10);
    assert_eq!(kinds(&found), [of(Kind::EtcdNearlyFull, "etcd-b")]);
    assert_eq!((found[0].severity, cure), (Severity::Warn, Cure::Fix));
    assert_eq!(seen(|etcd| status(etcd, 1).db_size = GIB * 3 / 2).0, []);

    let (found, cure, _) = seen(|etcd| etcd.alarms = Some(vec![(11, AlarmKind::Corrupt)]));
    assert_eq!(kinds(&found), [of(Kind::EtcdCorrupt, "etcd-b")]);
    assert_eq!(
        command(&found[0]),
        "kubectl etcd-restore member replace --name k8s.example.com --state s3://state --etcd main etcd-b"
    );
    assert_eq!(cure, Cure::FixMembers);
    // A majority that is corrupt cannot give a sound member.
    let (_, cure, _) = seen(|etcd| etcd.alarms = Some(vec![(11, AlarmKind::Corrupt), (12, AlarmKind::Corrupt)]));
    assert_eq!(cure, Cure::Restore);
}

#[test]
fn members_without_leader_lead_to_salvage_before_any_restore() {
    let (found, cure, why) = seen(|etcd| {
        etcd.members[2].status = None;
        status(etcd, 0).has_leader = false;
        status(etcd, 1).has_leader = false;
        etcd.alarms = None;
    });
    assert_eq!(kinds(&found), [of(Kind::EtcdNoLeader, "etcd-a etcd-b")]);
    assert!(note(&found[0]).contains("newer than the newest backup"));
    assert_eq!(cure, Cure::Restore, "{why}");
    assert!(why.contains("Save the newest data"), "{why}");
}

#[test]
fn strangers_learners_and_members_that_never_started_are_told() {
    let (found, cure, _) = seen(|etcd| {
        etcd.members[1].learner = true;
        etcd.members.push(MemberSeen {
            id: 0xab,
            name: "etcd-d".to_owned(),
            learner: false,
            status: None,
        });
        etcd.members.push(MemberSeen {
            id: 0xcd,
            name: String::new(),
            learner: false,
            status: None,
        });
    });
    assert_eq!(
        kinds(&found),
        [
            of(Kind::EtcdMemberUnknown, "etcd-d ab"),
            of(Kind::EtcdLearner, "cd cd"),
            of(Kind::EtcdLearner, "etcd-b b"),
        ]
    );
    assert!(command(&found[0]).ends_with("member replace --name k8s.example.com --state s3://state --etcd main ab"));
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn versions_that_differ_and_an_upgrade_with_zombies_are_told() {
    let (found, cure, _) = seen(|etcd| status(etcd, 2).version = "3.5.26".to_owned());
    assert_eq!(kinds(&found), [of(Kind::EtcdVersions, "3.5.26 3.5.30")]);
    assert_eq!(cure, Cure::Fix);

    let upgrade = |runs: &str, wanted: &str| {
        let mut facts = facts(&machines());
        facts.observed.wanted_etcd.insert("main".to_owned(), wanted.to_owned());
        let mut seen = living();
        for at in 0..3 {
            status(&mut seen, at).version = runs.to_owned();
        }
        facts.observed.etcds.insert("main".to_owned(), seen);
        kinds(&findings(&facts))
    };
    assert_eq!(upgrade("3.5.25", "3.6.11"), [of(Kind::EtcdZombies, "3.5.25 3.6.11")]);
    for (runs, wanted) in [
        ("3.5.26", "3.6.11"),
        ("3.5.25", "3.5.35"),
        ("3.6.1", "3.6.11"),
        ("3.4.3", "3.5.1"),
    ] {
        assert_eq!(upgrade(runs, wanted), [], "{runs} {wanted}");
    }
}

#[test]
fn gossip_and_another_kops_are_told_and_advice_is_no_problem() {
    let with = |state: &str, here: Option<&str>, gossip: bool| {
        let mut facts = facts(&machines());
        facts.observed.kops_of_state = Some(state.to_owned());
        facts.observed.kops_here = here.map(str::to_owned);
        facts.observed.gossip = gossip;
        facts.observed.copy = CopySeen::NotRead;
        facts
    };
    let refused = with("1.36.2", Some("1.37.0-alpha.1"), true);
    assert_eq!(
        kinds(&findings(&refused)),
        [of(Kind::Gossip, C), of(Kind::KopsVersion, "1.37.0-alpha.1")]
    );
    assert_eq!(advice(&refused), []);
    let later = with("1.36.2", Some("1.36.0"), true);
    assert_eq!(findings(&later), []);
    assert_eq!(kinds(&advice(&later)), [of(Kind::Gossip, C)]);
    assert_eq!(findings(&with("1.36.2", None, false)), []);
    assert_eq!(
        kinds(&findings(&with("1.36.2", Some("v1.35.9"), false))),
        [of(Kind::KopsVersion, "v1.35.9")]
    );

    let mut plain = facts(&machines());
    plain.observed.versioned = Some(Known::No("versioning is suspended".to_owned()));
    assert_eq!(findings(&plain), []);
    let advised = advice(&plain);
    assert_eq!(
        kinds(&advised),
        [of(Kind::StateVersioning, "s3://state"), of(Kind::NoCopy, "s3://state")]
    );
    assert_eq!(
        command(&advised[0]),
        "aws s3api put-bucket-versioning --bucket state --versioning-configuration Status=Enabled"
    );
}

#[test]
fn copies_elsewhere_are_told_where_they_are_old_or_missing() {
    let mut facts = facts(&machines());
    let hour = |ago: i64| now().checked_sub(SignedDuration::from_hours(ago)).unwrap();
    facts.observed.copy = CopySeen::Looked {
        at: "s3://copies".to_owned(),
        newest: [
            ("main".to_owned(), Some(hour(25))),
            ("events".to_owned(), Some(hour(23))),
        ]
        .into(),
    };
    let found = findings(&facts);
    assert_eq!(kinds(&found), [of(Kind::CopyOld, "s3://copies")]);
    assert_eq!(
        command(&found[0]),
        "kubectl etcd-backups copy --name k8s.example.com --state s3://state --to s3://copies --yes"
    );
    facts.observed.copy = CopySeen::Looked {
        at: "s3://copies".to_owned(),
        newest: std::collections::BTreeMap::default(),
    };
    assert_eq!(findings(&facts).len(), 2);
}
