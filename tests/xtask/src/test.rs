//! `cargo xtask test`: every check, by one command.

mod binaries;
mod side_by_side;

use std::env;
use std::process::Command;
use std::thread;

use support::{components, paths};

use crate::steps::{Step, Went, Work, run_all};
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
        command("format", cargo(&["fmt", "--all", "--check"])),
        command(
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
        command("docs", docs()),
        command("dependencies", dependencies(&deny)),
        command("examples", cargo(&["test", "--locked", "--workspace", "--doc"])),
        Step {
            name: "tests",
            work: Work::Tests(Box::new(tests)),
        },
    ]))
}

fn command(name: &'static str, command: Command) -> Step {
    let work = Work::Command(command);
    Step { name, work }
}

/// What takes minutes, in the order in which they begin: the second and third need the processors the least, and run
/// beside the first, which needs them the most. All others come after them.
const LONG: [&str; 9] = [
    "trust",
    "real_masters",
    "etcd_restore",
    "wipe_masters",
    "etcd_restore_hosts",
    "etcd_backups",
    "api_objects",
    "masterleases_real",
    "xtask (bin)",
];

/// Test binaries that run at the same time.
const AT_ONCE: usize = 2;

fn tests() -> Went {
    let built = match binaries::build(&mut cargo(&["test", "--locked", "--workspace"])) {
        Ok(built) => built,
        Err(why) => return Went::failed(why),
    };
    if built.is_empty() {
        return Went::failed("cargo builds no test".to_owned());
    }
    let mut work: Vec<(String, Command)> = built
        .into_iter()
        .map(|binary| {
            let mut command = binary.command();
            set_threads(&mut command);
            (binary.name, command)
        })
        .collect();
    work.sort_by_key(|(name, _)| LONG.iter().position(|long| long == name).unwrap_or(LONG.len()));
    side_by_side::run(work, AT_ONCE, side_by_side::SILENCE)
}

/// Most tests wait for a server about half of their time.
fn set_threads(command: &mut Command) {
    const THREADS: &str = "RUST_TEST_THREADS";
    if let (None, Ok(processors)) = (env::var_os(THREADS), thread::available_parallelism()) {
        command.env(THREADS, (2 * processors.get()).to_string());
    }
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
