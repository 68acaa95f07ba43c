//! What every error of a plugin tells beside its message: how to exit, and what the user can do.

use crate::exit::Exit;

/// An error that ends a command.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// The exit code.
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    /// What the user can do, as one imperative sentence without a full stop.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any error that ends a command.
pub type AnyFailure = Box<dyn Failure>;

impl<F: Failure> From<F> for AnyFailure {
    fn from(failure: F) -> Self {
        Box::new(failure)
    }
}

/// A failure and its causes in one line, none said twice.
#[must_use]
pub fn chain(failure: &dyn Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// The same with what the user can do about it, for a text that goes on without what failed.
#[must_use]
pub fn chain_with_hint(failure: &dyn Failure) -> String {
    match failure.hint() {
        Some(hint) => format!("{}; {hint}", chain(failure)),
        None => chain(failure),
    }
}

/// The hint of a command that stopped half way: its cause's own, and that repeating it `goes_on`, as in "does the rest".
#[must_use]
pub fn with_repeating(cure: Option<String>, goes_on: &str) -> String {
    match cure {
        Some(cure) if cure.contains("repeat the command") => cure,
        Some(cure) => format!("{cure}; then repeat the command: it {goes_on}"),
        None => format!("repeat the command: it {goes_on}"),
    }
}

/// Writing the result failed. A closed pipe is told apart: the reader has seen enough.
#[derive(Debug, thiserror::Error)]
#[error("writing the output")]
pub struct OutputError(#[from] pub std::io::Error);

impl Failure for OutputError {
    fn exit(&self) -> Exit {
        if self.0.kind() == std::io::ErrorKind::BrokenPipe {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

/// A command line that parses and makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    /// With a message, a lowercase fragment.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// And what to do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Failure for UsageError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
