//! The checks of `cargo xtask test`, one after the other, with a summary at the end.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use support::run::shown;

use crate::say;

/// One check.
pub struct Step {
    /// What it checks, in a word.
    pub name: &'static str,
    /// How.
    pub work: Work,
}

/// How a check is made.
pub enum Work {
    /// A command that succeeds or fails.
    Command(Command),
    /// Tests, which count themselves.
    Tests(Box<dyn FnOnce() -> Went>),
}

/// How the work of a step went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Went {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Went {
    /// It failed before it could count anything.
    #[must_use]
    pub fn failed(why: String) -> Self {
        let error = Some(why);
        Self {
            error,
            ..Self::default()
        }
    }

    /// Adds what another part did; the first error stays.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.error = self.error.take().or(other.error);
    }

    /// Passed and failed: a step without tests is one, and what fails is a failure even if no test of it ran.
    fn counts(&self) -> (usize, usize) {
        match (self.passed, self.failed, self.error.is_some()) {
            (0, 0, false) => (1, 0),
            (passed, 0, true) => (passed, 1),
            (passed, failed, _) => (passed, failed),
        }
    }
}

/// Runs all steps, the later ones also when an earlier one fails: one run tells all that is wrong. The last line tells
/// how many tests (or steps without tests) passed and failed.
pub fn run_all(steps: Vec<Step>) -> ExitCode {
    let done: Vec<(&str, Duration, Went)> = steps.into_iter().map(run).collect();
    say::line("\nsummary");
    for (name, time, went) in &done {
        let verdict = went
            .error
            .as_ref()
            .map_or_else(|| "ok".to_owned(), |why| format!("FAILED ({why})"));
        say::line(&format!("  {name:<12} {:>7.1} s  {verdict}", time.as_secs_f64()));
    }
    let (passed, failed) = done
        .iter()
        .map(|(_, _, went)| went.counts())
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    say::line(&format!("{passed} passed, {failed} failed"));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(step: Step) -> (&'static str, Duration, Went) {
    let begun = Instant::now();
    let went = match step.work {
        Work::Command(command) => run_command(step.name, command),
        Work::Tests(work) => {
            say::note(&format!("\n==> {}", step.name));
            work()
        }
    };
    (step.name, begun.elapsed(), went)
}

fn run_command(name: &str, mut command: Command) -> Went {
    say::note(&format!("\n==> {name}: {}", shown(&command)));
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Went::default(),
        Ok(status) => Went::failed(status.to_string()),
        Err(error) => Went::failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(program: &str) -> (usize, usize) {
        run_command("one", Command::new(program)).counts()
    }

    #[test]
    fn a_step_that_cannot_run_or_fails_is_a_failure() {
        assert_eq!(counts("true"), (1, 0));
        assert_eq!(counts("false"), (0, 1));
        assert_eq!(counts("/no/such/program"), (0, 1));
    }

    #[test]
    fn tests_that_ran_are_counted_and_what_ended_without_a_count_is_a_failure() {
        let mut sum = Went::default();
        for (passed, failed, error) in [(2, 0, None), (5, 0, Some("exit status: 101".to_owned())), (1, 0, None)] {
            sum.add(Went { passed, failed, error });
        }
        assert_eq!(sum.counts(), (8, 1));
        sum.add(Went {
            passed: 0,
            failed: 3,
            error: Some("exit status: 1".to_owned()),
        });
        assert_eq!(sum.counts(), (8, 3));
        assert_eq!(sum.error.as_deref(), Some("exit status: 101"));
    }
}
