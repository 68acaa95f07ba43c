//! `verify` against what one would do by hand: unpack, sum, and let etcd look at it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use support::components;

use super::measure::{measure, median};
use super::snapshot::{NAME, store};
use super::{BACKUPS, Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "verify",
    package: BACKUPS,
    run,
};

/// By turns, so that a busy moment of the machine hits both.
const RUNS: usize = 3;

fn run(binary: &Path) -> Rows {
    let store = store()?;
    let gzip = store.join(NAME).join("etcd.backup.gz");
    // On the disk of the cache, as the spooled snapshot of `verify`: `/tmp` may be memory.
    let scratch = tempfile::tempdir_in(store.parent().ok_or("no cache folder")?)?;
    let unpacked = scratch.path().join("snapshot");
    let script = format!(
        "gzip -dc {gzip} > {file} && sha256sum {file} && {etcdutl} snapshot status {file}",
        gzip = gzip.display(),
        file = unpacked.display(),
        etcdutl = components::etcdutl()?.display()
    );
    let (mut ours, mut theirs, mut alone, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let mut verify = Command::new(binary);
        verify
            .args(["verify", NAME, "--store"])
            .arg(format!("main=file://{}", store.display()));
        let cost = measure(verify.arg("--temp-dir").arg(scratch.path()))?;
        ours.push(cost.time);
        peak = peak.max(cost.peak);
        theirs.push(measure(Command::new("sh").args(["-c", &script]))?.time);
        alone.push(inflate_alone(&gzip)?);
    }
    let size = fs::metadata(&unpacked)?.len() as f64 / 1e9;
    Ok(rows(
        size,
        median(&mut ours),
        median(&mut theirs),
        median(&mut alone),
        peak,
    ))
}

/// To nowhere, on one thread, by the library that `verify` uses: no `verify` is faster.
fn inflate_alone(gzip: &Path) -> io::Result<Duration> {
    let begun = Instant::now();
    let mut inflated = MultiGzDecoder::new(BufReader::with_capacity(1 << 20, File::open(gzip)?));
    let mut block = vec![0; 256 << 10];
    while inflated.read(&mut block)? > 0 {}
    Ok(begun.elapsed())
}

fn rows(size: f64, ours: Duration, theirs: Duration, alone: Duration, peak: u64) -> Vec<Row> {
    let row = |what: &str, value: String, aim| Row {
        what: what.to_owned(),
        value,
        aim,
    };
    vec![
        row("snapshot, unpacked", format!("{size:.2} GB"), ""),
        row(
            "`gzip -dc > f && sha256sum f && etcdutl snapshot status f`",
            format!("{:.2} s", theirs.as_secs_f64()),
            "",
        ),
        row(
            "`kubectl etcd-backups verify`",
            format!("{:.2} s", ours.as_secs_f64()),
            "",
        ),
        row(
            "ratio",
            format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64()),
            "≤ 0.15",
        ),
        row(
            "inflating alone, one thread",
            format!("{:.2} s", alone.as_secs_f64()),
            "",
        ),
        row(
            "`verify` to that",
            format!("{:.2}", ours.as_secs_f64() / alone.as_secs_f64()),
            "≤ 1.25",
        ),
        row("peak memory of `verify`", format!("{} MiB", peak >> 20), "≤ 150 MiB"),
    ]
}
