//! `status --watch`: each change is told, until Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use support::HoldAt;

use crate::env::{Env, RESTORED, tree};

/// The lines that it prints, as they come.
pub fn lines(child: &mut std::process::Child) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

#[track_caller]
pub fn wait_for_line(lines: &mpsc::Receiver<String>, text: &str) -> String {
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(240)) {
            Ok(line) if line.contains(text) => return line,
            Ok(line) => seen.push(line),
            Err(error) => panic!("{error}: no `{text}` in {seen:?}"),
        }
    }
}

pub fn interrupt(child: &std::process::Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn each_change_is_told_with_its_time_until_ctrl_c() {
    let env = Env::new(RESTORED);
    let manager = env.start("main");
    manager.hold(HoldAt::BeforeTaking);
    let mut watch = env.seeing("status --watch --etcd main");
    let mut child = watch.spawn().unwrap();
    let said = lines(&mut child);
    // The table first, then a line for each change.
    wait_for_line(&said, "waiting");
    wait_for_line(&said, "API: not checked");
    env.restore("queue main=latest-good --yes --confirm super.k8s.local")
        .run()
        .unwrap()
        .success();
    let queued = wait_for_line(&said, "main queued");
    assert!(queued.starts_with("2026-11-22T15:21:36Z  "), "{queued}");
    manager.hold(HoldAt::BeforeCopying);
    wait_for_line(&said, "main restoring");
    manager.hold(HoldAt::BeforeServing);
    wait_for_line(&said, "main restored");
    manager.release();
    wait_for_line(&said, "main serving");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn looking_changes_nothing_and_json_gives_a_list_for_each_change() {
    let env = Env::new(RESTORED);
    let before = tree(env.root());
    let mut watch = env.restore("status --watch --etcd main -o json");
    let mut child = watch.spawn().unwrap();
    let said = lines(&mut child);
    let first = wait_for_line(&said, "\"state\"");
    assert!(first.contains("idle"), "{first}");
    assert_eq!(tree(env.root()), before);
    env.command("main", "2026-11-22T15:00:00Z-000000", "nonsense");
    let problem = wait_for_line(&said, "blocks the leader");
    assert!(problem.contains("\"problem\""), "{problem}");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
