//! OpenSSH's server, of the distribution.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::run;

/// Where distributions put it; seldom on the `PATH` of a user.
const USUAL: &str = "/usr/sbin/sshd";

/// `sshd`: the one that is there, else Debian's, installed by `apt-get` where we may.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn sshd() -> Result<PathBuf, Error> {
    let found = || {
        which::which("sshd")
            .ok()
            .or_else(|| Path::new(USUAL).exists().then(|| USUAL.into()))
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    run::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"]);
    run::run(install.args(["openssh-server", "openssh-client"]))?;
    found().ok_or_else(|| Error::Answer {
        from: "apt-get install openssh-server".to_owned(),
        answer: "it brought no sshd".to_owned(),
    })
}
