//! The next commands, each alone on its line: some shells pass the rest of a line to the command, also
//! after a `#`.

use std::fmt;

use serde::Serialize;

/// A command, and when it is needed. In JSON only the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    command: String,
    when: Option<&'static str>,
}

impl Step {
    /// One that is always needed.
    pub fn new(command: impl fmt::Display) -> Self {
        Self {
            command: command.to_string(),
            when: None,
        }
    }

    /// The same with when it is needed, or what for: a lowercase fragment.
    #[must_use]
    pub fn when(self, when: &'static str) -> Self {
        Self {
            when: Some(when),
            ..self
        }
    }
}

impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.command)
    }
}

/// All of them for people, under a head of their own; nothing where there are none.
#[must_use]
pub fn next(steps: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    format!("\nNext:\n{}", list(steps))
}

/// The same without the head.
#[must_use]
pub fn list(steps: &[Step]) -> String {
    let mut text = String::new();
    let mut before = None;
    for step in steps {
        if let Some(when) = step.when.filter(|when| before != Some(*when)) {
            text.push_str(&format!("  {when}:\n"));
        }
        before = step.when;
        let indent = if step.when.is_some() { 4 } else { 2 };
        text.push_str(&format!("{:indent$}{}\n", "", step.command));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_alone_on_its_line_and_its_reason_above_it_once() {
        let steps = [
            Step::new("kops edit ig a").when("if another machine type is wanted"),
            Step::new("kops edit ig b").when("if another machine type is wanted"),
            Step::new("kops update cluster --yes"),
        ];
        assert_eq!(
            next(&steps),
            "\nNext:\n  if another machine type is wanted:\n    kops edit ig a\n    kops edit ig b\n  kops update cluster --yes\n"
        );
        assert_eq!(next(&[]), "");
        assert_eq!(
            serde_json::to_string(&steps[2]).unwrap(),
            r#""kops update cluster --yes""#
        );
    }
}
