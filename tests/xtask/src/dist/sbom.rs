//! What each plugin is made of, as CycloneDX: every crate with version, licence and checksum.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{components, paths, run};

use super::target::VERSION;
use crate::plugins;

/// The other members of the workspace, for which the tool writes one as well.
const OTHERS: [&str; 3] = ["shared", "tests/harness", "tests/xtask"];
const FILE: &str = "kops-recovery-sbom";

/// Writes one a plugin into `folder`, and gives the paths.
pub(super) fn write(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let root = paths::root();
    let mut tool = Command::new(components::cargo_cyclonedx()?);
    tool.current_dir(&root)
        .args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5"]);
    run::run(tool.args(["--override-filename", FILE]))?;
    let file = format!("{FILE}.json");
    let mut written = Vec::new();
    for plugin in plugins::ALL {
        let path = folder.join(format!("{plugin}_{VERSION}.cdx.json"));
        fs::rename(root.join("plugins").join(plugin).join(&file), &path)?;
        written.push(path);
    }
    for other in OTHERS {
        fs::remove_file(root.join(other).join(&file))?;
    }
    Ok(written)
}
