//! A platform, as Rust and as krew name it.

use std::error::Error;
use std::process::Command;

use harness::run;

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

impl Target {
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
