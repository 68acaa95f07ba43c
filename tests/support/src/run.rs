//! Runs a tool to its end and insists that it succeeds.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::error::{Error, tail};

/// The cargo that runs us.
#[must_use]
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` without stdin and gives its standard output.
///
/// # Errors
/// When it cannot be started, or ends with anything but 0; the error holds the end of both its outputs.
pub fn run(command: &mut Command) -> Result<String, Error> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).output().map_err(|source| Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let both = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed {
        command: shown,
        status: output.status.to_string(),
        output: tail(&both),
    })
}

/// The command as one would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The environment that leads to clouds and clusters, or configures the servers: the user's own has no place in a test.
const LEADING_AWAY: [&str; 7] = ["AWS_", "S3_", "KOPS_", "KUBE", "ETCD_", "ETCDCTL_", "MOTO_"];

/// Keeps the user's clouds and clusters away from a command; what was set for it stays.
pub fn apart(command: &mut Command) -> &mut Command {
    let own: Vec<OsString> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in env::vars_os() {
        let leads_away = LEADING_AWAY
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix));
        if leads_away && !own.contains(&name) {
            command.env_remove(name);
        }
    }
    command
}
