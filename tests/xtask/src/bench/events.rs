//! 200,000 events without a lease between 50,000 that live, deleted while somebody else keeps reading; beside etcdctl, which
//! would delete them key by key.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{Etcd, EtcdVersion, Put, components};

use super::measure::{measure, median};
use super::{Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "cleanup-events",
    package: "kubectl-etcd-restore",
    run,
};

const EVENTS: usize = 250_000;
/// Every fifth lives.
const LIVING: usize = 5;
/// Keys that etcdctl deletes for its time to be known.
const BY_HAND: usize = 40;

fn run(binary: &Path) -> Rows {
    let etcd = Etcd::start(EtcdVersion::V3_6)?;
    let etcdctl = components::etcdctl()?;
    // The floor: all that goes, in one request that looks at nothing.
    fill(&etcd, 0)?;
    let mut range = Command::new(&etcdctl);
    range.args([
        "--endpoints",
        etcd.endpoint(),
        "--command-timeout",
        "60s",
        "del",
        "--prefix",
        "/registry/events/",
    ]);
    let floor = measure(&mut range)?.time;

    fill(&etcd, etcd.grant_lease(3600)?)?;
    etcd.put(&[Put::new("/registry/pods/a/b", "x")])?;
    let mut by_hand = Vec::new();
    for n in 0..BY_HAND {
        let mut del = Command::new(&etcdctl);
        del.args(["--endpoints", etcd.endpoint(), "del", &key(n * LIVING + 1)]);
        by_hand.push(measure(&mut del)?.time);
    }

    let stop = AtomicBool::new(false);
    let (cost, mut waits) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut waits = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                if etcd.keys(b"/registry/pods/a/b").is_err() {
                    break;
                }
                waits.push(begun.elapsed());
                thread::sleep(Duration::from_millis(2));
            }
            waits
        });
        let mut clean = Command::new(binary);
        clean.args(["cleanup", "events", "--yes", "--endpoints", etcd.endpoint()]);
        let cost = measure(&mut clean);
        stop.store(true, Ordering::Relaxed);
        (cost, reading.join().unwrap_or_default())
    });
    let cost = cost?;
    let left = etcd.keys(b"/registry/events/")?;
    if left.len() != EVENTS / LIVING || left.iter().any(|stored| stored.lease == 0) {
        return Err(format!("{} events are left", left.len()).into());
    }
    waits.sort_unstable();
    let late = waits.get(waits.len() * 99 / 100).copied().unwrap_or_default();
    let without = EVENTS - EVENTS / LIVING;
    let one = median(&mut by_hand).as_secs_f64();
    let row = |what: String, value: String, aim| Row { what, value, aim };
    Ok(vec![
        row(
            format!("`cleanup events` of {without} among {}", EVENTS / LIVING),
            format!("{:.1} s", cost.time.as_secs_f64()),
            "≤ 5 s",
        ),
        row(
            format!("one range delete of {without} keys by etcdctl, unguarded: etcd's own floor"),
            format!("{:.1} s", floor.as_secs_f64()),
            "",
        ),
        row(
            "ours to the floor".to_owned(),
            format!("{:.1}", cost.time.as_secs_f64() / floor.as_secs_f64()),
            "",
        ),
        row(
            "its memory".to_owned(),
            format!("{:.0} MiB", cost.peak as f64 / f64::from(1 << 20)),
            "",
        ),
        row(
            format!("p99 of a get meanwhile, of {}", waits.len()),
            format!("{:.0} ms", late.as_secs_f64() * 1e3),
            "< 100 ms",
        ),
        row(
            format!("`etcdctl del` key by key, reckoned from {BY_HAND} keys"),
            format!("{:.0} s", one * without as f64),
            "",
        ),
    ])
}

/// Every event, or only those that go where there is no lease for the others.
fn fill(etcd: &Etcd, lease: i64) -> Result<(), Box<dyn Error>> {
    for first in (0..EVENTS).step_by(10_000) {
        let chosen = (first..first + 10_000).filter(|n| lease != 0 || !n.is_multiple_of(LIVING));
        let puts = chosen.map(|n| Put {
            lease: if n.is_multiple_of(LIVING) { lease } else { 0 },
            ..Put::new(key(n), vec![b'v'; 400])
        });
        etcd.put(&puts.collect::<Vec<_>>())?;
    }
    Ok(())
}

fn key(n: usize) -> String {
    format!(
        "/registry/events/namespace-{:02}/some-pod-{n:06}.17f0a1b2c3d4e5f6",
        n * 7 % 20
    )
}
