//! `cargo xtask kinds`.

mod table;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use flate2::{Compression, write::GzEncoder};
use support::{paths, run};

use crate::{Outcome, say};
use table::{Described, Table};

/// Write the table of the built-in kinds' fields from Kubernetes' Go types
///
/// The table is committed: `shared/src/model/kubernetes/whole/table/kinds.txt` to read, and the same compressed beside
/// it for the binaries. Needs Go and, the first time, the network.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Reads every version and writes the table of all.
pub fn run(_: &Args) -> Outcome {
    let mut table = Table::default();
    let versions = versions()?;
    for version in &versions {
        say::note(&format!("reading the types of Kubernetes {}", version.name));
        for conflict in table.add(describe(version)?) {
            say::note(&format!("  {conflict}"));
        }
    }
    let text = committed(&versions, &table)?;
    let [plain, packed] = files();
    let compressed = compressed(&text)?;
    say::line(&format!(
        "{} bytes, compressed {}: {}",
        text.len(),
        compressed.len(),
        plain.display()
    ));
    fs::create_dir_all(plain.parent().unwrap_or(&plain))?;
    fs::write(&plain, text)?;
    fs::write(packed, compressed)?;
    Ok(ExitCode::SUCCESS)
}

/// The table, as text and compressed.
fn files() -> [PathBuf; 2] {
    ["kinds.txt", "kinds.txt.gz"].map(|name| paths::root().join("shared/src/model/kubernetes/whole/table").join(name))
}

fn module() -> PathBuf {
    paths::root().join("tests/components/kinds")
}

/// A version of Kubernetes: its modules, and the hashes of their content as go.sum has them.
struct Version {
    name: String,
    modules: Vec<[String; 3]>,
}

/// The pinned ones, oldest first. Every minor version is among them, as kinds and fields of alpha versions come and go.
fn versions() -> Result<Vec<Version>, Box<dyn Error>> {
    let mut versions = BTreeMap::new();
    for line in fs::read_to_string(module().join("versions.txt"))?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [path, version, sum] = words[..] else {
            return Err(format!("versions.txt: {line}").into());
        };
        let modules: &mut Vec<_> = versions.entry(version.to_owned()).or_default();
        modules.push([path, version, sum].map(str::to_owned));
    }
    // Two digits in all of them: their texts are in order.
    Ok(versions
        .into_iter()
        .map(|(name, modules)| Version { name, modules })
        .collect())
}

/// The types of one version.
fn describe(version: &Version) -> Result<Described, Box<dyn Error>> {
    let mut go = Command::new("go");
    go.current_dir(module()).args(["run", "-buildvcs=false", "."]);
    for [path, version, sum] in &version.modules {
        let mut download = Command::new("go");
        download.current_dir(module()).args(["mod", "download", "-json"]);
        let answer: Described = serde_json::from_str(&run::run(download.arg(format!("{path}@{version}")))?)?;
        let text = |name: &str| answer.get(name).and_then(Described::as_str).unwrap_or_default();
        if text("Sum") != sum {
            return Err(format!("{path} {version} is {}, not {sum}", text("Sum")).into());
        }
        go.arg(format!("{path}={}", text("Dir")));
    }
    Ok(serde_json::from_str(&run::run(&mut go)?)?)
}

/// The text that is committed.
fn committed(versions: &[Version], table: &Table) -> Result<String, Box<dyn Error>> {
    let names: Vec<&str> = versions.iter().map(|version| version.name.as_str()).collect();
    Ok(format!(
        "# Written by `cargo xtask kinds` from the Go types of k8s.io/api {}: do not edit. tests/xtask/src/kinds/table.rs \
         describes it.\n{table}",
        names.join(", ")
    ))
}

fn compressed(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes())?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_committed_table_is_what_is_written() {
        let versions = versions().unwrap();
        let mut table = Table::default();
        for version in &versions {
            table.add(describe(version).unwrap());
        }
        let [plain, packed] = files().map(|path| fs::read(path).unwrap());
        assert!(
            committed(&versions, &table).unwrap().as_bytes() == plain,
            "run `cargo xtask kinds`"
        );
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain, "run `cargo xtask kinds`");
    }
}
