//! The time and memory of a process.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process cost.
pub(super) struct Cost {
    /// From its start to its end.
    pub(super) time: Duration,
    /// The most memory that was resident, in bytes, as the kernel tells; 0 where it does not (only Linux does).
    pub(super) peak: u64,
}

/// Runs `command`, which must succeed.
pub(super) fn measure(command: &mut Command) -> Result<Cost, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = child.id();
    // The high-water mark only ever rises, so the last look before the end is the one that counts. The end is seen by the
    // closing of stderr, without a pause that would show in the time.
    let watch = thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = high_water_mark(pid) {
            peak = now;
            thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let status = child.wait()?;
    let time = begun.elapsed();
    let peak = watch.join().unwrap_or_default();
    if !status.success() {
        return Err(format!("{} ended with {status}\n{said}", support::run::shown(command)).into());
    }
    Ok(Cost { time, peak })
}

/// `VmHWM` of a living process, in bytes.
fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The middle one.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_the_median() {
        let mut times = [5, 1, 3].map(Duration::from_secs);
        assert_eq!(median(&mut times), Duration::from_secs(3));
    }

    #[test]
    fn a_failing_process_has_no_cost() {
        let error = measure(Command::new("/bin/sh").args(["-c", "echo oops >&2; exit 3"]))
            .err()
            .unwrap();
        assert!(error.to_string().contains("oops"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn time_and_memory_are_seen() {
        let cost = measure(Command::new("/bin/sleep").arg("0.1")).unwrap();
        assert!(cost.time >= Duration::from_millis(100));
        assert!(cost.peak > 0);
    }
}
