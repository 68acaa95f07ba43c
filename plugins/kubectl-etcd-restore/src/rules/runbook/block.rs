//! A block of the runbook: one thing to paste, and what must be seen before the next.

use runbook_kit::model::shell::{Pipeline, ShellScript};

/// One thing to paste.
#[derive(Clone, Debug)]
pub struct Block {
    about: String,
    lines: Vec<String>,
    seen: String,
}

impl Block {
    /// `about` says what it does, `seen` what must be there before one goes on.
    pub fn new(about: impl Into<String>, command: impl Into<ShellScript>, seen: impl Into<String>) -> Self {
        Self::lines(about, command.into().lines(), seen)
    }

    /// The same from lines of a shell that are not plain commands: loops, functions. What comes from outside must be quoted in them.
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

/// `NAME=$(…)`, and then what it holds.
pub fn chosen(name: &str, from: impl Into<Pipeline>) -> Vec<String> {
    vec![format!("{name}=$({})", from.into()), format!("echo \"${name}\"")]
}

/// The ways of a step that lead to the same, of which one is gone.
pub struct Ways(Vec<(&'static str, Vec<Block>)>);

impl Ways {
    /// With these tools.
    pub fn ours(blocks: Vec<Block>) -> Self {
        Self(vec![("With these tools", blocks)])
    }

    /// Another way.
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

/// One step.
pub struct Step {
    pub title: &'static str,
    /// What it is for, and what has to be known of it.
    pub about: String,
    pub ways: Ways,
    /// When not to go on.
    pub stop: &'static str,
}
