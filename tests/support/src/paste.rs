//! Pastes what the plugins print into a shell, where AWS' real command line and the plugins themselves are on the `PATH`.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cmd::{Cmd, Ended};
use crate::error::Error;
use crate::{components, pki};

/// A folder to work in, and programs that are found before all others.
#[derive(Debug)]
pub struct Paste {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Paste {
    /// With `aws`, the real one.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub fn new() -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let paste = Self {
            folder,
            variables: Vec::new(),
        };
        let aws = components::aws()?;
        let words: Vec<String> = std::iter::once(aws.path.display().to_string())
            .chain(aws.first)
            .collect();
        paste.program("aws", &format!("exec {} \"$@\"", words.join(" ")))?;
        Ok(paste)
    }

    /// Puts a program on the `PATH`, a script for `/bin/sh`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn program(&self, name: &str, script: &str) -> Result<(), Error> {
        use std::os::unix::fs::PermissionsExt;
        let path = pki::write(&self.bin(), name, &format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(Error::file("make", &path))
    }

    /// Sets a variable for all that is pasted.
    pub fn env(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Where what is pasted runs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its programs lie.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Whether a shell can read this.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn is_read(&self, text: &str) -> Result<bool, Error> {
        let ended = Cmd::new("/bin/sh")?.args(["-n", "-c", text]).run()?;
        Ok(ended.exit_code() == Some(0) && ended.stderr.is_empty())
    }

    /// Pastes it.
    ///
    /// # Errors
    /// When the shell does not end.
    pub fn paste(&self, text: &str) -> Result<Ended, Error> {
        let path = format!("{}:/usr/sbin:/usr/bin:/bin", self.bin().display());
        let mut cmd = Cmd::new("/bin/sh")?
            .args(["-c", text])
            .current_dir(self.folder())
            .env("PATH", path);
        for (name, value) in &self.variables {
            cmd = cmd.env(name, value);
        }
        cmd.run()
    }
}
