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
    assert_eq!(cure, Cure::Wipe, "{why}");

    let mut without = facts(&inventory);
    without.etcds[0].state.best = Err(NoBackup::None);
    let found = findings(&without);
    assert_eq!(smallest(&without, &found).cure, Cure::KeepEverything);
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
    assert!(rows(Vec::new(), smallest(&facts(&machines()), &[])).is_empty());
    let mut inventory = machines();
    inventory.volumes.push(volume("vol-0", "main", "a", "a", None));
    let facts = facts(&inventory);
    let found = findings(&facts);
    let cure = smallest(&facts, &found);
    let told = serde_json::to_value(rows(found, cure)).unwrap();
    assert_eq!(told[0]["finding"], "duplicate-etcd-tag");
    assert_eq!(told[0]["severity"], "block");
    assert_eq!(told[1]["finding"], "smallest-cure");
    assert_eq!(told[1]["cure"], "mend-members");
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
