//! `cargo xtask rehearse`: the suite as an operator meets it, against real programs.

mod stage;

use std::error::Error;
use std::process::ExitCode;

pub use stage::Stage;

use crate::{Outcome, acts, say};

/// Play the recovery against real servers, showing each command and what it prints
///
/// Installs what it needs, see `cargo xtask components`. Needs no AWS account and touches nothing outside of temporary
/// folders. A command that does not end as it should fails the rehearsal.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Play one act only
    #[arg(long, value_name = "NAME", value_parser = acts::ALL.map(|act| act.name))]
    act: Option<String>,
}

/// A part of the rehearsal that stands by itself.
pub struct Act {
    /// How `--act` names it.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Plays it.
    pub play: fn(&Stage) -> Result<(), Box<dyn Error>>,
}

/// Plays the acts in their order, up to the first that fails.
pub fn run(args: &Args) -> Outcome {
    let chosen = |act: &&Act| args.act.as_ref().is_none_or(|name| name == act.name);
    let mut played = 0;
    for act in acts::ALL.iter().filter(chosen) {
        say::line(&format!("=== act {}: {}", act.name, act.title));
        let stage = Stage::new()?;
        (act.play)(&stage).map_err(|error| format!("act {}: {error}", act.name))?;
        played += 1;
    }
    say::line(&format!("\n{played} acts passed, 0 failed"));
    Ok(ExitCode::SUCCESS)
}
