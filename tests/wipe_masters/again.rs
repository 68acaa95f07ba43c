//! After a wipe: the same command again, volumes of two wipes in quarantine, and what must not be purged.

use support::KopsCluster;
use support::aws::Built;
use support::store::CLUSTER;

use crate::env::Env;

fn cluster() -> KopsCluster {
    KopsCluster::of_one_master(CLUSTER)
}

fn small() -> Env {
    Env::with(&cluster())
}

/// As kops does after a wipe.
fn rebuild(env: &Env) -> Built {
    let mut rebuilt = Built::default();
    cluster().build_masters(&env.account, &mut rebuilt).unwrap();
    rebuilt
}

const PURGE: [&str; 6] = ["purge-volumes", "--yes", "--confirm", CLUSTER, "--poll", "50ms"];

#[test]
fn the_same_command_is_refused_after_new_masters_launched() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let rebuilt = rebuild(&env);
    let new = &rebuilt.masters[0].instance;
    let before = env.picture();
    for command in [env.wipe_yes(&[]), env.wipe(&[])] {
        let _ = command
            .run()
            .unwrap()
            .code(3)
            .stderr_has("already wiped at 2026-11-22T18:20:00Z; masters launched since: i-")
            .stderr_has(new)
            .stderr_has("to wipe these masters too, pass --again");
    }
    // --again lifts it, and no more than it: the name is still asked for.
    let _ = env
        .wipe(&["--yes", "--again"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has(&format!("pass --confirm {CLUSTER}"));
    assert_eq!(env.picture(), before);
    assert_eq!(env.journals().len(), 1);
    let _ = env.wipe_yes(&["--again"]).run().unwrap().success();
    assert!(!env.picture().has(new));
    assert_eq!(env.journals().len(), 2);
}

#[test]
fn restored_volumes_are_not_new_and_can_be_wiped_again() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let _ = env.wipe(&["restore-volumes", "--yes"]).run().unwrap().success();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    env.assert_wiped();
}

#[test]
fn volumes_of_two_wipes_are_kept_apart() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let rebuilt = rebuild(&env);
    let later = "2026-11-22T19:30:00Z";
    let _ = env.wipe_yes(&["--again"]).now(later).run().unwrap().success();
    let runs: Vec<String> = env
        .journals()
        .iter()
        .map(|journal| journal["run"].as_str().unwrap().to_owned())
        .collect();
    assert_ne!(runs[0], runs[1]);
    let shown = env.wipe(&["restore-volumes"]).run().unwrap().code(3);
    let _ = shown
        .clone()
        .stdout_has("2 volumes in quarantine are of main/a")
        .stdout_has(&format!(
            "--run ({} of {later}, {} of 2026-11-22T18:20:00Z)",
            runs[1], runs[0]
        ))
        .stdout_has(&runs[0])
        .stdout_has("WIPED");
    let _ = env
        .wipe(&["restore-volumes", "--run", "nobody"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has(&runs[0]);
    let _ = env.wipe(&["restore-volumes", "--run", ""]).run().unwrap().code(2);
    // Old masters' volumes come back, the younger ones stay where they are.
    let _ = env
        .wipe(&["restore-volumes", "--yes", "--run", &runs[0][..12]])
        .run()
        .unwrap()
        .success();
    for volume in &env.built.etcd_volumes {
        assert!(
            env.account
                .volume_tags(&volume.id)
                .unwrap()
                .contains_key("KubernetesCluster")
        );
    }
    for volume in &rebuilt.etcd_volumes {
        let tags = env.account.volume_tags(&volume.id).unwrap();
        assert_eq!(tags["kops-recovery/run"], runs[1]);
    }
    // A purge wants the same, and a master that runs.
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let _ = rebuild(&env);
    let before = env.picture();
    let _ = env
        .wipe(&PURGE)
        .run()
        .unwrap()
        .code(3)
        .stdout_has("2 volumes in quarantine are of main/a");
    assert_eq!(env.picture(), before);
    let _ = env.wipe(&PURGE).args(["--run", &runs[1]]).run().unwrap().success();
    let gone: Vec<&str> = rebuilt.etcd_volumes.iter().map(|volume| volume.id.as_str()).collect();
    assert_eq!(env.picture(), before.without(gone));
}

#[test]
fn purge_is_refused_while_no_master_runs() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let before = env.picture();
    for command in [env.wipe(&PURGE), env.wipe(&["purge-volumes"])] {
        let _ = command.run().unwrap().code(3).stderr_has(
            "no master of this cluster runs: until the cluster is back, these volumes are the last copy of its data",
        );
    }
    assert_eq!(env.picture(), before);
}

/// Anybody who may tag can put the mark on a volume.
#[test]
fn a_volume_with_only_the_quarantine_tag_is_not_deleted() {
    let env = Env::new();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let mut rebuilt = Built::default();
    KopsCluster::new(CLUSTER)
        .build_masters(&env.account, &mut rebuilt)
        .unwrap();
    let precious = &env.built.persistent_volumes[1];
    let mark = ("kops-recovery/quarantined", CLUSTER);
    for (tags, why) in [
        (vec![mark], "is tagged as the volume of a PersistentVolume"),
        (
            vec![mark, ("kops-recovery/was/k8s.io/etcd/main", "a/a,b,c")],
            "is tagged as the volume of a PersistentVolume",
        ),
    ] {
        env.account.tag(precious, &tags).unwrap();
        let before = env.picture();
        let _ = env.wipe(&PURGE).arg(precious).run().unwrap().code(3).stdout_has(why);
        let _ = env.wipe(&PURGE).run().unwrap().code(3).stdout_has(why);
        assert_eq!(env.picture(), before);
    }
    env.account.untag(precious, &[mark.0]).unwrap();
    // A volume that nothing else is known of, one of another cluster, and one that was another cluster's.
    let made = |tags: &[(&str, &str)]| {
        let volume = [("AvailabilityZone", "us-east-1a"), ("Size", "1")];
        let id = env.account.ec2("CreateVolume", &volume).unwrap().text_at(&["volumeId"]);
        env.account.tag(&id, tags).unwrap();
        id
    };
    for (tags, why) in [
        (vec![mark], "has only the quarantine tag"),
        (
            vec![mark, ("kops-recovery/was/k8s.io/etcd/", "a/a")],
            "has only the quarantine tag",
        ),
        (
            vec![
                mark,
                ("kubernetes.io/cluster/b.example.com", "owned"),
                ("kops-recovery/was/k8s.io/etcd/main", "a/a"),
            ],
            "tag kubernetes.io/cluster/b.example.com is there",
        ),
        (
            vec![
                mark,
                ("kops-recovery/was/KubernetesCluster", "b.example.com"),
                ("kops-recovery/was/k8s.io/etcd/main", "a/a"),
            ],
            "tag KubernetesCluster was b.example.com",
        ),
    ] {
        let id = made(&tags);
        let before = env.picture();
        let _ = env.wipe(&PURGE).arg(&id).run().unwrap().code(3).stdout_has(why);
        let _ = env.wipe(&PURGE).run().unwrap().code(3).stdout_has(why);
        assert_eq!(env.picture(), before, "{why}");
        env.account.ec2("DeleteVolume", &[("VolumeId", &id)]).unwrap();
    }
    // What a journal names may have lost its shadows.
    let ours = &env.built.etcd_volumes[0];
    env.account
        .untag(&ours.id, &[&format!("kops-recovery/was/k8s.io/etcd/{}", ours.etcd)])
        .unwrap();
    let _ = env.wipe(&PURGE).arg(&ours.id).run().unwrap().success();
    assert!(!env.picture().has(&ours.id));
}

#[test]
fn an_attached_volume_in_quarantine_is_neither_restored_nor_purged() {
    let env = Env::new();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let (volume, node) = (&env.built.etcd_volumes[0].id, &env.built.others[0].instance);
    let attach = [
        ("VolumeId", volume.as_str()),
        ("InstanceId", node.as_str()),
        ("Device", "/dev/xvdz"),
    ];
    env.account.ec2("AttachVolume", &attach).unwrap();
    let before = env.picture();
    let why = format!("volume {volume} is attached to {node}");
    let detach = format!("`aws ec2 detach-volume --region us-east-1 --volume-id {volume}`");
    let _ = env
        .wipe(&["restore-volumes", "--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has(&why)
        .stderr_has(&detach);
    let _ = env.wipe(&PURGE).run().unwrap().code(3).stdout_has(&why);
    assert_eq!(env.picture(), before);
}

/// Tags that only look like a quarantine's give nothing to another cluster.
#[test]
fn a_volume_of_another_cluster_is_not_restored() {
    let env = small();
    let volume = [("AvailabilityZone", "us-east-1a"), ("Size", "1")];
    let id = env.account.ec2("CreateVolume", &volume).unwrap().text_at(&["volumeId"]);
    let tags = [
        ("kops-recovery/quarantined", CLUSTER),
        ("kops-recovery/was/KubernetesCluster", "b.example.com"),
        ("kops-recovery/was/k8s.io/etcd/main", "a/a"),
    ];
    env.account.tag(&id, &tags).unwrap();
    let before = env.picture();
    let _ = env
        .wipe(&["restore-volumes", "--yes", &id])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("tag KubernetesCluster was b.example.com");
    assert_eq!(env.picture(), before);
}

#[test]
fn an_audit_after_a_wipe_reports_it_and_shows_restore_volumes() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let audit = env.wipe(&["audit"]).run().unwrap().code(5);
    let _ = audit
        .stderr_has("the control plane was wiped at 2026-11-22T18:20:00Z by ")
        .stdout_has("is in quarantine since the wipe of 2026-11-22T18:20:00Z, with its data")
        .stdout_has("2 etcd volumes are in quarantine with their data")
        .stdout_has(&format!(
            "kops-wipe-masters restore-volumes --name {CLUSTER} --state file:///"
        ));
}

/// A journal of a version that knew nothing of today's fields.
#[test]
fn an_old_journal_is_read() {
    let env = small();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let path = env.root().join(CLUSTER).join("backups/recovery/wipe-0001.json");
    let mut journal: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let plan = journal["plan"].as_object_mut().unwrap();
    plan.remove("keeps").unwrap();
    plan.remove("terraform").unwrap();
    std::fs::write(&path, journal.to_string()).unwrap();
    let _ = rebuild(&env);
    let _ = env.wipe(&[]).run().unwrap().code(3).stderr_has("already wiped at");
    let _ = env.wipe(&PURGE).run().unwrap().success();
}
