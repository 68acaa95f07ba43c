//! `cargo xtask`: the chores of this repository, each one command.

mod acts;
mod bench;
mod components;
mod dist;
mod fuzz;
mod kinds;
mod plugins;
#[cfg(test)]
mod protoc;
mod rehearse;
mod say;
mod steps;
mod test;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use support::real_masters::act_if_asked;

/// How a chore ends.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// The chores of this repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    Bench(bench::Args),
    Components(components::Args),
    Dist(dist::Args),
    Fuzz(fuzz::Args),
    Kinds(kinds::Args),
    Rehearse(rehearse::Args),
    Test(test::Args),
}

fn main() -> ExitCode {
    // In the containers of real masters.
    if let Some(ended) = act_if_asked() {
        return ended;
    }
    let done = match Xtask::parse().chore {
        Chore::Bench(args) => bench::run(&args),
        Chore::Components(args) => components::run(&args),
        Chore::Dist(args) => dist::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Kinds(args) => kinds::run(&args),
        Chore::Rehearse(args) => rehearse::run(&args),
        Chore::Test(args) => test::run(&args),
    };
    done.unwrap_or_else(|error| {
        say::failure(error.as_ref());
        ExitCode::FAILURE
    })
}

/// Cargo at the root of the clone.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = support::run::cargo();
    cargo.current_dir(support::paths::root()).args(arguments);
    cargo
}

/// Where cargo builds.
fn target_folder() -> PathBuf {
    let root = support::paths::root();
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}
