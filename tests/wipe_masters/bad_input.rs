//! Wrong, partial and hostile input: a clear error, and nothing lost.

use support::store::CLUSTER;
use support::{Cmd, KopsCluster, Moto, Proxy, Rule, S3};

use crate::env::{Env, NOW, YES};

fn bare(arguments: &[&str]) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_kops-wipe-masters"))
        .unwrap()
        .now(NOW)
        .args(arguments)
}

#[test]
fn the_cluster_must_be_named_explicitly() {
    let env = Env::new();
    let before = env.picture();
    let here = |arguments: &[&str]| bare(arguments).envs(env.moto.env()).args(["--state", &env.url()]);
    let _ = here(&["--yes"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("no cluster is named")
        .stderr_has(&format!(
            "pass --name or set KOPS_CLUSTER_NAME; {} holds {CLUSTER}",
            env.url()
        ));

    // kubectl's context would name it, and does not count.
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("config");
    let content = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {CLUSTER}\ncontexts:\n- name: {CLUSTER}\n  context: {{cluster: {CLUSTER}, user: u}}\n\
         clusters:\n- name: {CLUSTER}\n  cluster: {{server: 'https://127.0.0.1:1'}}\nusers:\n- name: u\n  user: {{}}\n"
    );
    std::fs::write(&kubeconfig, content).unwrap();
    for subcommand in [None, Some("restore-volumes"), Some("purge-volumes")] {
        let arguments: Vec<&str> = subcommand.into_iter().chain(["--yes"]).collect();
        let _ = here(&arguments)
            .env("KUBECONFIG", &kubeconfig)
            .run()
            .unwrap()
            .code(2)
            .stderr_has("kubectl's context super.k8s.local is never taken");
    }
    let _ = here(&[]).env("KOPS_CLUSTER_NAME", CLUSTER).run().unwrap().success();
    let _ = here(&["--name", "supr.k8s.local"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("super.k8s.local");
    let _ = here(&["--name", "../../etc"]).run().unwrap().code(2);
    assert_eq!(env.picture(), before);
}

#[test]
fn another_account_another_region_and_none() {
    let env = Env::new();
    let empty = Moto::start().unwrap();
    let _ = env
        .wipe_yes_through(&empty, &[])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("nothing of this cluster exists in account 123456789012 in us-east-1");
    let _ = env
        .wipe_yes(&["--region", "eu-west-1"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("the cluster is in us-east-1, not in eu-west-1")
        .stderr_has("pass --region us-east-1");
    let _ = env
        .wipe(&[])
        .without_env("AWS_REGION")
        .run()
        .unwrap()
        .success()
        .stdout_has("Region       us-east-1");
    let _ = env
        .wipe(&[])
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_SECRET_ACCESS_KEY")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no AWS credentials found");
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::always(
        "POST",
        "Action=GetCallerIdentity",
        Rule::error(403, "InvalidClientTokenId"),
    ));
    let _ = env
        .wipe_through(&proxy, &[])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("AWS does not accept the credentials");
}

#[test]
fn consent_takes_the_cluster_name() {
    let env = Env::new();
    let before = env.picture();
    let _ = env
        .wipe(&["--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("pass --confirm super.k8s.local");
    for name in ["x.super.k8s.local", "super", "SUPER.k8s.local", ""] {
        let _ = env
            .wipe(&["--yes", "--confirm", name])
            .run()
            .unwrap()
            .code(3)
            .stderr_has("nothing was changed");
    }
    // Consent before a subcommand is not the subcommand's.
    let _ = env
        .wipe(&["--yes", "--confirm", CLUSTER, "restore-volumes"])
        .run()
        .unwrap()
        .code(2);
    assert_eq!(env.picture(), before);
    assert!(env.journals().is_empty());
}

#[test]
fn only_the_shown_plan_or_a_part_of_it_is_applied() {
    let env = Env::new();
    let before = env.picture();
    let shown = env.wipe(&["-o", "json"]).run().unwrap().success().json();
    let digest = shown["digest"].as_str().unwrap();
    for other in ["0000000000000000", "", "../../../etc/passwd", "wipe"] {
        let _ = env
            .wipe_yes(&["--plan", other])
            .run()
            .unwrap()
            .code(3)
            .stderr_has("the plan changed");
    }
    // The same things, and another deed.
    let _ = env
        .wipe_yes(&["--plan", digest, "--etcd-volumes", "delete", "--max-age", "4h"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("new: delete vol-");
    assert_eq!(env.picture(), before);
    // One master goes by itself: the rest is still what was shown.
    let gone = &env.built.masters[0];
    let group = [("AutoScalingGroupName", gone.group.as_str()), ("ForceDelete", "true")];
    env.account.scaling("DeleteAutoScalingGroup", &group).unwrap();
    let _ = env.wipe_yes(&["--plan", digest]).run().unwrap().success();
    env.assert_wiped();
}

#[test]
fn unclear_roles_are_refused() {
    let env = Env::new();
    let node = &env.built.others[0];
    let volume = &env.built.etcd_volumes[0];
    let cases = [
        (
            node.instance.as_str(),
            ("k8s.io/role/etcd", "1"),
            "its role is unknown: k8s.io/role/etcd=1",
        ),
        (
            node.instance.as_str(),
            ("k8s.io/role/master", "1"),
            "its roles contradict each other",
        ),
        (volume.id.as_str(), ("CSIVolumeName", "pvc-1"), "as a PersistentVolume"),
    ];
    for (id, tag, why) in cases {
        env.account.tag(id, &[tag]).unwrap();
        let before = env.picture();
        let _ = env.wipe(&[]).run().unwrap().code(3).stdout_has(why);
        let _ = env
            .wipe_yes(&[])
            .run()
            .unwrap()
            .code(3)
            .stderr_has("refused by")
            .stderr_has(why);
        assert_eq!(env.picture(), before);
        env.account.untag(id, &[tag.0]).unwrap();
    }
    // An etcd volume on a node.
    let moved = [
        ("VolumeId", volume.id.as_str()),
        ("InstanceId", volume.instance.as_str()),
    ];
    env.account.ec2("DetachVolume", &moved).unwrap();
    let attach = [
        ("VolumeId", volume.id.as_str()),
        ("InstanceId", node.instance.as_str()),
        ("Device", "/dev/xvdz"),
    ];
    env.account.ec2("AttachVolume", &attach).unwrap();
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("which will be kept");
}

#[test]
fn flags_that_make_no_sense() {
    let env = Env::new();
    let _ = env.wipe(&["--etcd", "main"]).run().unwrap().code(2);
    let _ = env.wipe(&["-o", "prometheus"]).run().unwrap().code(2);
    let _ = env
        .wipe(&["--etcd-volumes", "shred"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("quarantine");
    let _ = env
        .wipe(&["--skip-backup-check", "--etcd-volumes", "delete"])
        .run()
        .unwrap()
        .code(2);
    let _ = env.wipe(&["--poll", "soon"]).run().unwrap().code(2);
    let no_state = bare(&YES).envs(env.moto.env()).args(["--name", CLUSTER]);
    let _ = no_state.run().unwrap().code(2).stderr_has("no state store is named");
    let gone = bare(&YES)
        .envs(env.moto.env())
        .args(["--name", CLUSTER, "--state", "file:///nowhere/at/all"]);
    let _ = gone.run().unwrap().code(1).stderr_has("the folder does not exist");
}

#[test]
fn a_journal_that_cannot_be_read_stops_before_anything() {
    let env = Env::with(&KopsCluster {
        masters: 1,
        ..KopsCluster::new(CLUSTER)
    });
    let folder = env.root().join(CLUSTER).join("backups/recovery");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("wipe-0007.json"), "{\"run\":").unwrap();
    let before = env.picture();
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("wipe-0007.json cannot be read as the journal of a wipe");
    assert_eq!(env.picture(), before);
}

#[test]
fn the_spec_of_a_copied_state_store_is_not_followed_to_the_original() {
    let env = Env::new();
    let before = env.picture();
    let copy = tempfile::tempdir().unwrap();
    support::store::copy_folder(env.root(), copy.path()).unwrap();
    let url = format!("file://{}", copy.path().display());
    let wipe = |more: &[&str]| {
        let named = ["--name", CLUSTER, "--state", &url];
        let here = bare(&YES).args(named).args(more).envs(env.moto.env());
        here.run().unwrap()
    };
    let _ = wipe(&[])
        .code(3)
        .stderr_has("names backup stores outside of the state store")
        .stderr_has("--follow-spec");
    assert_eq!(env.picture(), before);
    let _ = wipe(&["--follow-spec"]).success();
    env.assert_wiped();
}
