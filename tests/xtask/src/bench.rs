//! `cargo xtask bench`: what the plugins cost, measured beside what they replace.

mod events;
mod export;
mod listing;
mod masterleases;
mod measure;
mod memory;
mod ranges;
mod requests;
mod restore;
mod size;
mod snapshot;
mod startup;
mod verify;
mod wipe;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use support::paths;

use crate::{Outcome, plugins, say, target_folder};

/// Measure the release binaries and write BENCHMARKS.md
///
/// Takes its time: it builds them, and the first time makes a database of 1.6 GB with a real etcd, which stays in the
/// cache folder.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run one benchmark only, and print instead of writing
    #[arg(long, value_name = "NAME", value_parser = ALL.map(|bench| bench.name))]
    only: Option<String>,
    /// Measure the plugins in this folder, and print instead of writing
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

/// What a benchmark measured.
type Rows = Result<Vec<Row>, Box<dyn std::error::Error>>;

/// Something to measure; one file each.
struct Bench {
    /// How `--only` names it.
    name: &'static str,
    /// Whose release binary it measures.
    package: &'static str,
    /// Measures the binary at the given path.
    run: fn(&Path) -> Rows,
}

/// One measured value.
struct Row {
    /// What was measured.
    what: String,
    /// What came out, with its unit.
    value: String,
    /// What we want it to be; empty for a mere observation.
    aim: &'static str,
}

const ALL: [Bench; 12] = [
    verify::BENCH,
    export::BENCH,
    startup::BENCH,
    size::BENCH,
    memory::BENCH,
    listing::BENCH,
    ranges::BENCH,
    requests::BENCH,
    masterleases::BENCH,
    wipe::BENCH,
    restore::BENCH,
    events::BENCH,
];

const BACKUPS: &str = "kubectl-etcd-backups";

/// Runs the benchmarks.
pub fn run(args: &Args) -> Outcome {
    let folder = match &args.binaries {
        Some(folder) => folder.clone(),
        None => {
            plugins::build(&plugins::ALL, &["--release"])?;
            target_folder().join("release")
        }
    };
    let mut text = HEAD.to_owned();
    text.push_str(&format!("Measured on {}.\n", machine()));
    say::line(&text);
    for bench in ALL
        .iter()
        .filter(|bench| args.only.as_ref().is_none_or(|name| name == bench.name))
    {
        say::note(&format!("measuring {}", bench.name));
        let table = table(bench.name, &(bench.run)(&folder.join(bench.package))?);
        // At once: a later one may fail.
        say::line(&table);
        text.push_str(&table);
    }
    if args.only.is_none() && args.binaries.is_none() {
        fs::write(paths::root().join("BENCHMARKS.md"), text)?;
    }
    Ok(ExitCode::SUCCESS)
}

const HEAD: &str = "# Benchmarks\n\nWritten by `cargo xtask bench`, which measures everything in one run on one machine: \
    trust the ratios,\nnot the seconds.\n\n";

fn table(name: &str, rows: &[Row]) -> String {
    let mut text = format!("\n## {name}\n\n| what | measured | aim |\n|---|---:|---:|\n");
    for Row { what, value, aim } in rows {
        text.push_str(&format!("| {what} | {value} | {aim} |\n"));
    }
    text
}

/// Processor and cores: a number without them says nothing.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores of {model}, {}", std::env::consts::OS)
}
