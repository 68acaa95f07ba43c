//! Runs test binaries, some at the same time: most tests wait for servers. What one says is shown as a whole when it ends.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::say;
use crate::steps::Went;

/// A test binary that says nothing for so long hangs. The longest test needs 10 minutes, and more on a busy machine.
pub const SILENCE: Duration = Duration::from_secs(25 * 60);

/// Runs all of `work` (a name and a command each), `at_once` of them at a time, in this order.
pub fn run(work: Vec<(String, Command)>, at_once: usize, silence: Duration) -> Went {
    let queue = Mutex::new(VecDeque::from(work));
    let sum = Mutex::new(Went::default());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((name, command)) = next(&queue) {
                    let begun = Instant::now();
                    say::note(&format!("begun: {name}"));
                    let (said, went) = run_one(command, silence);
                    // Also guards the output: one binary's lines stay together.
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    say::line(&format!("\n==> {name}: {:.1} s{said}", begun.elapsed().as_secs_f64()));
                    sum.add(went);
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// What it said, each line with a line break before it, and how it went.
fn run_one(command: Command, silence: Duration) -> (String, Went) {
    let mut said = String::new();
    let mut went = Went::default();
    went.error = watch(command, silence, |line| {
        let (passed, failed) = counted(line).unwrap_or_default();
        went.passed += passed;
        went.failed += failed;
        said.push('\n');
        said.push_str(line);
    })
    .unwrap_or_else(|error| Some(error.to_string()));
    if let Some(why) = &went.error {
        said.push_str(&format!("\n==> failed: {why}"));
    }
    (said, went)
}

/// Runs `command` and gives each line to `each`. The result is why it failed, if it did.
fn watch(mut command: Command, silence: Duration, mut each: impl FnMut(&str)) -> io::Result<Option<String>> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // It holds the ends for writing.
    drop(command);
    let lines = lines(reader);
    loop {
        match lines.recv_timeout(silence) {
            Ok(line) => each(&String::from_utf8_lossy(&line?)),
            Err(RecvTimeoutError::Disconnected) => break,
            // Servers that it started may hold the pipe: its end is not waited for.
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                return Ok(Some(format!("no output for {} s: it was ended", silence.as_secs())));
            }
        }
    }
    let status = child.wait()?;
    Ok((!status.success()).then(|| status.to_string()))
}

fn lines(reader: PipeReader) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n') {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Passed and failed of a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn counted(line: &str) -> Option<(usize, usize)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |what: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
    };
    Some((number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> (String, Command) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (script.to_owned(), command)
    }

    #[test]
    fn reads_the_counts_of_a_test_binary() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(counted(line), Some((12, 3)));
        assert_eq!(counted("test a_name ... ok"), None);
    }

    #[test]
    fn all_are_run_and_what_failed_is_told() {
        let work = vec![
            shell("echo 'test result: ok. 2 passed; 0 failed; 0 ignored'"),
            shell("echo 'test result: FAILED. 1 passed; 2 failed; 0 ignored'; exit 101"),
            shell("echo 'test result: ok. 5 passed; 0 failed; 0 ignored'"),
            ("none".to_owned(), Command::new("/no/such/program")),
        ];
        let went = run(work, 2, LONG);
        assert_eq!((went.passed, went.failed), (8, 2));
        assert!(went.error.is_some());
    }

    #[test]
    fn both_outputs_are_shown() {
        let (said, went) = run_one(shell("echo out; echo err >&2; kill -9 $$").1, LONG);
        assert!(said.contains("out") && said.contains("err"), "{said}");
        assert!(went.error.is_some_and(|why| why.contains('9')));
    }

    #[test]
    fn they_run_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let meet = |own: &str, other: &str| {
            let (_, mut command) = shell(&format!(
                "touch {own}; for i in $(seq 200); do test -e {other} && exit 0; sleep 0.1; done; exit 1"
            ));
            command.current_dir(folder.path());
            (own.to_owned(), command)
        };
        let went = run(vec![meet("a", "b"), meet("b", "a")], 2, LONG);
        assert_eq!(went.error, None);
    }

    #[test]
    fn what_hangs_is_ended_and_what_comes_after_it_still_runs() {
        let work = vec![
            shell("echo begun; sleep 600"),
            shell("echo 'test result: ok. 1 passed; 0 failed'"),
        ];
        let went = run(work, 1, Duration::from_millis(500));
        assert_eq!((went.passed, went.failed), (1, 0));
        assert!(went.error.is_some_and(|why| why.contains("no output")));
    }
}
