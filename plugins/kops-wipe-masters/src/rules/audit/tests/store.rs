//! Problems in the state store, and missing instances.

use super::*;

#[test]
fn a_group_without_instances_is_reported_with_the_command_that_shows_why() {
    let mut inventory = machines();
    inventory.instances[1].state = InstanceState::Terminated;
    let (found, ..) = diagnosed(&inventory);
    let master = found.iter().find(|found| found.finding == Kind::MasterMissing).unwrap();
    assert_eq!(master.objects, ["control-plane-b"]);
    assert!(command(master).contains("describe-scaling-activities"));
}

#[test]
fn problems_in_the_state_store_are_fixed_without_a_wipe() {
    type Spoil = fn(&mut Etcd);
    let broken = |problem: &str| ControlFile {
        says: String::new(),
        problem: Some(problem.to_owned()),
    };
    let cases: [(Spoil, Kind, &str); 9] = [
        (
            |etcd| etcd.state.control.cluster_created = None,
            Kind::ControlFile,
            "aws s3 cp - s3://state/",
        ),
        (
            |etcd| etcd.state.control.cluster_spec = None,
            Kind::ControlFile,
            "kops update cluster",
        ),
        (
            |etcd| {
                etcd.rules = Ok(vec![ExpiryRule {
                    id: Some("tidy".into()),
                    prefix: String::new(),
                    only_tagged: false,
                    larger_than: None,
                    smaller_than: None,
                    fate: Fate::Deleted(When::After(30)),
                }]);
            },
            Kind::LifecycleRule,
            "get-bucket-lifecycle-configuration --bucket state",
        ),
        (
            |etcd| etcd.newest.as_mut().unwrap().etcd_version = Some("3.6.12".into()),
            Kind::EtcdManager,
            "manager.image",
        ),
        (
            |etcd| etcd.state.best = Err(NoBackup::None),
            Kind::NoGoodBackup,
            "kubectl etcd-backups take",
        ),
        (
            |etcd| etcd.state.best = Err(NoBackup::NoneGood(Vec::new())),
            Kind::NoGoodBackup,
            "kubectl etcd-backups verify",
        ),
        (
            |etcd| {
                etcd.state.best.as_mut().unwrap().rejected = vec![Rejected {
                    name: "2026-11-22T15:18:00Z-000001".parse().unwrap(),
                    reasons: vec![Rejection::Bare { by_controllers: false }],
                }];
            },
            Kind::NewestBackupNotGood,
            "kubectl etcd-backups pin main=2026-11-22T15:12:01Z-000001",
        ),
        (
            |etcd| etcd.newest.as_mut().unwrap().created = "2026-11-22T14:50:00Z".parse().unwrap(),
            Kind::BackupsStopped,
            "kubectl etcd-restore logs",
        ),
        (
            |etcd| {
                etcd.state.control.commands = vec![runbook_kit::usecases::control_files::QueuedCommand {
                    path: "control/x/_command.json".into(),
                    command: Err("the file is empty".into()),
                }];
            },
            Kind::ControlFile,
            "kubectl etcd-restore cancel",
        ),
    ];
    for (spoil, kind, wanted) in cases {
        let mut facts = facts(&machines());
        spoil(&mut facts.etcds[0]);
        let found = findings(&facts);
        assert_eq!(found.iter().map(|found| found.finding).collect::<Vec<_>>(), [kind]);
        let told = format!("{} | {}", command(&found[0]), note(&found[0]));
        assert!(told.contains(wanted), "{told}");
        assert_eq!(smallest(&facts, &found).cure, Cure::Fix);
    }
    let mut facts = facts(&machines());
    facts.etcds[1].state.control.cluster_created = Some(broken("the file is empty"));
    let found = findings(&facts);
    assert!(found[0].causes.contains("leader is blocked") && found[0].severity == Severity::Block);
}

#[test]
fn a_lifecycle_rule_that_does_not_apply_to_the_control_folder_is_ignored() {
    let mut facts = facts(&machines());
    let rule = |prefix: &str, larger_than| ExpiryRule {
        id: None,
        prefix: prefix.to_owned(),
        only_tagged: false,
        larger_than,
        smaller_than: None,
        fate: Fate::Deleted(When::After(1)),
    };
    facts.etcds[0].rules = Ok(vec![rule("logs/", None), rule("", Some(128 * 1024))]);
    assert_eq!(findings(&facts), []);
    facts.etcds[0].rules = Err("access denied".to_owned());
    assert_eq!(findings(&facts), []);
}
