//! etcd stops while keys are deleted.

use std::thread;
use std::time::{Duration, Instant};

use crate::env::Env;

#[test]
fn a_lost_connection_reports_what_was_deleted_and_what_to_do() {
    let env = Env::of_a_cluster("uid-1");
    env.live("10.1.0.1");
    let stale: Vec<String> = (0..2000)
        .map(|at| format!("10.2.{}.{}", at / 250, at % 250 + 1))
        .collect();
    for ip in &stale {
        env.restored(ip);
    }
    let prune = env.cmd("prune --yes --observe 11s --etcd-timeout 2s");
    let running = thread::spawn(move || prune.run().unwrap());
    let begun = Instant::now();
    while env.names().len() > 1900 {
        assert!(begun.elapsed() < Duration::from_secs(240), "nothing is deleted");
        thread::sleep(Duration::from_millis(2));
    }
    let undo_files = env.undo_files();
    let Env { etcd, folder, .. } = env;
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
