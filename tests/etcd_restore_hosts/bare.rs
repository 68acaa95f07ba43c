//! Without a subcommand, beside AWS and a real kube-apiserver: where the cluster stands, and the command that comes next.

use std::path::PathBuf;

use serde_json::{Value, json};
use support::store::{CLUSTER, StateStore};
use support::{
    AwsAccount, Ca, Cmd, ControlLoopSimulator, Etcd, EtcdVersion, KeyKind, KopsCluster, KubeApiServer,
    KubeApiServerOptions, Moto, Put, S3,
};

use crate::env::plugin;

fn cmd(store: &StateStore, moto: &Moto, endpoint: &str) -> Cmd {
    plugin("--etcd main -o json")
        .args(["--name", CLUSTER, "--state", &store.url()])
        .args(["--endpoints", &format!("main={endpoint}")])
        .envs(moto.env())
}

fn at(report: &Value) -> (&str, &str) {
    let next = report["next"].as_str().unwrap_or_default();
    (report["stage"].as_str().unwrap(), next.split(" --").next().unwrap())
}

#[test]
fn what_aws_has_tells_wiped_masters_from_ones_that_are_being_made() {
    let store = StateStore::new("state-store-restored").unwrap();
    let moto = Moto::start().unwrap();
    let account = AwsAccount::of(&moto);
    let nobody = format!("http://{}:4001", ControlLoopSimulator::address());
    let look = || cmd(&store, &moto, &nobody).run().unwrap().success().json();
    // An account that has nothing at all of the cluster is not its own.
    let nothing = look();
    assert_eq!(at(&nothing), ("elsewhere", "aws sts get-caller-identity"), "{nothing}");
    let one = KopsCluster::of_one_master(CLUSTER);
    let built = one.build(&account).unwrap();
    let rebuilding = look();
    assert_eq!(at(&rebuilding), ("rebuilding", "kubectl etcd-restore"));
    assert!(
        rebuilding["why"].as_str().unwrap().contains("1 of 3 masters run"),
        "{rebuilding}"
    );
    // Another region has none of it, and that says nothing.
    let elsewhere = cmd(&store, &moto, &nobody)
        .args(["--region", "eu-west-1"])
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!(elsewhere["stage"], "elsewhere");
    assert!(
        elsewhere["next"]
            .as_str()
            .unwrap()
            .starts_with("kubectl etcd-restore --region us-east-1 --state "),
        "{elsewhere}"
    );
    // Wiped by hand: the groups and the masters are gone, a volume is left.
    for master in &built.masters {
        let group = [("AutoScalingGroupName", master.group.as_str()), ("ForceDelete", "true")];
        account.scaling("DeleteAutoScalingGroup", &group).unwrap();
    }
    let wiped = look();
    assert_eq!(at(&wiped), ("wiped", "kops update cluster"), "{wiped}");
    // kops is told all that we were told.
    let told = format!("kops update cluster --yes --state {} --name {CLUSTER}", store.url());
    assert_eq!(wiped["next"], told);
}

#[test]
fn an_api_whose_certificate_is_not_trusted_says_nothing_of_this_cluster() {
    let store = StateStore::new("state-store-restored").unwrap();
    let moto = Moto::start().unwrap();
    KopsCluster::new(CLUSTER).build(&AwsAccount::of(&moto)).unwrap();
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let other = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let api = KubeApiServer::start(&etcd, &KubeApiServerOptions::plain(&ca, "10.245.21.57")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig(folder.path(), CLUSTER, &other).unwrap();
    let nobody = format!("http://{}:4001", ControlLoopSimulator::address());
    let report = cmd(&store, &moto, &nobody)
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .run()
        .unwrap()
        .success()
        .json();
    let statements = report["statements"].as_array().unwrap();
    let told = statements.iter().find(|told| told["subject"] == "API").unwrap();
    assert_eq!(
        (&told["state"], &told["checked"]),
        (&json!("not checked"), &json!(false)),
        "{told}"
    );
    assert!(
        told["evidence"].as_str().unwrap().starts_with("may be alive: "),
        "{told}"
    );
    assert_eq!(at(&report), ("unknown", "kops-wipe-masters audit"), "{report}");
}

#[test]
fn a_cluster_that_serves_again_is_led_through_the_clean_up() {
    let store = StateStore::new("state-store-restored").unwrap();
    let moto = Moto::start().unwrap();
    let built = KopsCluster::new(CLUSTER).build(&AwsAccount::of(&moto)).unwrap();
    let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
    let api = KubeApiServer::start(&etcd, &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig: PathBuf = api.kubeconfig(folder.path(), CLUSTER, &ca).unwrap();
    // By its CA in the key store the API is known to be this cluster's.
    let look = || {
        let cmd = cmd(&store, &moto, etcd.endpoint()).arg("--kubeconfig").arg(&kubeconfig);
        cmd.run().unwrap().success().json()
    };
    let anybodys = look();
    assert_eq!(at(&anybodys).0, "unknown", "{anybodys}");
    let keyset = store.root().join(CLUSTER).join("pki/private/kubernetes-ca/keyset.yaml");
    std::fs::create_dir_all(keyset.parent().unwrap()).unwrap();
    std::fs::write(keyset, support::pki::keyset("kubernetes-ca", &[("1", &ca)], "1")).unwrap();
    let node = |id: &str| {
        let node = json!({ "metadata": { "name": id }, "spec": { "providerID": format!("aws:///us-east-1a/{id}") } });
        api.create("/api/v1/nodes", &node).unwrap();
    };
    node(&built.masters[0].instance);
    let healthy = look();
    assert_eq!(at(&healthy), ("healthy", ""), "{healthy}");
    assert_eq!(healthy["next"], Value::Null);
    // As after a restore: an old master's key without a lease, and its Node.
    node("i-0aaaaaaaaaaaaaaaa");
    let dead = look();
    assert_eq!(
        at(&dead),
        ("dead-nodes", "kubectl etcd-restore cleanup nodes"),
        "{dead}"
    );
    etcd.put(&[Put::new("/registry/masterleases/10.245.21.99", "k8s")])
        .unwrap();
    let stale = look();
    assert_eq!(at(&stale), ("stale-leases", "kubectl masterleases prune"), "{stale}");
}
