//! Reads a generated runbook: its blocks, each with the step and the way that it is of.

/// One thing to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunbookBlock {
    /// The number of its step; 0 for what comes before all.
    pub step: usize,
    /// `With these tools`, `By hand` …
    pub way: String,
    /// What it is for.
    pub about: String,
    /// The commands.
    pub text: String,
    /// What must be seen before the next.
    pub seen: String,
}

/// The blocks of a runbook in their order.
#[must_use]
pub fn blocks(markdown: &str) -> Vec<RunbookBlock> {
    let mut found: Vec<RunbookBlock> = Vec::new();
    let (mut step, mut way, mut about, mut inside) = (0, String::new(), String::new(), false);
    for line in markdown.lines() {
        if line == "```" {
            inside = false;
        } else if inside {
            if let Some(block) = found.last_mut() {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if line == "```sh" {
            inside = true;
            found.push(RunbookBlock {
                step,
                way: way.clone(),
                about: about.clone(),
                text: String::new(),
                seen: String::new(),
            });
        } else if let Some(title) = line.strip_prefix("## ") {
            step = title
                .split('.')
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("### ") {
            way = name.to_owned();
        } else if let (Some(seen), Some(block)) = (line.strip_prefix("Go on when: "), found.last_mut()) {
            block.seen = seen.to_owned();
        } else if !line.is_empty() {
            about = line.to_owned();
        }
    }
    found
}
