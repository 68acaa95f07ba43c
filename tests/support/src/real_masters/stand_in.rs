//! What this program does in the containers of real masters, whose image holds it: stand in for go-runner, pause and etcd-manager.

use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use super::{follower, leader};
use crate::error::Error;

/// Acts as what the first word of the command line names, if that is one of these: to be called first by each `main` that starts masters.
#[must_use]
pub fn act_if_asked() -> Option<ExitCode> {
    let mut words = env::args();
    let program = words.next()?;
    let acted = match Path::new(&program).file_name()?.to_str()? {
        "pause" => loop {
            thread::sleep(Duration::from_secs(3600));
        },
        "go-runner" => go_runner(words),
        "etcd-manager" => etcd_manager(words),
        _ => return None,
    };
    Some(match acted {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("fatal: {error}"));
            ExitCode::FAILURE
        }
    })
}

/// Becomes the command, with both its outputs in the log. The real one stays, and copies them to its own output, too.
fn go_runner(words: impl Iterator<Item = String>) -> Result<(), Error> {
    let (flags, command): (Vec<String>, Vec<String>) = {
        let mut command = words.skip_while(|_| false).collect::<Vec<_>>();
        let flags = command.iter().take_while(|word| word.starts_with("--")).count();
        let rest = command.split_off(flags);
        (command, rest)
    };
    let log = flags
        .iter()
        .find_map(|flag| flag.strip_prefix("--log-file="))
        .unwrap_or("/dev/null");
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(Error::file("open", log))
    };
    let (output, errors) = (open()?, open()?);
    let (program, arguments) = command.split_first().ok_or_else(|| missing("a command"))?;
    let source = Command::new(program)
        .args(arguments)
        .stdout(output)
        .stderr(errors)
        .exec();
    Err(Error::Start {
        program: program.clone(),
        source,
    })
}

/// What etcd-manager is told.
pub(super) struct Orders {
    flags: BTreeMap<String, String>,
}

impl Orders {
    /// A flag.
    pub(super) fn flag(&self, name: &str) -> Result<&str, Error> {
        self.flags.get(name).map(String::as_str).ok_or_else(|| missing(name))
    }

    /// The port at the end of a flag's value.
    pub(super) fn port(&self, name: &str) -> Result<u16, Error> {
        let port = self.flag(name)?.rsplit(':').next().and_then(|port| port.parse().ok());
        port.ok_or_else(|| missing(name))
    }
}

pub(super) fn missing(what: &str) -> Error {
    Error::Answer {
        from: "the pod's manifest".to_owned(),
        answer: format!("it lacks {what}"),
    }
}

pub(super) fn variable(name: &str) -> Result<String, Error> {
    env::var(name).map_err(|_| missing(name))
}

/// As etcd-manager logs.
#[expect(clippy::print_stdout, reason = "a container's log")]
pub(super) fn say(text: &str) {
    let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
    println!("I{now} {:7} stand-in.go:1] {text}", std::process::id());
}

fn etcd_manager(words: impl Iterator<Item = String>) -> Result<(), Error> {
    let flag = |word: String| {
        let (name, value) = word.strip_prefix("--")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let orders = Orders {
        flags: words.filter_map(flag).collect(),
    };
    say("starting etcd-manager (a stand-in)");
    match variable("STAND_IN_ADDRESS")? == variable("STAND_IN_LEADER")? {
        true => leader::lead(&orders),
        false => follower::follow(&orders),
    }
}
