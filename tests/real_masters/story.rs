//! The whole recovery: what ran is broken for good, wiped, made anew on other addresses, restored, and cleaned up.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use support::store::CLUSTER;

use crate::world::{World, wait};

pub fn from_broken_masters_and_back(world: &mut World) {
    let begun = Instant::now();
    let step = |what: &str| println!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({ "metadata": { "name": "story" } });
    world.apis[0].create(maps, &map).unwrap();
    let old: BTreeSet<String> = world.nodes().keys().cloned().collect();
    assert_eq!(old.len(), 3);
    // A Lease may come later than its Node; a backup of before would tell of a kubelet that never renewed.
    let lease = |node: &String| format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
    wait("each kubelet has its Lease", || {
        old.iter().all(|node| world.apis[0].get(&lease(node)).is_ok())
    });
    world.back_up();
    let archives = ["main", "events"].map(|etcd| (etcd, world.folder().join(format!("{etcd}.gz"))));
    for (etcd, archive) in &archives {
        world
            .plugin("kubectl-etcd-backups", &format!("download {etcd}=latest-good --raw"))
            .args([archive])
            .run()
            .unwrap()
            .success();
    }
    step("backed up");
    for master in world.masters.all() {
        master.break_down(master.member() != "a").unwrap();
    }
    assert_ne!(stage(world), "healthy");
    step("broken");
    world
        .plugin("kops-wipe-masters", "--yes --even-if-alive --poll 1s")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap()
        .success();
    assert_eq!(stage(world), "wiped");
    step("wiped");
    world.renew();
    step("new masters");
    let hosts: Vec<String> = world.masters.all().map(|master| master.address().to_owned()).collect();
    let run = world
        .restore("run --yes --api-timeout 5m")
        .args(hosts.iter().flat_map(|host| ["--host", host.as_str()]))
        .run()
        .unwrap()
        .success();
    println!("{}{}", run.stderr, run.stdout);
    step("restored");
    for (etcd, archive) in &archives {
        let (missing, all) = world.masters.missing(etcd, archive).unwrap();
        assert!(all > 0);
        assert_eq!(missing, 0, "of {all} keys of {etcd}");
    }
    world.apis[0].get(&format!("{maps}/story")).unwrap();
    world.come_up_with(6);
    // Until a kubelet has written the pods that it runs, the API knows only those of masters that are gone, and a port-forward leads to these.
    let pods: Vec<String> = world
        .masters
        .all()
        .map(|master| {
            format!(
                "/api/v1/namespaces/kube-system/pods/etcd-manager-main-{}",
                master.node()
            )
        })
        .collect();
    wait("the kubelets have written their pods", || {
        pods.iter().all(|pod| world.apis[0].get(pod).is_ok())
    });
    step("all kubelets have registered");
    let pruned = world
        .plugin("kubectl-masterleases", "prune --yes")
        .run()
        .unwrap()
        .success();
    println!("{}{}", pruned.stderr, pruned.stdout);
    let mut new: Vec<String> = hosts.clone();
    new.sort();
    assert_eq!(world.apis[0].endpoints().unwrap(), new);
    assert_eq!(world.apis[0].endpoint_slice().unwrap(), new);
    step("the endpoint is right");
    // Since the kubelets of those that are gone were heard last.
    wait("their grace has passed", || begun.elapsed().as_secs() > 70);
    let cleaned = world
        .restore("cleanup nodes --yes -o json")
        .run()
        .unwrap()
        .success()
        .json();
    for row in cleaned.as_array().unwrap() {
        let gone = old.contains(row["name"].as_str().unwrap());
        assert_eq!(row["action"], if gone { "deleted" } else { "keep" }, "{row:#}");
    }
    let workers = world.restore("cleanup workers -o json").run().unwrap().success().json();
    let rows = workers.as_array().unwrap();
    assert_eq!(rows.len(), 3, "{workers:#}");
    assert!(rows.iter().all(|row| row["renewed"] == true), "{workers:#}");
    step("cleaned up");
    let nodes = world.nodes();
    assert!(nodes.keys().all(|name| !old.contains(name)), "{nodes:?}");
    assert!(nodes.values().all(|ready| *ready), "{nodes:?}");
    assert_eq!(stage(world), "healthy");
    step("healthy");
}

fn stage(world: &World) -> String {
    let shown: Value = world.restore("-o json").run().unwrap().success().json();
    shown["stage"].as_str().unwrap().to_owned()
}
