//! The executable that kubectl asks for completions: `kubectl_complete-<plugin>`, in a folder on PATH.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Marks our files: a file without this line is not overwritten.
const MARK: &str = "# Made by `completion --install`.";

/// The completion script could not be put on PATH.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No folder to write to.
    #[error("no directory on PATH is writable")]
    NoFolder,
    /// A file that we did not write.
    #[error("{} exists and was not written by this plugin", .0.display())]
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
            Self::NoFolder | Self::Write { .. } => Some("pass a directory on PATH with --dir".to_owned()),
            Self::Foreign(_) => Some("move it away, or pass another directory with --dir".to_owned()),
        }
    }
}

/// Writes `kubectl_complete-<plugin>` into `folder`; writing it again changes nothing.
///
/// # Errors
/// Where another file is in the way, or writing fails.
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
#[must_use]
pub fn folder() -> Option<PathBuf> {
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
