//! `cargo xtask dist`: what a release is made of.

mod archive;
mod manifest;
mod target;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use harness::{paths, run};
use target::Target;

use crate::{Outcome, cargo, say};

/// The plugins, as their binaries are called; the krew name is the same without `kubectl-`.
const PLUGINS: [&str; 4] = [
    "kubectl-etcd-backups",
    "kops-wipe-masters",
    "kubectl-etcd-restore",
    "kubectl-masterleases",
];

/// Build the release archives and the krew manifests into `dist/`
///
/// A manifest names the platforms whose archives of this version are in `dist/`: a release collects them from several
/// machines and then calls this with --no-build.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rust target to build for; the host's by default
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
    /// Only write the manifests of the archives that are there
    #[arg(long, conflicts_with = "target")]
    no_build: bool,
    /// Where the releases are, on GitHub
    #[arg(
        long,
        value_name = "OWNER/NAME",
        env = "GITHUB_REPOSITORY",
        default_value = "OWNER/kops-recovery"
    )]
    repository: String,
}

/// Builds, packs and writes; prints the files.
pub fn run(args: &Args) -> Outcome {
    let folder = paths::root().join("dist");
    fs::create_dir_all(&folder)?;
    let host = Target::host()?;
    let mut targets = args
        .target
        .iter()
        .map(|triple| Target::parse(triple))
        .collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        targets.push(host.clone());
    }
    for plugin in PLUGINS {
        for target in targets.iter().filter(|_| !args.no_build) {
            let path = folder.join(target.archive_name(plugin));
            fs::write(&path, pack(plugin, target, &host)?)?;
            say::line(&path.display().to_string());
        }
        say::line(
            &manifest::write(plugin, &args.repository, &folder)?
                .display()
                .to_string(),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The bytes of the archive: binary, licence, manual and completions.
fn pack(plugin: &str, target: &Target, host: &Target) -> Result<Vec<u8>, Box<dyn Error>> {
    say::note(&format!("building {plugin} for {}", target.triple));
    let binary = build(plugin, target)?;
    // Only a binary of this machine can be asked for its own manual.
    let asked = if target == host {
        binary.clone()
    } else {
        build(plugin, host)?
    };
    let ask = |arguments: &[&str]| run::run(std::process::Command::new(&asked).args(arguments));
    let mut files = archive::Archive::default();
    files.add(plugin, 0o755, &fs::read(&binary)?)?;
    files.add("LICENSE", 0o644, &fs::read(paths::root().join("LICENSE"))?)?;
    files.add(&format!("man/{plugin}.1"), 0o644, ask(&["man"])?.as_bytes())?;
    for shell in ["bash", "zsh", "fish"] {
        files.add(
            &format!("completions/{plugin}.{shell}"),
            0o644,
            ask(&["completion", shell])?.as_bytes(),
        )?;
    }
    files.finish()
}

fn build(plugin: &str, target: &Target) -> Result<PathBuf, Box<dyn Error>> {
    let arguments = [
        "build",
        "--locked",
        "--release",
        "--package",
        plugin,
        "--target",
        &target.triple,
    ];
    if !cargo(&arguments).status()?.success() {
        return Err(format!("{plugin} does not build for {}", target.triple).into());
    }
    Ok(crate::target_folder().join(&target.triple).join("release").join(plugin))
}
