//! What our own account of AWS' machines says, held against moto with clusters as kops makes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use runbook_kit::adapters::aws::{AwsFleet, FleetOptions};
use runbook_kit::model::fleet::wipe::termination::{AtTermination, at_termination};
use runbook_kit::model::fleet::{InstanceState, VolumeState};
use runbook_kit::ports::fleet::{Fleet, FleetChange};
use support::{AwsAccount, Cmd, KopsCluster, Moto, S3};

/// The SDK reads the environment, and a test must not change its own: this test calls itself.
const INNER: &str = "AWS_FLEET_TEST_INNER";

fn again(name: &str, server: &impl S3) {
    let this = std::env::current_exe().unwrap();
    let ended = Cmd::new(this)
        .unwrap()
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .envs(server.env())
        .env(INNER, "1")
        .run()
        .unwrap();
    assert!(ended.success().stdout.contains("1 passed"));
}

fn inner() -> bool {
    std::env::var_os(INNER).is_some()
}

const A: &str = "a.example.com";
const XA: &str = "x.a.example.com";

#[tokio::test]
async fn each_cluster_is_told_from_one_whose_name_ends_in_its_own() {
    if !inner() {
        let moto = Moto::start().unwrap();
        let account = AwsAccount::of(&moto);
        KopsCluster::new(A).build(&account).unwrap();
        KopsCluster {
            older: true,
            masters: 1,
            ..KopsCluster::new(XA)
        }
        .build(&account)
        .unwrap();
        return again("each_cluster_is_told_from_one_whose_name_ends_in_its_own", &moto);
    }
    let fleet = AwsFleet::new(FleetOptions::default(), Box::new(|| None));
    let caller = fleet.caller().await.unwrap();
    assert_eq!(
        (caller.account.len(), caller.region.as_str(), caller.profile),
        (12, "us-east-1", None)
    );

    let groups = fleet.groups_of(A).await.unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "apiserver-us-east-1a.apiservers.a.example.com",
            "bastions.a.example.com",
            "control-plane-us-east-1a.masters.a.example.com",
            "control-plane-us-east-1b.masters.a.example.com",
            "control-plane-us-east-1c.masters.a.example.com",
            "nodes-us-east-1a.a.example.com",
        ]
    );
    let master = &groups[2];
    assert_eq!(master.tags["k8s.io/role/control-plane"], "1");
    assert_eq!((master.members.len(), &master.status), (1, &None));
    assert_eq!(fleet.groups_of(XA).await.unwrap().len(), 4);

    let instances = fleet.instances_of(A).await.unwrap();
    assert_eq!(instances.len(), 6);
    let id = &master.members[0].instance;
    let instance = instances.iter().find(|instance| &instance.id == id).unwrap();
    assert_eq!(
        (instance.state, instance.zone.as_str(), instance.instance_type.as_str()),
        (InstanceState::Running, "us-east-1a", "m5.large")
    );
    assert!(instance.launched.is_some() && instance.private_ips.len() == 1);
    assert_eq!(instance.devices.len(), 3, "root, main and events: {instance:?}");
    let asked = vec![id.clone(), "i-0123456789abcdef0".to_owned()];
    assert_eq!(fleet.instances(&asked).await.unwrap(), std::slice::from_ref(instance));

    let volumes = fleet.volumes_of(A).await.unwrap();
    assert_eq!(volumes.len(), 8, "three masters, main and events, two claims");
    let main = volumes
        .iter()
        .find(|volume| volume.tags["Name"] == "a.etcd-main.a.example.com")
        .unwrap();
    assert_eq!((main.state, main.size_gib), (VolumeState::InUse, 20));
    assert_eq!(
        (
            main.attachments[0].instance.as_str(),
            main.attachments[0].state.as_str()
        ),
        (id.as_str(), "attached")
    );
    let tagged = fleet.volumes_tagged("Name", "a.etcd-main.a.example.com").await.unwrap();
    assert_eq!(tagged, std::slice::from_ref(main));
    // A wildcard of AWS' filters is an ordinary character to us.
    assert!(
        fleet
            .volumes_tagged("Name", "*.etcd-main.a.example.com")
            .await
            .unwrap()
            .is_empty()
    );
    assert!(fleet.volumes_of("*.example.com").await.unwrap().is_empty());
    assert!(fleet.groups_of("b.example.com").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_shows_whose_account_it_is_and_what_goes_with_an_instance() {
    if !inner() {
        let moto = Moto::start().unwrap();
        let account = AwsAccount::of(&moto);
        let cluster = KopsCluster::of_one_master(A);
        let built = cluster.build(&account).unwrap();
        account.delete_on_termination(&built.etcd_volumes[1], true).unwrap();
        let template = [
            ("LaunchTemplateName", "by-terraform"),
            ("LaunchTemplateData.ImageId", "ami-12c6146b"),
            ("LaunchTemplateData.InstanceType", "m5.large"),
        ];
        account.ec2("CreateLaunchTemplate", &template).unwrap();
        let group = [
            ("AutoScalingGroupName", "by-terraform"),
            ("LaunchTemplate.LaunchTemplateName", "by-terraform"),
            ("LaunchTemplate.Version", "1"),
            ("MinSize", "0"),
            ("MaxSize", "0"),
            ("AvailabilityZones.member.1", "us-east-1a"),
        ];
        account.scaling("CreateAutoScalingGroup", &group).unwrap();
        return again("what_shows_whose_account_it_is_and_what_goes_with_an_instance", &moto);
    }
    let fleet = AwsFleet::new(FleetOptions::default(), Box::new(|| None));
    let instance = fleet.instances_of(A).await.unwrap().remove(0);
    let goes: Vec<(&str, Option<bool>)> = instance
        .devices
        .iter()
        .map(|device| (device.name.as_str(), device.delete_on_termination))
        .collect();
    assert_eq!(
        goes,
        [
            ("/dev/sda1", Some(true)),
            ("/dev/xvdu", Some(false)),
            ("/dev/xvdv", Some(true))
        ]
    );
    let events = instance.devices[2].volume.clone();
    let volume = fleet.volumes(&[events]).await.unwrap().remove(0);
    let fate = at_termination(&volume, &volume.attachments[0], Some(&instance));
    assert_eq!(fate, AtTermination::Deleted);
    let consent = runbook_kit::cli::confirm::plain(true).unwrap();
    fleet.keep_volume(&instance.id, "/dev/xvdv", &consent).await.unwrap();
    let after = fleet.instances_of(A).await.unwrap().remove(0);
    assert_eq!(
        at_termination(&volume, &volume.attachments[0], Some(&after)),
        AtTermination::Kept
    );
    // The root volume's is left as it was.
    assert_eq!(after.devices[0].delete_on_termination, Some(true));

    let (vpc, subnet) = (instance.vpc.unwrap(), instance.subnet.unwrap());
    let group = fleet.groups_of(A).await.unwrap().remove(0);
    assert_eq!(group.subnets, std::slice::from_ref(&subnet));
    assert_eq!(group.launch_template, None);
    let asked = [
        subnet.clone(),
        vpc.clone(),
        "vpc-0123456789abcdef0".into(),
        "subnet-0123456789abcdef0".into(),
    ];
    let mut there = vec![subnet, vpc];
    there.sort();
    assert_eq!(fleet.networks(&asked).await.unwrap(), there);
    let group = fleet.groups(&["by-terraform".to_owned()]).await.unwrap().remove(0);
    let template = group.launch_template.unwrap();
    assert_eq!(
        (template.name.as_str(), template.version.as_str()),
        ("by-terraform", "1")
    );
}
