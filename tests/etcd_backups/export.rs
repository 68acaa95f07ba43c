//! `kubectl etcd-backups export` of backups that etcd-manager wrote: what is selected, and what is left out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use support::{Ended, Etcd, EtcdVersion, Put, backup};

use crate::env::{Env, RESTORED, tree};

const HEALTHY: &str = "main=2026-11-22T15:18";
const BOTH: &str = "2026-11-22T15:18";

fn export(arguments: &[&str]) -> Ended {
    Env::new(RESTORED)
        .backups(&[&["export"], arguments].concat())
        .run()
        .unwrap()
}

fn names(arguments: &[&str]) -> Vec<String> {
    let ended = export(&[arguments, &["-o", "name"]].concat()).success();
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn one_object_is_one_document() {
    let yaml = export(&[HEALTHY, "deploy/web", "-n", "shop"]).success();
    insta::assert_snapshot!(yaml.stdout);
    assert_eq!(yaml.stderr, "");
    let json = export(&[HEALTHY, "deployments/shop/web", "-o", "json"])
        .success()
        .json();
    assert_eq!(json["kind"], "Deployment");
    assert_eq!(json["spec"]["selector"]["matchLabels"]["app"], "web");
}

#[test]
fn several_objects_are_documents_or_a_list() {
    let yaml = export(&[HEALTHY, "deploy,ns", "-A"]).success().stdout;
    let documents: Vec<&str> = yaml.split("---\n").collect();
    assert!(documents.len() > 5, "{yaml}");
    assert!(
        documents.iter().all(|document| document.starts_with("apiVersion: ")),
        "{yaml}"
    );
    let list = export(&[HEALTHY, "deploy,ns", "-A", "-o", "json"]).success().json();
    assert_eq!(
        (list["apiVersion"].as_str(), list["kind"].as_str()),
        (Some("v1"), Some("List"))
    );
    assert_eq!(list["items"].as_array().unwrap().len(), documents.len());
    // A list, even of one, where a resource was named.
    let one = export(&[HEALTHY, "deploy", "-n", "shop", "-o", "json"])
        .success()
        .json();
    assert_eq!(one["kind"], "List");
}

#[test]
fn kubectl_s_grammar_selects() {
    assert_eq!(names(&[HEALTHY, "deploy", "-n", "shop"]), ["deployments/shop/web"]);
    assert_eq!(
        names(&[HEALTHY, "deploy", "web", "-n", "shop"]),
        ["deployments/shop/web"]
    );
    assert_eq!(
        names(&[HEALTHY, "deploy/web", "ns/shop", "-A"]),
        ["deployments/shop/web", "namespaces/shop"]
    );
    let shop = names(&[HEALTHY, "--all", "-n", "shop"]);
    assert!(
        shop.contains(&"namespaces/shop".to_owned()) && shop.contains(&"deployments/shop/web".to_owned()),
        "{shop:?}"
    );
    assert!(shop.iter().all(|name| name.contains("/shop")), "{shop:?}");
    let billing = names(&[HEALTHY, "secrets", "-n", "billing"]);
    assert_eq!(billing.len(), 15, "{billing:?}");
}

#[test]
fn events_come_from_their_own_etcd() {
    assert_eq!(names(&[BOTH, "ev/ev1", "-n", "shop"]), ["events/shop/ev1"]);
    let both = names(&[BOTH, "deploy,ev", "-n", "shop"]);
    assert!(
        both.contains(&"deployments/shop/web".to_owned()) && both.contains(&"events/shop/ev1".to_owned()),
        "{both:?}"
    );
    let all = names(&[BOTH, "--all", "-A"]);
    assert!(all.iter().any(|name| name.starts_with("events/")) && all.iter().any(|name| name.starts_with("nodes/")));
    assert!(
        all.iter()
            .all(|name| !name.starts_with("masterleases/") && !name.starts_with("ranges/"))
    );
}

#[test]
fn secrets_are_left_out_unless_they_are_asked_for() {
    let refused = export(&[HEALTHY, "secret/s1", "-n", "billing"])
        .code(3)
        .stderr_has("--with-secrets");
    assert_eq!(refused.stdout, "");
    let all = export(&[HEALTHY, "--all", "-n", "billing"])
        .success()
        .stderr_has("15 of secrets");
    assert!(!all.stdout.contains("kind: Secret"), "{}", all.stdout);
    let with = export(&[HEALTHY, "secret/s1", "-n", "billing", "--with-secrets", "-o", "json"])
        .success()
        .json();
    assert_eq!(with["kind"], "Secret");
    assert!(with["data"].is_object(), "{with}");
}

#[test]
fn what_is_not_there_says_where_it_is() {
    for (arguments, code) in [
        (&["deploy/web"][..], 1),
        (&["deploy"], 1),
        (&["deploy/wob", "-n", "shop"], 1),
        (&["widgets"], 1),
        (&["--all", "-n", "nowhere"], 1),
        (&["deploy", "-A", "-l", "app=none"], 1),
        (&["--all"], 2),
        (&[], 2),
        (&["deploy/web", "db"], 2),
        (&["deploy/web", "-l", "app=web"], 2),
        (&["deploy", "-l", "app in web"], 2),
        (&["ns", "--raw"], 2),
    ] {
        let ended = export(&[&[HEALTHY], arguments].concat()).code(code);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        insta::with_settings!({snapshot_suffix => arguments.join("_").replace(['/', '=', ' '], "-")}, {
            insta::assert_snapshot!(ended.stderr);
        });
    }
}

#[test]
fn a_folder_has_a_private_file_for_each_object() {
    let env = Env::new(RESTORED);
    let folder = env.root().join("export");
    let to = ["--output-dir", folder.to_str().unwrap()];
    let run = |arguments: &[&str]| {
        env.backups(&[&["export", BOTH], arguments, &to].concat())
            .run()
            .unwrap()
    };
    let ended = run(&["--all", "-A", "--with-secrets"])
        .success()
        .stderr_has("exported ");
    assert_eq!(ended.stdout, "");
    let files = tree(&folder);
    let names = names(&[BOTH, "--all", "-A"]);
    assert_eq!(files.len(), names.len());
    for (path, content) in &files {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
        let text = String::from_utf8_lossy(content);
        assert!(
            text.contains("\nkind: ") && text.contains("\nmetadata:\n"),
            "{}",
            path.display()
        );
    }
    let is_there = |path: &str| files.iter().any(|(file, _)| file == Path::new(&folder.join(path)));
    for path in [
        "shop/deployments.apps/web.yaml",
        "billing/secrets/s1.yaml",
        "_cluster/clusterroles.rbac.authorization.k8s.io/system%3anode.yaml",
        "shop/events/ev1.yaml",
    ] {
        assert!(is_there(path), "{path}");
    }
    let again = run(&["--all", "-A"]).code(2).stderr_has("is not an empty folder");
    assert_eq!((again.stdout.as_str(), tree(&folder)), ("", files));
}

#[test]
fn for_applying_nothing_is_left_of_the_old_cluster() {
    let list = export(&[HEALTHY, "--all", "-A", "--for-apply", "--with-secrets", "-o", "json"]).success();
    insta::assert_snapshot!(list.stderr);
    let list = list.json();
    let kinds: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    for absent in ["Node", "Event", "Lease", "EndpointSlice", "FlowSchema", "APIService"] {
        assert!(!kinds.contains(&absent), "{absent}");
    }
    let namespace = kinds.iter().position(|kind| *kind == "Namespace").unwrap();
    assert!(
        kinds.iter().skip(namespace).any(|kind| *kind == "Deployment"),
        "{kinds:?}"
    );
    for item in list["items"].as_array().unwrap() {
        let metadata = item["metadata"].as_object().unwrap();
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "ownerReferences",
        ] {
            assert!(!metadata.contains_key(field), "{item}");
        }
        assert_eq!(item.get("status"), None, "{item}");
    }
}

/// A backup of an etcd that holds what no API server would have written.
fn odd() -> Env {
    let env = Env::new(RESTORED);
    fs::remove_dir_all(env.base("main")).unwrap();
    let object = |name: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop"}},"data":{{"a":"b"}}}}"#
        )
    };
    let mut puts: Vec<Put> = ODD_NAMES
        .iter()
        .map(|name| Put::new(format!("/registry/configmaps/shop/{name}"), object("x")))
        .collect();
    puts.push(Put::new("/registry/secrets/../../../escaped", object("x")));
    puts.push(Put::new(
        "/registry/deployments/shop/damaged",
        b"k8s\0\x12\x05a".to_vec(),
    ));
    puts.push(Put::new(
        "/registry/deployments/shop/encrypted",
        "k8s:enc:aescbc:v1:nobody:x",
    ));
    puts.push(Put::new("/registry/pods/shop/no-object", "7"));
    puts.push(Put::new(
        "/registry/namespaces/shop",
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","deletionTimestamp":"2026-11-22T15:18:01Z"},
            "spec":{"finalizers":["kubernetes"]},"status":{"phase":"Terminating"}}"#,
    ));
    let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
    etcd.put(&puts).unwrap();
    backup::write(&etcd, &env.base("main").join("2026-11-22T15:18:01Z-000001")).unwrap();
    env
}

const ODD_NAMES: [&str; 9] = ["a", "A", "../up", "..", ".hidden", "a%2fb", "a/b", "\u{e4}", "a b"];

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_written() {
    let env = odd();
    let run = |arguments: &[&str]| env.backups(&[&["export", HEALTHY], arguments].concat()).run().unwrap();
    let ended = run(&["--all", "-n", "shop", "-o", "json"]).code(5);
    assert_eq!(ended.json()["items"].as_array().unwrap().len(), ODD_NAMES.len() + 1);
    insta::assert_snapshot!(ended.stderr);
    for (name, code) in [("deploy/damaged", 5), ("deploy/encrypted", 3), ("po/no-object", 5)] {
        let ended = run(&[name, "-n", "shop"])
            .code(code)
            .stderr_has("--raw writes the stored bytes");
        assert_eq!(ended.stdout, "", "{name}");
        let _ = run(&[name, "-n", "shop", "--raw"]).success();
    }
    let namespace = run(&["ns/shop", "--for-apply", "-o", "json"])
        .success()
        .stderr_has("was being deleted when the backup was taken");
    assert_eq!(namespace.json()["metadata"], serde_json::json!({"name": "shop"}));
}

#[test]
fn no_name_leaves_the_folder_or_shares_a_file() {
    let env = odd();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("one/two/export");
    let to = ["--output-dir", folder.to_str().unwrap()];
    for for_apply in [&[][..], &["--for-apply"]] {
        let arguments = [&["export", HEALTHY, "--all", "-A", "--with-secrets"], for_apply, &to].concat();
        let _ = env.backups(&arguments).run().unwrap().code(5);
        let files = tree(parent.path());
        assert!(files.iter().all(|(file, _)| file.starts_with(&folder)), "{files:?}");
        let mut folded: Vec<String> = files
            .iter()
            .map(|(file, _)| file.to_string_lossy().to_lowercase())
            .collect();
        folded.dedup();
        // Those names, the Secret and the namespace.
        assert_eq!(folded.len(), ODD_NAMES.len() + 2, "{folded:?}");
        for (file, _) in &files {
            let relative = file.strip_prefix(&folder).unwrap();
            assert!(
                relative.components().all(|part| matches!(part, Component::Normal(_))),
                "{}",
                relative.display()
            );
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
