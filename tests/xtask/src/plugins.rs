//! The plugins, and how they are built: always all of them in one go, since cargo resolves other features, and builds the SDKs anew,
//! for each of them alone.

use std::error::Error;

use crate::cargo;

/// The plugins, as their packages and binaries are called; the krew name is the same without `kubectl-`.
pub const ALL: [&str; 4] = [
    "kubectl-etcd-backups",
    "kops-wipe-masters",
    "kubectl-etcd-restore",
    "kubectl-masterleases",
];

/// Builds them, with these flags of `cargo build`.
pub fn build(flags: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut build = vec!["build", "--locked"];
    build.extend(ALL.iter().flat_map(|package| ["--package", *package]));
    build.extend(flags);
    match cargo(&build).status()?.success() {
        true => Ok(()),
        false => Err("the plugins do not build".into()),
    }
}
