//! `audit`: problems are found, and no unnecessary wipe is advised.

use support::S3;
use support::store::CLUSTER;

use crate::audit_env::{AuditEnv, BUCKET, told};

const MANIFEST: &str = "manifests/etcd/main-control-plane-us-east-1b.yaml";

#[test]
fn a_healthy_cluster_is_healthy() {
    let env = AuditEnv::new("state-store-restored");
    let before = env.account.picture().unwrap();
    let (ended, rows) = env.audited();
    let ended = ended.success();
    assert_eq!(told(&rows), [""; 0]);
    assert!(
        ended.stderr.contains("account 123456789012, region us-east-1"),
        "{}",
        ended.stderr
    );
    let ended = env.audit(&[]).run().unwrap().success();
    assert!(ended.stdout.starts_with("no problems found"), "{}", ended.stdout);
    assert_eq!(env.account.picture().unwrap(), before, "an audit changes nothing");
}

#[test]
fn mixed_up_volumes_are_reported_with_the_commands_that_fix_them() {
    let env = AuditEnv::new("state-store-restored");
    let (b, events_c, on_a) = env.mix_up_volumes();
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    let mut pair = [env.volume("events", "a").to_owned(), events_c.clone()];
    pair.sort();
    let mut two = [env.volume("main", "a").to_owned(), b.clone()];
    two.sort();
    assert_eq!(
        told(&rows),
        [
            format!("two-volumes-one-instance main {on_a} {} {}", two[0], two[1]),
            format!("duplicate-etcd-tag events {} {}", pair[0], pair[1]),
            "member-missing events c".to_owned(),
            "cure mend-members".to_owned(),
        ]
    );
    let retag = rows[1]["command"].as_str().unwrap();
    let wanted = format!(r#"--resources {events_c} --tags '[{{"Key":"k8s.io/etcd/events","Value":"c/a,b,c"}}]'"#);
    assert!(retag.contains(&wanted), "{retag}");
    let detach = rows[0]["command"].as_str().unwrap();
    assert!(
        detach.contains(&format!("aws ec2 detach-volume --region us-east-1 --volume-id {b}")),
        "{detach}"
    );
    let table = env.audit(&["-o", "wide"]).run().unwrap().code(5);
    assert!(table.stdout.starts_with("FINDING"), "{}", table.stdout);
    let ended = env.audit(&[]).run().unwrap().code(5);
    assert!(ended.stdout.contains("smallest fix  do not wipe: "), "{}", ended.stdout);
    assert!(!ended.stdout.contains("kops-wipe-masters"), "{}", ended.stdout);
}

#[test]
fn a_lost_quorum_differs_from_unmounted_volumes() {
    let env = AuditEnv::new("state-store-restored");
    for member in ["b", "c"] {
        env.detach(env.volume("main", member));
    }
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    assert_eq!(told(&rows).last().unwrap(), "cure mount-again");
    for member in ["b", "c"] {
        env.account
            .ec2("DeleteVolume", &[("VolumeId", env.volume("main", member))])
            .unwrap();
    }
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    let told = told(&rows);
    assert_eq!(told, ["member-missing main b", "member-missing main c", "cure restore"]);
    // Member a has its data, and all masters run: it is saved and restored without a wipe.
    let command = rows[2]["command"].as_str().unwrap();
    let host = &env.built.masters[0].private_ip;
    for part in [
        format!("kubectl etcd-backups take --name {CLUSTER} --state s3://{BUCKET} --etcd main --via ssh --host {host}"),
        format!("kubectl etcd-restore run --name {CLUSTER} --state s3://{BUCKET}"),
    ] {
        assert!(command.contains(&part), "{command}");
    }
    // With their masters gone as well nothing less than a wipe is left.
    for master in &env.built.masters[1..] {
        let none = [
            ("AutoScalingGroupName", master.group.as_str()),
            ("MinSize", "0"),
            ("DesiredCapacity", "0"),
        ];
        env.account.scaling("UpdateAutoScalingGroup", &none).unwrap();
    }
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    let cure = rows.as_array().unwrap().last().unwrap();
    assert_eq!(cure["cure"], "wipe", "{rows:#}");
    let rungs: Vec<_> = cure["ladder"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["verdict"])
        .collect();
    assert_eq!(
        rungs,
        [
            "not-enough",
            "not-enough",
            "not-enough",
            "not-enough",
            "not-enough",
            "not-enough",
            "take"
        ]
    );
    assert!(
        cure["command"]
            .as_str()
            .unwrap()
            .starts_with(&format!("kops-wipe-masters --name {CLUSTER}"))
    );
}

#[test]
fn obstacles_to_a_restore_are_reported() {
    let env = AuditEnv::new("state-store-restored");
    let marker = AuditEnv::key("backups/etcd/main/control/etcd-cluster-created");
    env.moto.delete(BUCKET, &marker).unwrap();
    let spec = AuditEnv::key("backups/etcd/events/control/etcd-cluster-spec");
    env.moto.put(BUCKET, &spec, b"{").unwrap();
    let manifest = String::from_utf8(env.moto.get(BUCKET, &AuditEnv::key(MANIFEST)).unwrap()).unwrap();
    let without = manifest.replace("/opt/etcd-v3.5.30", "/opt/elsewhere");
    env.moto
        .put(BUCKET, &AuditEnv::key(MANIFEST), without.as_bytes())
        .unwrap();
    let rules = r#"<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix>super</Prefix></Filter><Status>Enabled</Status>
        <Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"#;
    env.moto
        .bucket_request("PUT", BUCKET, "lifecycle", rules.as_bytes())
        .unwrap();
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    assert_eq!(
        told(&rows),
        [
            format!("control-file main s3://{BUCKET}/{marker}"),
            format!("lifecycle-rule main s3://{BUCKET}"),
            "etcd-manager main 2026-11-22T15:20:36Z-000001".to_owned(),
            format!("control-file events s3://{BUCKET}/{spec}"),
            format!("lifecycle-rule events s3://{BUCKET}"),
            "cure mend".to_owned(),
        ]
    );
    let command = rows[0]["command"].as_str().unwrap();
    assert!(
        command.ends_with(&format!("| aws s3 cp - s3://{BUCKET}/{marker}")),
        "{command}"
    );
}

#[test]
fn the_written_control_file_passes() {
    let env = AuditEnv::new("state-store-restored");
    let marker = AuditEnv::key("backups/etcd/main/control/etcd-cluster-created");
    env.moto.delete(BUCKET, &marker).unwrap();
    let (_, rows) = env.audited();
    let command = rows[0]["command"].as_str().unwrap();
    let content = command.split('\'').nth(1).unwrap();
    env.moto.put(BUCKET, &marker, content.as_bytes()).unwrap();
    let (ended, rows) = env.audited();
    let _ = ended.success();
    assert_eq!(told(&rows), [""; 0]);
}

#[test]
fn without_a_good_backup_no_wipe_is_advised() {
    let env = AuditEnv::new("state-store-reseeded");
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    assert!(told(&rows)[0].starts_with("no-good-backup main"), "{rows:#}");
    assert!(rows[0]["what"].as_str().unwrap().contains("no Nodes"), "{rows:#}");
    for master in &env.built.masters {
        env.account
            .ec2("TerminateInstances", &[("InstanceId.1", &master.instance)])
            .unwrap();
    }
    for volume in env.built.etcd_volumes.iter().filter(|volume| volume.etcd == "main") {
        env.account.ec2("DeleteVolume", &[("VolumeId", &volume.id)]).unwrap();
    }
    let (ended, rows) = env.audited();
    let _ = ended.code(5);
    assert_eq!(told(&rows).last().unwrap(), "cure keep-everything", "{rows:#}");
}

#[test]
fn another_region_or_account_is_refused_instead_of_seeming_empty() {
    let env = AuditEnv::new("state-store-restored");
    let elsewhere = env.audit(&["--region", "eu-west-1"]).run().unwrap().code(3);
    assert!(elsewhere.stderr.contains("--region us-east-1"), "{}", elsewhere.stderr);
    assert_eq!(elsewhere.stdout, "");
    // Where nobody names one, the spec does.
    let unnamed = env.audit(&[]).without_env("AWS_REGION").run().unwrap();
    let named = env.audit(&[]).run().unwrap();
    assert_eq!((unnamed.exit_code(), unnamed.stdout), (named.exit_code(), named.stdout));
    let _ = env.audit(&["--profile", "nobody"]).run().unwrap().code(1);
    let nobody = env.audit(&[]).args(["--name", "k8s.example.com"]).run().unwrap();
    assert_ne!(nobody.exit_code(), Some(0));
    assert!(
        nobody.stderr.contains(CLUSTER) || nobody.exit_code() == Some(2),
        "{}",
        nobody.stderr
    );
}

#[test]
fn a_fixed_clock_is_warned_of_even_if_quiet() {
    let env = AuditEnv::new("state-store-restored");
    let warning = env.audit(&["-q"]).run().unwrap().success().clock_warning.unwrap();
    assert!(warning.starts_with("warning: KOPS_RECOVERY_NOW is set: "), "{warning}");
    let without = env.audit(&["-q"]).without_env("KOPS_RECOVERY_NOW").run().unwrap();
    assert_eq!(without.clock_warning, None);
}
