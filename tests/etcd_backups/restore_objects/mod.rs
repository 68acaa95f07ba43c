//! `restore-objects`: a namespace out of a backup, on real API servers.

mod dangers;
mod shop;

use serde_json::Value;
use support::{Cmd, Ended};

use crate::env::Env;
use shop::{BACKUP, Cluster, NAMESPACE, PASSWORDS, PATHS};

/// `restore-objects` of the backup's namespace.
fn restore(env: &Env, cluster: &Cluster, arguments: &[&str]) -> Cmd {
    let command = env.backups(&["restore-objects", BACKUP, "-n", "shop"]);
    command.args(["--kubeconfig", &cluster.kubeconfig()]).args(arguments)
}

/// Runs it and shows that no Secret was printed.
fn run(command: Cmd) -> Ended {
    use base64::Engine as _;
    let ended = command.run().unwrap();
    for password in PASSWORDS {
        let encoded = base64::engine::general_purpose::STANDARD.encode(password);
        for secret in [password, encoded.as_str()] {
            assert!(
                !ended.stdout.contains(secret) && !ended.stderr.contains(secret),
                "{}",
                ended.command
            );
        }
    }
    ended
}

fn undo(env: &Env, cluster: &Cluster, file: &str, arguments: &[&str]) -> Cmd {
    let command = env.backups(&["restore-objects", "--undo", file]);
    command.args(["--kubeconfig", &cluster.kubeconfig()]).args(arguments)
}

/// `action plural/name` of each object of a report.
fn actions(ended: &Ended) -> Vec<String> {
    let rows = ended.json()["objects"].as_array().unwrap().clone();
    let shown = |row: &Value| {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        format!("{} {}/{}", text("action"), text("plural"), text("name"))
    };
    rows.iter().map(shown).collect()
}

fn count(ended: &Ended, action: &str) -> u64 {
    ended.json()["counts"][action].as_u64().unwrap()
}

#[test]
fn a_lost_namespace_comes_back_twice_is_nothing_and_undone_it_is_gone() {
    let (cluster, env) = (Cluster::with_the_shop(), shop::store(true));
    let before = cluster.shop();
    // Nothing is lost yet.
    let plan = run(restore(&env, &cluster, &["-o", "json"])).success();
    assert_eq!(
        (count(&plan, "same"), count(&plan, "create")),
        (PATHS.len() as u64, 0),
        "{}",
        plan.stdout
    );
    assert_eq!(plan.json()["sameCluster"], true);

    cluster.lose_the_shop();
    let keys = cluster.etcd.count_keys().unwrap();
    let plan = run(restore(&env, &cluster, &[])).success().stderr_has("pass --yes");
    let plan = plan
        .stdout_has("the cluster of the backup")
        .stdout_has("IngressClass nginx does not exist");
    for word in [
        "create  namespaces/shop",
        "create  secrets/shop/by-aescbc",
        "replicasets",
    ] {
        assert!(plan.stdout.contains(word), "{word}\n{}", plan.stdout);
    }
    assert_eq!(cluster.etcd.count_keys().unwrap(), keys, "a plan writes nothing");

    let file = cluster.file("undo.jsonl");
    let yes = ["--yes", "-o", "json", "--undo-file", &file];
    let done = run(restore(&env, &cluster, &yes))
        .success()
        .stderr_has("namespace shop: ");
    let created: Vec<String> = actions(&done)
        .into_iter()
        .filter(|action| action.starts_with("create "))
        .collect();
    assert_eq!(created.len(), PATHS.len(), "{created:?}");
    assert_eq!(created[0], "create namespaces/shop");
    assert_eq!(cluster.shop(), before);
    // The owner of today, not of the backup.
    let widget = cluster.get("/apis/example.com/v1/namespaces/shop/widgets/w1").unwrap();
    let owned = cluster.get("/api/v1/namespaces/shop/configmaps/of-the-widget").unwrap();
    assert_eq!(
        owned["metadata"]["ownerReferences"][0]["uid"],
        widget["metadata"]["uid"]
    );
    let manager = &owned["metadata"]["managedFields"][0]["manager"];
    assert_eq!(manager, "kubectl-etcd-backups");

    let keys = cluster.etcd.count_keys().unwrap();
    let again = run(restore(&env, &cluster, &["--yes", "--overwrite", "-o", "json"])).success();
    let again = again.stderr_has("nothing to do");
    assert_eq!(
        (count(&again, "same"), count(&again, "create")),
        (PATHS.len() as u64, 0)
    );
    assert_eq!((cluster.etcd.count_keys().unwrap(), cluster.shop()), (keys, before));

    let plan = run(undo(&env, &cluster, &file, &[])).success().stderr_has("pass --yes");
    assert!(plan.stdout.contains("delete  namespaces/shop"), "{}", plan.stdout);
    assert!(cluster.get(NAMESPACE).is_some());
    let undone = run(undo(&env, &cluster, &file, &["--yes", "-o", "json"])).success();
    let done = undone
        .json()
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["done"] == true)
        .count();
    assert_eq!(done, PATHS.len(), "{}", undone.stdout);
    for path in PATHS {
        // Finalizers of what has no controller here.
        let left = cluster
            .get(path)
            .filter(|left| left["metadata"]["deletionTimestamp"].is_null());
        assert_eq!(left, None, "{path}");
    }
    let again = run(undo(&env, &cluster, &file, &["--yes"])).success();
    let _ = again.stderr_has("nothing to do");
}

#[test]
fn into_an_empty_cluster_what_it_needs_comes_first() {
    let (cluster, env) = (Cluster::empty(), shop::store(true));
    let plan = run(restore(&env, &cluster, &[])).success();
    let plan = plan
        .stdout_has("ANOTHER CLUSTER")
        .stdout_has("the backup has it, restore `storageclasses/gp3` first");
    let _ = plan.stdout_has("the backup has it, restore `customresourcedefinitions/widgets.example.com` first");
    let refused = run(restore(&env, &cluster, &["--yes"]))
        .code(3)
        .stderr_has("another cluster");
    let _ = refused.stderr_has("--other-lineage");
    assert_eq!(cluster.get(NAMESPACE), None);

    let needed = [
        "customresourcedefinitions/widgets.example.com",
        "storageclasses/gp3",
        "--yes",
        "--other-lineage",
    ];
    let file = cluster.file("first.jsonl");
    let _ = run(restore(&env, &cluster, &needed).args(["--undo-file", &file])).success();
    let file = cluster.file("second.jsonl");
    let _ = run(restore(
        &env,
        &cluster,
        &["--yes", "--other-lineage", "--undo-file", &file],
    ))
    .success();
    let expected = Cluster::with_the_shop().shop();
    assert_eq!(cluster.shop(), expected);
    let again = run(restore(&env, &cluster, &["--yes", "--other-lineage"])).success();
    let _ = again.stderr_has("nothing to do");
}

#[test]
fn a_kind_and_its_objects_are_restored_in_one_go() {
    let (cluster, env) = (Cluster::empty(), shop::store(true));
    let file = cluster.file("undo.jsonl");
    let both = [
        "crd/widgets.example.com",
        "widgets/w1",
        "--yes",
        "--other-lineage",
        "--undo-file",
        &file,
        "-o",
        "name",
    ];
    let done = run(restore(&env, &cluster, &both)).success();
    assert_eq!(
        done.stdout,
        "customresourcedefinitions/widgets.example.com\nnamespaces/shop\nwidgets.example.com/shop/w1\n"
    );
    assert_eq!(
        cluster.get("/apis/example.com/v1/namespaces/shop/widgets/w1").unwrap()["size"],
        7
    );
    // Somebody uses the kind meanwhile: it is not taken away from him.
    let mut theirs = cluster.get("/apis/example.com/v1/namespaces/shop/widgets/w1").unwrap();
    theirs["metadata"] = serde_json::json!({"name": "theirs"});
    cluster
        .api
        .create("/apis/example.com/v1/namespaces/default/widgets", &theirs)
        .unwrap();
    let undone = run(undo(&env, &cluster, &file, &["--yes"])).success();
    let _ = undone.stdout_has("holds what is not deleted: widgets.example.com/default/theirs");
    assert!(cluster.get(shop::DEFINITION).is_some());
    assert_eq!(cluster.get("/apis/example.com/v1/namespaces/shop/widgets/w1"), None);
}

#[test]
fn parts_of_it_are_restored_alone() {
    let (cluster, env) = (Cluster::with_the_shop(), shop::store(true));
    cluster.lose("/apis/apps/v1/namespaces/shop/deployments/web");
    cluster.lose("/api/v1/namespaces/shop/secrets/by-aescbc");
    let file = cluster.file("undo.jsonl");
    let done = run(restore(&env, &cluster, &["deploy/web", "--yes", "--undo-file", &file])).success();
    let _ = done.stderr_has("1 created");
    assert!(cluster.get("/apis/apps/v1/namespaces/shop/deployments/web").is_some());
    assert_eq!(cluster.get("/api/v1/namespaces/shop/secrets/by-aescbc"), None);
    // By its other name, and by the label of the old Deployment, which no Secret has.
    let alias = env.backups(&[
        "bring-back",
        BACKUP,
        "secrets",
        "-n",
        "shop",
        "--kubeconfig",
        &cluster.kubeconfig(),
        "-o",
        "json",
    ]);
    let plan = run(alias).success();
    assert_eq!(
        actions(&plan),
        ["create secrets/by-aescbc", "same secrets/by-secretbox"]
    );
    let none = run(restore(&env, &cluster, &["secrets", "-l", "app=web"])).code(1);
    let _ = none.stderr_has("has these labels");
    for (arguments, words) in [(&["deploy/none"][..], "deploy/none"), (&["nothings"][..], "nothings")] {
        let missing = run(restore(&env, &cluster, arguments));
        assert!(
            missing.exit_code() != Some(0) && missing.stderr.contains(words),
            "{}",
            missing.stderr
        );
    }
}
