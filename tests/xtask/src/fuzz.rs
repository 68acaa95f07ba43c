//! `cargo xtask fuzz`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use support::paths;

use crate::{Outcome, cargo, say};

/// Feed the readers with bytes that libFuzzer makes up, until the time is over or one breaks
///
/// What is found in the way of interesting input stays in `tests/fuzz/corpus`, what breaks a reader in
/// `tests/fuzz/artifacts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Which targets, by the names of their files in `tests/fuzz/targets`; all by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs one target after the other, up to the first that breaks.
pub fn run(args: &Args) -> Outcome {
    let package = paths::root().join("tests/fuzz");
    let all = targets(&package)?;
    if let Some(unknown) = args.targets.iter().find(|name| !all.contains(name)) {
        return Err(format!("no fuzz target `{unknown}`; there are {}", all.join(", ")).into());
    }
    let chosen: Vec<&String> = all
        .iter()
        .filter(|name| args.targets.is_empty() || args.targets.contains(name))
        .collect();
    for name in &chosen {
        say::note(&format!("\n==> {name}, {} s", args.seconds));
        let status = command(&package, name, args.seconds)?.status()?;
        if !status.success() {
            return Err(format!("fuzz target {name} ended with {status}").into());
        }
    }
    say::line(&format!("{} passed, 0 failed", chosen.len()));
    Ok(ExitCode::SUCCESS)
}

/// The names of all targets, sorted.
fn targets(package: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(package.join("targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

fn command(package: &Path, name: &str, seconds: u32) -> Result<Command, Box<dyn Error>> {
    let corpus = package.join("corpus").join(name);
    let artifacts = package.join("artifacts");
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    // Its instrumentation is in the package's own cargo configuration, which cargo looks for from the working folder up.
    let mut fuzz = cargo(&["run", "--quiet", "--release", "--bin", name, "--"]);
    fuzz.current_dir(package).arg(format!("-max_total_time={seconds}"));
    fuzz.arg(format!("-artifact_prefix={}/{name}-", artifacts.display()))
        .arg("-print_final_stats=1")
        .arg(corpus);
    let seeds = package.join("seeds").join(name);
    fuzz.args(seeds.is_dir().then_some(seeds));
    Ok(fuzz)
}
