//! Colour: of verdicts only, on a terminal only, and never if it is switched off. `script` (util-linux) provides the terminal.

use std::process::Command;

use support::store::CLUSTER;

use crate::env::{Env, LATER, RESEEDED};

/// The output of `verify --all` on a terminal.
fn on_terminal(env: &Env, flags: &str, variable: Option<(&str, &str)>) -> String {
    let line = format!(
        "{} verify --all {flags} --state {} --name {CLUSTER} 2>/dev/null",
        env!("CARGO_BIN_EXE_kubectl-etcd-backups"),
        env.url()
    );
    let ended = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/proc/nowhere"),
            ("TERM", "xterm-256color"),
            ("KOPS_RECOVERY_NOW", LATER),
        ])
        .envs(variable)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(5), "two of them are empty");
    String::from_utf8(ended.stdout).unwrap().replace("\r\n", "\n")
}

/// The coloured words, and the text without colours.
fn taken_apart(screen: &str) -> (Vec<&str>, String) {
    let mut parts = screen.split("\x1b[");
    let mut plain = parts.next().unwrap().to_owned();
    let mut painted = Vec::new();
    for part in parts {
        let (code, text) = part.split_once('m').unwrap();
        plain.push_str(text);
        if !["0", "39"].contains(&code) {
            painted.push(text);
        }
    }
    (painted, plain)
}

#[test]
fn verdicts_are_coloured_on_a_terminal_and_nothing_else_is() {
    let env = Env::new(RESEEDED);
    let screen = on_terminal(&env, "", None);
    let (painted, plain) = taken_apart(&screen);
    let words = ["ok", "intact", "EMPTY", "yes", "no"];
    assert!(words.iter().all(|word| painted.contains(word)), "{screen:?}");
    assert!(painted.iter().all(|word| words.contains(word)), "{painted:?}");
    for (flags, variable) in [
        ("", Some(("NO_COLOR", "1"))),
        ("", Some(("TERM", "dumb"))),
        ("--color never", None),
    ] {
        assert_eq!(on_terminal(&env, flags, variable), plain, "{flags} {variable:?}");
    }
}

#[test]
fn a_pipe_gets_colour_only_when_it_is_asked_for() {
    let env = Env::new(RESEEDED);
    let piped = |flags: &[&str]| {
        let verify = env.backups(&["verify", "--all"]).args(flags).now(LATER);
        verify.run().unwrap().code(5).stdout
    };
    assert!(!piped(&[]).contains('\x1b'));
    assert_eq!(taken_apart(&piped(&["--color", "always"])).1, piped(&[]));
    assert!(piped(&["--color", "always"]).contains('\x1b'));
}
