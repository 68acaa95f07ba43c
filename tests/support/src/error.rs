//! What can go wrong before a test even begins.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A component could not be installed, a server did not start, or a fixture is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of ours could not be used.
    #[error("{action} {path}")]
    File {
        /// What was tried: `read`, `write`, `make`, `copy`, `lock`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started at all.
    #[error("start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{command} ended with {status}:\n{output}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// A server ended, or did not answer in time.
    #[error("{server} does not serve after {waited:?}:\n{log}")]
    NotServing {
        /// Which server.
        server: String,
        /// How long we waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// An HTTP request failed below HTTP.
    #[error("{method} {url}")]
    Http {
        /// The request's method.
        method: String,
        /// The request's URL.
        url: String,
        /// Why it failed.
        source: io::Error,
    },
    /// An HTTP request was answered with an error.
    #[error("{method} {url} is answered with {status}: {body}")]
    HttpStatus {
        /// The request's method.
        method: String,
        /// The request's URL.
        url: String,
        /// The status code.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// A program or server said something that we cannot read.
    #[error("unexpected answer of {from}: {answer}")]
    Answer {
        /// Who answered.
        from: String,
        /// What.
        answer: String,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// The end of a program's output: what a reader of a failure needs.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(30);
    lines.into_iter().skip(from).collect::<Vec<_>>().join("\n")
}
