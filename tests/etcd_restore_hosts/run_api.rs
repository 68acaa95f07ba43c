//! `run` to its end beside a real kube-apiserver: kubelets that come back, and credentials that have expired.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use support::store::CLUSTER;

use crate::by_address::World;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
/// The API serves before the restore already: what is alive wants the name.
const RUN: &str = "run --yes --confirm super.k8s.local";

#[test]
fn kubelets_that_renew_after_the_restore_are_told_from_those_that_do_not() {
    let world = World::new();
    for name in ["i-alive", "i-silent"] {
        let node =
            json!({ "metadata": { "name": name }, "spec": { "providerID": format!("aws:///us-east-1a/{name}") } });
        world.api.create("/api/v1/nodes", &node).unwrap();
        let lease =
            json!({ "metadata": { "name": name, "namespace": "kube-node-lease" }, "spec": { "holderIdentity": name } });
        world.api.create(LEASES, &lease).unwrap();
    }
    let stop = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            let path = format!("{LEASES}/i-alive");
            let mut second = 0;
            while !stop.load(Ordering::Relaxed) {
                second += 1;
                let mut lease = world.api.get(&path).unwrap();
                lease["spec"]["renewTime"] =
                    format!("2026-11-22T15:{:02}:{:02}.000000Z", second / 60, second % 60).into();
                world.api.replace(&path, &lease).unwrap();
                thread::sleep(Duration::from_millis(200));
            }
        });
        let kubeconfig = world.kubeconfig("127.0.0.1");
        let ended = world.with(&format!("{RUN} --workers-timeout 5s"), kubeconfig).run();
        stop.store(true, Ordering::Relaxed);
        ended.unwrap()
    });
    ended
        .success()
        .stdout_has("API: ready")
        .stdout_has("kubelets: 1 of 2 renewed their Lease; silent: i-silent")
        .stdout_has("kops rolling-update cluster --name super.k8s.local --force --yes");
}

#[test]
fn an_api_that_does_not_know_us_any_more_is_alive_and_ends_the_wait() {
    let world = World::new();
    let expired = || {
        world
            .api
            .kubeconfig_expired(world.store.root(), CLUSTER, &world.ca)
            .unwrap()
    };
    let status = world.with("status", expired()).run().unwrap().success();
    status
        .stdout_has("API: an API server answers (401)")
        .stderr_has("kops export kubeconfig --admin");
    let plan = world.with("plan", expired()).run().unwrap().success();
    plan.stdout_has("IT IS ALIVE: THE API SERVES").stdout_has("401");
    let ended = world.with(RUN, expired()).run().unwrap().success();
    ended
        .stdout_has("main: restored from")
        .stdout_has("API: answers")
        .stdout_has("not checked: the API: an API server answers (401)");
}
