//! A platform, as Rust and as krew name it.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{components, paths, run};

use crate::{plugins, target_folder};

/// The version of all plugins.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A platform to build for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `x86_64-unknown-linux-gnu`.
    pub(super) triple: String,
    os: &'static str,
    arch: &'static str,
}

/// The platforms of a release.
const ALL: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
];
/// The oldest glibc that Rust itself runs on.
const GLIBC: &str = "2.17";

/// All platforms of a release.
pub(super) fn all() -> Result<Vec<Target>, Box<dyn Error>> {
    ALL.iter().map(|triple| Target::parse(triple)).collect()
}

/// Those that `host` can build for: the ones of its own system.
pub(super) fn buildable_on(host: &Target) -> Result<Vec<Target>, Box<dyn Error>> {
    let mut targets = all()?;
    targets.retain(|target| target.os == host.os);
    Ok(targets)
}

impl Target {
    /// Builds the plugins for it, and gives the folder with the binaries.
    pub(super) fn build(&self, host: &Self) -> Result<PathBuf, Box<dyn Error>> {
        self.install_standard_library()?;
        let folder = target_folder().join(&self.triple).join("release");
        if self.os != "linux" || host.os != "linux" {
            plugins::build(&plugins::ALL, &["--release", "--target", &self.triple])?;
            return Ok(folder);
        }
        // Linked against the glibc of this machine it would not start on an older one.
        let zigbuild = components::cargo_zigbuild()?;
        let mut command = Command::new(&zigbuild);
        command
            .current_dir(paths::root())
            .args(["zigbuild", "--locked", "--release"]);
        command.arg("--target").arg(format!("{}.{GLIBC}", self.triple));
        command.args(plugins::ALL.iter().flat_map(|plugin| ["--package", *plugin]));
        // zig is in the same environment.
        let path = env::var_os("PATH").unwrap_or_default();
        let beside = zigbuild.parent().map(Path::to_path_buf);
        command.env(
            "PATH",
            env::join_paths(beside.into_iter().chain(env::split_paths(&path)))?,
        );
        match command.status()?.success() {
            true => Ok(folder),
            false => Err(format!("the plugins do not build for {}", self.triple).into()),
        }
    }

    /// Whether its binaries run on `host`.
    pub(super) fn runs_on(&self, host: &Self) -> bool {
        (self.os, self.arch) == (host.os, host.arch)
    }

    fn install_standard_library(&self) -> Result<(), Box<dyn Error>> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let arguments = ["--print", "target-libdir", "--target", &self.triple];
        let folder = run::run(Command::new(rustc).current_dir(paths::root()).args(arguments))?;
        if !Path::new(folder.trim()).is_dir() {
            let mut rustup = Command::new("rustup");
            run::run(rustup.current_dir(paths::root()).args(["target", "add", &self.triple]))?;
        }
        Ok(())
    }

    pub(super) fn parse(triple: &str) -> Result<Self, Box<dyn Error>> {
        let os = [("-linux-", "linux"), ("-apple-darwin", "darwin")]
            .into_iter()
            .find(|(part, _)| triple.contains(part));
        let arch = [("x86_64-", "amd64"), ("aarch64-", "arm64")]
            .into_iter()
            .find(|(part, _)| triple.starts_with(part));
        match (os, arch) {
            (Some((_, os)), Some((_, arch))) => Ok(Self {
                triple: triple.to_owned(),
                os,
                arch,
            }),
            _ => Err(format!("{triple}: plugins are released for linux and darwin, x86_64 and aarch64").into()),
        }
    }

    /// The platform that this runs on.
    pub(super) fn host() -> Result<Self, Box<dyn Error>> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let said = run::run(Command::new(rustc).arg("-vV"))?;
        let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
        Self::parse(triple.ok_or("rustc -vV names no host")?)
    }

    pub(super) fn archive_name(&self, plugin: &str) -> String {
        format!("{plugin}_{VERSION}_{}_{}.tar.gz", self.os, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_platforms_as_krew_does() {
        let name = |triple| Target::parse(triple).map(|target| target.archive_name("p"));
        assert_eq!(
            name("aarch64-apple-darwin").unwrap(),
            format!("p_{VERSION}_darwin_arm64.tar.gz")
        );
        assert_eq!(
            name("x86_64-unknown-linux-gnu").unwrap(),
            format!("p_{VERSION}_linux_amd64.tar.gz")
        );
        assert!(name("x86_64-pc-windows-msvc").is_err());
    }
}
