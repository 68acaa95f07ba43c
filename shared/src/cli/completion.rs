//! Completion in the shell, for the plugin called by its own name and for `kubectl PLUGIN`.
//!
//! kubectl asks an executable `kubectl_complete-<plugin>` on PATH, with the words typed so far, for candidates: one a line,
//! `value<TAB>help`, and a last line with a directive of cobra (kubernetes/kubectl pkg/cmd/plugin). krew links one
//! binary a plugin, so `completion --install` puts that executable there.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::cli::ui::Ui;
use crate::exit::Exit;
use crate::failure::{AnyFailure, CommandError};

/// Print a completion script, or make `kubectl` complete this plugin
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL", required_unless_present = "install")]
    pub shell: Option<Shell>,
    /// Install the script that kubectl runs to complete this plugin
    #[arg(long, conflicts_with = "shell")]
    pub install: bool,
    /// Directory to install it in [default: that of krew, else the first writable one on PATH]
    #[arg(long, value_name = "FOLDER", requires = "install")]
    pub dir: Option<PathBuf>,
}

/// The words that kubectl passes on; the last is the one being typed
#[derive(Debug, clap::Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Cobra's `ShellCompDirectiveNoFileComp`.
const NO_FILES: &str = ":4";
/// Cobra's `ShellCompDirectiveDefault`: the shell offers files.
const FILES: &str = ":0";

/// Prints the script for `shell`.
///
/// # Errors
/// Where stdout takes no more.
pub fn print(shell: Shell, command: &mut Command, file: &str, ui: &Ui) -> Result<Exit, AnyFailure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, file, &mut script);
    ui.raw(&script)?;
    Ok(Exit::Done)
}

/// The plugin's name in file names, as in `etcd_backups`.
///
/// # Errors
/// Where kubectl would not complete it.
pub fn plugin(file: &str) -> Result<&str, CommandError> {
    file.strip_prefix("kubectl-").ok_or_else(|| {
        CommandError::usage(format!("kubectl completes only its plugins, and {file} is not one"))
            .hint(format!("for the shell itself: {file} completion bash, zsh or fish"))
    })
}

/// Tells where the script is.
pub fn installed(written: &Path, plugin: &str, ui: &Ui) {
    ui.note(&format!(
        "wrote {}; kubectl {} now completes, as kubectl itself does",
        written.display(),
        plugin.replace('_', "-")
    ));
}

/// Runs what kubectl calls: prints the candidates for the last word.
///
/// # Errors
/// Where stdout takes no more.
pub fn complete(words: Words, mut command: Command, file: &str, ui: &Ui) -> Result<Exit, AnyFailure> {
    let mut line = vec![OsString::from(file)];
    line.extend(words.words);
    let last = line.len() - 1;
    let candidates = clap_complete::engine::complete(&mut command, line, last, None).unwrap_or_default();
    let mut text = String::new();
    let mut directive = FILES;
    for candidate in candidates.iter().filter(|candidate| !candidate.is_hide_set()) {
        directive = NO_FILES;
        let help = candidate.get_help().map(|help| help.to_string()).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\t{help}", candidate.get_value().to_string_lossy());
    }
    ui.result(&format!("{text}{directive}\n"))?;
    Ok(Exit::Done)
}
