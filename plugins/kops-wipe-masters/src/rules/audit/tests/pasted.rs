//! Every cure, pasted into a shell: what the programs get is what was meant, whatever the tags and names hold.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use runbook_kit::model::shell::{Pipeline, ShellScript};

use super::*;

/// A name that a shell would obey, were it not quoted, in as many ways as it has.
const HOSTILE: &str = "x;touch evil|sh;$(touch evil)`touch evil`\"'\\ &>evil #";
const PROGRAMS: [&str; 4] = ["aws", "kops", "kops-wipe-masters", "kubectl"];

/// Runs a text by `sh` in `folder`, where each program only writes down the words that it gets.
fn pasted(text: &str, folder: &Path) -> Vec<Vec<String>> {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let log = folder.join("log");
    std::fs::write(&log, "").unwrap();
    for program in PROGRAMS {
        let script = format!(
            "#!/bin/sh\nprintf '%s\\0' \"$(($# + 1))\" \"${{0##*/}}\" \"$@\" >> {}\n",
            log.display()
        );
        std::fs::write(bin.join(program), script).unwrap();
        std::fs::set_permissions(bin.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let checked = Command::new("sh").args(["-n", "-c", text]).output().unwrap();
    assert!(checked.status.success(), "{text}: {checked:?}");
    let ran = Command::new("/bin/sh")
        .args(["-c", text])
        .current_dir(folder)
        .env_clear()
        .env("PATH", &bin)
        .output()
        .unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{text}: {ran:?}");
    let said = std::fs::read_to_string(&log).unwrap();
    let mut words = said.split_terminator('\0').map(str::to_owned);
    let mut calls = Vec::new();
    while let Some(count) = words.next() {
        calls.push(words.by_ref().take(count.parse().unwrap()).collect());
    }
    calls
}

fn meant(script: &ShellScript) -> Vec<Vec<String>> {
    let commands = script.steps().iter().flat_map(Pipeline::commands);
    let outside = commands.filter(|command| command.words()[0] != "echo");
    outside.map(|command| command.words().to_vec()).collect()
}

/// Account and state store in many kinds of trouble, in which the names of members and groups, the keys of tags and the state store are hostile.
fn troubles() -> Vec<Facts> {
    let hostile_members = |facts: &mut Facts| {
        for etcd in &mut facts.etcds {
            for (member, zone) in etcd.members.iter_mut().zip(["a", "b", "c"]) {
                member.name = format!("{HOSTILE}{zone}");
                member.instance_group = Some(format!("{HOSTILE}-{zone}"));
            }
        }
    };
    let tagged = |inventory: &mut Inventory| {
        for volume in &mut inventory.volumes {
            volume
                .tags
                .insert(format!("k8s.io/etcd/{HOSTILE}"), format!("{HOSTILE}/{HOSTILE},b"));
            volume.tags.insert(format!("k8s.io/role/{HOSTILE}"), HOSTILE.to_owned());
        }
    };
    type Spoil = fn(&mut Inventory);
    let inventories: [Spoil; 9] = [
        |_| {},
        |inventory| inventory.volumes.push(volume("vol-0", "main", "a", "a", None)),
        |inventory| inventory.volumes.push(volume("vol-1", "main", "a", "b", Some("i-b"))),
        |inventory| mount(inventory, "vol-main-b", Some("i-a")),
        |inventory| mount(inventory, "vol-main-b", Some("i-node")),
        |inventory| mount(inventory, "vol-main-c", None),
        |inventory| inventory.volumes.retain(|volume| volume.id != "vol-main-c"),
        |inventory| inventory.instances[2].state = InstanceState::Stopped,
        |inventory| {
            inventory.instances.clear();
            inventory.groups[0].name = format!("{HOSTILE}.masters.{C}");
            inventory.groups[1].tags.clear();
            for volume in &mut inventory.volumes {
                volume.attachments.clear();
            }
        },
    ];
    let mut troubles = Vec::new();
    for spoil in inventories {
        for with_hostile_tags in [false, true] {
            for with_hostile_members in [false, true] {
                let mut inventory = machines();
                spoil(&mut inventory);
                if with_hostile_tags {
                    tagged(&mut inventory);
                }
                let mut facts = facts(&inventory);
                if with_hostile_members {
                    hostile_members(&mut facts);
                }
                facts.state = StoreUrl::File {
                    path: format!("/s/{HOSTILE}"),
                };
                facts.profiles.machines = Some(HOSTILE.to_owned());
                facts.profiles.state = Some("-x".to_owned());
                troubles.push(facts);
            }
        }
    }
    let mut store = facts(&machines());
    for etcd in &mut store.etcds {
        let name = format!("{HOSTILE}{}", etcd.name());
        etcd.state.base = StoreUrl::S3 {
            bucket: "state".to_owned(),
            key: format!("{C}/backups/etcd/{name}"),
        };
        etcd.state.etcd = name;
        etcd.state.control.cluster_created = None;
        etcd.state.control.cluster_spec = None;
        etcd.state.control.commands = vec![runbook_kit::usecases::control_files::QueuedCommand {
            path: format!("control/{HOSTILE}/_command.json"),
            command: Err("the file is empty".into()),
        }];
        etcd.state.best = Err(NoBackup::None);
        etcd.newest.as_mut().unwrap().created = "2026-11-22T14:50:00Z".parse().unwrap();
        etcd.newest.as_mut().unwrap().etcd_version = Some("3.6.12".into());
        etcd.rules = Ok(vec![ExpiryRule {
            id: None,
            prefix: String::new(),
            only_tagged: false,
            larger_than: None,
            smaller_than: None,
            fate: Fate::Deleted(When::After(30)),
        }]);
    }
    troubles.push(store.clone());
    for etcd in &mut store.etcds {
        etcd.state.best = Err(NoBackup::NoneGood(Vec::new()));
    }
    troubles.push(store);
    troubles
}

#[test]
fn pasted_commands_get_the_right_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kinds, mut cures, mut hostile) = (BTreeSet::new(), BTreeSet::new(), 0);
    for facts in troubles() {
        let found = findings(&facts);
        let cure = smallest(&facts, &found);
        cures.insert(cure.cure);
        let of_findings = found
            .iter()
            .filter_map(|one| Some((Some(one.finding), one.command.as_ref()?)));
        for (kind, script) in of_findings.chain(cure.command.iter().map(|command| (None, command))) {
            for text in [script.to_string(), script.lines().join("\n")] {
                let mut calls = pasted(&text, folder.path());
                let mut wanted = meant(script);
                assert!(!wanted.is_empty(), "{text}");
                calls.sort();
                wanted.sort();
                assert_eq!(calls, wanted, "{text}");
            }
            hostile += usize::from(script.to_string().contains("touch evil"));
            kinds.extend(kind);
        }
        assert!(!folder.path().join("evil").exists(), "{found:#?}");
    }
    use Kind::{
        BackupsStopped, ControlFile, DuplicateEtcdTag, LifecycleRule, MasterMissing, MemberMissing, MemberNotMounted,
        MemberUnknown, NoGoodBackup, TwoVolumesOneInstance,
    };
    let all = [
        DuplicateEtcdTag,
        TwoVolumesOneInstance,
        MemberNotMounted,
        MemberMissing,
        MemberUnknown,
        MasterMissing,
        ControlFile,
        LifecycleRule,
        NoGoodBackup,
        BackupsStopped,
    ];
    assert_eq!(kinds, BTreeSet::from(all));
    assert!(cures.len() >= 4 && hostile >= 100, "{cures:?} {hostile}");
}

#[test]
fn the_marker_is_written_into_a_file_store_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("a {}", HOSTILE.replace('/', "")));
    let at = StoreUrl::File {
        path: path.to_str().unwrap().to_owned(),
    };
    assert_eq!(
        pasted(
            &crate::rules::interlock::write_marker(&at, None).to_string(),
            folder.path()
        ),
        Vec::<Vec<String>>::new()
    );
    assert_eq!(
        std::fs::read_to_string(path).unwrap().trim(),
        r#"{"timestamp":1700000000000000000}"#
    );
    assert!(!folder.path().join("evil").exists());
}

#[test]
fn automatic_replacement_is_claimed_only_where_it_is_known() {
    let mut inventory = machines();
    inventory.volumes.retain(|volume| volume.id != "vol-main-c");
    let told = |image: &str, inventory: &Inventory| {
        let mut facts = facts(inventory);
        for etcd in &mut facts.etcds {
            etcd.state.managers.manifests[0].read.as_mut().unwrap().image = image.to_owned();
        }
        let found = findings(&facts);
        let cure = smallest(&facts, &found);
        assert_eq!((found.len(), cure.cure), (1, Cure::FixMembers));
        let lines = found[0].command.as_ref().unwrap().lines();
        (lines, note(&found[0]).to_owned(), cure.why)
    };
    let (lines, note, why) = told("x:v3.0.20260531", &inventory);
    assert_eq!(
        lines,
        ["kops update cluster --name k8s.example.com --state s3://state --yes"]
    );
    assert!(note.contains("as here, replaces the member"), "{note}");
    assert!(why.contains("etcd-manager replaces an empty member"), "{why}");
    for old in ["x:v3.0.20260530", "mirror/etcd-manager:ours"] {
        let (lines, note, why) = told(old, &inventory);
        assert_eq!(
            lines,
            [
                "kubectl etcd-restore member replace --name k8s.example.com --state s3://state --etcd main c --yes &&",
                "kops update cluster --name k8s.example.com --state s3://state --yes",
            ]
        );
        assert!(note.contains("asks for the cluster name"), "{note}");
        assert!(
            !note.contains("as here, replaces") && !why.contains("etcd-manager replaces an empty member"),
            "{note} {why}"
        );
        assert!(why.contains("`kubectl etcd-restore member replace`"), "{why}");
    }
}
