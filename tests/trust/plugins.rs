//! The four binaries, built once, and the commands that their help names.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use support::reference::{Page, pages};
use support::{Cmd, plugins};

/// The folder that this test was built into, and that the binaries are built into.
fn folder() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| plugins::beside_this_test().unwrap())
}

/// A command of the plugin with this binary.
pub fn cmd(binary: &str) -> Cmd {
    Cmd::new(folder().join(binary)).unwrap()
}

/// The binary of the plugin that krew, and our tables, call so.
pub fn binary(name: &str) -> Option<&'static str> {
    plugins::ALL
        .into_iter()
        .find(|plugin| plugins::krew_name(plugin) == name)
}

/// Every command that the help of all plugins names, down to those without subcommands: `etcd-restore cleanup nodes`. A plugin
/// that does something without a subcommand is in it by its name alone.
pub fn all() -> Vec<String> {
    let of = |plugin: &str| pages(&folder().join(plugin), plugins::krew_name(plugin)).unwrap();
    let pages = plugins::ALL.into_iter().flat_map(of);
    pages.filter(Page::is_a_command).map(|page| page.typed).collect()
}
