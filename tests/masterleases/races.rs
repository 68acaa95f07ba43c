//! A running API server never loses its key, whenever it writes.

use std::thread;
use std::time::{Duration, Instant};

use support::Put;

use crate::env::{Env, endpoints, key};

/// While `prune` deletes 1,000 keys, each is rewritten once with a lease, as by an API server. A key that is rewritten before its deletion is kept,
/// and one that is rewritten after it is created again: so in the end all keys exist, with a lease.
#[test]
fn keys_that_are_rewritten_while_pruning_exist_afterwards() {
    const WRITERS: usize = 4;
    let env = Env::of_a_cluster("uid-1");
    env.live("10.1.0.1");
    let ips: Vec<String> = (0..1000)
        .map(|at| format!("10.2.{}.{}", at / 250, at % 250 + 1))
        .collect();
    for ip in &ips {
        env.restored(ip);
    }
    let lease = env.etcd.grant_lease(600).unwrap();
    let prune = env.cmd("prune --yes --observe 11s --wait 0 -o json");
    let running = thread::spawn(move || prune.run().unwrap());
    let begun = Instant::now();
    while env.undo_files().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(240), "nothing is deleted");
        thread::sleep(Duration::from_millis(1));
    }
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (env, ips) = (&env, &ips);
            scope.spawn(move || {
                for ip in ips.iter().skip(writer).step_by(WRITERS) {
                    let put = Put {
                        lease,
                        ..Put::new(key(ip), endpoints(&[ip]))
                    };
                    env.etcd.put(&[put]).unwrap();
                }
            });
        }
    });
    let report = running.join().unwrap().success().json();
    let count = |field: &str| report[field].as_array().unwrap().len();
    assert_eq!(count("deleted") + count("left"), 1000);
    let stored = env.etcd.keys(b"/registry/masterleases/").unwrap();
    assert_eq!(stored.len(), 1001);
    assert!(stored.iter().all(|stored| stored.lease != 0));
    assert!(count("left") > 0, "no writer came before the deletion");
}
