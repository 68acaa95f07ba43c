//! The plugins, and how they are built: always all of them in one go, since cargo resolves other features, and builds the SDKs anew,
//! for each of them alone.

use std::env;
use std::process::Command;

use crate::paths;

/// The plugins, as their packages and binaries are called; the krew name is the same without `kubectl-`.
pub const ALL: [&str; 4] = [
    "kubectl-etcd-backups",
    "kops-wipe-masters",
    "kubectl-etcd-restore",
    "kubectl-masterleases",
];

/// What builds them all; to be given further flags of `cargo build`.
#[must_use]
pub fn build() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::root()).args(["build", "--locked"]);
    cargo.args(ALL.iter().flat_map(|package| ["--package", *package]));
    cargo
}
