//! What comes from PyPI: pinned with hashes, each in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Program;
use super::install::once;
use super::version::{parse, users_own};
use crate::error::Error;
use crate::{paths, run};

/// The Python that has moto: EC2, Auto Scaling and S3.
///
/// # Errors
/// When it has to be installed and cannot be.
pub fn moto() -> Result<PathBuf, Error> {
    match users_moto() {
        Some(python) => Ok(python),
        // The environment was made under another name than it has now, so only its interpreter is of use, not its scripts.
        None => Ok(environment("moto-5.2.5", "moto")?.join("bin/python")),
    }
}

/// AWS' own command line: what it makes of the commands that the plugins print. Always the pinned one: shorthand and JSON are read
/// differently by others.
///
/// # Errors
/// When it has to be installed and cannot be.
pub fn aws() -> Result<Program, Error> {
    Ok(Program {
        path: environment("awscli-1.46.3", "awscli")?.join("bin/python"),
        first: ["-m", "awscli"].map(str::to_owned).to_vec(),
    })
}

/// SeaweedFS: a second S3 server, by other people.
///
/// # Errors
/// When it has to be installed and cannot be.
pub fn weed() -> Result<PathBuf, Error> {
    match users_own("weed", &["version"], |version| version == (4, 48, 0)) {
        Some(path) => Ok(path),
        None => Ok(environment("seaweedfs-4.48", "seaweedfs")?.join("bin/weed")),
    }
}

/// kubectl, to prove that it finds our plugins: any that knows plugins.
///
/// # Errors
/// When it has to be installed and cannot be.
pub fn kubectl() -> Result<PathBuf, Error> {
    match users_own("kubectl", &["version", "--client"], |version| version >= (1, 26, 0)) {
        Some(path) => Ok(path),
        None => Ok(environment("kubectl-1.37.1", "kubectl")?.join("bin/kubectl")),
    }
}

/// Builds for other platforms and against an old glibc, with zig as its linker.
///
/// # Errors
/// When it has to be installed and cannot be.
pub fn cargo_zigbuild() -> Result<PathBuf, Error> {
    Ok(environment("cargo-zigbuild-0.24.0", "zigbuild")?.join("bin/cargo-zigbuild"))
}

/// The user's Python, if it has the server and exactly this version: moto's behaviour changes between patches. Asked once a process, since it
/// takes Python two seconds to say.
fn users_moto() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let ask = || {
        which::which("moto_server").ok()?;
        let python = which::which("python3").ok()?;
        let print_version = "import moto, moto.server; print(moto.__version__)";
        let said = run::run(Command::new(&python).args(["-c", print_version])).ok()?;
        (parse(&said) == Some((5, 2, 5))).then_some(python)
    };
    FOUND.get_or_init(ask).clone()
}

fn environment(name: &str, requirements: &str) -> Result<PathBuf, Error> {
    let requirements = paths::root()
        .join("tests/components")
        .join(requirements)
        .join("requirements.txt");
    once(name, |folder| {
        run::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        install(folder, &requirements)
    })
}

fn install(environment: &Path, requirements: &Path) -> Result<(), Error> {
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary=:all:",
        "-r",
    ]);
    run::run(pip.arg(requirements)).map(drop)
}
