//! Completion in the shell, for the plugin called by its own name and for `kubectl PLUGIN`.
//!
//! kubectl asks an executable `kubectl_complete-<plugin>` on PATH, with the words typed so far, for candidates: one a line,
//! `value<TAB>help`, and a last line with a directive of cobra (kubernetes/kubectl pkg/cmd/plugin). krew links one
//! binary a plugin, so [`install`] puts that executable there.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::cli::ui::Ui;
use crate::exit::Exit;
use crate::failure::{AnyFailure, Failure, UsageError};

/// Print a completion script, or make `kubectl` complete this plugin
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL", required_unless_present = "install")]
    shell: Option<Shell>,
    /// Put the script on PATH that kubectl asks for completions of this plugin
    #[arg(long, conflicts_with = "shell")]
    install: bool,
    /// Where to put it [default: krew's folder, else the first folder on PATH that can be written]
    #[arg(long, value_name = "FOLDER", requires = "install")]
    dir: Option<PathBuf>,
}

/// The words that kubectl passes on; the last is the one being typed
#[derive(Debug, clap::Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// A line of ours: a file without it is somebody else's and is left alone.
const MARK: &str = "# Made by `completion --install`.";
/// Cobra's `ShellCompDirectiveNoFileComp`.
const NO_FILES: &str = ":4";
/// Cobra's `ShellCompDirectiveDefault`: the shell offers files.
const FILES: &str = ":0";

/// The completion script could not be put on PATH.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No folder to write to.
    #[error("no folder on PATH can be written")]
    NoFolder,
    /// Somebody else's file.
    #[error("{} exists already and is not ours", .0.display())]
    Foreign(PathBuf),
    /// The system refused.
    #[error("writing {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Failure for InstallError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFolder | Self::Write { .. } => Some("choose a folder that is on PATH by --dir".to_owned()),
            Self::Foreign(_) => Some("move it away, or choose another folder by --dir".to_owned()),
        }
    }
}

/// Runs `completion` of the plugin whose file is `file`, as in `kubectl-etcd_backups`.
///
/// # Errors
/// Where the script cannot be printed or written.
pub fn run(args: Args, mut command: Command, file: &str, ui: &Ui) -> Result<Exit, AnyFailure> {
    if let Some(shell) = args.shell {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, file, &mut script);
        ui.raw(&script)?;
        return Ok(Exit::Done);
    }
    let plugin = file.strip_prefix("kubectl-").ok_or_else(|| {
        UsageError::new(format!("kubectl completes its plugins only, and {file} is none"))
            .hint(format!("for the shell itself: {file} completion bash, zsh or fish"))
    })?;
    let folder = match args.dir {
        Some(folder) => folder,
        None => folder().ok_or(InstallError::NoFolder)?,
    };
    let written = install(&folder, plugin)?;
    ui.note(&format!(
        "wrote {}; kubectl {} now completes, as kubectl itself does",
        written.display(),
        dashed(plugin)
    ));
    Ok(Exit::Done)
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

/// Writes `kubectl_complete-<plugin>` into `folder`; writing it again changes nothing.
///
/// # Errors
/// Where somebody else's file is in the way, or the system refuses.
pub fn install(folder: &Path, plugin: &str) -> Result<PathBuf, InstallError> {
    use std::os::unix::fs::PermissionsExt;

    let file = folder.join(format!("kubectl_complete-{plugin}"));
    let failed = |source| InstallError::Write {
        file: file.clone(),
        source,
    };
    match fs::read_to_string(&file) {
        Ok(text) if !text.contains(MARK) => return Err(InstallError::Foreign(file)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let script = format!("#!/bin/sh\n{MARK}\nexec kubectl-{plugin} __complete -- \"$@\"\n");
    let mut target = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    io::Write::write_all(&mut target, script.as_bytes()).map_err(failed)?;
    target
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o755))
        .map_err(failed)?;
    target.persist(&file).map_err(|error| failed(error.error))?;
    Ok(file)
}

/// krew's folder where it is on PATH, else the first one that can be written.
fn folder() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect();
    let writable = |folder: &&PathBuf| {
        folder.is_dir() && rustix::fs::access(folder.as_path(), rustix::fs::Access::WRITE_OK).is_ok()
    };
    let krew = |folder: &&PathBuf| folder.ends_with(".krew/bin") || is_krew_root(folder);
    folders
        .iter()
        .filter(writable)
        .find(krew)
        .or_else(|| folders.iter().find(writable))
        .cloned()
}

fn is_krew_root(folder: &Path) -> bool {
    std::env::var_os("KREW_ROOT").is_some_and(|root| folder == Path::new(&root).join("bin"))
}

fn dashed(plugin: &str) -> String {
    plugin.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_an_executable_and_spares_what_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let file = install(folder.path(), "etcd_backups").unwrap();
        assert_eq!(file.file_name().unwrap(), "kubectl_complete-etcd_backups");
        let script = fs::read_to_string(&file).unwrap();
        assert!(
            script.contains("exec kubectl-etcd_backups __complete -- \"$@\""),
            "{script}"
        );
        install(folder.path(), "etcd_backups").unwrap();
        fs::write(&file, "#!/bin/sh\nprecious\n").unwrap();
        assert!(matches!(
            install(folder.path(), "etcd_backups"),
            Err(InstallError::Foreign(_))
        ));
        assert!(fs::read_to_string(&file).unwrap().contains("precious"));
    }
}
