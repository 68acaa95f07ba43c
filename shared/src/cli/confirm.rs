//! Asks for consent. The only place that makes one.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::consent::Consent;
use crate::exit::Exit;
use crate::failure::Failure;

/// Consent to what can be undone.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConsentArgs {
    /// Apply the plan; without this flag it is only shown
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Only show the plan; this is the default
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "client",
        hide_possible_values = true, value_name = "client|server", conflicts_with = "yes")]
    pub dry_run: Option<DryRun>,
}

/// The values that kubectl knows. Both show the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DryRun {
    /// kubectl's default
    Client,
    /// The same here
    Server,
}

/// The same for what cannot be undone.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StrongConsentArgs {
    /// Apply the plan; without this flag it is only shown
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Only show the plan; this is the default
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "client",
        hide_possible_values = true, value_name = "client|server", conflicts_with = "yes")]
    pub dry_run: Option<DryRun>,
    /// Cluster name as confirmation, where there is no terminal to type it on
    #[arg(long, value_name = "CLUSTER_NAME")]
    pub confirm: Option<String>,
}

/// Consent was required and not given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another name was typed or given.
    #[error("`{given}` is not `{wanted}`: nothing was changed")]
    WrongName {
        /// What was typed.
        given: String,
        /// What had to be typed.
        wanted: String,
    },
    /// There is no terminal to ask on.
    #[error("this cannot be undone and there is no terminal to confirm it on: nothing was changed{}", on_one_line(.question))]
    NoTerminal {
        /// The question that would have been asked.
        question: String,
        /// What had to be given.
        wanted: String,
    },
    /// Ctrl-C instead of an answer.
    #[error("interrupted: nothing was changed")]
    Interrupted,
}

/// The question on one line, to follow a sentence.
fn on_one_line(question: &str) -> String {
    let lines: Vec<&str> = question
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!(". {}", lines.join(" ")),
    }
}

impl Failure for Refusal {
    fn exit(&self) -> Exit {
        match self {
            Self::WrongName { .. } | Self::NoTerminal { .. } => Exit::Refused,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::WrongName { wanted, .. } => Some(format!("type the full cluster name, {wanted}")),
            Self::NoTerminal { wanted, .. } => Some(format!("pass --confirm {wanted}")),
            Self::Interrupted => None,
        }
    }
}

/// Consent for something that can be taken back: `--yes` is enough. `None` asks to show the plan only.
#[must_use]
pub fn plain(yes: bool) -> Option<Consent> {
    yes.then_some(Consent::given())
}

/// Consent for something that cannot be taken back: `--yes`, and the cluster's name, typed on the terminal or given by
/// `--confirm`. `None` asks to show the plan only.
///
/// # Errors
/// [`Refusal`] where the name is another one or there is no terminal.
pub fn strong(args: &StrongConsentArgs, cluster: &str, question: &str) -> Result<Option<Consent>, Refusal> {
    if !args.yes {
        return Ok(None);
    }
    let given = match &args.confirm {
        Some(name) => name.clone(),
        None => ask(cluster, question)?,
    };
    if given == cluster {
        Ok(Some(Consent::given()))
    } else {
        Err(Refusal::WrongName {
            given,
            wanted: cluster.to_owned(),
        })
    }
}

fn ask(cluster: &str, question: &str) -> Result<String, Refusal> {
    let refused = || Refusal::NoTerminal {
        question: question.to_owned(),
        wanted: cluster.to_owned(),
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    // Before the question: a Ctrl-C that answers it at once must not be lost.
    let interrupts = Handle::try_current()
        .ok()
        .and_then(|_| signal(SignalKind::interrupt()).ok());
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question}\nType the cluster name to continue: ").map_err(|_| refused())?;
    stderr.flush().map_err(|_| refused())?;
    drop(stderr);
    read_line(interrupts)
        .map(|line| line.trim().to_owned())
        .ok_or(Refusal::Interrupted)
}

/// A line from the terminal; `None` where Ctrl-C comes first. The command waits for nothing else meanwhile, so nothing else would
/// see the signal: it is looked for here.
fn read_line(mut interrupts: Option<Signal>) -> Option<String> {
    let (sender, answer) = mpsc::channel();
    // Ends with the process, if no answer comes.
    thread::spawn(move || {
        let mut line = String::new();
        // What cannot be read is no name.
        let _ = std::io::stdin().lock().read_line(&mut line);
        sender.send(line)
    });
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match answer.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Disconnected) => return Some(String::new()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let interrupted = interrupts.as_mut().map(|interrupts| interrupts.poll_recv(&mut context));
        if matches!(interrupted, Some(Poll::Ready(_))) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(yes: bool, confirm: Option<&str>) -> StrongConsentArgs {
        StrongConsentArgs {
            yes,
            dry_run: None,
            confirm: confirm.map(str::to_owned),
        }
    }

    #[test]
    fn without_yes_nothing_is_agreed() {
        assert!(plain(false).is_none());
        assert!(strong(&args(false, Some("c")), "c", "").unwrap().is_none());
    }

    #[test]
    fn where_nobody_can_be_asked_the_question_is_told() {
        let refused = |question: &str| Refusal::NoTerminal {
            question: question.to_owned(),
            wanted: "c".to_owned(),
        };
        let said = refused("\nmain IS ALIVE.\nevents may be alive.").to_string();
        assert!(
            said.ends_with("nothing was changed. main IS ALIVE. events may be alive."),
            "{said}"
        );
        assert!(refused("").to_string().ends_with("nothing was changed"));
        assert_eq!(refused("").hint().unwrap(), "pass --confirm c");
    }

    #[test]
    fn the_name_must_be_the_clusters() {
        assert!(
            strong(&args(true, Some("a.example.com")), "a.example.com", "")
                .unwrap()
                .is_some()
        );
        for name in ["", "x.a.example.com", "A.example.com", "a.example.com "] {
            assert!(strong(&args(true, Some(name)), "a.example.com", "").is_err(), "{name}");
        }
    }
}
