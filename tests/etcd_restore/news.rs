//! Each line of `status --watch` and of `run` comes by itself: one that hangs, refuses, breaks or comes and goes holds up no other.

use std::fs;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use support::store::CLUSTER;
use support::{
    Ca, Etcd, EtcdVersion, HoldAt, KeyKind, KubeApiServer, KubeApiServerOptions, LoadBalancer, Wire, WireFault,
    admin_kubeconfig,
};

use crate::env::{Env, RESTORED};
use crate::watch::{interrupt, lines, wait_for_line};

/// A real API server on a real etcd, which also plays the etcd of events.
struct Others {
    ca: Ca,
    etcd: Etcd,
    api: KubeApiServer,
}

impl Others {
    fn start() -> Self {
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let etcd = Etcd::start(EtcdVersion::V3_6).unwrap();
        let api = KubeApiServer::start(&etcd, &KubeApiServerOptions::plain(&ca, "10.245.21.57")).unwrap();
        Self { ca, etcd, api }
    }

    fn etcd_port(&self) -> u16 {
        self.etcd.endpoint().rsplit(':').next().unwrap().parse().unwrap()
    }
}

/// Watches with the etcd of main at its address, that of events and the API at these ports of 127.0.0.1. The first table
/// has been printed.
fn watch(env: &Env, others: &Others, events: u16, api: u16) -> (Child, mpsc::Receiver<String>) {
    let endpoints = format!("main=http://{}:4001,events=http://127.0.0.1:{events}", env.address);
    watch_at(env, others, &endpoints, api)
}

fn watch_at(env: &Env, others: &Others, endpoints: &str, api: u16) -> (Child, mpsc::Receiver<String>) {
    let kubeconfig = admin_kubeconfig(env.root(), CLUSTER, &others.ca, api).unwrap();
    let mut child = env
        .restore("status --watch --etcd-timeout 60s")
        .args(["--endpoints", endpoints])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .spawn()
        .unwrap();
    let said = lines(&mut child);
    wait_for_line(&said, "API: ");
    (child, said)
}

/// Main goes through all states of a restore; gives the line of each.
fn restore_main(env: &Env, said: &mpsc::Receiver<String>) -> Vec<String> {
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    let mut told = vec![wait_for_line(said, "main queued")];
    manager.hold(HoldAt::BeforeCopying);
    told.push(wait_for_line(said, "main restoring"));
    manager.hold(HoldAt::BeforeServing);
    told.push(wait_for_line(said, "main restored"));
    manager.release();
    told.push(wait_for_line(said, "main serving"));
    told
}

#[test]
fn an_etcd_and_an_api_behind_a_bad_line_hold_up_no_other_news() {
    let others = Others::start();
    for fault in [
        WireFault::Hang,
        WireFault::Refuse,
        WireFault::Cut(0),
        WireFault::Corrupt,
    ] {
        let env = Env::new(RESTORED);
        let events = Wire::start(others.etcd_port(), fault).unwrap();
        let api = Wire::start(others.api.port(), fault).unwrap();
        let (mut child, said) = watch(&env, &others, events.port(), api.port());
        let told = restore_main(&env, &said);
        if fault == WireFault::Hang {
            // All of main was told before the first question to the etcd of events ended.
            assert!(told.iter().all(|line| line.contains("events idle")), "{told:?}");
        }
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{fault:?}");
    }
}

#[test]
fn an_api_that_comes_and_goes_holds_up_no_other_news() {
    let (env, others) = (Env::new(RESTORED), Others::start());
    let balancer = LoadBalancer::start().unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let (over, moved, port) = (Arc::clone(&ended), balancer.clone(), others.api.port());
    let crash_loop = thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            moved.lead_to(port);
            thread::sleep(Duration::from_millis(700));
            moved.lead_to(0);
            thread::sleep(Duration::from_millis(700));
        }
    });
    let (mut child, said) = watch(&env, &others, others.etcd_port(), balancer.port());
    restore_main(&env, &said);
    interrupt(&child);
    child.wait().unwrap();
    ended.store(true, Ordering::SeqCst);
    crash_loop.join().unwrap();
}

#[test]
fn etcds_that_hang_hold_up_neither_their_queue_nor_the_api() {
    let (env, others) = (Env::new(RESTORED), Others::start());
    let hangs = Wire::start(others.etcd_port(), WireFault::Hang).unwrap();
    let balancer = LoadBalancer::start().unwrap();
    let hanging = format!("http://127.0.0.1:{}", hangs.port());
    let endpoints = format!("main={hanging},events={hanging}");
    let (mut child, said) = watch_at(&env, &others, &endpoints, balancer.port());
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    wait_for_line(&said, "main queued");
    balancer.lead_to(others.api.port());
    let ready = wait_for_line(&said, "API ready");
    assert!(ready.contains("main queued"), "{ready}");
    // As if it was carried out, or cancelled: which of them only etcd can say.
    let queued = env.queued("main").remove(0);
    fs::remove_dir_all(env.control("main", &queued)).unwrap();
    wait_for_line(&said, "main gone");
    interrupt(&child);
    child.wait().unwrap();
}
