//! What comes from the distribution: OpenSSH's server, and containerd.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::run;

/// Where distributions put servers; seldom on the `PATH` of a user.
const USUAL: &str = "/usr/sbin";

/// `sshd`: the one that is there, else Debian's, installed by `apt-get` where we may.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn sshd() -> Result<PathBuf, Error> {
    found_or_installed(|| found("sshd"), &["openssh-server", "openssh-client"])
}

/// containerd, its own tool, and what starts its containers.
#[derive(Clone, Debug)]
pub struct Containerd {
    /// The daemon.
    pub containerd: PathBuf,
    /// Its tool.
    pub ctr: PathBuf,
    /// The runtime.
    pub runc: PathBuf,
}

/// containerd: the one that is there, else Debian's.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn containerd() -> Result<Containerd, Error> {
    let all = || {
        Some(Containerd {
            containerd: found("containerd")?,
            ctr: found("ctr")?,
            runc: found("runc")?,
        })
    };
    found_or_installed(all, &["containerd", "runc"])
}

fn found(program: &str) -> Option<PathBuf> {
    let usual = Path::new(USUAL).join(program);
    which::which(program).ok().or_else(|| usual.exists().then_some(usual))
}

fn found_or_installed<T>(found: impl Fn() -> Option<T>, packages: &[&str]) -> Result<T, Error> {
    if let Some(there) = found() {
        return Ok(there);
    }
    run::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"]);
    run::run(install.args(packages))?;
    found().ok_or_else(|| Error::Answer {
        from: format!("apt-get install {}", packages.join(" ")),
        answer: "it did not bring what was wanted".to_owned(),
    })
}
