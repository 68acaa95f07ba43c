//! The checks of `cargo xtask test`, one after the other, with a summary at the end.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
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
    let failed = match watch(&mut step.command, &mut tests) {
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

/// Runs `command`, shows its output as it comes and counts the tests in it. Gives the status unless that is success.
fn watch(command: &mut Command, tests: &mut (usize, usize)) -> io::Result<Option<String>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            say::line(&line);
            let (passed, failed) = counted(&line).unwrap_or_default();
            *tests = (tests.0 + passed, tests.1 + failed);
        }
    }
    let status = child.wait()?;
    Ok((!status.success()).then(|| status.to_string()))
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
}
