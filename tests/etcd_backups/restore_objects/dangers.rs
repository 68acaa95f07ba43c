//! What must not go wrong: objects of others, other clusters, broken files, missing rights, missing keys, an API that goes away.

use std::fs;

use serde_json::{Value, json};

use super::shop::{self, BACKUP, Cluster, NAMESPACE};
use crate::env::{Env, RESTORED};

use super::{actions, count, restore, run, undo};

const SETTINGS: &str = "/api/v1/namespaces/shop/configmaps/settings";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

fn edit(cluster: &Cluster, path: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut object = cluster.get(path).unwrap();
    edit(&mut object);
    cluster.api.replace(path, &object).unwrap()
}

#[test]
fn what_differs_is_left_unless_it_is_to_be_overwritten_and_put_back() {
    let (cluster, env) = (Cluster::with_the_shop(), shop::store(true));
    let mine = edit(&cluster, SETTINGS, |map| {
        map["data"] = json!({"a": "mine", "more": "x"})
    });
    let password = edit(&cluster, "/api/v1/namespaces/shop/secrets/by-aescbc", |secret| {
        secret["data"]["password"] = "bmV3".into();
    });
    let plan = run(restore(&env, &cluster, &["cm,secrets", "--yes", "-o", "json"])).success();
    let plan = plan.stderr_has("nothing to do");
    assert_eq!(count(&plan, "differs"), 2);
    let rows = plan.json()["objects"].clone();
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == "settings");
    let row = row.unwrap();
    assert_eq!(row["fields"], json!(["/data/a", "/data/more"]));
    assert_eq!(cluster.get(SETTINGS).unwrap(), mine);

    let file = cluster.file("undo.jsonl");
    let yes = ["cm,secrets", "--overwrite", "--yes", "--undo-file", &file];
    let done = run(restore(&env, &cluster, &yes)).success();
    let _ = done
        .stderr_has("2 overwritten")
        .stderr_has("will hold the values of overwritten Secrets");
    assert_eq!(cluster.get(SETTINGS).unwrap()["data"], json!({"a": "b"}));
    assert_ne!(
        cluster.get("/api/v1/namespaces/shop/secrets/by-aescbc").unwrap()["data"],
        password["data"]
    );
    // Only its owner reads that file.
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let overwritten = run(restore(&env, &cluster, &["cm,secrets", "--overwrite", "-o", "json"])).success();
    assert_eq!(count(&overwritten, "overwrite"), 0);

    let _ = run(undo(&env, &cluster, &file, &["--yes"])).success();
    assert_eq!(cluster.get(SETTINGS).unwrap()["data"], mine["data"]);
    assert_eq!(
        cluster.get("/api/v1/namespaces/shop/secrets/by-aescbc").unwrap()["data"],
        password["data"]
    );
}

#[test]
fn what_the_api_would_refuse_is_told_before_anything_is_done() {
    let (cluster, env) = (Cluster::with_the_shop(), shop::store(true));
    // The selector of a Deployment is immutable: another one of the name has another.
    cluster.lose(DEPLOYMENT);
    let labels = json!({"app": "other"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}});
    let other =
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}});
    cluster
        .api
        .create("/apis/apps/v1/namespaces/shop/deployments", &other)
        .unwrap();
    let plan = run(restore(&env, &cluster, &["deploy/web", "--overwrite", "-o", "json"])).success();
    assert_eq!(actions(&plan), ["cannot deployments/web"]);
    assert_eq!(plan.json()["objects"][0]["why"], "immutable: spec.selector");
    let refused = run(restore(&env, &cluster, &["deploy/web", "--overwrite", "--yes"])).code(3);
    let _ = refused.stderr_has("nothing was changed: 1 object cannot be restored");

    // A namespace that is being deleted takes nothing.
    let going = cluster.api.delete(NAMESPACE).unwrap();
    cluster.lose(SETTINGS);
    let plan = run(restore(&env, &cluster, &["cm/settings", "-o", "json"])).success();
    let why = plan.json()["objects"][0]["why"].as_str().unwrap().to_owned();
    assert_eq!(
        why,
        "namespace shop is being deleted, and waits for kubernetes: repeat the command once it is gone"
    );
    cluster.finalize(going);
    let file = cluster.file("undo.jsonl");
    let _ = run(restore(&env, &cluster, &["cm/settings", "--yes", "--undo-file", &file])).success();
    assert!(cluster.get(SETTINGS).is_some());
}

#[test]
fn without_rights_or_keys_it_is_told_of_each_object() {
    let (cluster, env) = (Cluster::with_the_shop(), shop::store(false));
    cluster.lose("/api/v1/namespaces/shop/secrets/by-aescbc");
    cluster.lose("/api/v1/namespaces/shop/secrets/by-secretbox");
    cluster.lose(SETTINGS);
    let plan = run(restore(&env, &cluster, &["secrets", "-o", "json"])).success();
    assert_eq!(
        actions(&plan),
        ["cannot secrets/by-aescbc", "cannot secrets/by-secretbox"]
    );
    for (row, key) in plan.json()["objects"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["aescbc v1 with key `cbc`", "secretbox v1 with key `box`"])
    {
        assert!(row["why"].as_str().unwrap().contains(key), "{row}");
    }
    // What can be restored is; the rest is why it ends with 4.
    let file = cluster.file("undo.jsonl");
    let done = run(restore(&env, &cluster, &["--yes", "--undo-file", &file])).code(4);
    let _ = done.stderr_has("1 created; 2 objects could not be restored");
    assert!(cluster.get(SETTINGS).is_some());

    let nobody = env.backups(&["restore-objects", BACKUP, "cm", "-n", "shop", "-o", "json"]);
    let plan = run(nobody.args(["--kubeconfig", &cluster.kubeconfig_of_nobody()])).success();
    assert_eq!(plan.json()["sameCluster"], Value::Null);
    for row in plan.json()["objects"].as_array().unwrap() {
        assert_eq!(row["action"], "cannot");
        assert!(row["why"].as_str().unwrap().starts_with("not allowed to "), "{row}");
    }
}

#[test]
fn a_journal_deletes_only_what_its_run_created_in_its_cluster() {
    let (cluster, env) = (Cluster::with_the_shop(), shop::store(true));
    cluster.lose(SETTINGS);
    cluster.lose(DEPLOYMENT);
    cluster.lose("/api/v1/namespaces/shop/serviceaccounts/web");
    let file = cluster.file("undo.jsonl");
    let _ = run(restore(&env, &cluster, &["--yes", "--undo-file", &file])).success();
    // One is replaced by another of its name, one is changed, one is gone.
    cluster.lose(SETTINGS);
    let other = json!({"metadata": {"name": "settings"}, "data": {"of": "another"}});
    cluster
        .api
        .create("/api/v1/namespaces/shop/configmaps", &other)
        .unwrap();
    edit(&cluster, DEPLOYMENT, |deployment| {
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2".into();
    });
    cluster.lose("/api/v1/namespaces/shop/serviceaccounts/web");
    let undone = run(undo(&env, &cluster, &file, &["--yes"])).success();
    let undone = undone
        .stdout_has("is another object of the same name")
        .stdout_has("was changed since");
    let _ = undone.stdout_has("gone").stderr_has("nothing to do");
    assert_eq!(cluster.get(SETTINGS).unwrap()["data"], json!({"of": "another"}));
    assert!(cluster.get(DEPLOYMENT).is_some());
    let _ = run(undo(&env, &cluster, &file, &["--yes", "--even-if-changed"])).success();
    assert_eq!(cluster.get(DEPLOYMENT), None);
    assert!(cluster.get(SETTINGS).is_some());

    // Files that are not of this cluster, not whole, or not ours.
    let text = fs::read_to_string(&file).unwrap();
    let uid = cluster.get("/api/v1/namespaces/kube-system").unwrap()["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    for (content, code, words) in [
        (text.replace(&uid, "another-uid"), 3, "was written for another cluster"),
        (text.replacen("\"event\"", "\"evnt\"", 1), 1, "is damaged"),
        (text.replace("/v1\"", "/v9\""), 1, "unknown format"),
        ("{}".to_owned(), 1, "not an undo file"),
    ] {
        let broken = cluster.file("broken.jsonl");
        fs::write(&broken, content).unwrap();
        let refused = run(undo(&env, &cluster, &broken, &["--yes"])).code(code);
        let _ = refused.stderr_has(words);
    }
    // A file that exists is not written over.
    cluster.lose("/api/v1/namespaces/shop/serviceaccounts/web");
    let taken = run(restore(&env, &cluster, &["sa", "--yes", "--undo-file", &file])).code(1);
    let _ = taken.stderr_has("undo.jsonl");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(cluster.get("/api/v1/namespaces/shop/serviceaccounts/web"), None);
}

#[test]
fn usage_is_checked_first() {
    let env = Env::new(RESTORED);
    for (arguments, words) in [
        (&["restore-objects"][..], "BACKUP"),
        (&["restore-objects", BACKUP], "-n NAMESPACE"),
        (&["restore-objects", BACKUP, "-n", "shop", "-A"], "cannot be used with"),
        (&["restore-objects", BACKUP, "--undo", "x"], "cannot be used with"),
        (
            &["restore-objects", BACKUP, "-n", "shop", "-l", "a=b=c"],
            "no label selector",
        ),
        (
            &["restore-objects", "-n", "shop", "--even-if-changed", BACKUP],
            "--undo",
        ),
    ] {
        let _ = env.backups(arguments).run().unwrap().code(2).stderr_has(words);
    }
}
