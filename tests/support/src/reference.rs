//! A plugin's command-line reference: the help of every command, kept beside the plugin as `REFERENCE.md`, so that a change of the command
//! line shows as a change of that file.

use std::env;
use std::fs;
use std::path::Path;

use crate::cmd::Cmd;
use crate::error::Error;
use crate::paths;

/// The help of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What a user types: `kubectl etcd-backups list`.
    pub typed: String,
    /// What `--help` prints on a terminal of 80 columns.
    pub help: String,
}

impl Page {
    /// Whether this does something by itself, and does not only lead to subcommands.
    #[must_use]
    pub fn is_a_command(&self) -> bool {
        subcommands(&self.help).next().is_none() || self.help.contains("[COMMAND]")
    }
}

/// The help of `program`, which users know as `typed`, and of all its subcommands, in the order in which they are listed.
///
/// # Errors
/// When a help ends with anything but 0.
pub fn pages(program: &Path, typed: &str) -> Result<Vec<Page>, Error> {
    let mut pages = Vec::new();
    collect(program, typed, &[], &mut pages)?;
    Ok(pages)
}

fn collect(program: &Path, typed: &str, command: &[&str], pages: &mut Vec<Page>) -> Result<(), Error> {
    let ended = Cmd::new(program)?
        .args(command)
        .arg("--help")
        .env("COLUMNS", "80")
        .run()?;
    if ended.exit_code() != Some(0) {
        return Err(Error::Answer {
            from: ended.command,
            answer: ended.stderr,
        });
    }
    let help = ended.stdout;
    pages.push(Page {
        typed: [&[typed], command].concat().join(" "),
        help: help.clone(),
    });
    for subcommand in subcommands(&help) {
        collect(program, typed, &[command, &[subcommand]].concat(), pages)?;
    }
    Ok(())
}

/// The names under `Commands:`, but `help`.
fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
}

/// What is wrong with them: lines wider than 80 columns, commands without an example in the words that users type.
#[must_use]
pub fn faults(pages: &[Page]) -> Vec<String> {
    let mut faults = Vec::new();
    for Page { typed, help } in pages {
        let wide = help.lines().filter(|line| line.chars().count() > 80);
        faults.extend(wide.map(|line| format!("{typed}: wider than 80 columns: {line}")));
        let group = subcommands(help).next().is_some();
        let example = help.lines().any(|line| line.starts_with(&format!("  {typed}")));
        if !group && !example {
            faults.push(format!("{typed}: no example"));
        }
    }
    faults
}

/// What differs between the pages and `REFERENCE.md` of the plugin; `None` if nothing. With `UPDATE_REFERENCE=1` in the environment the
/// file is written instead.
///
/// # Errors
/// When the file cannot be read or written.
pub fn difference(plugin: &str, pages: &[Page]) -> Result<Option<String>, Error> {
    let path = paths::root().join("plugins").join(plugin).join("REFERENCE.md");
    let text = markdown(pages);
    if env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, text).map_err(Error::file("write", &path))?;
        return Ok(None);
    }
    let kept = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    if kept == text {
        return Ok(None);
    }
    let line = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
    let (kept, now) = line.unwrap_or(("the end", "more, or less"));
    Ok(Some(format!(
        "{} says {kept:?}, and --help {now:?}; if that is right, run the test with UPDATE_REFERENCE=1",
        path.display()
    )))
}

fn markdown(pages: &[Page]) -> String {
    let mut text = "# Command-line reference\n\nWritten by the tests from `--help`.\n".to_owned();
    for Page { typed, help } in pages {
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&format!(
            "\n## {typed}\n\n```text\n{}\n```\n",
            help.join("\n").trim_end()
        ));
    }
    text
}
