use super::*;
use crate::rules::data_loss::{LossCount, ResourceLoss};
use crate::rules::follow::Answer;
use runbook_kit::model::observed::Observed;

fn name(minute: u32) -> BackupName {
    format!("2026-11-22T15:{minute:02}:01Z-000001").parse().unwrap()
}

fn now() -> Timestamp {
    "2026-11-22T15:25:00Z".parse().unwrap()
}

fn etcd(etcd: &str) -> EtcdFacts {
    EtcdFacts {
        etcd: etcd.to_owned(),
        control: format!("s3://b/{etcd}/control"),
        wanted: Wanted::Restore(Box::new(BackupFacts {
            name: name(18),
            rejections: Vec::new(),
            warnings: Vec::new(),
            passed_over: Vec::new(),
            keys: 213,
            in_store: true,
            encrypted_by: Vec::new(),
        })),
        why: Vec::new(),
        spec: ControlFact::Valid(ClusterSpec {
            member_count: 3,
            etcd_version: "3.5.35".to_owned(),
        }),
        created: ControlFact::Valid(()),
        spec_members: 3,
        commands: Vec::new(),
        observed: EtcdSeen::Silent("refused".to_owned()),
        liveness: Liveness::Dead("the masters were wiped".to_owned()),
        data_loss: None,
        newest: Some("2026-11-22T15:20:36Z".parse().unwrap()),
        manager: Vec::new(),
        salvage: salvage::Facts::default(),
    }
}

fn serving(etcd: &mut EtcdFacts, revision: i64) {
    etcd.observed = EtcdSeen::Serving(Answer {
        cluster: 1,
        revision,
        leader: true,
    });
    etcd.liveness = Liveness::Alive {
        why: format!("it serves at revision {revision}"),
        serves: true,
    };
}

fn facts() -> ClusterFacts {
    ClusterFacts {
        cluster: "k8s.example.com".to_owned(),
        etcds: vec![etcd("main"), etcd("events")],
        masters: Observed::Known(vec!["i-1".to_owned(), "i-2".to_owned(), "i-3".to_owned()]),
        api_ready: Observed::Known(false),
        encryption_keys: Observed::Known(Vec::new()),
        even_if_poor: false,
        left_out: Vec::new(),
        one_by_one: false,
    }
}

fn left_out(etcd: &str) -> LeftOut {
    LeftOut {
        etcd: etcd.to_owned(),
        commands: Observed::Known(Vec::new()),
        created: true,
        seen: EtcdSeen::NotAsked("no way to it".to_owned()),
        no_members: None,
    }
}

/// The names of the checks that refuse, with the etcd that they are of.
fn blocked(facts: &ClusterFacts) -> Vec<String> {
    checks(facts, now())
        .iter()
        .filter(|check| check.blocks())
        .map(|check| format!("{} {}", check.etcd.clone().unwrap_or_default(), check.name))
        .collect()
}

fn warned(facts: &ClusterFacts) -> Vec<String> {
    checks(facts, now())
        .iter()
        .filter(|check| !check.ok && check.severity == Severity::Warn)
        .map(|check| format!("{} {}", check.etcd.clone().unwrap_or_default(), check.name))
        .collect()
}

fn backup_of(facts: &mut ClusterFacts, at: usize) -> &mut BackupFacts {
    match &mut facts.etcds[at].wanted {
        Wanted::Restore(backup) => backup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_a_wipe_with_good_backups_nothing_refuses() {
    let found = checks(&facts(), now());
    assert!(found.iter().all(|check| check.ok), "{found:?}");
    assert!(facts().alive().is_empty());
}

#[test]
fn every_refusal_comes_with_a_cure() {
    type Change = fn(&mut ClusterFacts);
    let changes: [(&str, Change); 16] = [
        ("events backup", |facts| {
            facts.etcds[1].wanted = Wanted::Nothing(vec!["no backup found".to_owned()])
        }),
        ("cilium left-out", |facts| {
            facts.left_out = vec![LeftOut {
                no_members: Some("the log says so".to_owned()),
                ..left_out("cilium")
            }];
        }),
        ("main queue", |facts| {
            facts.etcds[0].commands = vec![QueuedFact {
                name: "n".to_owned(),
                backup: Ok(name(18).to_string()),
                there: true,
                age: Some(SignedDuration::from_hours(40)),
                own: false,
            }];
        }),
        ("main backup", |facts| {
            backup_of(facts, 0).rejections = vec![Rejection::Empty]
        }),
        ("main backup", |facts| {
            backup_of(facts, 0).rejections = vec![Rejection::Bare { by_controllers: false }]
        }),
        ("main backup", |facts| {
            facts.etcds[0].wanted = Wanted::Nothing(vec!["empty".to_owned()])
        }),
        ("events backup", |facts| {
            backup_of(facts, 1).rejections = vec![Rejection::Damaged("page 3".to_owned())];
        }),
        ("main cluster-spec", |facts| facts.etcds[0].spec = ControlFact::Missing),
        ("events cluster-spec", |facts| {
            facts.etcds[1].spec = ControlFact::Broken("no JSON".to_owned())
        }),
        ("main cluster-spec", |facts| {
            facts.etcds[0].spec = ControlFact::Valid(ClusterSpec {
                member_count: 0,
                etcd_version: String::new(),
            });
        }),
        ("main created-marker", |facts| {
            facts.etcds[0].created = ControlFact::Missing
        }),
        ("main created-marker", |facts| {
            facts.etcds[0].created = ControlFact::Broken("empty".to_owned())
        }),
        ("main queue", |facts| {
            facts.etcds[0].commands = vec![QueuedFact {
                name: "n".to_owned(),
                backup: Ok(name(17).to_string()),
                there: true,
                age: Some(SignedDuration::from_mins(2)),
                own: false,
            }];
        }),
        ("main queue", |facts| {
            facts.etcds[0].commands = vec![QueuedFact {
                name: "n".to_owned(),
                backup: Err("bad".to_owned()),
                there: true,
                age: Some(SignedDuration::from_mins(2)),
                own: false,
            }];
        }),
        (" masters", |facts| {
            facts.masters = Observed::Known(vec!["i-1".to_owned()])
        }),
        ("events etcd", |facts| {
            facts.etcds[1].wanted = Wanted::Fresh;
            serving(&mut facts.etcds[1], 9);
        }),
    ];
    for (expected, change) in changes {
        let mut facts = facts();
        change(&mut facts);
        assert_eq!(blocked(&facts), [expected]);
        let found = checks(&facts, now());
        let refusal = found.iter().find(|check| check.blocks()).unwrap();
        assert!(refusal.cure.is_some(), "{refusal:?}");
    }
}

#[test]
fn a_poor_backup_is_taken_only_when_told_so_and_a_damaged_one_never() {
    let mut facts = facts();
    facts.even_if_poor = true;
    backup_of(&mut facts, 0).rejections = vec![Rejection::Bare { by_controllers: false }];
    assert_eq!(
        (blocked(&facts).len(), warned(&facts)),
        (0, vec!["main backup".to_owned()])
    );
    backup_of(&mut facts, 0).rejections = vec![Rejection::Damaged("page 3".to_owned())];
    assert_eq!(blocked(&facts), ["main backup"]);
    // The other etcd clusters may be poor.
    let mut facts = self::facts();
    backup_of(&mut facts, 1).rejections = vec![Rejection::Empty];
    assert_eq!(
        (blocked(&facts).len(), warned(&facts)),
        (0, vec!["events backup".to_owned()])
    );
}

#[test]
fn the_very_restore_that_is_queued_is_gone_on_with() {
    let mut facts = facts();
    facts.etcds[0].commands = vec![QueuedFact {
        name: "n".to_owned(),
        backup: Ok(name(18).to_string()),
        there: true,
        age: Some(SignedDuration::from_mins(2)),
        own: false,
    }];
    assert!(blocked(&facts).is_empty());
    assert_eq!(facts.etcds[0].adopted().unwrap().name, "n");
    // Twice the same is twice a wipe.
    let twice = facts.etcds[0].commands[0].clone();
    facts.etcds[0].commands.push(twice);
    assert_eq!(blocked(&facts), ["main queue"]);
}

#[test]
fn what_should_be_known_of_a_good_backup_warns_and_no_more() {
    let mut facts = facts();
    backup_of(&mut facts, 0).warnings = vec!["12 Nodes, 60 at 18:00".to_owned()];
    assert_eq!(
        (blocked(&facts).len(), warned(&facts)),
        (0, vec!["main backup".to_owned()])
    );
    let found = checks(&facts, now());
    let backup = found.iter().find(|check| check.name == "backup").unwrap();
    assert!(
        backup.message.contains("verified, good") && backup.message.ends_with("12 Nodes, 60 at 18:00"),
        "{backup:?}"
    );
}

#[test]
fn a_command_of_another_day_is_gone_on_with_only_by_the_run_that_noted_it() {
    let mut facts = facts();
    facts.etcds[0].commands = vec![QueuedFact {
        name: "n".to_owned(),
        backup: Ok(name(18).to_string()),
        there: true,
        age: Some(SignedDuration::from_hours(40)),
        own: false,
    }];
    let found = checks(&facts, now());
    let queue = found.iter().find(|check| check.blocks()).unwrap();
    assert!(queue.message.contains("was queued 40h ago"), "{queue:?}");
    assert!(queue.cure.as_ref().unwrap().contains("cancel main=n"), "{queue:?}");
    facts.etcds[0].commands[0].age = None;
    assert_eq!(blocked(&facts), ["main queue"]);
    facts.etcds[0].commands[0].own = true;
    assert!(blocked(&facts).is_empty());
    facts.etcds[0].commands[0].own = false;
    facts.etcds[0].commands[0].age = Some(ADOPTED_FOR);
    assert!(blocked(&facts).is_empty());
}

#[test]
fn an_etcd_that_is_left_out_must_not_be_left_behind() {
    let silent = || EtcdSeen::Silent("refused".to_owned());
    let serving = || {
        EtcdSeen::Serving(Answer {
            cluster: 1,
            revision: 9,
            leader: true,
        })
    };
    let wiped = || Some("its masters were wiped".to_owned());
    let queued = || Observed::Known(vec!["2026-11-22T15:20:06Z-000000".to_owned()]);
    let rows = [
        // What was seen, what proves that it has no members, its queue, its marker; what comes of it.
        (silent(), wiped(), Observed::Known(Vec::new()), true, "block"),
        (silent(), None, Observed::Known(Vec::new()), true, "warn"),
        (
            EtcdSeen::NotAsked("no way".to_owned()),
            None,
            Observed::Known(Vec::new()),
            true,
            "warn",
        ),
        (
            silent(),
            wiped(),
            Observed::Unknown("access denied".to_owned()),
            true,
            "warn",
        ),
        (serving(), wiped(), Observed::Known(Vec::new()), true, "ok"),
        (silent(), wiped(), queued(), true, "ok"),
        (silent(), wiped(), Observed::Known(Vec::new()), false, "ok"),
    ];
    for (seen, no_members, commands, created, expected) in rows {
        let mut facts = facts();
        facts.etcds.truncate(1);
        facts.left_out = vec![LeftOut {
            etcd: "events".to_owned(),
            seen,
            no_members,
            commands,
            created,
        }];
        let found = checks(&facts, now());
        let check = found.iter().find(|check| check.name == "left-out").unwrap();
        let weight = match (check.ok, check.severity) {
            (true, _) => "ok",
            (false, Severity::Block) => "block",
            (false, _) => "warn",
        };
        assert_eq!(weight, expected, "{check:?}");
        if !check.ok {
            assert!(
                check.message.contains("kube-apiserver does not start without it"),
                "{check:?}"
            );
        }
        if expected == "warn" {
            assert!(check.message.contains("not checked"), "{check:?}");
        }
        // Who orders one after the other is told, and no more.
        facts.one_by_one = true;
        assert!(blocked(&facts).is_empty());
    }
}

#[test]
fn another_etcd_than_main_gets_the_newest_sound_backup_and_else_is_seeded_anew() {
    let mut facts = facts();
    backup_of(&mut facts, 1).rejections = vec![Rejection::Empty];
    facts.etcds[1].why = vec!["no good one".to_owned()];
    let said = |facts: &ClusterFacts| {
        let found = checks(facts, now());
        let of = |check: &&Check| check.etcd.as_deref() == Some("events") && check.name == "backup";
        found.iter().find(of).unwrap().message.clone()
    };
    assert!(
        said(&facts).contains("this is the newest intact one"),
        "{}",
        said(&facts)
    );
    assert!(blocked(&facts).is_empty());
    facts.etcds[1].wanted = Wanted::Fresh;
    facts.etcds[1].why = vec!["damaged".to_owned()];
    assert!(
        said(&facts).contains("no intact backup (damaged): not restored"),
        "{}",
        said(&facts)
    );
    assert!(blocked(&facts).is_empty());
    // One that serves is not thrown away for that.
    facts.etcds[1].wanted = Wanted::Leave;
    facts.etcds[1].observed = EtcdSeen::Serving(Answer {
        cluster: 1,
        revision: 9,
        leader: true,
    });
    assert!(blocked(&facts).is_empty());
    assert_eq!(facts.alive(), Vec::<&str>::new());
}

#[test]
fn a_command_whose_backup_is_gone_is_said_to_be_tried_for_ever() {
    let mut facts = facts();
    facts.etcds[0].commands = vec![QueuedFact {
        name: "n".to_owned(),
        backup: Ok(name(17).to_string()),
        there: false,
        age: Some(SignedDuration::from_mins(2)),
        own: false,
    }];
    let found = checks(&facts, now());
    let queue = found.iter().find(|check| check.blocks()).unwrap();
    assert!(queue.message.contains("neither in the store nor pinned"), "{queue:?}");
    assert!(queue.cure.as_ref().unwrap().contains("cancel main=n"), "{queue:?}");
}

#[test]
fn a_living_etcd_is_named_and_so_is_what_is_lost() {
    let mut facts = facts();
    serving(&mut facts.etcds[0], 900);
    assert!(facts.etcds[0].at_risk());
    assert_eq!(facts.alive(), ["main"]);
    let found = checks(&facts, now());
    let check = found.iter().find(|check| check.name == "etcd").unwrap();
    assert!(
        check.message.contains("everything after 2026-11-22T15:18:01Z is lost"),
        "{check:?}"
    );
    // As far as it could be compared.
    let losses = DataLoss {
        backup_revision: 400,
        living_revision: 900,
        complete: true,
        same_history: true,
        total: LossCount {
            gone: 0,
            new: 3,
            changed: Some(0),
        },
        resources: vec![ResourceLoss {
            resource: "secrets".to_owned(),
            count: LossCount {
                gone: 0,
                new: 3,
                changed: Some(0),
            },
        }],
        heartbeats: Vec::new(),
    };
    facts.etcds[0].data_loss = Some(Observed::Known(losses));
    assert_eq!(
        lost(&facts.etcds[0]),
        "everything after 2026-11-22T15:18:01Z is lost: 3 objects created since then will be lost (3 secrets)"
    );
    facts.etcds[0].data_loss = Some(Observed::Unknown("no answer".to_owned()));
    let found = checks(&facts, now());
    let untold = found.iter().find(|check| check.name == "losses").unwrap();
    assert_eq!((untold.ok, untold.severity), (false, Severity::Info));
    assert!(untold.message.ends_with("not checked: no answer"), "{untold:?}");
    // Out of sight, and the API tells.
    facts.etcds[0].observed = EtcdSeen::NotAsked("no way".to_owned());
    facts.etcds[0].liveness = Liveness::Alive {
        why: "THE API SERVES".to_owned(),
        serves: true,
    };
    assert_eq!(facts.alive(), ["main"]);
    let by_api = checks(&facts, now());
    let check = by_api.iter().find(|check| check.name == "etcd").unwrap();
    assert!(
        check
            .message
            .starts_with("IT IS ALIVE: THE API SERVES: everything after"),
        "{check:?}"
    );
}

#[test]
fn what_was_not_proven_dead_is_said_to_be_so_and_is_at_risk() {
    let mut facts = facts();
    assert!(!facts.etcds[0].at_risk());
    facts.etcds[0].liveness = Liveness::Unknown {
        why: "no answer (refused)".to_owned(),
        cure: "ask it".to_owned(),
    };
    assert_eq!(warned(&facts), ["main etcd"]);
    assert!(blocked(&facts).is_empty() && facts.alive().is_empty() && facts.etcds[0].at_risk());
    let found = checks(&facts, now());
    let check = found.iter().find(|check| check.name == "etcd").unwrap();
    assert_eq!(
        check.message,
        "not known to be dead, may be alive: no answer (refused); everything after 2026-11-22T15:18:01Z would be lost"
    );
    assert_eq!(
        lost(&facts.etcds[0]),
        "everything after 2026-11-22T15:18:01Z would be lost"
    );
    // Nothing is done to it.
    facts.etcds[0].wanted = Wanted::Nothing(Vec::new());
    assert!(!facts.etcds[0].at_risk());
}

#[test]
fn what_does_not_fit_together_is_a_warning() {
    let mut facts = facts();
    backup_of(&mut facts, 1).name = "2026-11-22T14:18:01Z-000001".parse().unwrap();
    facts.masters = Observed::Unknown("no credentials".to_owned());
    facts.etcds[0].spec_members = 5;
    facts.etcds[0].newest = Some("2026-11-22T15:45:00Z".parse().unwrap());
    backup_of(&mut facts, 0).encrypted_by = vec!["aescbc:key2".to_owned()];
    facts.encryption_keys = Observed::Known(vec!["aescbc:key1".to_owned()]);
    assert!(blocked(&facts).is_empty());
    assert_eq!(
        warned(&facts),
        ["main cluster-spec", "main clock", " masters", " times", " encryption"]
    );
}

#[test]
fn one_master_is_enough_for_a_cluster_of_one() {
    let mut facts = facts();
    facts.etcds.truncate(1);
    facts.etcds[0].spec_members = 1;
    facts.etcds[0].spec = ControlFact::Valid(ClusterSpec {
        member_count: 1,
        etcd_version: "3.6.11".to_owned(),
    });
    facts.masters = Observed::Known(vec!["i-1".to_owned()]);
    assert!(checks(&facts, now()).iter().all(|check| check.ok));
}
