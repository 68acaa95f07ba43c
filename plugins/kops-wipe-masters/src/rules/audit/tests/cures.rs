//! The smallest fix.

use super::*;

#[test]
fn without_quorum_remounting_comes_before_a_wipe() {
    let mut inventory = machines();
    for zone in ["b", "c"] {
        mount(&mut inventory, &format!("vol-main-{zone}"), None);
    }
    let (_, cure, why) = diagnosed(&inventory);
    assert_eq!(cure, Cure::Remount, "{why}");

    inventory
        .volumes
        .retain(|volume| !["vol-main-b", "vol-main-c"].contains(&volume.id.as_str()));
    let (found, cure, why) = diagnosed(&inventory);
    assert_eq!(
        kinds(&found),
        [of(Kind::MemberMissing, "b"), of(Kind::MemberMissing, "c")]
    );
    // All masters run: the third member's data is saved, and restored without a wipe.
    assert_eq!(cure, Cure::Restore, "{why}");
    let mut without = facts(&inventory);
    without.etcds[0].state.best = Err(NoBackup::None);
    let found = findings(&without);
    let salvage = smallest(&without, &found);
    assert_eq!(salvage.cure, Cure::Restore, "its data is better than no backup");
    assert_eq!(
        salvage.command.unwrap().to_string(),
        "kubectl etcd-backups take --name k8s.example.com --state s3://state --etcd main --via ssh --host 10.0.0.97 && \
         kops update cluster --name k8s.example.com --state s3://state --yes && \
         kubectl etcd-restore run --name k8s.example.com --state s3://state"
    );

    // The last volume is on a running master: there is none to attach. On a stopped one, a copy of it is read by another instance.
    assert!(salvage.read_steps.is_empty());
    let mut stopped = inventory.clone();
    for instance in &mut stopped.instances {
        if instance.id == "i-a" {
            instance.state = InstanceState::Stopped;
        }
    }
    let stopped = facts(&stopped);
    let steps = smallest(&stopped, &findings(&stopped)).read_steps;
    let steps = runbook_kit::cli::output::steps::list(&steps);
    assert!(
        steps.contains("create-snapshot --region us-east-1 --volume-id vol-main-a"),
        "{steps}"
    );
    assert!(steps.contains("--data-dir /mnt/salvage"), "{steps}");

    // With two masters gone etcd-manager has too few peers to restore without a wipe.
    inventory.instances.retain(|instance| instance.id == "i-a");
    let (_, cure, why) = diagnosed(&inventory);
    assert_eq!(cure, Cure::Wipe, "{why}");
    assert!(
        why.contains("save the newest data first (`kubectl etcd-backups take"),
        "{why}"
    );
    let mut without = facts(&inventory);
    without.etcds[0].state.best = Err(NoBackup::None);
    let found = findings(&without);
    assert_eq!(smallest(&without, &found).cure, Cure::KeepEverything);
}

#[test]
fn a_restore_that_did_not_end_is_followed_by_a_wipe_and_a_young_one_is_not() {
    use runbook_kit::model::etcd_manager::control::Command;
    use runbook_kit::usecases::control_files::QueuedCommand;

    let mut inventory = machines();
    inventory.volumes.retain(|volume| !volume.id.starts_with("vol-main"));
    for (queued, wanted) in [
        ("2026-11-22T13:20:00Z", Cure::Wipe),
        ("2026-11-22T15:10:00Z", Cure::Restore),
    ] {
        let mut facts = facts(&inventory);
        let at: Timestamp = queued.parse().unwrap();
        facts.etcds[0].state.control.commands.push(QueuedCommand {
            path: format!("control/{queued}-000000/_command.json"),
            command: Ok(Command {
                timestamp: i64::try_from(at.as_nanosecond()).ok(),
                restore_backup: None,
            }),
        });
        let found = findings(&facts);
        assert_eq!(smallest(&facts, &found).cure, wanted, "{queued}");
    }
}

#[test]
fn lost_events_need_no_wipe_and_a_wiped_cluster_is_rebuilt() {
    let mut inventory = machines();
    inventory.volumes.retain(|volume| !volume.id.starts_with("vol-events"));
    let (_, cure, why) = diagnosed(&inventory);
    assert_eq!(cure, Cure::RestoreOne, "{why}");
    let (found, cure, _) = diagnosed(&Inventory::default());
    assert_eq!(
        found
            .iter()
            .filter(|found| found.finding == Kind::MemberMissing)
            .count(),
        6
    );
    assert_eq!(cure, Cure::Rebuild);
}

#[test]
fn no_findings_are_an_empty_list_in_json() {
    let nothing = smallest(&facts(&machines()), &[]);
    assert!(rows(Vec::new(), nothing, Vec::new(), Vec::new()).is_empty());
    let mut inventory = machines();
    inventory.volumes.push(volume("vol-0", "main", "a", "a", None));
    let facts = facts(&inventory);
    let found = findings(&facts);
    let cure = smallest(&facts, &found);
    let not_seen = vec!["the members of etcd main, because …".to_owned()];
    let told = serde_json::to_value(rows(found, cure, Vec::new(), not_seen)).unwrap();
    assert_eq!(told[0]["finding"], "duplicate-etcd-tag");
    assert_eq!(told[0]["severity"], "block");
    assert_eq!(told[1]["finding"], "smallest-cure");
    assert_eq!(told[1]["cure"], "mend-members");
    assert_eq!(told[1]["notSeen"].as_array().unwrap().len(), 1);
    let ladder = told[1]["ladder"].as_array().unwrap();
    let of = |at: usize| {
        (
            ladder[at]["rung"].as_str().unwrap(),
            ladder[at]["verdict"].as_str().unwrap(),
        )
    };
    assert_eq!(ladder.len(), 7);
    assert_eq!(of(0), ("nothing", "not-enough"));
    assert_eq!(of(1), ("tags", "take"));
    assert_eq!(of(6), ("wipe-and-restore", "not-needed"));
}

/// A volume of each member in quarantine.
fn wiped() -> PastWipes {
    let volumes = ["main", "events"].into_iter().flat_map(|etcd| {
        ZONES.into_iter().map(move |zone| QuarantinedVolume {
            id: format!("vol-{etcd}-{zone}"),
            members: vec![format!("{etcd}/{zone}")],
            zone: format!("us-east-1{zone}"),
        })
    });
    PastWipes {
        newest: None,
        quarantines: vec![Quarantine {
            run: Some("0123456789abcdef".into()),
            began: Some("2026-11-22T15:13:00Z".parse().unwrap()),
            volumes: volumes.collect(),
        }],
    }
}

#[test]
fn after_a_wipe_with_quarantine_no_data_is_reported_as_lost() {
    let gone = facts(&Inventory::default());
    let lost = findings(&gone)
        .into_iter()
        .filter(|found| found.causes.contains("data is lost"));
    assert_eq!(lost.count(), 6, "without quarantine");
    let facts = Facts {
        past_wipes: wiped(),
        ..gone
    };
    let found = findings(&facts);
    let missing: Vec<&Finding> = found
        .iter()
        .filter(|found| found.finding == Kind::MemberMissing)
        .collect();
    assert_eq!(missing.len(), 6);
    for found in missing {
        assert!(!found.causes.contains("data is lost"), "{found:?}");
        assert!(
            found
                .causes
                .contains("is in quarantine since the wipe of 2026-11-22T15:13:00Z"),
            "{found:?}"
        );
        assert_eq!(
            command(found),
            format!("kops-wipe-masters restore-volumes --name {C} --state s3://state")
        );
    }
    let cure = smallest(&facts, &found);
    assert_eq!(cure.cure, Cure::Rebuild);
    assert!(
        cure.why.contains("6 etcd volumes are in quarantine with their data"),
        "{}",
        cure.why
    );
    assert!(cure.why.contains("kops-wipe-masters restore-volumes"), "{}", cure.why);
}

#[test]
fn with_new_masters_restore_volumes_is_not_the_next_command() {
    let mut inventory = machines();
    inventory.volumes.clear();
    let facts = Facts {
        past_wipes: wiped(),
        ..facts(&inventory)
    };
    let found = findings(&facts);
    let missing = found.iter().find(|found| found.finding == Kind::MemberMissing).unwrap();
    assert!(
        missing.command.is_none()
            && note(missing).starts_with("continue with the restore; or wipe the present masters"),
        "{missing:?}"
    );
}
