//! Where an act is played: a folder with the binaries, an environment, and a printed transcript.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

use support::{Cmd, Ended, run};
use tempfile::TempDir;

use super::transcript::{Played, Transcript};
use crate::{plugins, say, target_folder};

/// A place to run commands in, as a shell is: with a working folder and variables.
pub struct Stage {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
    transcript: Rc<Transcript>,
    keep: bool,
}

/// The name that krew gives to the link that kubectl looks for; a program that kubectl does not start has its own.
fn link(program: &str) -> String {
    match program.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl-{}", plugin.replace('-', "_")),
        None => program.to_owned(),
    }
}

/// The value as a user would type it: what `PATH` was before is the machine's, and says nothing.
fn typed(name: &str, value: &str) -> String {
    let before = env::var("PATH").unwrap_or_default();
    match value.strip_suffix(&before) {
        Some(added) if name == "PATH" && !before.is_empty() => format!("{added}$PATH"),
        _ => value.to_owned(),
    }
}

/// The program of what a user types.
fn program(typed: &str) -> String {
    typed.replacen(' ', "-", 1)
}

type Ends = Result<Ended, Box<dyn Error>>;

impl Stage {
    /// Puts the plugins, which are built, where commands find them. With `keep`, [`Stage::stay`] lets the user in.
    pub fn new(transcript: &Rc<Transcript>, keep: bool) -> Result<Self, Box<dyn Error>> {
        let stage = Self {
            folder: tempfile::tempdir()?,
            variables: Vec::new(),
            transcript: Rc::clone(transcript),
            keep,
        };
        for plugin in plugins::ALL {
            let binary = target_folder().join("debug").join(plugin);
            symlink(binary, stage.folder.path().join(link(plugin)))?;
        }
        Ok(stage)
    }

    /// The working folder of the commands.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The same stage with further variables, which are shown as a shell's `export`.
    pub fn with(&self, variables: &[(&'static str, String)]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir_in(self.folder.path())?;
        for entry in std::fs::read_dir(self.folder.path())? {
            let entry = entry?;
            if entry.path().is_symlink() {
                symlink(std::fs::read_link(entry.path())?, folder.path().join(entry.file_name()))?;
            }
        }
        for (name, value) in variables {
            self.note(&format!("$ export {name}={}", typed(name, value)));
        }
        Ok(Self {
            folder,
            variables: self.variables.iter().chain(variables).cloned().collect(),
            transcript: Rc::clone(&self.transcript),
            keep: self.keep,
        })
    }

    /// Says what comes next, and why.
    pub fn tell(&self, text: &str) {
        self.transcript.tell(text);
    }

    /// Shows a fact that no command printed.
    pub fn note(&self, text: &str) {
        self.transcript.note(text);
    }

    /// The end of an act: where it was asked for, a shell in which everything is still there.
    pub fn stay(&self) -> Result<(), Box<dyn Error>> {
        if !self.keep {
            return Ok(());
        }
        say::note(
            "\nEverything is still there, for you to try commands by hand. It ends with this shell (`exit`, Ctrl-D).",
        );
        let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let mut shell = Command::new(shell);
        let path = self.variables.iter().rev().find(|(name, _)| *name == "PATH");
        let path = path.map_or_else(|| env::var_os("PATH").unwrap_or_default(), |(_, path)| path.into());
        let folders = std::iter::once(self.folder().to_path_buf()).chain(env::split_paths(&path));
        run::apart(&mut shell)
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .env("PATH", env::join_paths(folders)?)
            .current_dir(self.folder())
            .status()?;
        Ok(())
    }

    /// Runs `kubectl etcd-backups …` and insists on its exit code.
    pub fn backups(&self, arguments: &str, code: i32) -> Ends {
        self.plugin("kubectl etcd-backups", arguments, code)
    }

    /// Runs `kops-wipe-masters …` and insists on its exit code.
    pub fn wipe(&self, arguments: &str, code: i32) -> Ends {
        self.plugin("kops-wipe-masters", arguments, code)
    }

    /// Runs `kubectl etcd-restore …` and insists on its exit code.
    pub fn restore(&self, arguments: &str, code: i32) -> Ends {
        self.plugin("kubectl etcd-restore", arguments, code)
    }

    /// Runs `kubectl masterleases …` and insists on its exit code.
    pub fn masterleases(&self, arguments: &str, code: i32) -> Ends {
        self.plugin("kubectl masterleases", arguments, code)
    }

    /// As [`Stage::backups`], for a step behind the curtain: neither command nor output is shown.
    pub fn backups_unseen(&self, arguments: &str) -> Ends {
        self.unseen("kubectl etcd-backups", arguments)
    }

    /// As [`Stage::backups`], with `-o json`, for a look behind the curtain: neither command nor output is shown.
    pub fn backups_json(&self, arguments: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        self.json("kubectl etcd-backups", arguments)
    }

    /// The same with [`Stage::wipe`].
    pub fn wipe_json(&self, arguments: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        self.json("kops-wipe-masters", arguments)
    }

    /// The same with [`Stage::restore`].
    pub fn restore_json(&self, arguments: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        self.json("kubectl etcd-restore", arguments)
    }

    /// Runs another tool, which must succeed.
    pub fn tool(&self, program: &Path, arguments: &[&str]) -> Ends {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let quoted = arguments.iter().map(|word| if word.is_empty() { "''" } else { word });
        let shown: Vec<&str> = std::iter::once(name.as_ref()).chain(quoted).collect();
        self.play(&shown.join(" "), program, arguments.iter().copied(), 0)
    }

    fn plugin(&self, typed: &str, arguments: &str, code: i32) -> Ends {
        let shown = format!("{typed} {arguments}");
        let program = self.folder().join(link(&program(typed)));
        self.play(shown.trim_end(), &program, arguments.split_whitespace(), code)
    }

    fn json(&self, typed: &str, arguments: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        let ended = self.unseen(typed, &format!("{arguments} -o json"))?;
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    fn unseen(&self, typed: &str, arguments: &str) -> Ends {
        let command = self.command(self.folder().join(link(&program(typed))))?;
        let ended = command.args(arguments.split_whitespace()).run()?;
        insist(&ended, 0)?;
        Ok(ended)
    }

    fn play<'a>(&self, shown: &str, program: &Path, arguments: impl Iterator<Item = &'a str>, code: i32) -> Ends {
        self.transcript.begins(shown);
        let begun = Instant::now();
        let ended = self.command(program)?.args(arguments).run()?;
        let screen = ended.screen.trim_end().to_owned();
        self.transcript.ended(Played {
            shown: shown.to_owned(),
            screen,
            status: ended.exit_code(),
            as_it_should: ended.exit_code() == Some(code),
            took: begun.elapsed(),
        });
        insist(&ended, code)?;
        Ok(ended)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Result<Cmd, Box<dyn Error>> {
        let columns = env::var("COLUMNS").unwrap_or_else(|_| "120".to_owned());
        let command = Cmd::new(program)?.current_dir(self.folder()).env("COLUMNS", columns);
        Ok(command.envs(self.variables.iter().map(|(name, value)| (*name, value))))
    }
}

fn insist(ended: &Ended, code: i32) -> Result<(), Box<dyn Error>> {
    if ended.exit_code() == Some(code) {
        return Ok(());
    }
    Err(format!(
        "`{}` ended with {} instead of {code}\n{}",
        ended.command, ended.status, ended.stderr
    )
    .into())
}
