//! Errors of commands: message, exit code and hint.

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

/// A failure and its causes in one line, each once.
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

/// Writing the result failed. A closed pipe is not an error.
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

/// An error that no code matches on: message, exit code and hint.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    exit: Exit,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CommandError {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Nothing was changed. The message is a lowercase fragment that names the object.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A command line that parses and makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A check or a missing consent refuses.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Something was changed before it failed.
    pub fn after_change(message: impl Into<String>) -> Self {
        Self::new(Exit::FailedAfterChange, message)
    }

    /// A check found something.
    pub fn found(message: impl Into<String>) -> Self {
        Self::new(Exit::Found, message)
    }

    /// With another exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// And what to do: one imperative sentence without a full stop.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same where there may be nothing to do.
    #[must_use]
    pub fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// And what caused it.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Failure for CommandError {
    fn exit(&self) -> Exit {
        self.exit
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
