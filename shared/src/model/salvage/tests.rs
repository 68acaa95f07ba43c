use super::*;
use crate::model::etcd_access::EtcdAccess;
use crate::model::fleet::wipe::quarantine;
use crate::model::fleet::{Attachment, Instance, Volume, VolumeState};

const C: &str = "k8s.example.com";

fn now() -> Timestamp {
    "2026-11-22T16:00:00Z".parse().unwrap()
}

fn backup(revision: Option<i64>) -> Restorable {
    Restorable {
        name: "2026-11-22T15:19:00Z-000001".parse().unwrap(),
        revision,
        interval: SignedDuration::from_mins(15),
    }
}

fn member(name: &str, revision: i64, leader: bool) -> MemberData {
    MemberData {
        name: name.to_owned(),
        revision,
        leader,
    }
}

fn volume(id: &str, tags: &[(&str, &str)], created: &str) -> Volume {
    Volume {
        id: id.to_owned(),
        state: VolumeState::InUse,
        zone: "us-east-1a".to_owned(),
        tags: tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        created: Some(created.parse().unwrap()),
        ..Volume::default()
    }
}

fn with(members: Vec<MemberData>, revision: Option<i64>) -> Facts {
    Facts {
        backup: Some(backup(revision)),
        members,
        take: Some(take(
            "main",
            C,
            &[("--state", "s3://state".to_owned())],
            &EtcdAccess::default(),
        )),
        ..Facts::default()
    }
}

#[test]
fn members_with_newer_data_are_named_with_the_command_that_saves_it() {
    let two = vec![
        member("c", 345, false),
        member("a", 345, false),
        member("b", 300, false),
    ];
    let found = check(&with(two.clone(), Some(213)), now()).unwrap();
    assert_eq!(
        (found.name, found.severity, found.ok),
        ("salvage", Severity::Warn, false)
    );
    assert_eq!(
        found.message,
        "members c and a stopped at revision 345, 132 revisions after 2026-11-22T15:19:00Z-000001, which is 41m old"
    );
    assert_eq!(
        found.cure.unwrap(),
        "salvage first: `kubectl etcd-backups take --etcd main --name k8s.example.com --state s3://state --yes`"
    );
    for (members, revision, expected) in [
        (
            vec![member("a", 214, true)],
            Some(213),
            Some("member a is at revision 214, 1 revision after"),
        ),
        (vec![member("a", 213, false)], Some(213), None),
        (
            vec![member("a", 5, false)],
            Some(213),
            Some("restored or seeded since, or these members lag behind"),
        ),
        (
            vec![member("a", 5, false)],
            None,
            Some("may hold newer data than 2026-11-22T15:19:00Z-000001"),
        ),
    ] {
        let found = check(&with(members, revision), now()).map(|check| check.message);
        assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
    }
    let none = Facts {
        backup: None,
        ..with(two, None)
    };
    assert!(
        check(&none, now())
            .unwrap()
            .message
            .ends_with("and there is no good backup")
    );
    assert_eq!(check(&with(Vec::new(), Some(1)), now()), None);
}

#[test]
fn only_volumes_that_may_have_been_written_after_the_backup_count() {
    let attached = |mut volume: Volume| {
        volume.attachments = vec![Attachment {
            instance: "i-1".to_owned(),
            ..Attachment::default()
        }];
        volume
    };
    let own = [("KubernetesCluster", C), ("k8s.io/etcd/main", "a/a,b,c")];
    let hidden = [
        (quarantine::MARK, C),
        (quarantine::RUN_TAG, "run-1"),
        ("kops-recovery/was/k8s.io/etcd/main", "b/a,b,c"),
    ];
    let (before, after) = ("2026-11-22T10:00:00Z", "2026-11-22T15:40:00Z");
    let volumes = [
        attached(volume("vol-1", &own, before)),
        volume("vol-2", &hidden, before),
        // Made since; of another etcd cluster; of another cluster; of a PersistentVolume.
        volume("vol-3", &own, after),
        volume(
            "vol-4",
            &[("KubernetesCluster", C), ("k8s.io/etcd/events", "a/a,b,c")],
            before,
        ),
        volume(
            "vol-5",
            &[("KubernetesCluster", "x.k8s.example.com"), ("k8s.io/etcd/main", "a/a")],
            before,
        ),
        volume(
            "vol-6",
            &[own.as_slice(), &[("CSIVolumeName", "pvc-1")]].concat(),
            before,
        ),
    ];
    let instances = [Instance {
        id: "i-1".to_owned(),
        private_ips: vec!["10.0.1.7".to_owned()],
        ..Instance::default()
    }];
    let began = |time: &'static str| move |run: &str| (run == "run-1").then(|| time.parse().unwrap());
    let facts = |time| Facts {
        volumes: old_volumes("main", C, &volumes, &instances, began(time)),
        how_to_attach: Some(ShellCommand::of("kops-wipe-masters restore-volumes")),
        how_to_attach_detached: Some(ShellCommand::of("kops-wipe-masters audit")),
        ..with(Vec::new(), Some(213))
    };
    let found = check(&facts(after), now()).unwrap();
    assert_eq!(found.severity, Severity::Warn);
    assert_eq!(
        found.message,
        "volumes vol-1 (a, on i-1) and vol-2 (b, in quarantine) may hold data newer than 2026-11-22T15:19:00Z-000001: up to 41m of it"
    );
    assert!(found.cure.unwrap().ends_with("--via ssh --host 10.0.1.7 --data-dir`"));
    // Wiped before the backup was taken: nothing newer is there.
    let found = check(&facts("2026-11-22T15:00:00Z"), now()).unwrap();
    assert!(!found.message.contains("vol-2"), "{found:?}");
    // Only what was lost within one interval, as with every restore.
    let mut hidden_only = facts("2026-11-22T15:25:00Z");
    hidden_only.volumes.retain(|volume| volume.id == "vol-2");
    let found = check(&hidden_only, now()).unwrap();
    assert_eq!(found.severity, Severity::Info);
    assert!(
        found
            .cure
            .unwrap()
            .contains("`kops-wipe-masters restore-volumes` prints")
    );
    let mut detached = hidden_only.clone();
    detached.volumes[0].place = Place::Detached;
    detached.volumes[0].created = None;
    detached.backup = None;
    let found = check(&detached, now()).unwrap();
    assert!(found.cure.unwrap().contains("`kops-wipe-masters audit` prints"));
    // A member that answers has its volume's data.
    let answers = Facts {
        members: vec![member("a", 213, false)],
        ..facts(after)
    };
    assert_eq!(check(&answers, now()), None);
}

#[test]
fn a_volume_is_read_from_a_copy_with_the_real_ids() {
    let volume = OldVolume {
        id: "vol-0abc".to_owned(),
        member: "a".to_owned(),
        zone: "us-east-1a".to_owned(),
        created: None,
        place: Place::Detached,
    };
    let take = take("main", C, &[], &EtcdAccess::default());
    let lines: Vec<String> = attach(&volume, "us-east-1", Some(("i-1", "10.0.1.7")), &take)
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    assert_eq!(
        lines[0],
        "snapshot=$(aws ec2 create-snapshot --region us-east-1 --volume-id vol-0abc --query SnapshotId --output text)"
    );
    assert!(
        lines[4].ends_with("--instance-id i-1 --device /dev/xvdz --volume-id \"$volume\""),
        "{lines:?}"
    );
    assert!(
        lines[5].starts_with("ssh 10.0.1.7 \"sudo mkdir -p /mnt/salvage; sudo mount -o ro,noload"),
        "{lines:?}"
    );
    assert!(
        lines[6].ends_with("--via ssh --host 10.0.1.7 --data-dir /mnt/salvage"),
        "{lines:?}"
    );
}
