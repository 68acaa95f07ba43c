//! `logs` of three masters, as one.

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{World, wait};

pub fn merged(world: &mut World) {
    let shown = world
        .on_hosts("logs etcd --no-follow --tail 30 -o json")
        .run()
        .unwrap()
        .success();
    let lines: Vec<serde_json::Value> = shown
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for master in world.masters.all() {
        let of_it = lines
            .iter()
            .filter(|line| line["host"].to_string().contains(master.node()));
        assert!(of_it.count() > 0, "{} {}", master.node(), shown.stdout);
    }
    let mut command = world.on_hosts("logs kube-apiserver --tail 0 -o json");
    let mut child = command.spawn().unwrap();
    let (sender, receiver) = mpsc::channel();
    let output = child.stdout.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    let seen = |what: &str, host: &str, seconds: u64| {
        let begun = Instant::now();
        let mut all = Vec::new();
        while begun.elapsed() < Duration::from_secs(seconds) {
            if let Ok(line) = receiver.recv_timeout(Duration::from_millis(200)) {
                if line.contains(what) && line.contains(host) {
                    return;
                }
                all.push(line);
            }
        }
        panic!("{what} of {host} was not followed: {all:#?}");
    };
    wait("the logs are followed", || {
        world
            .masters
            .all()
            .all(|master| master.sh("ps ax -o args | grep -q \"^[t]ail -n 0\"").is_ok())
    });
    let master = world.masters.get(1).unwrap();
    let say_at = |word: &str, offset: &str| {
        let now = date(offset);
        master
            .sh(&format!(
                "echo 'I{now}       1 test.go:1] {word}' >> /var/log/kube-apiserver.log"
            ))
            .unwrap();
    };
    let say = |word: &str| say_at(word, "now");
    // Its clock is wrong: what it says is neither held back nor left out.
    for (word, offset) in [
        ("ninety-seconds-ago", "-90 seconds"),
        ("in-ninety-seconds", "+90 seconds"),
    ] {
        say_at(word, offset);
        seen(word, master.node(), 5);
    }
    say("before-the-rotation");
    seen("before-the-rotation", master.node(), 20);
    // As kops' logrotate does it: copytruncate, since containers hold the file.
    master
        .sh("cp /var/log/kube-apiserver.log /var/log/kube-apiserver.log.1; : > /var/log/kube-apiserver.log")
        .unwrap();
    thread::sleep(Duration::from_secs(2));
    say("after-the-rotation");
    seen("after-the-rotation", master.node(), 20);
    // As it crashes; asked to end, it first waits for those who watch, up to a minute.
    let old = world.container(1, "kube-apiserver").unwrap().id;
    master
        .sh(&format!("ctr -n k8s.io tasks kill -s SIGKILL {old}"))
        .unwrap();
    wait("another container runs", || {
        world
            .container(1, "kube-apiserver")
            .is_some_and(|running| running.id != old)
    });
    // What the new container says goes to the same file.
    seen("Serving securely", master.node(), 90);
    child.kill().unwrap();
    child.wait().unwrap();
    wait("no tail stays on a master", || {
        world
            .masters
            .all()
            .all(|master| master.sh("! ps ax -o args | grep -q \"^[t]ail -n 0\"").is_ok())
    });
    wait("the API is ready again", || world.apis[1].ready());
}

fn date(offset: &str) -> String {
    let now = std::process::Command::new("date")
        .args(["-u", "-d", offset, "+%m%d %H:%M:%S.%6N"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&now.stdout).trim().to_owned()
}
