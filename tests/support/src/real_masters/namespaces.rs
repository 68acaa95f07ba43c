//! Namespaces in which real masters live: what happens there reaches nobody outside, and ends with who started it.
//!
//! The first process within is the first of a namespace of processes. The kernel ends it when the one that entered ends, even by kill -9, and with
//! it all the others, and with them their mounts, networks, bridges and veths. Only control groups outlive their processes: they are named after the process that
//! entered, and removed by it, or else by the next one.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::run;

const ENTER: &str = include_str!("enter.sh");
const PROBE: &str = include_str!("probe.sh");
const WITHIN: &str = "KOPS_RECOVERY_NAMESPACES";
const PREFIX: &str = "kops-recovery-";
const GROUPS: &str = "/sys/fs/cgroup";

/// The address of the bridge, under which what runs within beside the masters is reached by them.
pub const BRIDGE: &str = "198.18.0.1";

/// Whether this process runs within.
#[must_use]
pub fn within() -> bool {
    env::var_os(WITHIN).is_some()
}

/// Runs `program` within, to its end. The thread that calls this must not end before. What an earlier process left is removed first, and what this one leaves
/// at its end.
///
/// # Errors
/// When it cannot be started.
pub fn enter(program: &Path, arguments: &[&str]) -> Result<ExitStatus, Error> {
    remove_what_the_dead_left();
    let id = std::process::id();
    let mut command = entering(id, program, arguments);
    let ended = command.status().map_err(|source| Error::Start {
        program: "sh".to_owned(),
        source,
    });
    remove_groups(&own_groups(id));
    ended
}

fn entering(id: u32, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", ENTER, "sh"]).arg(program).args(arguments);
    command.env("ID", id.to_string());
    command
}

/// Why this machine cannot have real masters; `None` where it can.
#[must_use]
pub fn refusal() -> Option<Refusal> {
    let id = run::run(Command::new("id").arg("-u")).unwrap_or_default();
    if id.trim() != "0" {
        return Some(Refusal::NoRoot);
    }
    for program in [
        "unshare",
        "nsenter",
        "setpriv",
        "ip",
        "mount",
        "awk",
        "tar",
        "sha256sum",
    ] {
        if which::which(program).is_err() {
            return Some(Refusal::Program(program));
        }
    }
    remove_what_the_dead_left();
    let own = std::process::id();
    let mut command = entering(own, Path::new("sh"), &["-c", PROBE]);
    let tried = run::run(&mut command);
    remove_groups(&own_groups(own));
    tried.err().map(|error| Refusal::Kernel(error.to_string()))
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only root makes such namespaces.
    NoRoot,
    /// A program of the distribution is missing.
    Program(&'static str),
    /// The kernel does not let us; what it said.
    Kernel(String),
}

impl Refusal {
    /// Whether CI takes it: what the machine cannot do, but not what was forgotten.
    #[must_use]
    pub const fn is_the_kernels(&self) -> bool {
        matches!(self, Self::Kernel(_))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRoot => f.write_str("real masters need root"),
            Self::Program(program) => write!(f, "real masters need the program {program}"),
            Self::Kernel(said) => write!(
                f,
                "this kernel lets us make no real masters: {}",
                said.replace('\n', " ")
            ),
        }
    }
}

/// What is left of the masters that process `id` started: control groups, processes in them, bridges and veths, mounts.
#[must_use]
pub fn left_of(id: u32) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for group in own_groups(id) {
        left.push(format!("group {}", group.display()));
        for folder in below(&group) {
            let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            left.extend(processes.lines().map(|pid| format!("process {pid}")));
        }
    }
    let links = run::run(Command::new("ip").args(["-o", "link"])).unwrap_or_default();
    let name = |line: &str| line.split(": ").nth(1).is_some_and(|name| name.starts_with("master"));
    left.extend(
        links
            .lines()
            .filter(|line| name(line))
            .map(|line| format!("link {line}")),
    );
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    left.extend(
        mounts
            .lines()
            .filter(|line| line.starts_with("masters "))
            .map(|line| format!("mount {line}")),
    );
    left.sort();
    left.dedup();
    left
}

/// Removes the control groups of processes that are no more.
pub fn remove_what_the_dead_left() {
    for group in groups() {
        let id = group
            .file_name()
            .and_then(|name| name.to_string_lossy().strip_prefix(PREFIX)?.parse::<u32>().ok());
        if id.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            remove_groups(&[group]);
        }
    }
}

fn own_groups(id: u32) -> Vec<PathBuf> {
    let name = format!("{PREFIX}{id}");
    groups().into_iter().filter(|group| group.ends_with(&name)).collect()
}

/// All of ours, in each hierarchy.
fn groups() -> Vec<PathBuf> {
    let hierarchies = entries(Path::new(GROUPS));
    let candidates = hierarchies
        .iter()
        .flat_map(|hierarchy| entries(hierarchy))
        .chain(hierarchies.clone());
    let ours = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
    };
    candidates.filter(ours).collect::<BTreeSet<_>>().into_iter().collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The folder and all below it, the deepest first.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = entries(folder).iter().flat_map(|inner| below(inner)).collect();
    found.push(folder.to_owned());
    found
}

/// A group can be removed once its last process is gone, which takes the kernel a moment.
fn remove_groups(groups: &[PathBuf]) {
    let begun = Instant::now();
    for folder in groups.iter().flat_map(|group| below(group)) {
        while fs::remove_dir(&folder).is_err() && folder.exists() && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}
