//! `cargo xtask dist`: the files of a release.

mod archive;
mod install;
mod manifest;
mod sbom;
mod target;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use flate2::Compression;
use support::{paths, run};
use target::Target;

use crate::{Outcome, plugins, say, target_folder};

/// Build the release archives and the krew manifests into `dist/`
///
/// Builds for every platform that this machine can build for: on Linux both architectures, against an old glibc; on macOS both. Each archive
/// that runs here is then installed as krew does it, and tested with kubectl. A manifest has the platforms whose archives of this version are
/// in `dist/`: a release collects them from several machines and then calls this with --no-build.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rust target to build for [default: all that this machine can build for]
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
    /// Only test and list the archives in `dist/`
    #[arg(long, conflicts_with = "target")]
    no_build: bool,
    /// GitHub repository of the releases
    #[arg(
        long,
        value_name = "OWNER/NAME",
        env = "GITHUB_REPOSITORY",
        default_value = "OWNER/kops-recovery"
    )]
    repository: String,
}

/// Builds, packs and tests the archives, writes the manifests, and prints the files.
pub fn run(args: &Args) -> Outcome {
    let folder = paths::root().join("dist");
    fs::create_dir_all(&folder)?;
    let host = Target::host()?;
    if !args.no_build {
        let chosen = args
            .target
            .iter()
            .map(|triple| Target::parse(triple))
            .collect::<Result<Vec<_>, _>>()?;
        let targets = if chosen.is_empty() {
            target::buildable_on(&host)?
        } else {
            chosen
        };
        build(&targets, &host, &folder)?;
        for path in sbom::write(&folder)? {
            say::line(&path.display().to_string());
        }
    }
    let mut missing = Vec::new();
    for target in target::all()? {
        for plugin in plugins::ALL {
            let archive = folder.join(target.archive_name(plugin));
            if !archive.exists() {
                missing.push(target.archive_name(plugin));
            } else if target.runs_on(&host) {
                let tried = install::try_out(plugin, &archive)?;
                say::line(&format!(
                    "{}\tinstalled as krew does it, and tested: {tried}",
                    archive.display()
                ));
            } else {
                say::line(&format!("{}\tnot for this machine: not tested", archive.display()));
            }
        }
    }
    for plugin in plugins::ALL {
        let path = manifest::write(plugin, &args.repository, &folder)?;
        say::line(&path.display().to_string());
    }
    if !missing.is_empty() {
        say::note(&format!(
            "not built here, only on a machine of that platform or by the release workflow: {}",
            missing.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn build(targets: &[Target], host: &Target, folder: &Path) -> Result<(), Box<dyn Error>> {
    let built = targets
        .iter()
        .map(|target| {
            say::note(&format!("building for {}", target.triple));
            Ok((target, target.build(host)?))
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    // Manuals and completions are the same on all platforms; a binary that runs here prints them.
    let own = built.iter().find(|(target, _)| target.runs_on(host));
    let runnable = match own {
        Some((_, binaries)) => binaries.clone(),
        None => {
            plugins::build(&plugins::ALL, &[])?;
            target_folder().join("debug")
        }
    };
    for (target, binaries) in &built {
        for plugin in plugins::ALL {
            let path = folder.join(target.archive_name(plugin));
            fs::write(
                &path,
                pack(
                    plugin,
                    &binaries.join(plugin),
                    &runnable.join(plugin),
                    Compression::best(),
                )?,
            )?;
        }
    }
    Ok(())
}

/// The bytes of the archive: binary, licence, manual and completions. `runnable` is the same program for this machine.
fn pack(plugin: &str, binary: &Path, runnable: &Path, level: Compression) -> Result<Vec<u8>, Box<dyn Error>> {
    let ask = |arguments: &[&str]| run::run(std::process::Command::new(runnable).args(arguments));
    let mut files = archive::Archive::new(level);
    files.add(plugin, 0o755, &fs::read(binary)?)?;
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
