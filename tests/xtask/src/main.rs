//! `cargo xtask`: the chores of this repository, each one command.

mod components;
mod say;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How a chore ends.
type Outcome = Result<(), Box<dyn Error>>;

/// The chores of this repository
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    Components(components::Args),
}

fn main() -> ExitCode {
    let done = match Xtask::parse().chore {
        Chore::Components(args) => components::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(error.as_ref());
            ExitCode::FAILURE
        }
    }
}
