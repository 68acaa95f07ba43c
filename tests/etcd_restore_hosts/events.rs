//! `cleanup events` on a real etcd with TLS, while somebody goes on writing events.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use support::pki;
use support::{Ca, Cmd, Etcd, EtcdVersion, KeyKind, Put, ServerTls, Usage};
use tempfile::TempDir;

use crate::env::plugin;

const PREFIX: &str = "/registry/events/";

struct Events {
    etcd: Etcd,
    folder: TempDir,
    _tls: ServerTls,
}

impl Events {
    fn new(version: EtcdVersion) -> Self {
        let ca = Ca::new("etcd-clients-ca", KeyKind::Ec).unwrap();
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        let etcd = Etcd::start_tls(version, &tls).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki::write(folder.path(), "ca.crt", ca.certificate()).unwrap();
        ca.issue(Usage::Client).unwrap().write(folder.path(), "client").unwrap();
        Self {
            etcd,
            folder,
            _tls: tls,
        }
    }

    /// Every fifth lives, and between them are keys of others.
    fn fill(&self, count: usize) {
        let lease = self.etcd.grant_lease(600).unwrap();
        let put = |n: usize| Put {
            lease: if n.is_multiple_of(5) { lease } else { 0 },
            ..Put::new(key(n), vec![b'v'; 300])
        };
        let mut puts: Vec<Put> = (0..count).map(put).collect();
        puts.push(Put::new("/registry/eventsx/a", "x"));
        puts.push(Put::new("/registry/event", "x"));
        self.etcd.put(&puts).unwrap();
    }

    fn cmd(&self, arguments: &str) -> Cmd {
        let at = |name: &str| self.folder.path().join(name);
        plugin(arguments)
            .env("ETCDCTL_ENDPOINTS", self.etcd.tls_endpoint().unwrap())
            .env("ETCDCTL_CACERT", at("ca.crt"))
            .env("ETCDCTL_CERT", at("client.crt"))
            .env("ETCDCTL_KEY", at("client.key"))
    }

    fn left(&self) -> Vec<(String, i64)> {
        let stored = self.etcd.keys(PREFIX.as_bytes()).unwrap();
        stored
            .into_iter()
            .map(|stored| (String::from_utf8(stored.key).unwrap(), stored.lease))
            .collect()
    }
}

fn key(n: usize) -> String {
    format!("{PREFIX}ns{}/event-{n:06}", n % 3)
}

fn all_gone_but_the_living(version: EtcdVersion) {
    let events = Events::new(version);
    events.fill(5_000);
    let plan = events
        .cmd("cleanup events -o json")
        .run()
        .unwrap()
        .success()
        .stderr_has("pass --yes");
    let plan = plan.json();
    assert_eq!(
        (&plan["withoutLease"], &plan["withLease"], &plan["deleted"]),
        (&4000.into(), &1000.into(), &0.into())
    );
    assert_eq!(events.left().len(), 5_000);

    // An API server goes on: new events, with a lease, among the old ones; and some of the old ones come to life.
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            let lease = events.etcd.grant_lease(600).unwrap();
            for n in (1..5_000).step_by(7).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let key = if n % 2 == 0 { key(n) } else { format!("{}-new", key(n)) };
                let put = Put {
                    lease,
                    ..Put::new(key, "alive")
                };
                events.etcd.put(&[put]).unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        while written.load(Ordering::Relaxed) < 3 {
            thread::yield_now();
        }
        let done = events.cmd("cleanup events --yes -o json").run().unwrap();
        stop.store(true, Ordering::Relaxed);
        done
    });
    let done = done.success().stderr_has("kubectl masterleases").json();
    assert!(written.load(Ordering::Relaxed) > 3);
    let left = events.left();
    assert!(left.iter().all(|(_, lease)| *lease != 0), "none without a lease");
    for n in (0..5_000).step_by(5) {
        assert!(left.iter().any(|(found, _)| *found == key(n)), "{} lives", key(n));
    }
    let gone = |n: &usize| !n.is_multiple_of(5) && !left.iter().any(|(found, _)| *found == key(*n));
    // What was rewritten after its deletion counts as deleted, too, and is there again.
    assert!(done["deleted"].as_u64().unwrap() >= (0..5_000).filter(gone).count() as u64);
    assert_eq!(events.etcd.keys(b"/registry/event").unwrap().len(), left.len() + 2);
    events
        .cmd("cleanup events --yes")
        .run()
        .unwrap()
        .success()
        .stderr_has("every event has a lease");
}

#[test]
fn every_event_without_a_lease_goes_and_no_living_one_on_etcd_3_5() {
    all_gone_but_the_living(EtcdVersion::V3_5);
}

#[test]
fn every_event_without_a_lease_goes_and_no_living_one_on_etcd_3_6() {
    all_gone_but_the_living(EtcdVersion::V3_6);
}

#[test]
fn a_cluster_where_no_event_has_a_lease_is_warned_of_and_an_etcd_without_events_said() {
    let events = Events::new(EtcdVersion::V3_6);
    let nothing = events.cmd("cleanup events -o json").run().unwrap().success();
    assert_eq!(
        nothing.stderr_has("--etcd main").json()["namespaces"],
        serde_json::json!([])
    );
    events.etcd.put(&[Put::new(key(1), "x")]).unwrap();
    events
        .cmd("cleanup events")
        .run()
        .unwrap()
        .success()
        .stderr_has("--event-ttl=0");
    assert_eq!(events.left().len(), 1);
    events
        .cmd("cleanup events --etcd main,events")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("one etcd");
}
