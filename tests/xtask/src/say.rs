//! The only place that prints: results to standard output, what is going on to standard error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one printing site of a developer's tool"
)]

use std::error::Error;

/// A line of the result.
pub fn line(text: &str) {
    println!("{text}");
}

/// A line about what is going on.
pub fn note(text: &str) {
    eprintln!("{text}");
}

/// The end: an error and what caused it.
pub fn failure(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
}
