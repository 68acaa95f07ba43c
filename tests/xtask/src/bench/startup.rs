//! How long it takes to say its version: every completion in a shell waits that long.

use std::path::Path;
use std::process::Command;

use super::measure::{measure, median};
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "startup",
    package: BACKUPS,
    run,
};

const RUNS: usize = 101;

fn run(binary: &Path) -> Rows {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(measure(Command::new(binary).arg("--version"))?.time);
    }
    let milliseconds = median(&mut times).as_secs_f64() * 1e3;
    let what = format!("`--version`, median of {RUNS}");
    Ok(vec![Row {
        what,
        value: format!("{milliseconds:.1} ms"),
        aim: "≤ 3 ms",
    }])
}
