//! Problems with volumes and members.

use super::*;

#[test]
fn a_healthy_cluster_has_no_finding() {
    let (found, cure, _) = diagnosed(&machines());
    assert_eq!(kinds(&found), []);
    assert_eq!(cure, Cure::Nothing);
}

#[test]
fn two_volumes_of_one_member_and_an_unmounted_one_need_no_wipe() {
    // kops created a second volume of member a, master b mounted it, and the volume of b is unattached.
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
        why.starts_with("do not wipe: etcd main has quorum (2 of 3 members are mounted)"),
        "{why}"
    );
    // The volume without a date counts as the older one, and is kept.
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
fn of_two_volumes_the_unmounted_one_is_hidden() {
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
    assert!(note(&found[0]).contains("vol-main-a is in use"));
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn of_two_volumes_on_one_instance_the_other_members_is_detached() {
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
fn a_volume_with_a_changed_tag_is_retagged_and_not_hidden() {
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
    assert_eq!(note(&found[0]), "by its name vol-main-c belongs to member c");
    // An empty volume beside it would be the next duplicate.
    assert_eq!(found[1].command, None);
    assert!(
        note(&found[1]).contains("restore the tag of vol-main-c"),
        "{}",
        note(&found[1])
    );
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn a_volume_of_an_unknown_member_is_reported() {
    let mut inventory = machines();
    inventory.volumes.push(volume("vol-0", "events", "d", "a", None));
    let (found, cure, _) = diagnosed(&inventory);
    assert_eq!(kinds(&found), [of(Kind::MemberUnknown, "vol-0")]);
    assert_eq!(cure, Cure::FixMembers);
}

#[test]
fn an_unmounted_member_is_reported_with_its_cause() {
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
        foreign.contains("i-node is not a master of this cluster") && foreign.contains("detach-volume"),
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
