//! Hosts in memory: the output of scripts, and what was run where.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::consent::Consent;
use crate::ports::hosts::{HostError, HostErrorKind, Hosts, OnLine, Script, ScriptResult};

/// What a host answers: its lines, then its end.
type Answer = Result<(Vec<String>, ScriptResult), HostErrorKind>;

/// Some hosts.
#[derive(Default)]
pub struct MemoryHosts {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<(String, String), Vec<Answer>>,
    ran: Vec<String>,
}

impl MemoryHosts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `host` answers to the script that does `what`; several answers are given in turn, the last one for ever. What has
    /// no answer cannot be reached.
    pub fn answer(&self, host: &str, what: &str, lines: &[&str], code: i32) {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        let ended = ScriptResult {
            code,
            said: String::new(),
        };
        let key = (host.to_owned(), what.to_owned());
        self.state().answers.entry(key).or_default().push(Ok((lines, ended)));
    }

    /// `host` fails at the script that does `what`.
    pub fn fail(&self, host: &str, what: &str, kind: HostErrorKind) {
        let key = (host.to_owned(), what.to_owned());
        self.state().answers.entry(key).or_default().push(Err(kind));
    }

    /// What was run, in order: `HOST: WHAT`.
    #[must_use]
    pub fn ran(&self) -> Vec<String> {
        self.state().ran.clone()
    }

    fn run(&self, host: &str, script: &Script, on_line: OnLine<'_>) -> Result<ScriptResult, HostError> {
        let error = |kind| HostError {
            host: host.to_owned(),
            kind,
        };
        let answer = {
            let mut state = self.state();
            state.ran.push(format!("{host}: {}", script.what));
            let answers = state.answers.get_mut(&(host.to_owned(), script.what.clone()));
            match answers {
                Some(answers) if answers.len() > 1 => answers.remove(0),
                Some(answers) => answers.first().cloned().unwrap_or_else(unreachable),
                None => unreachable(),
            }
        };
        let (lines, ended) = answer.map_err(error)?;
        for line in &lines {
            on_line(line);
        }
        Ok(ended)
    }
}

fn unreachable() -> Answer {
    Err(HostErrorKind::Unreachable("Connection refused".to_owned()))
}

#[async_trait]
impl Hosts for MemoryHosts {
    async fn read(&self, host: &str, script: &Script, on_line: OnLine<'_>) -> Result<ScriptResult, HostError> {
        self.run(host, script, on_line)
    }

    async fn change(
        &self,
        host: &str,
        script: &Script,
        on_line: OnLine<'_>,
        _consent: &Consent,
    ) -> Result<ScriptResult, HostError> {
        self.run(host, script, on_line)
    }
}
