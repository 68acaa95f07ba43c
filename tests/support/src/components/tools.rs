//! What `cargo install` makes.

use std::path::PathBuf;

use super::install::once;
use super::version::users_own;
use crate::error::Error;
use crate::run;

/// Judges the dependencies: bans, licences, sources, advisories.
///
/// # Errors
/// When it has to be compiled and cannot be.
pub fn cargo_deny() -> Result<PathBuf, Error> {
    let fits = |version| ((0, 20, 0)..(0, 21, 0)).contains(&version);
    match users_own("cargo-deny", &["--version"], fits) {
        Some(path) => Ok(path),
        None => installed("cargo-deny", "0.20.2"),
    }
}

/// Writes what a binary is made of, as CycloneDX.
///
/// # Errors
/// When it has to be compiled and cannot be.
pub fn cargo_cyclonedx() -> Result<PathBuf, Error> {
    installed("cargo-cyclonedx", "0.5.9")
}

fn installed(name: &str, version: &str) -> Result<PathBuf, Error> {
    let folder = once(&format!("{name}-{version}"), |folder| {
        let mut install = run::cargo();
        install.args([
            "install",
            "--locked",
            "--quiet",
            "--no-track",
            "--version",
            version,
            name,
            "--root",
        ]);
        install.arg(folder);
        // Away from the workspace's own target folder, whose lock the caller may hold.
        run::run(install.env("CARGO_TARGET_DIR", folder.join("target"))).map(drop)?;
        std::fs::remove_dir_all(folder.join("target")).map_err(Error::file("remove", folder))
    })?;
    Ok(folder.join("bin").join(name))
}
