//! What is left on this machine: nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, process, thread};

use support::real_masters::namespaces::{enter, left_of, remove_what_the_dead_left};

use crate::world::{World, wait};

/// The word on the command line of a harness that is to be killed.
pub const HOLD: &str = "--hold";

pub fn by_the_tests() {
    assert_eq!(left_of(process::id()), [""; 0]);
}

pub fn by_a_kill() {
    let mut harness = Command::new(env::current_exe().unwrap());
    let mut harness = harness.arg(HOLD).stdout(Stdio::piped()).spawn().unwrap();
    let id = harness.id();
    let first = BufReader::new(harness.stdout.take().unwrap())
        .lines()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(first, "three masters run");
    let held = left_of(id);
    assert!(
        held.iter().filter(|what| what.starts_with("process")).count() > 12,
        "{held:?}"
    );
    harness.kill().unwrap();
    harness.wait().unwrap();
    // Nobody is there any more to end them: the kernel does it.
    wait("all processes have ended", || {
        left_of(id).iter().all(|what| what.starts_with("group"))
    });
    remove_what_the_dead_left();
    assert_eq!(left_of(id), [""; 0]);
}

pub fn enter_and_hold() -> ExitCode {
    enter(&env::current_exe().unwrap(), &[HOLD]).unwrap();
    ExitCode::FAILURE
}

pub fn hold() -> ExitCode {
    let _world = World::new();
    println!("three masters run");
    thread::sleep(Duration::from_secs(120));
    ExitCode::FAILURE
}
