//! etcd goes while keys are being deleted.

use std::thread;
use std::time::{Duration, Instant};

use crate::stand::Stand;

#[test]
fn a_connection_lost_midway_tells_what_was_deleted_and_how_to_go_on() {
    let stand = Stand::of_a_cluster("uid-1");
    stand.live("10.1.0.1");
    let stale: Vec<String> = (0..2000)
        .map(|at| format!("10.2.{}.{}", at / 250, at % 250 + 1))
        .collect();
    for ip in &stale {
        stand.restored(ip);
    }
    let prune = stand.cmd("prune --yes --observe 11s --etcd-timeout 2s");
    let running = thread::spawn(move || prune.run().unwrap());
    let begun = Instant::now();
    while stand.names().len() > 1900 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is deleted");
        thread::sleep(Duration::from_millis(2));
    }
    let undo_files = stand.undo_files();
    let Stand { etcd, folder, .. } = stand;
    drop(etcd);
    let ended = running.join().unwrap().code(4);
    drop(folder);
    let file = undo_files
        .first()
        .unwrap()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let ended = ended
        .stderr_has("pruning stopped at 10.2.")
        .stderr_has("deleted 10.2.0.1, ");
    ended.stderr_has(&format!("undo {file}"));
}
