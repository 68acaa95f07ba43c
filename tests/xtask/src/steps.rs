//! The checks of `cargo xtask test`, one after the other, with a summary at the end.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use support::run::shown;

use crate::say;

/// One check: a command that succeeds or fails.
pub struct Step {
    /// What it checks, in a word.
    pub name: &'static str,
    /// How.
    pub command: Command,
}

/// How a step went.
struct Done {
    name: &'static str,
    time: Duration,
    /// Why it failed, if it did.
    failed: Option<String>,
    /// The tests that it ran, as cargo tells: passed and failed.
    tests: (usize, usize),
}

/// Runs all steps, the later ones also when an earlier one fails: one run tells all that is wrong. The last line tells
/// how many tests (or steps without tests) passed and failed.
pub fn run_all(steps: Vec<Step>) -> ExitCode {
    let done: Vec<Done> = steps.into_iter().map(run).collect();
    say::line("\nsummary");
    for step in &done {
        let verdict = step
            .failed
            .as_ref()
            .map_or_else(|| "ok".to_owned(), |why| format!("FAILED ({why})"));
        say::line(&format!(
            "  {:<12} {:>7.1} s  {verdict}",
            step.name,
            step.time.as_secs_f64()
        ));
    }
    let (passed, failed) = done
        .iter()
        .map(Done::counts)
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    say::line(&format!("{passed} passed, {failed} failed"));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Done {
    /// A step that fails counts as a failure even when cargo could not run a single test.
    fn counts(&self) -> (usize, usize) {
        match (self.tests, self.failed.is_some()) {
            ((0, 0), false) => (1, 0),
            ((passed, 0), true) => (passed, 1),
            (tests, _) => tests,
        }
    }
}

fn run(mut step: Step) -> Done {
    say::note(&format!("\n==> {}: {}", step.name, shown(&step.command)));
    let begun = Instant::now();
    let mut tests = (0, 0);
    let failed = match watch(&mut step.command, &mut tests, SILENCE) {
        Ok(None) => None,
        Ok(Some(status)) => Some(status),
        Err(error) => Some(error.to_string()),
    };
    Done {
        name: step.name,
        time: begun.elapsed(),
        failed,
        tests,
    }
}

/// A test binary that says nothing for so long hangs. The longest test needs 10 minutes, and more on a busy machine.
const SILENCE: Duration = Duration::from_secs(25 * 60);

/// Runs `command`, shows its output as it comes and counts the tests in it. Gives the status unless that is success.
fn watch(command: &mut Command, tests: &mut (usize, usize), silence: Duration) -> io::Result<Option<String>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n') {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    let mut said = false;
    loop {
        match lines.recv_timeout(silence) {
            Ok(line) => {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                say::line(&line);
                let (passed, failed) = counted(&line).unwrap_or_default();
                *tests = (tests.0 + passed, tests.1 + failed);
                said = true;
            }
            // What compiles says nothing on its standard output.
            Err(RecvTimeoutError::Timeout) if said => {
                say::note(&format!("==> no output for {} s: it is ended", silence.as_secs()));
                end_what_it_runs(&mut child)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait()?;
    Ok((!status.success()).then(|| status.to_string()))
}

/// Ends the test binary that cargo runs: cargo counts it as a failure and goes on. Where nothing is found, cargo itself.
fn end_what_it_runs(child: &mut Child) -> io::Result<()> {
    let killed = Command::new("pkill")
        .args(["-KILL", "-P", &child.id().to_string()])
        .status();
    match killed.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => child.kill(),
    }
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

    fn step(name: &'static str, program: &str) -> Done {
        run(Step {
            name,
            command: Command::new(program),
        })
    }

    #[test]
    fn reads_cargos_counts() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(counted(line), Some((12, 3)));
        assert_eq!(counted("test a_name ... ok"), None);
    }

    #[test]
    fn a_step_that_cannot_run_or_fails_is_a_failure() {
        assert_eq!(step("one", "true").counts(), (1, 0));
        assert_eq!(step("two", "false").counts(), (0, 1));
        assert_eq!(step("three", "/no/such/program").counts(), (0, 1));
    }

    #[test]
    fn the_tests_of_a_step_are_counted() {
        let mut command = Command::new("echo");
        command.arg("test result: ok. 2 passed; 0 failed; 0 ignored\ntest result: ok. 5 passed; 0 failed; 0 ignored");
        assert_eq!(run(Step { name: "tests", command }).counts(), (7, 0));
    }

    #[test]
    fn what_hangs_is_ended_and_what_comes_after_it_still_runs() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo begun; sleep 600; echo 'test result: FAILED. 1 passed; 2 failed'; exit 1",
        ]);
        let mut tests = (0, 0);
        let status = watch(&mut command, &mut tests, Duration::from_millis(500)).unwrap();
        assert!(status.is_some());
        assert_eq!(tests, (1, 2));
    }
}
