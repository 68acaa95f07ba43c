//! `.cargo/protoc`: which protoc it runs, and what the cargo below it is told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::paths;
use tempfile::TempDir;

/// A machine with nothing but what the shim itself calls.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(machine.at("tools")).unwrap();
        for name in ["sh", "dirname", "env", "sed"] {
            let found = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
            let found = found.iter().find(|path| path.exists()).unwrap();
            symlink(found, machine.at("tools").join(name)).unwrap();
        }
        machine
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The shim as a build script calls it, with these folders before the tools.
    fn protoc(&self, folders: &[PathBuf]) -> Output {
        let tools = self.at("tools");
        let path = std::env::join_paths(folders.iter().chain([&tools])).unwrap();
        let told = [
            ("CARGO_TARGET_DIR", "/outer"),
            ("CARGO_ENCODED_RUSTFLAGS", "--bogus"),
            ("CARGO_BUILD_TARGET", "wasm32-unknown-unknown"),
            ("CARGO_PKG_NAME", "etcd-client"),
            ("RUSTFLAGS", "--bogus"),
            ("RUSTC_WRAPPER", "/outer"),
            ("RUSTC_WORKSPACE_WRAPPER", "/outer"),
            ("CARGO_HOME", "/home/cargo"),
            ("CARGO_NET_OFFLINE", "true"),
        ];
        Command::new(paths::root().join(".cargo/protoc"))
            .args(["--one", "two words"])
            .env_clear()
            .envs(told)
            .env("PATH", path)
            .env("CARGO", self.at("cargo"))
            .env("XDG_CACHE_HOME", self.at("cache"))
            .output()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_users_own_is_run_but_not_one_without_its_include_files() {
    let machine = Machine::new();
    machine.program("cargo", "exit 1");
    machine.program(
        "without/protoc",
        "case $* in *descriptor.proto) exit 1 ;; esac; echo without",
    );
    machine.program("own here/protoc", "printf '<%s>' \"$@\"");
    let ourselves = paths::root().join(".cargo");
    let said = machine.protoc(&[ourselves, machine.at("without"), machine.at("own here")]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(text(&said.stdout), "<--one><two words>");
}

#[test]
fn without_one_it_is_built_apart_from_the_build_that_wants_it() {
    let machine = Machine::new();
    let vendored = machine.program("vendored/protoc", "printf '<%s>' \"$@\"");
    let (told, called) = (machine.at("told"), machine.at("called"));
    machine.program(
        "cargo",
        &format!(
            "env > '{}'; echo \"$*\" > '{}'; echo '{}'",
            told.display(),
            called.display(),
            vendored.display()
        ),
    );
    let said = machine.protoc(&[]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(text(&said.stdout), "<--one><two words>");

    let told = fs::read_to_string(told).unwrap();
    let names = told.lines().filter_map(|line| Some(line.split_once('=')?.0));
    let mut names: Vec<&str> = names
        .filter(|name| name.starts_with("CARGO") || name.starts_with("RUST"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["CARGO_HOME", "CARGO_NET_OFFLINE"]);
    let called = fs::read_to_string(called).unwrap();
    let target = machine.at("cache/kops-recovery/protoc");
    assert!(called.starts_with("run ") && called.contains(" --locked "), "{called}");
    assert!(
        called.contains(&format!("--target-dir {}", target.display())),
        "{called}"
    );
}

#[test]
fn where_it_cannot_be_built_the_user_is_told_what_to_install() {
    let machine = Machine::new();
    machine.program("cargo", "echo 'error: no network' >&2; exit 101");
    let said = machine.protoc(&[]);
    assert_eq!(said.status.code(), Some(1));
    let told = text(&said.stderr);
    assert!(
        told.contains("error: no network") && told.contains("hint: install protoc"),
        "{told}"
    );
}
