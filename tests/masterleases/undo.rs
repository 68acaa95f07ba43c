//! `prune` and `undo` on keys, without API servers: the real ones play in `masterleases_real`.

use harness::{components, run};
use serde_json::json;

use crate::stand::{ENDPOINTS, Stand, endpoints, key};

fn stand() -> Stand {
    let stand = Stand::of_a_cluster("uid-1");
    stand.restored("10.245.21.9");
    stand.restored("2001:db8::1");
    stand.put(&key("10.245.21.11"), b"\x00damaged", 0);
    stand.live("10.245.21.57");
    stand
}

#[test]
fn a_plan_changes_nothing() {
    let stand = stand();
    let ended = stand
        .cmd("prune")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing was changed; pass --yes");
    let deletes = ended.stdout.lines().filter(|line| line.starts_with("delete ")).count();
    assert_eq!(deletes, 2, "{}", ended.stdout);
    assert_eq!(stand.names().len(), 4);
    assert_eq!(stand.undo_files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn pruned_keys_come_back_to_the_byte_and_without_a_lease() {
    let stand = stand();
    let before = stand.etcd.keys(b"/registry/masterleases/").unwrap();
    let ended = stand
        .cmd("prune --yes --wait 0 -o json --undo-file undo.json")
        .run()
        .unwrap()
        .success();
    let report = ended.json();
    assert_eq!(report["deleted"], json!(["10.245.21.9", "2001:db8::1"]));
    assert_eq!((&report["applied"], &report["right"]), (&json!(true), &json!(null)));
    assert_eq!(etcdctl_keys(&stand), [key("10.245.21.11"), key("10.245.21.57")]);
    // Values of a cluster are nobody else's business.
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(stand.path("undo.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Again: nothing is left to do, and the file is not asked for.
    stand
        .cmd("prune --yes --undo-file undo.json")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing to delete");

    // One of them is somebody's again meanwhile.
    stand.live("2001:db8::1");
    let plan = stand
        .cmd("undo undo.json")
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing was changed");
    assert!(plan.stdout.contains("restore"), "{}", plan.stdout);
    assert_eq!(stand.names().len(), 3);
    let ended = stand.cmd("undo undo.json --yes -o json").run().unwrap().success();
    assert_eq!(
        ended.json(),
        json!([{"key": key("10.245.21.9"), "action": "restored"}, {"key": key("2001:db8::1"), "action": "keep"}])
    );
    let stored = stand.etcd.get(key("10.245.21.9").as_bytes()).unwrap().unwrap();
    let first = before
        .iter()
        .find(|stored| stored.key == key("10.245.21.9").as_bytes())
        .unwrap();
    assert_eq!((&stored.value, stored.lease), (&first.value, 0));
    assert_ne!(stand.etcd.get(key("2001:db8::1").as_bytes()).unwrap().unwrap().lease, 0);
}

/// What etcd's own tool sees.
fn etcdctl_keys(stand: &Stand) -> Vec<String> {
    let mut etcdctl = std::process::Command::new(components::etcdctl().unwrap());
    etcdctl.args([
        "--endpoints",
        stand.etcd.endpoint(),
        "get",
        "--prefix",
        "--keys-only",
        "/registry/masterleases/",
    ]);
    let said = run::run(&mut etcdctl).unwrap();
    said.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn who_is_named_and_who_is_not() {
    let stand = stand();
    stand
        .cmd("prune 10.245.21.57 --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("10.245.21.57 is live");
    let ended = stand
        .cmd("prune 10.245.21.11 10.9.9.9 --yes --wait 0")
        .run()
        .unwrap()
        .success();
    ended.stderr_has("10.9.9.9 has no masterlease");
    assert_eq!(stand.names(), ["10.245.21.57", "10.245.21.9", "2001:db8::1"]);
}

#[test]
fn without_a_living_master_nothing_is_pruned_unasked() {
    let stand = Stand::of_a_cluster("uid-1");
    stand.restored("10.0.0.1");
    stand.restored("10.0.0.2");
    stand
        .cmd("prune --yes")
        .run()
        .unwrap()
        .code(3)
        .stderr_has("none of 2 masterleases is live")
        .stderr_has("hint:");
    assert_eq!(stand.names().len(), 2);
    stand
        .cmd("prune 10.0.0.1 --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("no API server is live");
    assert_eq!(stand.names(), ["10.0.0.2"]);
}

#[test]
fn an_undo_file_must_be_ours_and_of_this_cluster() {
    let stand = stand();
    stand
        .cmd("prune --yes --wait 0 --undo-file undo.json")
        .run()
        .unwrap()
        .success();
    let other = Stand::of_a_cluster("uid-2");
    let file = stand.path("undo.json");
    other
        .cmd(&format!("undo {} --yes", file.display()))
        .run()
        .unwrap()
        .code(3)
        .stderr_has("another cluster");
    assert_eq!(other.names().len(), 0);
    std::fs::write(stand.path("x.json"), endpoints(&[])).unwrap();
    stand
        .cmd("undo x.json --yes")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("no undo file");
    stand
        .cmd("undo absent.json")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("absent.json");
    // It must not be overwritten either: it may be the only copy.
    stand.restored("10.245.21.9");
    stand
        .cmd("prune --yes --undo-file undo.json")
        .run()
        .unwrap()
        .code(1)
        .stderr_has("undo.json");
    assert!(stand.names().contains(&"10.245.21.9".to_owned()));
}

#[test]
fn a_hostile_undo_file_is_refused_whole() {
    use base64::Engine as _;
    let stand = stand();
    stand
        .cmd("prune --yes --wait 0 --undo-file undo.json")
        .run()
        .unwrap()
        .success();
    let text = std::fs::read_to_string(stand.path("undo.json")).unwrap();
    let encoded = |key: &str| base64::engine::general_purpose::STANDARD.encode(key);
    let before = stand.names();
    for hostile in [
        "/registry/secrets/masterleases/x",
        "/registry/masterleases/../secrets/a",
        "/registry/masterleases/a/b",
        "/registry/masterleases/",
    ] {
        // The other key of the file is a good one.
        let changed = text.replace(&encoded(&key("10.245.21.9")), &encoded(hostile));
        assert_ne!(changed, text);
        std::fs::write(stand.path("hostile.json"), changed).unwrap();
        for yes in ["", " --yes"] {
            let refused = stand.cmd(&format!("undo hostile.json{yes}")).run().unwrap().code(3);
            refused
                .stderr_has(hostile)
                .stderr_has("does not lie directly below /registry/masterleases/")
                .stderr_has("hint:");
        }
        assert_eq!(stand.names(), before);
        assert!(stand.etcd.get(hostile.as_bytes()).unwrap().is_none());
    }
}

#[test]
fn what_could_not_be_read_is_not_called_right() {
    let stand = stand();
    stand.put(ENDPOINTS, b"damaged", 0);
    let ended = stand.cmd("prune --yes --wait 2s").run().unwrap().success();
    assert!(ended.stdout.contains("Endpoints after:  not known"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("lists live masters only"), "{}", ended.stdout);
    ended.stderr_has("could not be checked: Endpoints: ");
    stand.restored("10.245.21.9");
    let ended = stand.cmd("prune --yes --wait 2s -o json").run().unwrap().success();
    assert_eq!(ended.json()["right"], json!(null));
}
