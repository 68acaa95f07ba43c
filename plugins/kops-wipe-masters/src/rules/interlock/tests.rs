use runbook_kit::model::backup::goodness::Rejection;
use runbook_kit::model::etcd_manager::Manifest;
use runbook_kit::model::etcd_manager::control::Command;
use runbook_kit::usecases::control_files::QueuedCommand;
use runbook_kit::usecases::kops_state::Stored;

use super::*;

const NAME: &str = "2026-11-22T15:12:01Z-000001";

fn now() -> Timestamp {
    "2026-11-22T18:20:00Z".parse().unwrap()
}

fn args() -> InterlockArgs {
    InterlockArgs {
        max_age: None,
        skip_backup_check: false,
    }
}

fn rejected(name: &str) -> Rejected {
    Rejected {
        name: name.parse().unwrap(),
        reasons: vec![Rejection::Empty],
    }
}

fn control() -> Control {
    let file = |says: &str| ControlFile {
        says: says.to_owned(),
        problem: None,
    };
    Control {
        cluster_spec: Some(file("3 members")),
        cluster_created: Some(file("seeded")),
        commands: Vec::new(),
    }
}

fn healthy(etcd: &str) -> EtcdFacts {
    let base: StoreUrl = format!("s3://state/k8s.example.com/backups/etcd/{etcd}")
        .parse()
        .unwrap();
    let manifest = Manifest {
        etcd: Some(etcd.to_owned()),
        image: "x/etcd-manager-slim:v3.0.20260707".to_owned(),
        etcd_versions: ["3.5.30".parse().unwrap()].into(),
    };
    EtcdFacts {
        etcd: etcd.to_owned(),
        best: Ok(BestBackup {
            name: NAME.parse().unwrap(),
            revision: None,
            size_bytes: 7,
            etcd_version: "3.5.35".to_owned(),
            rejected: Vec::new(),
            warnings: Vec::new(),
            note: None,
            pin: Ok(None),
        }),
        control: control(),
        managers: EtcdManagers {
            etcd: etcd.to_owned(),
            folder: base.clone(),
            manifests: vec![Stored {
                at: base.join("x.yaml"),
                read: Ok(manifest),
            }],
            missing: Vec::new(),
            etcd_image: None,
        },
        base,
    }
}

/// What is wrong, `name/etcd/severity`.
fn wrong(facts: &[EtcdFacts], args: &InterlockArgs, reversible: bool) -> Vec<String> {
    let interlock = judge(facts, args, reversible, now());
    let found = interlock.checks.iter().filter(|check| !check.ok);
    found
        .map(|check| {
            assert!(check.cure.is_some(), "{check:?}");
            let etcd = check.etcd.clone().unwrap_or_default();
            format!("{}/{etcd}/{:?}", check.name, check.severity)
        })
        .collect()
}

#[test]
fn a_good_backup_passes_and_the_data_loss_is_shown() {
    let facts = [healthy("main"), healthy("events")];
    assert!(wrong(&facts, &args(), true).is_empty());
    let interlock = judge(&facts, &args(), true, now());
    assert_eq!(
        interlock.data_loss.as_deref(),
        Some("everything after 15:12 UTC is lost")
    );
    assert!(
        interlock.checks[0]
            .message
            .contains("3h7m old: everything after 15:12 UTC is lost")
    );
    let named: Vec<_> = interlock
        .backups
        .iter()
        .map(|backup| (backup.etcd.as_str(), backup.pinned))
        .collect();
    assert_eq!(named, [("main", true), ("events", true)]);
}

#[test]
fn a_backup_that_does_not_fit_main_warns_and_an_unknown_lineage_refuses() {
    let mut facts = [healthy("main"), healthy("events")];
    facts[1].best.as_mut().unwrap().note =
        Some("no backup of etcd events is good: the newest that verifies is taken".into());
    facts[0].best.as_mut().unwrap().warnings = vec![Warning::NowBare];
    assert_eq!(
        wrong(&facts, &args(), true),
        ["backup-content/main/Warn", "backup/events/Warn"]
    );
    let named: Vec<String> = judge(&facts, &args(), true, now())
        .backups
        .into_iter()
        .map(|one| one.etcd)
        .collect();
    assert_eq!(
        named,
        ["main", "events"],
        "it is what events come back from, all the same"
    );
    facts[0].best = Err(NoBackup::Undecided(
        "two clusters wrote to it".into(),
        Some("pass --lineage UID".into()),
    ));
    let checks = judge(&facts, &args(), true, now()).checks;
    let refuses = checks.iter().find(|check| check.blocks()).unwrap();
    assert_eq!(
        (refuses.message.as_str(), refuses.cure.as_deref()),
        ("two clusters wrote to it", Some("pass --lineage UID"))
    );
}

#[test]
fn data_loss_since_yesterday_has_a_date() {
    let then = "2026-11-21T23:59:59Z".parse().unwrap();
    assert_eq!(data_loss(then, now()), "everything after 2026-11-21 23:59 UTC is lost");
    // Another zone's midnight is none.
    let now = "2026-11-22T23:30:00-08:00".parse().unwrap();
    assert_eq!(
        data_loss("2026-11-23T00:00:00Z".parse().unwrap(), now),
        "everything after 00:00 UTC is lost"
    );
}

#[test]
fn no_good_backup_of_main_blocks_and_of_events_warns() {
    for lack in [
        NoBackup::None,
        NoBackup::NoneGood(vec![rejected(NAME)]),
        NoBackup::Unreadable("access denied".into()),
    ] {
        let mut facts = [healthy("main"), healthy("events")];
        facts[0].best = Err(lack.clone());
        assert_eq!(wrong(&facts, &args(), true), ["backup/main/Block"], "{lack:?}");
        assert_eq!(judge(&facts, &args(), true, now()).data_loss, None);
        let mut facts = [healthy("main"), healthy("events")];
        facts[1].best = Err(lack.clone());
        assert_eq!(wrong(&facts, &args(), true), ["backup/events/Warn"], "{lack:?}");
    }
    assert_eq!(wrong(&[healthy("events")], &args(), true), ["backup//Block"]);
    assert_eq!(wrong(&[], &args(), true), ["backup//Block"]);
}

#[test]
fn control_files_must_exist_and_be_readable() {
    let broken = || {
        Some(ControlFile {
            says: String::new(),
            problem: Some("the file is empty".into()),
        })
    };
    let spoilt: [fn(&mut Control, Option<ControlFile>); 2] = [
        |control, file| control.cluster_created = file,
        |control, file| control.cluster_spec = file,
    ];
    for (index, spoil) in spoilt.into_iter().enumerate() {
        for file in [None, broken()] {
            let mut facts = [healthy("main"), healthy("events")];
            spoil(&mut facts[0].control, file.clone());
            assert_eq!(wrong(&facts, &args(), true), ["control-files/main/Block"]);
            let check = judge(&facts, &args(), true, now())
                .checks
                .into_iter()
                .find(Check::blocks)
                .unwrap();
            let cure = check.cure.unwrap();
            let wanted = if index == 0 {
                "aws s3 cp - s3://state/"
            } else {
                "kops update cluster"
            };
            assert!(cure.contains(wanted), "{cure}");
            let mut facts = [healthy("main"), healthy("events")];
            spoil(&mut facts[1].control, file);
            assert_eq!(wrong(&facts, &args(), true), ["control-files/events/Warn"]);
        }
    }
}

#[test]
fn an_etcd_manager_that_cannot_restore_it_blocks() {
    let mut facts = [healthy("main"), healthy("events")];
    for etcd in &mut facts {
        if let Ok(best) = &mut etcd.best {
            best.etcd_version = "3.6.12".into();
        }
    }
    assert_eq!(
        wrong(&facts, &args(), true),
        ["etcd-manager/main/Block", "etcd-manager/events/Warn"]
    );
    // Without a backup there is nothing to ask it for.
    facts[0].best = Err(NoBackup::None);
    assert_eq!(
        wrong(&facts, &args(), true),
        ["backup/main/Block", "etcd-manager/events/Warn"]
    );
}

#[test]
fn an_old_backup_warns_before_a_quarantine_and_blocks_a_deletion() {
    let facts = [healthy("main")];
    assert!(wrong(&facts, &args(), true).is_empty());
    assert_eq!(wrong(&facts, &args(), false), ["backup-age/main/Block"]);
    let found = judge(&facts, &args(), true, now());
    assert!(found.warnings.is_empty());
    assert_eq!(
        (found.backups[0].age_seconds, found.backups[0].passed_over.len()),
        (11_279, 0)
    );
    // A day later it is said beside the question, and what was passed over with it.
    let mut old = [healthy("main")];
    if let Ok(best) = &mut old[0].best {
        best.name = "2026-11-21T18:12:01Z-000001".parse().unwrap();
        best.rejected = vec![rejected(NAME)];
    }
    assert_eq!(
        wrong(&old, &args(), true),
        ["younger-backups/main/Warn", "backup-age/main/Warn"]
    );
    let found = judge(&old, &args(), true, now());
    assert_eq!(
        found.warnings,
        ["etcd main: 2026-11-21T18:12:01Z-000001 is 24h old, older than 24h (--max-age), 1 newer not good."]
    );
    assert_eq!(found.backups[0].passed_over.len(), 1);
    let impatient = InterlockArgs {
        max_age: Some(SignedDuration::from_hours(2)),
        ..args()
    };
    assert_eq!(wrong(&facts, &impatient, true), ["backup-age/main/Warn"]);
    let patient = InterlockArgs {
        max_age: Some(SignedDuration::from_hours(4)),
        ..args()
    };
    assert!(wrong(&facts, &patient, false).is_empty());
    // Of another etcd cluster it warns, as everything does.
    let mut facts = [healthy("main"), healthy("events")];
    if let Ok(best) = &mut facts[0].best {
        best.name = "2026-11-22T18:12:01Z-000001".parse().unwrap();
    }
    assert_eq!(wrong(&facts, &args(), false), ["backup-age/events/Warn"]);
}

#[test]
fn skip_backup_check_turns_blocks_into_warnings_only_for_a_quarantine() {
    let skipping = InterlockArgs {
        skip_backup_check: true,
        ..args()
    };
    let mut facts = [healthy("main")];
    facts[0].best = Err(NoBackup::None);
    facts[0].control.cluster_created = None;
    assert_eq!(
        wrong(&facts, &skipping, true),
        ["backup/main/Warn", "control-files/main/Warn", "skipped//Warn"]
    );
    assert!(skipping.require_reversible(true).is_ok());
    assert!(skipping.require_reversible(false).is_err());
    assert!(args().require_reversible(false).is_ok());
    // Even if nobody asked: a deletion is never let through by it.
    assert!(wrong(&facts, &skipping, false).contains(&"backup/main/Block".to_owned()));
}

#[test]
fn bad_newer_backups_and_queued_commands_are_reported() {
    let mut facts = [healthy("main")];
    if let Ok(best) = &mut facts[0].best {
        best.rejected = vec![
            rejected("2026-11-22T16:00:00Z-000001"),
            rejected("2026-11-22T15:30:00Z-000001"),
        ];
    }
    let command = |path: &str, content: &[u8]| QueuedCommand {
        path: path.into(),
        command: Command::parse(content).map_err(|error| error.to_string()),
    };
    facts[0].control.commands = vec![command("control/a/_command.json", b"{\"timestamp\":\"1\"}")];
    assert_eq!(
        wrong(&facts, &args(), true),
        ["younger-backups/main/Warn", "queue/main/Warn"]
    );
    facts[0].control.commands.push(command("control/b/_command.json", b"{"));
    let checks = judge(&facts, &args(), true, now()).checks;
    let queue = checks.iter().find(|check| check.name == "queue").unwrap();
    assert!(
        queue.message.contains("control/b/_command.json cannot be read"),
        "{queue:?}"
    );
}

#[test]
fn the_chosen_backups_are_to_be_pinned() {
    let mut facts = [healthy("main")];
    if let Ok(best) = &mut facts[0].best {
        best.pin = Err("no place".into());
    }
    assert_eq!(wrong(&facts, &args(), true), ["pin/main/Block"]);
    assert!(judge(&facts, &args(), true, now()).pins.is_empty());
}
