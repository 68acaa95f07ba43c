//! `runbook`: the cluster's own names, and nothing but Markdown on stdout.

use harness::store::CLUSTER;
use harness::{AwsAccount, ContainerRuntime, KopsCluster, Moto, S3};

use crate::stand::Stand;

#[test]
fn it_names_bucket_groups_and_the_masters_that_aws_has() {
    let stand = Stand::new(ContainerRuntime::Containerd);
    let moto = Moto::start().unwrap();
    let built = KopsCluster::new(CLUSTER).build(&AwsAccount::of(&moto)).unwrap();
    let ended = stand
        .cmd("runbook --ssh-user ubuntu --ssh-address private")
        .envs(moto.env())
        .run()
        .unwrap()
        .success();
    let text = &ended.stdout;
    assert!(text.starts_with(&format!("# Recovery of {CLUSTER}\n")), "{text}");
    for master in &built.masters {
        assert!(text.contains(&format!("ssh ubuntu@{} ", master.private_ip)), "{text}");
        assert!(text.contains(&master.instance), "{text}");
    }
    for words in [
        "control-plane-us-east-1a.masters.super.k8s.local",
        "/super.k8s.local/backups/etcd/events restore-backup 2026-11-22T15:20:3",
        "kops update cluster --name super.k8s.local --yes",
        "--endpoints=https://127.0.0.1:4001",
        "kubectl masterleases prune --yes",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    assert!(!text.contains("MASTER "), "{text}");

    let blind = stand
        .cmd("runbook")
        .without_env("AWS_ACCESS_KEY_ID")
        .without_env("AWS_REGION")
        .run()
        .unwrap()
        .success();
    let blind = blind.stderr_has("the masters stand as placeholders");
    assert!(blind.stdout.contains("ssh MASTER "), "{}", blind.stdout);
    stand
        .cmd("runbook -o json")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("Markdown");
}
