//! A block of the runbook: commands to paste, and the expected result.

use runbook_kit::model::shell::{Pipeline, ShellScript};

/// Commands to paste.
#[derive(Clone, Debug)]
pub struct Block {
    about: String,
    lines: Vec<String>,
    seen: String,
}

impl Block {
    /// `about` says what it does, `seen` is the expected result.
    pub fn new(about: impl Into<String>, command: impl Into<ShellScript>, seen: impl Into<String>) -> Self {
        Self::lines(about, command.into().lines(), seen)
    }

    /// The same from shell lines that are not plain commands, such as loops and functions. Values in them must be quoted.
    pub fn lines(
        about: impl Into<String>,
        lines: impl IntoIterator<Item = impl Into<String>>,
        seen: impl Into<String>,
    ) -> Self {
        Self {
            about: about.into(),
            lines: lines.into_iter().map(Into::into).collect(),
            seen: seen.into(),
        }
    }

    fn markdown(&self) -> String {
        format!(
            "{}:\n\n```sh\n{}\n```\n\nGo on when: {}.\n",
            self.about,
            self.lines.join("\n"),
            self.seen
        )
    }
}

/// `NAME=$(…)`, then `echo`.
pub fn chosen(name: &str, from: impl Into<Pipeline>) -> Vec<String> {
    vec![format!("{name}=$({})", from.into()), format!("echo \"${name}\"")]
}

/// The alternatives of a step.
pub struct Ways(Vec<(&'static str, Vec<Block>)>);

impl Ways {
    /// With these tools.
    pub fn ours(blocks: Vec<Block>) -> Self {
        Self(vec![("With these tools", blocks)])
    }

    /// Adds an alternative.
    pub fn or(mut self, name: &'static str, blocks: Vec<Block>) -> Self {
        self.0.push((name, blocks));
        self
    }

    pub fn markdown(&self) -> String {
        let way = |(name, blocks): &(&str, Vec<Block>)| {
            let blocks: Vec<String> = blocks.iter().map(Block::markdown).collect();
            format!("### {name}\n\n{}", blocks.join("\n"))
        };
        self.0.iter().map(way).collect::<Vec<_>>().join("\n")
    }
}

/// A step of the runbook.
pub struct Step {
    pub title: &'static str,
    /// What it is for.
    pub about: String,
    pub ways: Ways,
    /// When to stop.
    pub stop: &'static str,
}
