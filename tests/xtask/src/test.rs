//! `cargo xtask test`: every check, by one command.

use std::env;
use std::process::Command;
use std::thread;

use support::{components, paths};

use crate::steps::{Step, run_all};
use crate::{Outcome, cargo};

/// Run every check: format, lints, documentation, dependencies, tests
///
/// Installs what the tests need first, see `cargo xtask components`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs them all; the code is 1 if one fails.
pub fn run(_args: &Args) -> Outcome {
    // Before the tests, which would otherwise build them one behind the other's lock and look as if they hung.
    for name in components::NAMES {
        components::ensure(name)?;
    }
    let deny = components::cargo_deny()?;
    Ok(run_all(vec![
        step("format", cargo(&["fmt", "--all", "--check"])),
        step(
            "lints",
            cargo(&[
                "clippy",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        step("docs", docs()),
        step("dependencies", dependencies(&deny)),
        step("tests", tests()),
    ]))
}

fn step(name: &'static str, command: Command) -> Step {
    Step { name, command }
}

fn tests() -> Command {
    const THREADS: &str = "RUST_TEST_THREADS";
    let mut test = cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    // Most tests wait for a server about half of their time.
    if let (None, Ok(processors)) = (env::var_os(THREADS), thread::available_parallelism()) {
        test.env(THREADS, (2 * processors.get()).to_string());
    }
    test
}

fn docs() -> Command {
    let mut doc = cargo(&[
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    doc
}

fn dependencies(deny: &std::path::Path) -> Command {
    let mut command = Command::new(deny);
    command
        .current_dir(paths::root())
        .args(["--locked", "--log-level", "error", "check", "--show-stats"]);
    command.args(["bans", "licenses", "sources"]);
    command
}
