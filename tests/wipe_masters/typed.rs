//! On a terminal the cluster's name is typed. `script` (util-linux) plays the terminal.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use support::store::CLUSTER;
use support::terminal::{broken_words, overlong, screen};
use support::{KopsCluster, S3};

use crate::env::{Env, NOW};

/// Starts a wipe on a terminal of its own, and waits until it asks.
fn asked(env: &Env) -> Child {
    let line = format!(
        "{} --yes --poll 50ms --name {CLUSTER} --state {}",
        env!("CARGO_BIN_EXE_kops-wipe-masters"),
        env.url()
    );
    // A terminal that waits for ever must not hold up all other tests.
    let mut child = Command::new("timeout")
        .args(["300", "script", "-qec", &line, "/dev/null"])
        .env_clear()
        .envs(env.moto.env())
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/proc/nowhere"),
            ("KOPS_RECOVERY_NOW", NOW),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut terminal = child.stdout.take().unwrap();
    while !seen.contains("Type the cluster name to continue: ") {
        let mut buffer = [0; 4096];
        let count = terminal.read(&mut buffer).unwrap();
        assert!(count > 0, "it ended without asking:\n{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(seen.contains("everything after 15:20 UTC is lost"), "{seen}");
    assert!(seen.contains("in account 123456789012 (production)"), "{seen}");
    child.stdout = Some(terminal);
    child
}

fn ended(mut child: Child, typed: &[u8]) -> (Option<i32>, String) {
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed).unwrap();
    keyboard.flush().unwrap();
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

#[test]
fn only_the_typed_name_is_consent_and_ctrl_c_exits() {
    let env = Env::with(&KopsCluster::of_one_master(CLUSTER));
    env.account
        .iam("CreateAccountAlias", &[("AccountAlias", "production")])
        .unwrap();
    let before = env.picture();
    let (code, said) = ended(asked(&env), b"x.super.k8s.local\n");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    let (code, said) = ended(asked(&env), b"\x03");
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(env.picture(), before);
    assert!(env.journals().is_empty());
    let (code, said) = ended(asked(&env), format!("{CLUSTER}\n").as_bytes());
    assert_eq!(code, Some(0), "{said}");
    env.assert_wiped();
}

/// What AWS, the folder and the plan are called by chance goes; records that begin alike then come in one order.
fn stable(shown: &str, env: &Env) -> String {
    let shown = shown.replace(&env.url(), "file:///state");
    let masked = |word: &str| {
        let (start, id) = word.split_once('-').unwrap_or(("", word));
        let is_id = matches!((start, id.len()), ("i" | "vol", 17) | ("", 16));
        match is_id && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => format!("{}{}", &word[..word.len() - id.len()], "x".repeat(id.len())),
            false => word.to_owned(),
        }
    };
    let mut records: Vec<String> = Vec::new();
    for line in shown.lines() {
        let line: Vec<String> = line.split(' ').map(masked).collect();
        let line = line.join(" ");
        match records.last_mut() {
            Some(record) if line.starts_with(' ') => *record = format!("{record}\n{line}"),
            _ => records.push(line),
        }
    }
    let first = |record: &String| record.lines().next().unwrap_or_default().to_owned();
    for alike in records.chunk_by_mut(|a, b| first(a) == first(b)) {
        alike.sort();
    }
    records.join("\n")
}

#[test]
fn at_80_columns_no_word_is_broken_and_the_verdict_comes_first() {
    let env = Env::new();
    let line = format!(
        "{} --name {CLUSTER} --state {}",
        env!("CARGO_BIN_EXE_kops-wipe-masters"),
        env.url()
    );
    let variables = env.moto.env();
    let variables = variables.iter().map(|(name, value)| (*name, value.as_ref()));
    let shown = screen(&line, variables.chain([("KOPS_RECOVERY_NOW", NOW)])).unwrap();
    assert_eq!(overlong(&shown), Vec::<&str>::new(), "{shown}");
    let whole = env
        .wipe(&[])
        .env("HOME", "/proc/nowhere")
        .run()
        .unwrap()
        .success()
        .stdout;
    assert_eq!(broken_words(&whole, &shown), Vec::<&str>::new(), "{shown}");
    let checks = shown.split("Checks:\n").nth(1).unwrap();
    assert!(checks.starts_with("RESULT  "), "{checks}");
    insta::assert_snapshot!("wipe_at_80_columns", stable(&shown, &env));
}
