//! What each plugin is made of, as CycloneDX: every crate with version, licence and checksum. Cargo tells features for the workspace as a
//! whole, so crates that only another plugin links are listed, too; none is left out.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{components, paths, run};

use super::target::VERSION;
use crate::plugins;

/// The other members of the workspace, for which the tool writes one as well.
const OTHERS: [&str; 3] = ["shared", "tests/support", "tests/xtask"];
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
        let made = root.join("plugins").join(plugin).join(&file);
        fs::write(&path, without_checkout_path(&fs::read_to_string(&made)?, &root))?;
        fs::remove_file(made)?;
        written.push(path);
    }
    for other in OTHERS {
        fs::remove_file(root.join(other).join(&file))?;
    }
    Ok(written)
}

/// Without the path of the checkout, which differs between machines.
fn without_checkout_path(text: &str, root: &Path) -> String {
    text.replace(&format!("file://{}", root.display()), "file://.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_checkout_is_removed() {
        let text = r#""bom-ref": "path+file:///home/me/kops/plugins/x#0.1.0", "url": "https://x/home/me""#;
        assert_eq!(
            without_checkout_path(text, Path::new("/home/me/kops")),
            r#""bom-ref": "path+file://./plugins/x#0.1.0", "url": "https://x/home/me""#
        );
    }
}
