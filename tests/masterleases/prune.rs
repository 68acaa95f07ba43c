//! `prune` and `undo` on keys, without API servers: those are in `masterleases_real`.

use serde_json::json;
use support::{components, run};

use crate::env::{ENDPOINTS, Env, endpoints, key};

fn new_env() -> Env {
    let env = Env::of_a_cluster("uid-1");
    env.restored("10.245.21.9");
    env.restored("2001:db8::1");
    env.put(&key("10.245.21.11"), b"\x00damaged", 0);
    env.live("10.245.21.57");
    env
}

#[test]
fn a_plan_changes_nothing() {
    let env = new_env();
    let ended = env
        .cmd("prune")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing was changed; pass --yes");
    let deletes = ended.stdout.lines().filter(|line| line.starts_with("delete ")).count();
    assert_eq!(deletes, 2, "{}", ended.stdout);
    assert_eq!(env.names().len(), 4);
    assert_eq!(env.undo_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn undo_restores_the_pruned_values_without_a_lease() {
    let env = new_env();
    let before = env.etcd.keys(b"/registry/masterleases/").unwrap();
    let ended = env
        .cmd("prune --yes --wait 0 -o json --undo-file undo.json")
        .run()
        .unwrap()
        .success();
    let report = ended.json();
    assert_eq!(report["deleted"], json!(["10.245.21.9", "2001:db8::1"]));
    assert_eq!((&report["applied"], &report["right"]), (&json!(true), &json!(null)));
    assert_eq!(etcdctl_keys(&env), [key("10.245.21.11"), key("10.245.21.57")]);
    // Only the owner may read a cluster's values.
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(env.path("undo.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Again: nothing is left to do, and the file is not written.
    env.cmd("prune --yes --undo-file undo.json")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing to delete");

    // One of them was written by an API server meanwhile.
    env.live("2001:db8::1");
    let plan = env
        .cmd("undo undo.json")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing was changed");
    assert!(plan.stdout.contains("restore"), "{}", plan.stdout);
    assert_eq!(env.names().len(), 3);
    let ended = env.cmd("undo undo.json --yes -o json").run().unwrap().success();
    assert_eq!(
        ended.json(),
        json!([{"key": key("10.245.21.9"), "action": "restored"}, {"key": key("2001:db8::1"), "action": "keep"}])
    );
    let stored = env.etcd.get(key("10.245.21.9").as_bytes()).unwrap().unwrap();
    let first = before
        .iter()
        .find(|stored| stored.key == key("10.245.21.9").as_bytes())
        .unwrap();
    assert_eq!((&stored.value, stored.lease), (&first.value, 0));
    assert_ne!(env.etcd.get(key("2001:db8::1").as_bytes()).unwrap().unwrap().lease, 0);
}

/// The keys as etcd's own tool lists them.
fn etcdctl_keys(env: &Env) -> Vec<String> {
    let mut etcdctl = std::process::Command::new(components::etcdctl().unwrap());
    etcdctl.args([
        "--endpoints",
        env.etcd.endpoint(),
        "get",
        "--prefix",
        "--keys-only",
        "/registry/masterleases/",
    ]);
    let listed = run::run(&mut etcdctl).unwrap();
    listed
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn live_ones_cannot_be_named_and_missing_ones_are_reported() {
    let env = new_env();
    env.cmd("prune 10.245.21.57 --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("10.245.21.57 is live");
    let ended = env
        .cmd("prune 10.245.21.11 10.9.9.9 --yes --wait 0")
        .run()
        .unwrap()
        .success();
    ended.stderr_has("10.9.9.9 has no masterlease");
    assert_eq!(env.names(), ["10.245.21.57", "10.245.21.9", "2001:db8::1"]);
}

#[test]
fn without_a_live_one_only_named_ones_are_pruned() {
    let env = Env::of_a_cluster("uid-1");
    env.restored("10.0.0.1");
    env.restored("10.0.0.2");
    env.cmd("prune --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("none of 2 masterleases is live")
        .stderr_has("hint:");
    assert_eq!(env.names().len(), 2);
    env.cmd("prune 10.0.0.1 --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("no API server is live");
    assert_eq!(env.names(), ["10.0.0.2"]);
}

#[test]
fn undo_refuses_files_of_others_and_of_another_cluster() {
    let env = new_env();
    env.cmd("prune --yes --wait 0 --undo-file undo.json")
        .run()
        .unwrap()
        .success();
    let other = Env::of_a_cluster("uid-2");
    let file = env.path("undo.json");
    other
        .cmd(&format!("undo {} --yes", file.display()))
        .run()
        .unwrap()
        .code(3)
        .stderr_has("another cluster");
    assert_eq!(other.names().len(), 0);
    std::fs::write(env.path("x.json"), endpoints(&[])).unwrap();
    env.cmd("undo x.json --yes")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("not an undo file");
    env.cmd("undo absent.json")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("absent.json");
    // It must not be overwritten either: it may be the only copy.
    env.restored("10.245.21.9");
    env.cmd("prune --yes --undo-file undo.json")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("undo.json");
    assert!(env.names().contains(&"10.245.21.9".to_owned()));
}

#[test]
fn a_manipulated_undo_file_is_refused_whole() {
    use base64::Engine as _;
    let env = new_env();
    env.cmd("prune --yes --wait 0 --undo-file undo.json")
        .run()
        .unwrap()
        .success();
    let text = std::fs::read_to_string(env.path("undo.json")).unwrap();
    let encoded = |key: &str| base64::engine::general_purpose::STANDARD.encode(key);
    let before = env.names();
    for hostile in [
        "/registry/secrets/masterleases/x",
        "/registry/masterleases/../secrets/a",
        "/registry/masterleases/a/b",
        "/registry/masterleases/",
    ] {
        // The other key of the file is a masterlease.
        let changed = text.replace(&encoded(&key("10.245.21.9")), &encoded(hostile));
        assert_ne!(changed, text);
        std::fs::write(env.path("hostile.json"), changed).unwrap();
        for yes in ["", " --yes"] {
            let refused = env.cmd(&format!("undo hostile.json{yes}")).run().unwrap().code(3);
            refused
                .stderr_has(hostile)
                .stderr_has("does not lie directly below /registry/masterleases/")
                .stderr_has("hint:");
        }
        assert_eq!(env.names(), before);
        assert!(env.etcd.get(hostile.as_bytes()).unwrap().is_none());
    }
}

#[test]
fn an_endpoint_that_cannot_be_read_is_not_called_correct() {
    let env = new_env();
    env.put(ENDPOINTS, b"damaged", 0);
    let ended = env.cmd("prune --yes --wait 2s").run().unwrap().success();
    assert!(ended.stdout.contains("Endpoints after:  unknown"), "{}", ended.stdout);
    assert!(
        !ended.stdout.contains("lists live API servers only"),
        "{}",
        ended.stdout
    );
    ended.stderr_has("could not be checked: Endpoints: ");
    env.restored("10.245.21.9");
    let ended = env.cmd("prune --yes --wait 2s -o json").run().unwrap().success();
    assert_eq!(ended.json()["right"], json!(null));
}
