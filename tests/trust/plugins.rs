//! The four binaries, built once, and the commands that their help names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::{Cmd, paths};

/// The binaries, and the words that a command line begins with.
pub const PLUGINS: [(&str, &str); 4] = [
    ("kubectl-etcd-backups", "etcd-backups"),
    ("kubectl-etcd-restore", "etcd-restore"),
    ("kubectl-masterleases", "masterleases"),
    ("kops-wipe-masters", "kops-wipe-masters"),
];

/// The folder that this test was built into, and that the binaries are built into.
fn folder() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let this = std::env::current_exe().unwrap();
        let folder = this.parent().unwrap().parent().unwrap().to_owned();
        // A test of no plugin's own: cargo builds their binaries for theirs only.
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(paths::root()).args(["build", "--quiet", "--locked"]);
        for (package, _) in PLUGINS {
            build.args(["--package", package]);
        }
        build.arg("--target-dir").arg(folder.parent().unwrap());
        assert!(build.status().unwrap().success(), "the plugins do not build");
        folder
    })
}

/// A command of the plugin with this binary.
pub fn cmd(binary: &str) -> Cmd {
    Cmd::new(folder().join(binary)).unwrap()
}

/// Every command that the help of all plugins names, down to those without subcommands: `etcd-restore cleanup nodes`. A plugin
/// that does something without a subcommand is in it by its name alone.
pub fn all() -> Vec<String> {
    let mut found = Vec::new();
    for (binary, name) in PLUGINS {
        descend(binary, name, &mut Vec::new(), &mut found);
    }
    found
}

fn descend(binary: &str, name: &str, words: &mut Vec<String>, found: &mut Vec<String>) {
    let help = cmd(binary).args(&*words).arg("--help").run().unwrap().success().stdout;
    let below = subcommands(&help);
    let alone = help.contains("[COMMAND]");
    if below.is_empty() || alone {
        let whole: Vec<&str> = std::iter::once(name).chain(words.iter().map(String::as_str)).collect();
        found.push(whole.join(" "));
    }
    for word in below {
        words.push(word);
        descend(binary, name, words, found);
        words.pop();
    }
}

/// The names under `Commands:`; a name stands two columns in, what follows of its text stands further in.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}
