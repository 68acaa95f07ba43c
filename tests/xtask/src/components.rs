//! `cargo xtask components`.

use std::process::ExitCode;

use support::components;

use crate::{Outcome, say};

/// Find or install the real programs that the tests run
///
/// Your own are taken where their version fits; the others are built or installed once into
/// `$XDG_CACHE_HOME/kops-recovery` (by default in `~/.cache`). Needs Go, Python 3 and the network.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which ones; all by default
    #[arg(value_name = "NAME", value_parser = components::NAMES)]
    names: Vec<String>,
}

/// Makes sure that each is there, and prints where.
pub fn run(args: &Args) -> Outcome {
    let all = || components::NAMES.map(str::to_owned).to_vec();
    let names = if args.names.is_empty() {
        all()
    } else {
        args.names.clone()
    };
    for name in names {
        for path in components::ensure(&name)?.into_iter().flatten() {
            say::line(&format!("{name}\t{}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
