//! `logs`: the masters' logs as one, and nothing left on them.

use std::io::{BufRead, BufReader};

use support::ContainerRuntime::Containerd;
use support::wait_for;

use crate::env::Env;

fn write(env: &Env, at: usize, file: &str, lines: &str) {
    let file = env.masters.host(at).unwrap().file(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, lines).unwrap();
}

#[test]
fn lines_of_all_masters_are_in_the_order_of_their_times() {
    let mut env = Env::new(Containerd);
    write(
        &env,
        0,
        "/var/log/etcd-events.log",
        "I1122 15:18:03.000000 7 a.go:1] third\n",
    );
    write(
        &env,
        1,
        "/var/log/etcd-events.log",
        "I1122 15:18:01.000000 7 a.go:1] \x1b[31mfirst\x1b[0m\n  trace\n",
    );
    write(
        &env,
        2,
        "/var/log/etcd-events.log",
        "{\"ts\":\"2026-11-22T15:18:02.000000Z\",\"msg\":\"second\"}\n",
    );
    let logs = || env.on_all("logs etcd --etcd events --no-follow").run().unwrap();
    let ended = logs().success();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "master-a  I1122 15:18:01.000000 7 a.go:1] first");
    assert_eq!(lines[1], "master-a    trace");
    assert!(
        lines[2].starts_with("master-b  ") && lines[2].contains("second"),
        "{lines:?}"
    );
    assert_eq!(lines[3], "master-c  I1122 15:18:03.000000 7 a.go:1] third");
    let main = env.on_all("logs --no-follow").run().unwrap().code(1);
    main.stderr_has("/var/log/etcd.log is not there")
        .stderr_has("3 of 3 hosts");

    env.masters.stop(1);
    let ended = env
        .on_all("logs etcd --etcd events --no-follow -o json")
        .run()
        .unwrap()
        .code(1);
    let ended = ended
        .stderr_has("ssh to master-a: unreachable")
        .stderr_has("1 of 3 hosts");
    let first: serde_json::Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["host"], "master-b");
}

#[test]
fn new_lines_are_followed_and_no_process_stays_on_a_host() {
    let env = Env::new(Containerd);
    for at in 0..3 {
        write(&env, at, "/var/log/kube-apiserver.log", "");
    }
    let file = env.masters.host(2).unwrap().file("/var/log/kube-apiserver.log");
    let mut cmd = env.on_all("logs kube-apiserver");
    let mut child = cmd.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let tails = || {
        processes(&[
            "tail",
            &env.masters.host(2).unwrap().sshd().root().display().to_string(),
        ])
    };
    wait_for("tail runs", || !tails().is_empty());
    let appended = std::fs::OpenOptions::new().append(true).open(&file);
    std::io::Write::write_all(&mut appended.unwrap(), b"I1122 15:18:01.000000 7 a.go:1] it serves\n").unwrap();
    assert_eq!(
        lines.next().unwrap().unwrap(),
        "master-b  I1122 15:18:01.000000 7 a.go:1] it serves"
    );
    // Without a chance to clean up.
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("tail ends", || tails().is_empty());
}

/// Living processes whose command line holds all of these words.
fn processes(words: &[&str]) -> Vec<String> {
    let output = std::process::Command::new("ps")
        .args(["-eo", "stat=,args="])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let holds = |line: &&str| words.iter().all(|word| line.contains(word)) && !line.trim_start().starts_with('Z');
    text.lines()
        .filter(holds)
        .filter(|line| !line.contains("sh -c"))
        .map(str::to_owned)
        .collect()
}
