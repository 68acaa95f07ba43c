//! `export` of a whole large cluster, and `inspect`, against `verify` of the same backup, which they have to do, too.

use std::path::Path;
use std::process::Command;

use super::measure::{measure, median};
use super::snapshot::{KEYS, NAME, store};
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "export",
    package: BACKUPS,
    run,
};

/// By turns, so that a busy moment of the machine hits both.
const RUNS: usize = 3;

fn run(binary: &Path) -> Rows {
    let store = store()?;
    // On the disk of the cache: `/tmp` may be memory.
    let scratch = tempfile::tempdir_in(store.parent().ok_or("no cache folder")?)?;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .arg("--store")
            .arg(format!("main=file://{}", store.display()))
            .arg("--temp-dir")
            .arg(scratch.path());
        command
    };
    let (mut verify, mut inspect, mut yaml, mut json, mut peak) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        verify.push(measure(&mut command(&["verify", NAME]))?.time);
        inspect.push(measure(&mut command(&["inspect", NAME]))?.time);
        for (format, times) in [("yaml", &mut yaml), ("json", &mut json)] {
            let cost = measure(&mut command(&["export", NAME, "-A", "--all", "-o", format]))?;
            times.push(cost.time);
            peak = peak.max(cost.peak);
        }
    }
    let [verify, inspect, yaml, json] =
        [&mut verify, &mut inspect, &mut yaml, &mut json].map(|times| median(times).as_secs_f64());
    let row = |what: String, value: String, aim| Row { what, value, aim };
    Ok(vec![
        row("`verify`".to_owned(), format!("{verify:.2} s"), ""),
        row(
            "`inspect` to `verify`".to_owned(),
            format!("{:.2}", inspect / verify),
            "",
        ),
        row(
            format!("`export -A --all` of {KEYS} objects, YAML"),
            format!("{yaml:.2} s"),
            "",
        ),
        row("the same, JSON".to_owned(), format!("{json:.2} s"), ""),
        row("YAML to `verify`".to_owned(), format!("{:.2}", yaml / verify), "≤ 1.5"),
        row(
            "peak memory of `export`".to_owned(),
            format!("{} MiB", peak >> 20),
            "≤ 300 MiB",
        ),
    ])
}
