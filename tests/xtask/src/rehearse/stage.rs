//! Where an act is played: a folder with the binaries, an environment, and a printed transcript.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;

use harness::{Cmd, Ended};
use tempfile::TempDir;

use crate::{cargo, say, target_folder};

/// A place to run commands in, as a shell is: with a working folder and variables.
pub struct Stage {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

type Played = Result<Ended, Box<dyn Error>>;

impl Stage {
    /// Builds the plugins and puts them where commands find them.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let stage = Self {
            folder: tempfile::tempdir()?,
            variables: Vec::new(),
        };
        stage.build("kubectl-etcd-backups", "kubectl-etcd_backups")?;
        stage.build("kops-wipe-masters", "kops-wipe-masters")?;
        stage.build("kubectl-masterleases", "kubectl-masterleases")?;
        Ok(stage)
    }

    /// Builds `package`; its binary is called by the name that krew gives to the link that kubectl looks for.
    fn build(&self, package: &str, link: &str) -> Result<(), Box<dyn Error>> {
        if !cargo(&["build", "--quiet", "--locked", "--package", package])
            .status()?
            .success()
        {
            return Err(format!("{package} does not build").into());
        }
        Ok(symlink(
            target_folder().join("debug").join(package),
            self.folder.path().join(link),
        )?)
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
            say::line(&format!("$ export {name}={value}"));
        }
        let variables = self.variables.iter().chain(variables).cloned().collect();
        Ok(Self { folder, variables })
    }

    /// Says what comes next, and why.
    pub fn tell(&self, text: &str) {
        say::line(&format!("\n# {text}"));
    }

    /// Runs `kubectl etcd-backups …` and insists on its exit code.
    pub fn backups(&self, arguments: &str, code: i32) -> Played {
        let program = self.folder().join("kubectl-etcd_backups");
        self.play(
            &format!("kubectl etcd-backups {arguments}"),
            &program,
            arguments.split_whitespace(),
            code,
        )
    }

    /// Runs `kubectl masterleases …` and insists on its exit code.
    pub fn masterleases(&self, arguments: &str, code: i32) -> Played {
        let program = self.folder().join("kubectl-masterleases");
        self.play(
            &format!("kubectl masterleases {arguments}"),
            &program,
            arguments.split_whitespace(),
            code,
        )
    }

    /// Runs `kops-wipe-masters …` and insists on its exit code.
    pub fn wipe(&self, arguments: &str, code: i32) -> Played {
        let program = self.folder().join("kops-wipe-masters");
        let shown = format!("kops-wipe-masters {arguments}");
        self.play(shown.trim_end(), &program, arguments.split_whitespace(), code)
    }

    /// As [`Stage::wipe`], with `-o json`, for a look behind the curtain: neither command nor output is shown.
    pub fn wipe_json(&self, arguments: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        let program = self.folder().join("kops-wipe-masters");
        let ended = self
            .command(&program)?
            .args(arguments.split_whitespace())
            .args(["-o", "json"])
            .run()?;
        insist(&ended, 0)?;
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    /// As [`Stage::backups`], with `-o json`, for a look behind the curtain: neither command nor output is shown.
    pub fn backups_json(&self, arguments: &str) -> Result<serde_json::Value, Box<dyn Error>> {
        let program = self.folder().join("kubectl-etcd_backups");
        let ended = self
            .command(&program)?
            .args(arguments.split_whitespace())
            .args(["-o", "json"])
            .run()?;
        insist(&ended, 0)?;
        Ok(serde_json::from_str(&ended.stdout)?)
    }

    /// Runs another tool, which must succeed.
    pub fn tool(&self, program: &Path, arguments: &[&str]) -> Played {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let quoted = arguments.iter().map(|word| if word.is_empty() { "''" } else { word });
        let shown: Vec<&str> = std::iter::once(name.as_ref()).chain(quoted).collect();
        self.play(&shown.join(" "), program, arguments.iter().copied(), 0)
    }

    fn play<'a>(&self, shown: &str, program: &Path, arguments: impl Iterator<Item = &'a str>, code: i32) -> Played {
        say::line(&format!("\n$ {shown}"));
        let ended = self.command(program)?.args(arguments).run()?;
        if !ended.screen.trim().is_empty() {
            say::line(ended.screen.trim_end());
        }
        insist(&ended, code)?;
        if code != 0 {
            say::line(&format!("(exit code {code}, as it should)"));
        }
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
