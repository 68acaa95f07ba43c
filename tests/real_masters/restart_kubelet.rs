//! `restart-kubelet` after a restore under API servers that kept running.

use std::time::Duration;

use support::store::CLUSTER;

use crate::world::{World, wait};

pub fn through_a_restore(world: &mut World) {
    let begun = std::time::Instant::now();
    let map = serde_json::json!({ "metadata": { "name": "before" } });
    let maps = "/api/v1/namespaces/default/configmaps";
    world.apis[0].create(maps, &map).unwrap();
    world.back_up();
    let lost = serde_json::json!({ "metadata": { "name": "after" } });
    world.apis[0].create(maps, &lost).unwrap();
    let servers: Vec<_> = (0..3)
        .map(|at| world.container(at, "kube-apiserver").unwrap().id)
        .collect();
    world
        .restore("queue latest-good --etcd main --yes")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap()
        .success();
    world
        .on_hosts("restart-etcd --etcd main --yes")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap()
        .success();
    wait("the command is done", || {
        let queued = world
            .restore("commands --etcd main -o json")
            .run()
            .unwrap()
            .success()
            .json();
        queued.as_array().unwrap().is_empty()
    });
    wait("all members have joined the new cluster", || {
        world.masters.all().all(|master| {
            let listed = master.etcdctl("main", "endpoint health");
            listed.is_ok()
        })
    });
    println!("restored after {:.1?}", begun.elapsed());
    // API servers that kept running are told by their age.
    std::thread::sleep(Duration::from_secs(1));
    let same: Vec<_> = (0..3)
        .map(|at| world.container(at, "kube-apiserver").unwrap().id)
        .collect();
    assert_eq!(servers, same, "API servers keep running through a restore");
    let plan = world
        .on_hosts("restart-kubelet -o json")
        .run()
        .unwrap()
        .success()
        .json();
    assert!(
        plan.as_array().unwrap().iter().all(|row| row["apiServer"] == "restart"),
        "{plan:#}"
    );
    let done = world
        .on_hosts("restart-kubelet --yes --ready-timeout 2m -o json")
        .run()
        .unwrap()
        .success();
    println!("{}\nafter {:.1?}", done.stderr, begun.elapsed());
    // Three kubelets and the API servers themselves watch.
    let done = done.stderr_has(
        "kube-apiserver did not end within 10 s of SIGTERM and was killed: it waits up to 60 s for open watches",
    );
    let rows = done.json();
    for (at, row) in rows.as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&row["kubelet"], &row["apiServer"]),
            (&"restarted".into(), &"restarted".into()),
            "{at} {row}"
        );
    }
    for (at, old) in same.iter().enumerate() {
        wait("another API server runs", || {
            world
                .container(at, "kube-apiserver")
                .is_some_and(|running| running.id != *old)
        });
        let api = &world.apis[at];
        wait("it is ready", || api.ready());
        api.get(&format!("{maps}/before")).unwrap();
        api.get(&format!("{maps}/after")).unwrap_err();
    }
    wait("kubelets are back", || world.ready_nodes() == 3);
}
