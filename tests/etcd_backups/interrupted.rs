//! Ctrl-C and a full disk: no partial file is left.

use std::process::Command;
use std::time::{Duration, Instant};

use support::store::{self, CLUSTER};
use support::{Fault, Moto, Proxy, Rule, S3};

use crate::env::{Env, NOW, RESTORED, backups};

#[test]
fn an_interrupted_download_leaves_no_file() {
    let moto = Moto::start().unwrap();
    store::serve_state_store(&moto, "kops-state", RESTORED).unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    proxy.inject(Rule::always(
        "GET",
        "etcd.backup.gz",
        Fault::Delay(Duration::from_secs(20)),
    ));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.db");
    let mut command = backups(&["download", "main=latest", file.to_str().unwrap()])
        .envs(proxy.env())
        .args(["--state", "s3://kops-state", "--name", CLUSTER])
        .now(NOW);
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while proxy.gets("etcd.backup.gz") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(240), "the download never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A limit on file sizes simulates a full disk, which only root could mount.
#[test]
fn a_file_size_limit_is_a_failure_and_leaves_no_file() {
    let env = Env::new(RESTORED);
    let folder = tempfile::tempdir().unwrap();
    let script =
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" download main=latest \"$1\" --state \"$2\" --name super.k8s.local";
    let ended = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_kubectl-etcd-backups")])
        .arg(folder.path().join("main.db"))
        .arg(env.url())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("hint:") && stderr.contains("--temp-dir"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
