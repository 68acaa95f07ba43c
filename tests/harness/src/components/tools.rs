//! What `cargo install` makes.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use super::install::once;
use super::version::users_own;
use crate::error::Error;
use crate::run;

/// Judges the dependencies: bans, licences, sources, advisories.
///
/// # Errors
/// When it has to be compiled and cannot be.
pub fn cargo_deny() -> Result<PathBuf, Error> {
    const VERSION: &str = "0.20.2";
    let fits = |version| ((0, 20, 0)..(0, 21, 0)).contains(&version);
    if let Some(path) = users_own("cargo-deny", &["--version"], fits) {
        return Ok(path);
    }
    let folder = once(&format!("cargo-deny-{VERSION}"), |folder| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut install = Command::new(cargo);
        install
            .args([
                "install",
                "--locked",
                "--quiet",
                "--no-track",
                "--version",
                VERSION,
                "cargo-deny",
                "--root",
            ])
            .arg(folder);
        // Away from the workspace's own target folder, whose lock the caller may hold.
        run::run(install.env("CARGO_TARGET_DIR", folder.join("target"))).map(drop)?;
        std::fs::remove_dir_all(folder.join("target")).map_err(Error::file("remove", folder))
    })?;
    Ok(folder.join("bin/cargo-deny"))
}
