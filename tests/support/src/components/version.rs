//! The version that a program tells of itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `major.minor.patch`.
pub(super) type Version = (u32, u32, u32);

/// The program `name` of the folder `KUBEBUILDER_ASSETS` (where Kubernetes developers keep etcd and kube-apiserver) or of the
/// user's `PATH`, if it is there and `fits` likes the version that `arguments` make it print.
pub(super) fn users_own(name: &str, arguments: &[&str], fits: impl Fn(Version) -> bool) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(|folder| Path::new(&folder).join(name));
    let candidates = assets.into_iter().chain(which::which(name).ok());
    candidates
        .into_iter()
        .find(|path| of(path, arguments).is_some_and(&fits))
}

fn of(program: &Path, arguments: &[&str]) -> Option<Version> {
    let output = Command::new(program).args(arguments).output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// The first word of `text` that looks like `1.2` or `1.2.3`, with or without a leading `v`.
pub(super) fn parse(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split('.').map(str::parse::<u32>);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        Some((major, minor, numbers.next().and_then(Result::ok).unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_what_the_programs_print() {
        assert_eq!(parse("etcdutl version: 3.6.16\nAPI version: 3.6\n"), Some((3, 6, 16)));
        assert_eq!(parse("etcd Version: 3.5.35\nGit SHA: Not provided"), Some((3, 5, 35)));
        assert_eq!(parse("version 30GB 4.48  linux amd64"), Some((4, 48, 0)));
        assert_eq!(parse("cargo-deny 0.19.0"), Some((0, 19, 0)));
        assert_eq!(parse("no version at all"), None);
    }
}
