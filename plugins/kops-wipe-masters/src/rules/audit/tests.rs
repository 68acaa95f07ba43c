use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runbook_kit::model::backup::goodness::Rejection;
use runbook_kit::model::backup::lifecycle::{ExpiryRule, Fate, When};
use runbook_kit::model::check::Severity;
use runbook_kit::model::etcd_manager::Manifest;
use runbook_kit::model::fleet::wipe::select;
use runbook_kit::model::fleet::{Attachment, Group, Instance, InstanceState, Inventory, Tags, Volume, VolumeState};
use runbook_kit::model::kops::cluster::MemberSpec;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::choose::Rejected;
use runbook_kit::usecases::control_files::{Control, ControlFile};
use runbook_kit::usecases::kops_state::Stored;
use runbook_kit::usecases::kops_state::etcd_managers::EtcdManagers;

mod pasted;

use runbook_kit::usecases::past_wipes::{PastWipes, Quarantine, QuarantinedVolume};

use super::cure::{Cure, QuorumStatus, smallest};
use super::facts::{Etcd, Facts, NewestBackup};
use super::findings::{Finding, Kind, findings};
use super::rows::rows;
use crate::rules::interlock::{BestBackup, EtcdFacts, NoBackup};

const C: &str = "k8s.example.com";
const ZONES: [&str; 3] = ["a", "b", "c"];

fn tags(more: &[(&str, &str)]) -> Tags {
    let cluster = [
        ("KubernetesCluster", C),
        ("kubernetes.io/cluster/k8s.example.com", "owned"),
    ];
    let all = cluster.iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn volume(id: &str, etcd: &str, member: &str, zone: &str, on: Option<&str>) -> Volume {
    let value = format!("{member}/a,b,c");
    let key = format!("k8s.io/etcd/{etcd}");
    let name = format!("{member}.etcd-{etcd}.{C}");
    Volume {
        id: id.to_owned(),
        state: on.map_or(VolumeState::Available, |_| VolumeState::InUse),
        zone: format!("us-east-1{zone}"),
        tags: tags(&[(&key, &value), ("Name", &name), ("k8s.io/role/master", "1")]),
        attachments: on
            .map(|instance| Attachment {
                instance: instance.to_owned(),
                ..Attachment::default()
            })
            .into_iter()
            .collect(),
        ..Volume::default()
    }
}

/// Three masters, each with a volume of main and of events.
fn machines() -> Inventory {
    let mut inventory = Inventory::default();
    for zone in ZONES {
        let group = format!("control-plane-{zone}");
        let of = tags(&[
            ("k8s.io/role/control-plane", "1"),
            ("kops.k8s.io/instancegroup", &group),
        ]);
        inventory.groups.push(Group {
            name: format!("{group}.masters.{C}"),
            tags: of.clone(),
            ..Group::default()
        });
        let id = format!("i-{zone}");
        inventory.instances.push(Instance {
            id: id.clone(),
            zone: format!("us-east-1{zone}"),
            tags: of,
            private_ips: vec![format!("10.0.0.{}", zone.as_bytes()[0])],
            ..Instance::default()
        });
        for etcd in ["main", "events"] {
            inventory
                .volumes
                .push(volume(&format!("vol-{etcd}-{zone}"), etcd, zone, zone, Some(&id)));
        }
    }
    inventory
}

fn now() -> Timestamp {
    "2026-11-22T15:20:00Z".parse().unwrap()
}

fn etcd(name: &str) -> Etcd {
    let base: StoreUrl = format!("s3://state/{C}/backups/etcd/{name}").parse().unwrap();
    let file = || {
        Some(ControlFile {
            says: "x".to_owned(),
            problem: None,
        })
    };
    let manifest = Manifest {
        etcd: Some(name.to_owned()),
        image: "x:v3.0.20260707".to_owned(),
        etcd_versions: ["3.5.30".parse().unwrap()].into(),
    };
    let backup = "2026-11-22T15:12:01Z-000001";
    Etcd {
        state: EtcdFacts {
            etcd: name.to_owned(),
            best: Ok(BestBackup {
                name: backup.parse().unwrap(),
                size_bytes: 7,
                etcd_version: "3.5.35".to_owned(),
                rejected: Vec::new(),
                warnings: Vec::new(),
                note: None,
                pin: Ok(None),
            }),
            control: Control {
                cluster_spec: file(),
                cluster_created: file(),
                commands: Vec::new(),
            },
            managers: EtcdManagers {
                etcd: name.to_owned(),
                folder: base.clone(),
                manifests: vec![Stored {
                    at: base.clone(),
                    read: Ok(manifest),
                }],
                missing: Vec::new(),
                etcd_image: None,
            },
            base,
        },
        members: ZONES
            .iter()
            .map(|zone| MemberSpec {
                name: (*zone).to_owned(),
                instance_group: Some(format!("control-plane-{zone}")),
            })
            .collect(),
        interval: SignedDuration::from_mins(15),
        newest: Some(NewestBackup {
            name: backup.to_owned(),
            created: backup.get(..20).unwrap().parse().unwrap(),
            etcd_version: Some("3.5.35".to_owned()),
        }),
        rules: Ok(Vec::new()),
    }
}

fn facts(inventory: &Inventory) -> Facts {
    Facts {
        cluster: C.to_owned(),
        region: "us-east-1".to_owned(),
        profiles: super::facts::Profiles::default(),
        now: now(),
        state: "s3://state".parse().unwrap(),
        past_wipes: PastWipes::default(),
        selection: select(C, inventory),
        etcds: vec![etcd("main"), etcd("events")],
    }
}

fn command(found: &Finding) -> String {
    found.command.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn note(found: &Finding) -> &str {
    found.note.as_deref().unwrap_or_default()
}

fn kinds(found: &[Finding]) -> Vec<(Kind, String)> {
    found
        .iter()
        .map(|found| (found.finding, found.objects.join(" ")))
        .collect()
}

fn of(kind: Kind, objects: &str) -> (Kind, String) {
    (kind, objects.to_owned())
}

fn diagnosed(inventory: &Inventory) -> (Vec<Finding>, Cure, String) {
    let facts = facts(inventory);
    let found = findings(&facts);
    let cure = smallest(&facts, &found);
    (found, cure.cure, cure.why)
}

fn the_volume<'a>(inventory: &'a mut Inventory, id: &str) -> &'a mut Volume {
    inventory.volumes.iter_mut().find(|volume| volume.id == id).unwrap()
}

fn mount(inventory: &mut Inventory, id: &str, on: Option<&str>) {
    the_volume(inventory, id).attachments = on
        .map(|instance| Attachment {
            instance: instance.to_owned(),
            ..Attachment::default()
        })
        .into_iter()
        .collect();
}

#[test]
fn a_healthy_cluster_has_no_finding() {
    let (found, cure, _) = diagnosed(&machines());
    assert_eq!(kinds(&found), []);
    assert_eq!(cure, Cure::Nothing);
}

#[test]
fn the_failure_that_began_the_story_is_told_and_needs_no_wipe() {
    // kops made a second volume of member a, master b mounted it, and member b lies about.
    let mut inventory = machines();
    mount(&mut inventory, "vol-main-b", None);
    let mut second = volume("vol-new", "main", "a", "b", Some("i-b"));
    second.created = Some("2026-11-20T00:00:00Z".parse().unwrap());
    inventory.volumes.push(second);
    let (found, cure, why) = diagnosed(&inventory);
    assert_eq!(
        kinds(&found),
        [
            of(Kind::DuplicateEtcdTag, "vol-main-a vol-new"),
            of(Kind::MemberNotMounted, "vol-main-b"),
        ]
    );
    assert_eq!(cure, Cure::FixMembers, "{why}");
    assert!(
        why.starts_with("do not wipe: etcd main keeps its quorum (2 of 3 members are mounted)"),
        "{why}"
    );
    // The volume without a date is taken for the older one: it stays.
    let command = command(&found[0]);
    assert!(
        command.contains(
            "aws ec2 detach-volume --region us-east-1 --volume-id vol-new --instance-id i-b && aws ec2 delete-tags"
        ),
        "{command}"
    );
    assert!(!command.contains("--resources vol-main-a"), "{command}");
}

#[test]
fn a_second_volume_that_nobody_mounts_is_the_surplus() {
    let mut inventory = machines();
    inventory.volumes.push(volume("vol-0", "main", "a", "a", None));
    let (found, cure, _) = diagnosed(&inventory);
    assert_eq!(kinds(&found), [of(Kind::DuplicateEtcdTag, "vol-0 vol-main-a")]);
    assert!(
        command(&found[0]).contains(
            r#"--resources vol-0 --tags '[{"Key":"KubernetesCluster"},{"Key":"Name"},{"Key":"k8s.io/etcd/main"},"#
        ),
        "{}",
        command(&found[0])
    );
    assert!(note(&found[0]).contains("vol-main-a is the one in use"));
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn two_volumes_on_one_instance_lose_the_one_that_is_not_at_home() {
    let mut inventory = machines();
    mount(&mut inventory, "vol-main-b", Some("i-a"));
    let (found, cure, _) = diagnosed(&inventory);
    assert_eq!(
        kinds(&found),
        [of(Kind::TwoVolumesOneInstance, "i-a vol-main-a vol-main-b")]
    );
    assert!(
        command(&found[0]).contains("--volume-id vol-main-b"),
        "{}",
        command(&found[0])
    );
    assert!(
        !command(&found[0]).contains("--volume-id vol-main-a"),
        "{}",
        command(&found[0])
    );
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn a_volume_whose_tag_was_changed_gets_its_own_back_and_is_not_hidden() {
    let mut inventory = machines();
    the_volume(&mut inventory, "vol-main-c")
        .tags
        .insert("k8s.io/etcd/main".to_owned(), "a/a,b,c".to_owned());
    let (found, cure, _) = diagnosed(&inventory);
    assert_eq!(
        kinds(&found),
        [
            of(Kind::DuplicateEtcdTag, "vol-main-a vol-main-c"),
            of(Kind::MemberMissing, "c")
        ]
    );
    assert_eq!(
        command(&found[0]),
        r#"aws ec2 create-tags --region us-east-1 --resources vol-main-c --tags '[{"Key":"k8s.io/etcd/main","Value":"c/a,b,c"}]'"#
    );
    assert_eq!(note(&found[0]), "by its name vol-main-c is member c's");
    // An empty volume beside it would be the next duplicate.
    assert_eq!(found[1].command, None);
    assert!(
        note(&found[1]).contains("give vol-main-c its tag back"),
        "{}",
        note(&found[1])
    );
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn a_volume_of_a_member_that_is_no_more_is_told() {
    let mut inventory = machines();
    inventory.volumes.push(volume("vol-0", "events", "d", "a", None));
    let (found, cure, _) = diagnosed(&inventory);
    assert_eq!(kinds(&found), [of(Kind::MemberUnknown, "vol-0")]);
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn an_unmounted_member_is_told_by_what_keeps_it() {
    let cause = |spoil: fn(&mut Inventory)| {
        let mut inventory = machines();
        spoil(&mut inventory);
        let (found, cure, _) = diagnosed(&inventory);
        assert_eq!(cure, Cure::FixMembers);
        let of_main =
            |found: &&Finding| found.finding == Kind::MemberNotMounted && found.etcd.as_deref() == Some("main");
        let found = found.iter().find(of_main).unwrap();
        format!("{} | {}", found.causes, command(found))
    };
    let idle = cause(|inventory| mount(inventory, "vol-main-c", None));
    assert!(
        idle.contains("instance i-c in its zone has no volume") && idle.contains("--host 10.0.0.99"),
        "{idle}"
    );
    let stopped = cause(|inventory| inventory.instances[2].state = InstanceState::Stopped);
    assert!(
        stopped.contains("i-c is stopped") && stopped.contains("start-instances"),
        "{stopped}"
    );
    let foreign = cause(|inventory| mount(inventory, "vol-main-c", Some("i-node")));
    assert!(
        foreign.contains("i-node is none of this cluster's masters") && foreign.contains("detach-volume"),
        "{foreign}"
    );
    let gone = cause(|inventory| {
        inventory.instances.remove(2);
        for etcd in ["main", "events"] {
            mount(inventory, &format!("vol-{etcd}-c"), None);
        }
    });
    assert!(
        gone.contains("no master without a volume of etcd main runs in us-east-1c"),
        "{gone}"
    );
    assert!(
        gone.contains("--auto-scaling-group-name control-plane-c.masters.k8s.example.com"),
        "{gone}"
    );
}

#[test]
fn without_quorum_what_can_be_mounted_comes_before_a_wipe() {
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
fn events_alone_are_no_reason_to_wipe_and_what_is_wiped_is_rebuilt() {
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
fn a_group_without_instance_is_told_with_what_says_why() {
    let mut inventory = machines();
    inventory.instances[1].state = InstanceState::Terminated;
    let (found, ..) = diagnosed(&inventory);
    let master = found.iter().find(|found| found.finding == Kind::MasterMissing).unwrap();
    assert_eq!(master.objects, ["control-plane-b"]);
    assert!(command(master).contains("describe-scaling-activities"));
}

#[test]
fn what_the_state_store_lacks_is_mended_without_a_wipe() {
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
    assert!(found[0].causes.contains("blocked altogether") && found[0].severity == Severity::Block);
}

#[test]
fn a_rule_that_cannot_reach_the_control_folder_is_none_of_our_business() {
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

#[test]
fn for_programs_nothing_found_is_an_empty_list() {
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

fn member() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d", "", "a/b"])
}

fn place() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![None, Some("i-a"), Some("i-b"), Some("i-c"), Some("i-x")])
}

fn state() -> impl Strategy<Value = InstanceState> {
    use InstanceState::{Pending, Running, ShuttingDown, Stopped, Terminated, Unknown};
    prop::sample::select(vec![
        Running,
        Running,
        Running,
        Stopped,
        Pending,
        ShuttingDown,
        Terminated,
        Unknown,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever the volumes are tagged as and wherever they hang: what is told exists, and nobody is sent to wipe who need not.
    #[test]
    fn no_wipe_is_advised_while_quorum_stands_and_nothing_is_invented(
        volumes in prop::collection::vec((member(), place(), prop::sample::select(vec!["main", "events"])), 0..10),
        states in prop::array::uniform3(state()),
        has_backup in any::<bool>(),
        spec in any::<bool>(),
    ) {
        let mut inventory = machines();
        inventory.volumes.clear();
        for (at, (member, on, etcd)) in volumes.iter().enumerate() {
            inventory.volumes.push(volume(&format!("vol-{at}"), etcd, member, "a", *on));
        }
        for (instance, state) in inventory.instances.iter_mut().zip(states) {
            instance.state = state;
        }
        let mut facts = facts(&inventory);
        if !has_backup {
            facts.etcds[0].state.best = Err(NoBackup::None);
        }
        if !spec {
            for etcd in &mut facts.etcds {
                etcd.members.clear();
            }
        }
        let found = findings(&facts);
        prop_assert_eq!(&found, &findings(&facts));
        let things: BTreeSet<String> = inventory
            .volumes
            .iter()
            .map(|volume| volume.id.clone())
            .chain(inventory.instances.iter().map(|instance| instance.id.clone()))
            .chain(volumes.iter().map(|(member, ..)| (*member).to_owned()))
            .chain(volumes.iter().filter_map(|(_, on, _)| on.map(str::to_owned)))
            .chain(ZONES.iter().flat_map(|zone| [(*zone).to_owned(), format!("control-plane-{zone}")]))
            .collect();
        for one in found.iter().filter(|one| one.finding.is_about_machines()) {
            for object in &one.objects {
                prop_assert!(things.contains(object), "{one:?}");
            }
            prop_assert!(!one.what.is_empty() && !one.causes.is_empty() && (one.command.is_some() || one.note.is_some()));
        }
        let cure = smallest(&facts, &found);
        let statuses: Vec<QuorumStatus> = facts.etcds.iter().map(|etcd| QuorumStatus::of(&facts, etcd)).collect();
        let main = &statuses[0];
        if main.members > 0 && main.mounted >= main.quorum() {
            prop_assert!(!matches!(cure.cure, Cure::Wipe | Cure::Rebuild | Cure::KeepEverything), "{cure:?}");
        }
        if !has_backup {
            prop_assert!(cure.cure != Cure::Wipe, "{cure:?}");
        }
        prop_assert!(main.mounted <= main.with_data && main.with_data <= main.members);
    }
}

/// What a wipe of ours put away: a volume of each member.
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
            begun: Some("2026-11-22T15:13:00Z".parse().unwrap()),
            volumes: volumes.collect(),
        }],
    }
}

#[test]
fn after_our_own_wipe_no_data_is_called_gone() {
    let gone = facts(&Inventory::default());
    let lost = findings(&gone)
        .into_iter()
        .filter(|found| found.causes.contains("data is gone"));
    assert_eq!(lost.count(), 6, "without a quarantine it is");
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
        assert!(!found.causes.contains("data is gone"), "{found:?}");
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
        cure.why
            .contains("6 etcd volumes are in quarantine, so no data of theirs is gone"),
        "{}",
        cure.why
    );
    assert!(cure.why.contains("kops-wipe-masters restore-volumes"), "{}", cure.why);
}

#[test]
fn with_new_masters_there_the_way_back_is_not_the_next_thing() {
    let mut inventory = machines();
    inventory.volumes.clear();
    let facts = Facts {
        past_wipes: wiped(),
        ..facts(&inventory)
    };
    let found = findings(&facts);
    let missing = found.iter().find(|found| found.finding == Kind::MemberMissing).unwrap();
    assert!(
        missing.command.is_none() && note(missing).starts_with("go on with the restore; or, after the masters"),
        "{missing:?}"
    );
}
