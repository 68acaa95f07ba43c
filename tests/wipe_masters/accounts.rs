//! Clusters of one name in two accounts, and Terraform.

use std::fs;

use support::store::CLUSTER;
use support::{KopsCluster, Moto};

use crate::env::Env;

fn small() -> Env {
    Env::with(&KopsCluster::of_one_master(CLUSTER))
}

/// Writes a field of `spec` into the cluster's spec.
fn say(env: &Env, field: &str) {
    for name in ["cluster-completed.spec", "config"] {
        let path = env.root().join(CLUSTER).join(name);
        let text = fs::read_to_string(&path).unwrap();
        let without = text.lines().filter(|line| !line.starts_with("  networkID:"));
        let text: String = without.map(|line| format!("{line}\n")).collect();
        fs::write(path, text.replacen("\nspec:\n", &format!("\nspec:\n  {field}\n"), 1)).unwrap();
    }
}

fn vpc_of_the_masters(env: &Env) -> String {
    let asked = [("InstanceId.1", env.built.masters[0].instance.as_str())];
    let found = env.account.ec2("DescribeInstances", &asked).unwrap();
    let instance = found.at(&["reservationSet", "item", "instancesSet", "item"]).unwrap();
    instance.text_at(&["vpcId"])
}

/// The state store of the one in staging, the credentials of production: everything but the VPC is the same.
#[test]
fn the_same_name_in_another_account_is_refused() {
    let env = small();
    env.account
        .iam("CreateAccountAlias", &[("AccountAlias", "production")])
        .unwrap();
    say(&env, "networkID: vpc-0123456789abcdef0");
    let before = env.picture();
    let ended = env.wipe_yes(&[]).run().unwrap().code(3);
    let _ = ended
        .stdout_has("Account      123456789012 (production)")
        .stderr_has("the cluster spec has vpc-0123456789abcdef0, which account 123456789012 (production) does not have in us-east-1")
        .stderr_has("this is not the cluster in the state store");
    // The audit tells nothing of a cluster that it is not.
    let _ = env
        .wipe(&["audit"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("vpc-0123456789abcdef0");
    // A VPC that the account has, and the masters are not in it.
    let other = env.account.ec2("CreateVpc", &[("CidrBlock", "10.7.0.0/16")]).unwrap();
    let other = other.text_at(&["vpc", "vpcId"]);
    say(&env, &format!("networkID: {other}"));
    let ended = env.wipe_yes(&[]).run().unwrap().code(3);
    let _ = ended.stderr_has(&format!("but the cluster spec has {other}"));
    assert_eq!(env.picture(), before);
    assert!(env.journals().is_empty());
    // The right one.
    say(&env, &format!("networkID: {}", vpc_of_the_masters(&env)));
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .success()
        .stdout_has("has the VPC and subnets of the cluster spec");
    env.assert_wiped();
}

#[test]
fn a_spec_without_network_ids_warns() {
    let env = small();
    let plan = env.wipe(&["-o", "json"]).run().unwrap().success().json();
    let checks = plan["checks"].as_array().unwrap();
    let network = checks.iter().find(|check| check["name"] == "network").unwrap();
    assert_eq!(network["severity"], "warn");
    assert!(
        network["message"].as_str().unwrap().contains("account 123456789012"),
        "{network}"
    );
}

#[test]
fn masters_in_none_of_the_specs_zones_are_another_clusters() {
    let env = small();
    let path = env.root().join(CLUSTER).join("cluster-completed.spec");
    let text = fs::read_to_string(&path).unwrap();
    let elsewhere = text
        .replace("zone: us-east-1a", "zone: us-east-1d")
        .replace("zone: us-east-1b", "zone: us-east-1e");
    fs::write(&path, elsewhere.replace("zone: us-east-1c", "zone: us-east-1f")).unwrap();
    let before = env.picture();
    let _ = env
        .wipe_yes(&[])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("the masters are in us-east-1a, but the cluster spec has us-east-1d, us-east-1e, us-east-1f");
    assert_eq!(env.picture(), before);
}

#[test]
fn a_plan_that_is_blocked_exits_with_three_and_names_no_next_step() {
    let env = small();
    let empty = Moto::start().unwrap();
    for format in ["table", "json"] {
        let ended = env.wipe_through(&empty, &["-o", format]).run().unwrap().code(3);
        let _ = ended.clone().stderr_has("nothing of this cluster exists in account");
        assert!(!ended.stdout.contains("kops update cluster"), "{}", ended.stdout);
        assert!(!ended.stderr.contains("to apply exactly this"), "{}", ended.stderr);
    }
    say(&env, "networkID: vpc-0123456789abcdef0");
    let blocked = env.wipe(&[]).run().unwrap().code(3);
    assert!(
        !blocked.stdout.contains("Next:") && !blocked.stderr.contains("--yes --plan"),
        "{}",
        blocked.stderr
    );
}

#[test]
fn with_terraform_the_next_steps_are_state_rm_and_apply() {
    let env = small();
    say(&env, "target: {terraform: {}}");
    let forget = |etcd: &str| format!("terraform state rm aws_ebs_volume.a-etcd-{etcd}-super-k8s-local");
    let shown = env.wipe(&[]).run().unwrap().success();
    let _ = shown
        .stdout_has("Terraform seems to manage this cluster (the cluster spec has target.terraform)")
        .stdout_has(&format!("`{}`", forget("main")))
        .stdout_has("--etcd-volumes snapshot-then-delete");
    let ended = env.wipe_yes(&["-o", "json"]).run().unwrap().success().json();
    let next: Vec<&str> = ended["nextSteps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step.as_str().unwrap())
        .collect();
    let at = |part: &str| {
        let found = next.iter().position(|step| step.contains(part));
        found.unwrap_or_else(|| panic!("no {part} in {next:?}"))
    };
    assert!(
        next.iter()
            .all(|step| !step.contains("update cluster") || step.contains("--target=terraform"))
    );
    let order = [
        at("kops update cluster --name super.k8s.local"),
        at(&forget("main")),
        at("terraform apply"),
        at("kubectl etcd-restore run"),
    ];
    assert!(order.is_sorted() && at(&forget("events")) < order[2], "{next:?}");
    // The way back has to make Terraform know them again.
    let back = env.wipe(&["restore-volumes", "--yes"]).run().unwrap().success();
    let id = &env.built.etcd_volumes[0].id;
    let _ = back
        .stdout_has(&format!(
            "terraform import aws_ebs_volume.a-etcd-main-super-k8s-local {id}"
        ))
        .stdout_has("terraform apply");
}
