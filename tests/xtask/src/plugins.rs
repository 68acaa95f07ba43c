//! The plugins, built.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

pub use support::plugins::ALL;
use support::{plugins, run};

use crate::target_folder;

/// Flags of rustc for a release. A panic ends the programs: the tables by which they could be unwound, a tenth of each, are left out.
pub const RELEASE_FLAGS: &str = "-C force-unwind-tables=no";

/// Builds them, with these flags of `cargo build`.
pub fn build(flags: &[&str]) -> Result<(), Box<dyn Error>> {
    built(plugins::build().args(flags))
}

/// Builds them for a release, and gives the folder with the binaries. A target is always named: without one the flags would reach build
/// scripts as well, which have to unwind.
pub fn build_release(triple: &str) -> Result<PathBuf, Box<dyn Error>> {
    let mut cargo = plugins::build();
    built(
        cargo
            .args(["--release", "--target", triple])
            .env("RUSTFLAGS", RELEASE_FLAGS),
    )?;
    Ok(target_folder().join(triple).join("release"))
}

/// The platform that this runs on.
pub fn host_triple() -> Result<String, Box<dyn Error>> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = run::run(Command::new(rustc).arg("-vV"))?;
    let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.ok_or("rustc -vV names no host")?.to_owned())
}

fn built(cargo: &mut Command) -> Result<(), Box<dyn Error>> {
    match cargo.status()?.success() {
        true => Ok(()),
        false => Err("the plugins do not build".into()),
    }
}
