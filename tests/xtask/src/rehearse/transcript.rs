//! What was played, on the screen as it comes, and as a report afterwards.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::recording::{Kind, Line};
use crate::say;

/// Everything that was told, run and found, in its order.
#[derive(Debug)]
pub struct Transcript {
    begun: Instant,
    parts: RefCell<Vec<Part>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Part {
    Act { name: String, title: String },
    Told(String),
    Noted(String),
    Command(Played),
    Failed(String),
}

/// A command that ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Played {
    /// What a user would type.
    pub shown: String,
    /// What it printed, both streams in their order.
    pub screen: String,
    /// Its exit code; none where a signal ended it.
    pub status: Option<i32>,
    /// Whether it had to end so.
    pub as_it_should: bool,
    /// How long it took.
    pub took: Duration,
}

impl Transcript {
    /// An empty one, which begins now.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            parts: RefCell::new(Vec::new()),
        }
    }

    /// An act begins.
    pub fn act(&self, name: &str, title: &str) {
        say::line(&format!("=== act {name}: {title}"));
        self.add(Part::Act {
            name: name.to_owned(),
            title: title.to_owned(),
        });
    }

    /// What comes next, and why.
    pub fn tell(&self, text: &str) {
        say::line(&format!("\n# {text}"));
        self.add(Part::Told(text.to_owned()));
    }

    /// A fact that no command printed.
    pub fn note(&self, text: &str) {
        say::line(text);
        self.add(Part::Noted(text.trim_start().to_owned()));
    }

    /// A command is run.
    pub fn begins(&self, shown: &str) {
        say::line(&format!("\n$ {shown}"));
    }

    /// It ended.
    pub fn ended(&self, played: Played) {
        if !played.screen.trim().is_empty() {
            say::line(&played.screen);
        }
        if played.as_it_should && played.status != Some(0) {
            say::line(&format!("({}, as it should)", status(&played)));
        }
        self.add(Part::Command(played));
    }

    /// It ends here, with an error.
    pub fn failed(&self, error: &str) {
        self.add(Part::Failed(error.to_owned()));
    }

    /// Everything as Markdown: each command with what it printed, its exit code and its time.
    pub fn markdown(&self) -> String {
        let parts = self.parts.borrow();
        let commands: Vec<&Played> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Command(played) => Some(played),
                _ => None,
            })
            .collect();
        let acts = parts.iter().filter(|part| matches!(part, Part::Act { .. })).count();
        let failed = parts.iter().any(|part| matches!(part, Part::Failed(_)));
        let mut text = format!(
            "# Rehearsal\n\n{}: {acts} acts, {} commands, in {}. The commands took {} of it, the rest went into the servers.\n",
            if failed { "**Failed**" } else { "Passed" },
            commands.len(),
            seconds(self.begun.elapsed()),
            seconds(commands.iter().map(|played| played.took).sum()),
        );
        let mut noted_before = false;
        for part in parts.iter() {
            // Facts that follow each other are one block.
            let gap = if noted_before { "" } else { "\n" };
            noted_before = matches!(part, Part::Noted(_));
            match part {
                Part::Act { name, title } => drop(write!(text, "\n## {name}: {title}\n")),
                Part::Told(told) => drop(write!(text, "\n{told}{}\n", full_stop(told))),
                Part::Noted(noted) => drop(writeln!(text, "{gap}    {}", noted.replace('\n', "\n    "))),
                Part::Failed(error) => drop(write!(text, "\n**Failed:** {error}\n")),
                Part::Command(played) => drop(write!(
                    text,
                    "\n```\n$ {}\n{}\n```\n{}, {}\n",
                    played.shown,
                    played.screen,
                    status(played),
                    seconds(played.took)
                )),
            }
        }
        text
    }

    /// Everything as lines of a terminal.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut add = |kind, text: &str| {
            lines.extend(text.lines().map(|line| Line {
                kind,
                text: line.to_owned(),
            }));
        };
        for part in self.parts.borrow().iter() {
            match part {
                Part::Act { title, .. } => add(Kind::Told, &format!("# {title}")),
                Part::Told(told) => add(Kind::Told, &format!("\n# {told}")),
                Part::Noted(noted) => add(Kind::Output, noted),
                Part::Failed(error) => add(Kind::Output, error),
                Part::Command(played) => {
                    add(Kind::Command, &format!("$ {}", played.shown));
                    add(Kind::Output, played.screen.trim_end());
                }
            }
        }
        lines
    }

    /// Everything, for [`Transcript::add_json`] of another process.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&*self.parts.borrow())
    }

    /// Adds what another process played.
    pub fn add_json(&self, json: &[u8]) -> serde_json::Result<()> {
        let parts: Vec<Part> = serde_json::from_slice(json)?;
        self.parts.borrow_mut().extend(parts);
        Ok(())
    }

    fn add(&self, part: Part) {
        self.parts.borrow_mut().push(part);
    }
}

fn status(played: &Played) -> String {
    played
        .status
        .map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit code {code}"))
}

/// What a sentence lacks.
fn full_stop(sentence: &str) -> &'static str {
    if sentence.ends_with(['.', '?', '!']) { "" } else { "." }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_every_command_with_its_output_code_and_time() {
        let transcript = Transcript::new();
        transcript.act("wipe", "away with the masters");
        transcript.tell("Is it dead?");
        transcript.tell("What would go");
        transcript.note("$ export A=1");
        transcript.note("$ export B=2");
        transcript.ended(Played {
            shown: "kops-wipe-masters".to_owned(),
            screen: "the plan".to_owned(),
            status: Some(3),
            as_it_should: true,
            took: Duration::from_millis(1_250),
        });
        let text = transcript.markdown();
        assert!(
            text.starts_with("# Rehearsal\n\nPassed: 1 acts, 1 commands, in "),
            "{text}"
        );
        let rest = "\n## wipe: away with the masters\n\nIs it dead?\n\nWhat would go.\n\n    $ export A=1\n    $ export B=2\n\n```\n$ kops-wipe-masters\nthe plan\n\
            ```\nexit code 3, 1.2 s\n";
        assert!(text.ends_with(rest), "{text}");
        // What another process played is a part of the whole.
        let whole = Transcript::new();
        whole.add_json(&transcript.to_json().unwrap()).unwrap();
        assert!(whole.markdown().ends_with(rest));
        transcript.failed("it broke");
        assert!(transcript.markdown().starts_with("# Rehearsal\n\n**Failed**"));
    }
}
