//! `restore-volumes` and `purge-volumes`.

use support::aws::Built;
use support::store::CLUSTER;
use support::{Fault, KopsCluster, Proxy, Rule};

use crate::env::Env;

/// As kops does after a wipe.
fn rebuild(env: &Env) -> Built {
    let mut rebuilt = Built::default();
    KopsCluster::new(CLUSTER)
        .build_masters(&env.account, &mut rebuilt)
        .unwrap();
    rebuilt
}

#[test]
fn restore_volumes_restores_every_tag() {
    let env = Env::new();
    let id = env.built.etcd_volumes[0].id.clone();
    let original = env.account.volume_tags(&id).unwrap();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let hidden = env.picture();

    let shown = env.wipe(&["restore-volumes", "-o", "json"]).run().unwrap().success();
    // How one of them is read while it stays in quarantine, with the real ids.
    let read: Vec<String> = serde_json::from_value(shown.json()["readSteps"].clone()).unwrap();
    let of_main = env
        .built
        .etcd_volumes
        .iter()
        .find(|volume| volume.etcd == "main" && volume.member == "a");
    assert!(
        read[0].contains(&format!("--volume-id {} ", of_main.unwrap().id)),
        "{read:?}"
    );
    assert!(
        read[6].contains("take --etcd main") && read[6].ends_with("--data-dir /mnt/salvage"),
        "{read:?}"
    );
    let text = env.wipe(&["restore-volumes"]).run().unwrap().success();
    assert!(text.stdout.contains(&read[5]), "{}", text.stdout);
    assert_eq!(shown.json()["volumes"].as_array().unwrap().len(), 6);
    assert_eq!(env.picture(), hidden, "nothing without --yes");

    // The connection breaks between the two requests of one volume: the same command goes on.
    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::times(
        9,
        "POST",
        "Action=DeleteTags",
        Rule::error(403, "UnauthorizedOperation"),
    ));
    let _ = env
        .wipe_through(&proxy, &["restore-volumes", "--yes"])
        .run()
        .unwrap()
        .code(4)
        .stderr_has("access denied")
        .stderr_has("repeat the command");
    let _ = env
        .wipe(&["restore-volumes", "--yes"])
        .run()
        .unwrap()
        .success()
        .stdout_has("done");
    assert_eq!(env.account.volume_tags(&id).unwrap(), original);
    for volume in &env.built.etcd_volumes {
        let tags = env.account.volume_tags(&volume.id).unwrap();
        assert!(tags.keys().all(|key| !key.starts_with("kops-recovery/")), "{tags:?}");
    }
    let none = env
        .wipe(&["restore-volumes", "--yes", "-o", "json"])
        .run()
        .unwrap()
        .success();
    assert_eq!(none.json()["volumes"].as_array().unwrap().len(), 0);
}

#[test]
fn restore_volumes_is_refused_with_a_new_control_plane() {
    let env = Env::new();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let rebuilt = rebuild(&env);
    let before = env.picture();
    let _ = env
        .wipe(&["restore-volumes", "--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("the cluster has a control plane")
        .stdout_has("the cluster has etcd volumes");
    assert_eq!(env.picture(), before);

    // It is wiped a second time: of each member there are two now, and they must be named.
    let _ = env.wipe_yes(&["--again"]).run().unwrap().success();
    let _ = env
        .wipe(&["restore-volumes", "--yes"])
        .run()
        .unwrap()
        .code(3)
        .stdout_has("2 volumes in quarantine are of main/a");
    let first: Vec<&str> = env.built.etcd_volumes.iter().map(|volume| volume.id.as_str()).collect();
    let arguments: Vec<&str> = ["restore-volumes", "--yes"]
        .into_iter()
        .chain(first.iter().copied())
        .collect();
    let _ = env.wipe(&arguments).run().unwrap().success();
    for volume in &rebuilt.etcd_volumes {
        assert!(
            env.account
                .volume_tags(&volume.id)
                .unwrap()
                .contains_key("kops-recovery/quarantined")
        );
    }
    let _ = env
        .wipe(&["restore-volumes", "--yes", "vol-0123456789abcdef0"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("vol-0123456789abcdef0 is not in quarantine");
}

#[test]
fn a_purge_deletes_what_is_in_quarantine_and_nothing_else() {
    let env = Env::new();
    let _ = env.wipe_yes(&[]).run().unwrap().success();
    let _ = rebuild(&env);
    let before = env.picture();
    let _ = env
        .wipe(&["purge-volumes"])
        .run()
        .unwrap()
        .success()
        .stderr_has("nothing was changed");
    let _ = env
        .wipe(&["purge-volumes", "--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has(&format!("pass --confirm {CLUSTER}"));
    let _ = env
        .wipe(&["purge-volumes", "--yes", "--confirm", "x.super.k8s.local"])
        .run()
        .unwrap()
        .code(3);
    assert_eq!(env.picture(), before);

    let proxy = Proxy::start(&env.moto).unwrap();
    proxy.inject(Rule::times(2, "POST", "Action=DeleteVolume", Fault::Slow(4)));
    let arguments = ["purge-volumes", "--yes", "--confirm", CLUSTER, "--poll", "50ms"];
    let _ = env
        .wipe_through(&proxy, &arguments)
        .run()
        .unwrap()
        .success()
        .stdout_has("done");
    let held: Vec<&str> = env.built.etcd_volumes.iter().map(|volume| volume.id.as_str()).collect();
    assert_eq!(env.picture(), before.without(held));
}
