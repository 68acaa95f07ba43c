//! Waiting for what comes by itself.

use std::thread;
use std::time::{Duration, Instant};

/// How soon it comes is the machine's matter, and a busy one needs some of this.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until it is so.
///
/// # Panics
/// When it never is.
#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(30));
    }
}
