//! The plugins, and how they are built: all of them in one go where all are needed, since cargo resolves other features, and
//! builds the SDKs anew, for each of them alone.

use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::{paths, run};

/// The plugins, as their packages and binaries are called.
pub const ALL: [&str; 4] = [
    "kubectl-etcd-backups",
    "kops-wipe-masters",
    "kubectl-etcd-restore",
    "kubectl-masterleases",
];

/// What krew calls one of them.
#[must_use]
pub fn krew_name(plugin: &str) -> &str {
    plugin.trim_start_matches("kubectl-")
}

/// What builds these; to be given further flags of `cargo build`.
#[must_use]
pub fn build(names: &[&str]) -> Command {
    let mut cargo = run::cargo();
    cargo.current_dir(paths::root()).args(["build", "--locked"]);
    cargo.args(names.iter().flat_map(|package| ["--package", *package]));
    cargo
}

/// Builds them where the test that runs was built, and gives the folder: cargo builds the binaries of a plugin's own tests only.
///
/// # Errors
/// When they do not build.
pub fn beside_this_test() -> Result<PathBuf, Error> {
    let this = std::env::current_exe().map_err(Error::file("find", "the test that runs"))?;
    let folder = this.ancestors().nth(2).unwrap_or(&this).to_owned();
    let mut build = build(&ALL);
    build.arg("--quiet").arg("--target-dir");
    run::run(build.arg(folder.parent().unwrap_or(&folder)))?;
    Ok(folder)
}
